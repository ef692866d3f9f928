"""Measures of generated samples against real ones: fidelity, diversity, modes."""
