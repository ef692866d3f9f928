"""What each way to leave D unchanged in G's step does to a D with batch norm, measured.

    KERAS_BACKEND=torch python tests/training/wiring/batch_norm.py    # a table, as Markdown

Small convolutional GANs on scikit-learn's 8x8 digits, trained with ``train_on_batch`` as the
programs of the Keras-GAN collection are, or with a ``train_step``. Each way is trained under the
monitor. Then D scores the same samples of G as in its own step and as in G's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits
from tiny import GAN

import keras_collapse as kc
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.wiring.fit_wiring import moved, values_of

LATENT, BATCH, LAST = 16, 32, 50
STEPS = 200
SEEDS = (0, 1, 2)
FAULTS = ("batchnorm_mismatch", "discriminator_leak")
Flags = Callable[[keras.Model, bool], None]


@dataclass(frozen=True)
class Way:
    """One way to leave D unchanged in G's step.

    Args:
        freeze: sets or removes what keeps D's weights; None for nothing.
        norm: makes D's normalization layers.
        training: what D is called with in G's step; None for Keras' own choice, True there.
        momentum: of G's batch norm.
        in_training: whether G is in training mode where it draws D's fakes in a loop.
        rate: D's learning rate.
    """

    freeze: Flags | None = None
    norm: Callable[[], keras.layers.Layer] = layers.BatchNormalization
    training: bool | None = None
    momentum: float = 0.8
    in_training: bool = False
    rate: float = 2e-4


@dataclass(frozen=True)
class Measured:
    """What one training showed.

    Args:
        kinds: of `FAULTS`, those that the monitor found.
        gap: the largest difference between the scores of one sample in both steps.
        moved: how many of D's trainable weights one more step of G's changes.
        fooled: the share of fakes that D calls real in G's step, and in its own; last steps.
    """

    kinds: frozenset[str]
    gap: float
    moved: int
    fooled: tuple[float, float]


def network(d: keras.Model, free: bool) -> None:
    """The textbook's way."""
    d.trainable = free


def layers_without_norm(d: keras.Model, free: bool) -> None:
    """Every layer but batch norm, so that its scale and shift stay trainable."""
    for layer in d.layers:
        if not isinstance(layer, layers.BatchNormalization):
            layer.trainable = free


def weights(d: keras.Model, free: bool) -> None:
    """D's weights, and not its layers: batch norm keeps its mode."""
    for weight in _weights(d):
        weight.trainable = free


def _weights(d: keras.Model) -> list[Any]:
    return [w for w in d.weights if not w.name.startswith("moving_")]


LOOPS = {
    "D frozen": Way(network),
    "D frozen, called with `training=True`": Way(network, training=True),
    "D's other layers frozen": Way(layers_without_norm),
    "D's weights frozen": Way(weights),
    "D frozen, with layer norm": Way(network, lambda: layers.LayerNormalization(axis=(1, 2, 3))),
    "D frozen, with group norm": Way(network, lambda: layers.GroupNormalization(4)),
}
FITS = {
    "D frozen": Way(network, training=True),
    "called with `training=False`": Way(training=False),
    "called with `training=True`": Way(training=True),
    "D's weights frozen": Way(weights, training=True),
    "D frozen, with layer norm": Way(
        network, lambda: layers.LayerNormalization(axis=(1, 2, 3)), training=True
    ),
    "D frozen, with group norm": Way(network, lambda: layers.GroupNormalization(4), training=True),
}
"""Ways in a ``train_step`` with two optimizers, each given the weights of its network only."""

G_MODES = {
    "G's momentum 0.99, fakes from `predict`": Way(weights, layers.Identity, None, 0.99, rate=1e-3),
    "G's momentum 0.99, fakes in training mode": Way(
        weights, layers.Identity, None, 0.99, True, rate=1e-3
    ),
    "G's momentum 0.8, fakes from `predict`": Way(weights, layers.Identity, rate=1e-3),
}
"""Ways to draw the fakes of a D without batch norm, which learns faster than G."""


def generator(momentum: float) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(2 * 2 * 32),
            layers.BatchNormalization(momentum=momentum),
            layers.ReLU(),
            layers.Reshape((2, 2, 32)),
            layers.Conv2DTranspose(16, 4, 2, "same"),
            layers.BatchNormalization(momentum=momentum),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh"),
        ],
        name="generator",
    )


def discriminator(norm: Callable[[], keras.layers.Layer]) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, 2, "same"),
            norm(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(32, 3, 2, "same"),
            norm(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="discriminator",
    )


def digits() -> np.ndarray:
    """1,792 digits of 8x8 pixels, float32 in [-1, 1]."""
    images = load_digits().images[: len(load_digits().images) // BATCH * BATCH]
    return np.asarray(images[..., None] / 8 - 1, "float32")


def train_loop(way: Way, steps: int = STEPS, seed: int = 0) -> Measured:
    """Train as the Keras-GAN collection's programs do, with the flags set before each call."""
    kc.seed_everything(seed)
    g, d, images = generator(way.momentum), discriminator(way.norm), digits()
    compiled = {"loss": "binary_crossentropy", "metrics": ["accuracy"], "jit_compile": False}
    d.compile(keras.optimizers.Adam(way.rate, 0.5), **compiled)
    z = keras.Input((LATENT,))
    scored = d(g(z)) if way.training is None else d(g(z), training=way.training)
    combined = keras.Model(z, scored)
    combined.compile(keras.optimizers.Adam(2e-4, 0.5), **compiled)
    freeze = way.freeze or (lambda *_: None)
    ones, zeros = np.ones((BATCH, 1), "float32"), np.zeros((BATCH, 1), "float32")
    rng, monitor = np.random.default_rng(seed), kc.CollapseMonitor(verbose=0)
    fooled = []
    with monitor.watching(generator=g, discriminator=d, combined=combined):
        for _ in range(steps):
            latents = rng.standard_normal((BATCH, LATENT), "float32")
            freeze(d, True)
            d.train_on_batch(images[rng.integers(len(images), size=BATCH)], ones)
            fakes = _in_training(g, latents) if way.in_training else g.predict_on_batch(latents)
            on_fake = d.train_on_batch(fakes, zeros)
            freeze(d, False)
            on_g = combined.train_on_batch(latents, ones)
            fooled.append((float(on_g[1]), 1 - float(on_fake[1])))

    def one_step() -> None:
        freeze(d, False)
        combined.train_on_batch(latents, ones)

    return _measured(monitor, g, d, way, fooled, one_step)


def _in_training(g: keras.Model, latents: np.ndarray) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.stop_gradient(g(latents, training=True))))


class Toggling(GAN):
    """Sets the flags within its step, as programs do that were changed from such a loop."""

    way: Way

    def _generator_loss(self, real: Any) -> Any:
        freeze = self.way.freeze or (lambda *_: None)
        freeze(self.discriminator, False)
        fakes = self._draw(ops.shape(real)[0])
        scores = self.discriminator(fakes, training=self.way.training)
        freeze(self.discriminator, True)
        loss = -ops.mean(ops.log(scores + 1e-7))
        return loss, {"g_loss": loss, "g_acc": ops.mean(scores > 0.5)}


def train_fit(way: Way, steps: int = STEPS, seed: int = 0) -> Measured:
    """Train with a ``train_step``; whole epochs of at most 56 steps."""
    kc.seed_everything(seed)
    gan, images = Toggling(generator(way.momentum), discriminator(way.norm), seed=seed), digits()
    gan.way = way
    gan.compile(
        keras.optimizers.Adam(2e-4, 0.5), keras.optimizers.Adam(2e-4, 0.5), jit_compile=False
    )
    each = min(len(images) // BATCH, steps)
    images = images[: each * BATCH]
    settings = {"batch_size": BATCH, "verbose": 0}
    monitor = kc.CollapseMonitor(verbose=0)
    rounds = -(-steps // each)
    history = gan.fit(images, epochs=rounds, callbacks=[monitor], **settings).history
    fooled = [(history["g_acc"][-1], 1 - history["d_acc_fake"][-1])]

    def one_step() -> None:
        """One more step in which D's own update does nothing."""
        (way.freeze or (lambda *_: None))(gan.discriminator, True)
        gan.d_optimizer.learning_rate = 0.0
        gan.fit(images[:BATCH], epochs=1, **settings)

    return _measured(monitor, gan.generator, gan.discriminator, way, fooled, one_step)


def _measured(
    monitor: kc.CollapseMonitor,
    g: keras.Model,
    d: keras.Model,
    way: Way,
    fooled: list[tuple[float, float]],
    one_step: Callable[[], None],
) -> Measured:
    freeze = way.freeze or (lambda *_: None)
    rng = np.random.default_rng(99)
    samples = g(rng.standard_normal((BATCH, LATENT), "float32"), training=False)
    with preserve_state(d.variables):
        freeze(d, True)
        in_own = ops.convert_to_numpy(d(samples, training=True))
        freeze(d, False)
        called = True if way.training is None else way.training
        in_gs = ops.convert_to_numpy(d(samples, training=called))
    before = values_of(_weights(d))
    one_step()
    kinds = {finding.kind for finding in monitor.verdict.findings}
    last = np.mean(fooled[-LAST:], axis=0)
    return Measured(
        frozenset(kinds & set(FAULTS)),
        float(np.abs(in_own - in_gs).max()),
        len(moved(_weights(d), before)),
        (float(last[0]), float(last[1])),
    )


def main(arguments: list[str]) -> None:
    print(
        "| loop | in G's step | found | largest gap of scores | weights of D that G's step moves | "
        "fooled in G's step, in its own |\n|---|---|---|---|---|---|"
    )
    steps = int(arguments[0]) if arguments else STEPS
    for loop, ways, train in (
        ("`train_on_batch`", LOOPS, train_loop),
        ("`train_step`", FITS, train_fit),
        ("`train_on_batch`", G_MODES, train_loop),
    ):
        for name, way in ways.items():
            runs = [train(way, steps, seed) for seed in SEEDS]
            kinds = " / ".join(dict.fromkeys(", ".join(sorted(r.kinds)) or "nothing" for r in runs))
            gaps = f"{min(r.gap for r in runs):.2g}–{max(r.gap for r in runs):.2g}"
            counts = " / ".join(map(str, dict.fromkeys(r.moved for r in runs)))
            shares = ", ".join(f"{np.mean([r.fooled[i] for r in runs]):.0%}" for i in (0, 1))
            print(f"| {loop} | {name} | {kinds} | {gaps} | {counts} | {shares} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
