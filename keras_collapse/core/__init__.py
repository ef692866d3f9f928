"""Numbers in, findings out: Python and NumPy only, no Keras, no MLflow, no Rich."""
