"""Temporary patches of methods: batches and optimizer calls seen as they pass."""
