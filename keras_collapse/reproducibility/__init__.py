"""Seeds, fingerprints, and the comparison of two runs."""
