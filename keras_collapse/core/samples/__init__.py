"""Sample checks: fidelity, diversity and modes of generated samples against real ones."""
