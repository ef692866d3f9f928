"""What trials cost: forecasts of their time, and the budget that they may spend."""
