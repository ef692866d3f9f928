"""The three ways to train that are monitored: fit, train_on_batch, and manual updates."""
