"""Readers of a run that another process is training."""
