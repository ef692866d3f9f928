"""Where findings go: terminal, reports, MLflow, TensorBoard, Weights & Biases."""
