"""Readings: recognised log keys, un-averaged numbers and their uncertainty."""
