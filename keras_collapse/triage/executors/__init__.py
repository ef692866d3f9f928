"""Where trials run: this machine's CPUs and GPUs, or a Ray cluster."""
