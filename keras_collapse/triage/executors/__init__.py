"""Where trials run: this machine's GPUs and cores, or a Ray cluster."""
