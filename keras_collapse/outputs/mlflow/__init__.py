"""MLflow: an outbox on disk, one sender, and what a run contains."""
