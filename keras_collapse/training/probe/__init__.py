"""Sample checks during training: fixed latents, real samples, pictures."""
