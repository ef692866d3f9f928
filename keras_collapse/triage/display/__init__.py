"""What a person sees of a triage while it runs."""
