"""G and D on a model: found, sampled, described, and left unchanged."""
