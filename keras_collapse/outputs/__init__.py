"""Where findings go: the terminal and MLflow."""
