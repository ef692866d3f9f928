"""Controlled experiments on a user's GAN, and what they show."""
