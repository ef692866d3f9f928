"""One trial: the process that runs it, its callback, its settings, its outcome."""
