"""From logged numbers to readings: names recognised, averaging undone."""
