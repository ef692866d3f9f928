"""Everything that touches Keras: the monitor, its hooks, the probe, the wiring checks."""
