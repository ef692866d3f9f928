"""From the results of trials to a root cause, and the next trials to run."""
