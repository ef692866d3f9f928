"""What a terminal shows: the verdict, the live panel, a triage's progress."""
