"""What a sample check saves: G's weights in files, and a point to roll the training back to."""
