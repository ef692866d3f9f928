"""Controlled experiments: trials of a person's own GAN, the cause they show, and its cure."""
