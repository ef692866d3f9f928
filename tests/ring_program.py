"""A person's file for the triage: a small GAN of the examples."""

from __future__ import annotations

from paths import EXAMPLES

CODE = f"""
import sys
sys.path.insert(0, {str(EXAMPLES)!r})
import ring_gan

def train(trial):
    gan, points = ring_gan.build(trial.params.get("fault"), trial.seed)
    gan.fit(points[:1024], batch_size=trial.batch_size, epochs=trial.epochs,
            verbose=0, callbacks=trial.callbacks)
"""
