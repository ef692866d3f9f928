"""What callbacks cost GANs with convolutions, as a share of the training: ``make bench-overhead``.

    KERAS_BACKEND=tensorflow python tests/costs/image_overhead.py camel [--seconds 330]

A round runs the same ``fit`` once with each of the callbacks, in random order, in one process.
Records are kept as ``overhead.py`` keeps its own, and stand on the same page.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import camel_gan
import keras
import numpy as np
from keras import layers
from overhead import (
    MAKE,
    SLOW_EVERY,
    STORE,
    WITH_MLFLOW,
    Rounds,
    measure,
    options_parser,
    without_pauses,
)
from overhead_page import FIRST, SHARES

import keras_collapse as kc
from keras_collapse.outputs.mlflow import budget

EPOCHS = 3


def camel() -> tuple[camel_gan.GAN, np.ndarray, int]:
    """The example's small GAN with its 4096 drawings, and its batch size."""
    return *camel_gan.build("small", seed=0), camel_gan.PRESETS["small"].batch_size


def dcgan64() -> tuple[camel_gan.GAN, np.ndarray, int]:
    """A DCGAN (Radford et al. 2016) of 64 x 64 x 3 images, with a quarter of its width."""
    given = x = keras.Input((100,))
    x = layers.Reshape((4, 4, 256))(layers.Dense(4 * 4 * 256)(x))
    for width in (128, 64, 32):
        x = layers.Conv2DTranspose(width, 4, 2, "same")(layers.ReLU()(x))
        x = layers.BatchNormalization()(x)
    x = layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")(layers.ReLU()(x))
    generator = keras.Model(given, x)
    given = x = keras.Input((64, 64, 3))
    for width in (32, 64, 128, 256):
        x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(width, 4, 2, "same")(x))
    real = layers.Dense(1, activation="sigmoid")(layers.Flatten()(x))
    gan = camel_gan.GAN(generator, keras.Model(given, real), seed=0)
    gan.compile(keras.optimizers.Adam(2e-4, 0.5), keras.optimizers.Adam(2e-4, 0.5))
    images = np.random.default_rng(0).uniform(-1, 1, (3200, 64, 64, 3)).astype("float32")
    return gan, images, 32


GANS: dict[str, Callable[[], tuple[camel_gan.GAN, np.ndarray, int]]] = {
    "camel": camel,
    "dcgan64": dcgan64,
}


def main() -> None:
    parser = options_parser()
    parser.add_argument("gan", choices=GANS)
    options = parser.parse_args()
    rounds = Rounds(f"{keras.backend.backend()}-{options.gan}", options)
    budget.LEAST_SECONDS = 0.0  # what is granted once to each run would pay for the whole fit
    keras.utils.set_random_seed(0)
    gan, images, batch = GANS[options.gan]()
    batches = without_pauses(images, batch)
    shuffle = random.Random(len(rounds)).shuffle
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        callbacks = {name: MAKE[name](Path(tempfile.mkdtemp(dir=temporary))) for name in SHARES}
        for name in SHARES:  # compiles, imports and checks the wiring
            measure(gan, batches, name, 1, callbacks[name])
        while rounds.go_on:
            order = [*SHARES, FIRST] if len(rounds) % SLOW_EVERY == 0 else list(SHARES)
            shuffle(order)
            records = []
            for name in order:
                if name == FIRST:
                    callbacks[name] = MAKE[name](Path(tempfile.mkdtemp(dir=temporary)))
                if name == WITH_MLFLOW:  # what is saved in other fits could be spent here
                    callbacks[name][1] = kc.MLflowLogger(tracking_uri=STORE)
                records.append(measure(gan, batches, name, EPOCHS, callbacks[name]))
                records[-1]["steps"] = EPOCHS * -(-len(images) // batch)
            rounds.keep(records)


if __name__ == "__main__":
    main()
