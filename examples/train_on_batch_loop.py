"""The most copied GAN loop in Keras, as people have it: with its fault, and with the cure.

    python examples/train_on_batch_loop.py           # says discriminator_leak in the first step
    python examples/train_on_batch_loop.py --cure    # the two lines that mend it

Keras 2 kept ``trainable`` as it was when a model was compiled. Keras 3 reads it when a step is
first run: here D is trainable again by then, so G's step trains D as well.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
import quickdraw
from camel_gan import LATENT_DIM, build_discriminator, build_generator

import keras_collapse as kc

BATCH_SIZE = 64
WIDTH = 0.25


def train(steps: int, cure: bool = False, seed: int = 42) -> kc.CollapseMonitor:
    """Train on camel drawings, one batch a step; the monitor says what is wrong."""
    kc.seed_everything(seed)
    images = quickdraw.load("camel", count=4096).scaled()

    generator, discriminator = build_generator(WIDTH), build_discriminator(WIDTH)
    discriminator.compile(
        keras.optimizers.RMSprop(8e-4), loss="binary_crossentropy", metrics=["accuracy"]
    )
    discriminator.trainable = False
    gan = keras.Sequential([keras.Input((LATENT_DIM,)), generator, discriminator])
    gan.compile(keras.optimizers.RMSprop(4e-4), loss="binary_crossentropy", metrics=["accuracy"])
    discriminator.trainable = True

    rng = np.random.default_rng(seed)
    real, fake = np.ones((BATCH_SIZE, 1), "float32"), np.zeros((BATCH_SIZE, 1), "float32")
    monitor = kc.CollapseMonitor()
    with monitor.watching(generator=generator, discriminator=discriminator, combined=gan):
        for _ in range(steps):
            latents = rng.standard_normal((BATCH_SIZE, LATENT_DIM), dtype="float32")
            if cure:
                discriminator.trainable = True
            discriminator.train_on_batch(images[rng.integers(len(images), size=BATCH_SIZE)], real)
            discriminator.train_on_batch(generator.predict(latents, verbose=0), fake)
            if cure:
                discriminator.trainable = False
            gan.train_on_batch(latents, real)
    return monitor


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The loop of the guide, with or without its leak.")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--cure", action="store_true", help="freeze D whenever G's step runs")
    parser.add_argument("--seed", type=int, default=42)
    chosen = parser.parse_args(arguments)
    monitor = train(chosen.steps, chosen.cure, chosen.seed)
    return 1 if monitor.verdict.status == "failed" else 0


if __name__ == "__main__":
    raise SystemExit(main())
