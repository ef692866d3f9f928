"""Which step updates which network, and the audit of one step."""
