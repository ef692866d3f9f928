"""All that touches Keras: the monitor, the seeds, the networks."""
