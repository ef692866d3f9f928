"""Small GANs on a ring of eight Gaussians, without or with one of many faults, in seconds.

The faults are those of the detection benchmark (docs/benchmarks/detection.md)::

    python examples/ring_gan.py                     # without a fault
    python examples/ring_gan.py --fault g_too_fast  # or: keras-collapse demo --fault g_too_fast
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from camel_gan import GAN
from keras import layers, ops

import keras_collapse as kc

LATENT_DIM = 8
MODES = 8
SPREAD = 0.05
"""Standard deviation of each mode; the ring has radius 1."""
POINTS = 4096
STEPS = 3000


@dataclass(frozen=True)
class Cause:
    """The settings of a GAN that can make it fail; the defaults have no fault.

    Args:
        d_rate, g_rate: learning rates of Adam; 0 freezes the network.
        leak: whether G's step trains D too.
        label_noise: probability that a label is flipped in D's step.
        instance_noise: standard deviation of the noise added to D's inputs.
        scale: factor of the data.
        init: factor of G's initial weights.
        objective: ``"bce"``, ``"saturating"``, ``"least_squares"`` or ``"hinge"``.
        g_widths, d_widths: units of the hidden layers.
        dropout: dropout rate of D.
        batch_size: samples per step.
    """

    d_rate: float = 2e-3
    g_rate: float = 5e-4
    leak: bool = False
    label_noise: float = 0.0
    instance_noise: float = 0.0
    scale: float = 1.0
    init: float = 1.0
    objective: str = "bce"
    g_widths: tuple[int, ...] = (64, 64)
    d_widths: tuple[int, ...] = (64, 64)
    dropout: float = 0.0
    batch_size: int = 128


CAUSES = {
    "frozen_d": Cause(d_rate=0.0, g_rate=1e-3),
    "frozen_g": Cause(d_rate=1e-3, g_rate=0.0),
    "d_too_slow": Cause(d_rate=1e-5, g_rate=1e-3),
    "d_too_fast": Cause(d_rate=2e-2, g_rate=1e-4),
    "g_too_slow": Cause(d_rate=1e-3, g_rate=1e-6),
    "g_too_fast": Cause(d_rate=1e-3, g_rate=1e-2),
    "label_noise": Cause(d_rate=1e-3, g_rate=1e-3, label_noise=0.45),
    "range_mismatch": Cause(d_rate=1e-3, g_rate=1e-3, scale=10.0),
    "bad_initialization": Cause(d_rate=1e-3, g_rate=1e-3, init=5.0),
    "instance_noise": Cause(d_rate=1e-3, g_rate=1e-3, instance_noise=1.0),
    "nan_rate": Cause(d_rate=1e3, g_rate=1e3),
    "weak_d": Cause(d_rate=1e-3, g_rate=1e-3, d_widths=(4,)),
    "strong_d": Cause(d_rate=1e-3, g_rate=1e-3, g_widths=(16,), d_widths=(128, 128, 128)),
    "high_dropout": Cause(d_rate=1e-3, g_rate=1e-3, dropout=0.8),
    "saturating_loss": Cause(objective="saturating"),
    "large_batch": Cause(batch_size=512),
    "ring_leak": Cause(d_rate=1e-3, g_rate=1e-3, leak=True),
}
"""Faults by name. Whether a fault makes the training fail depends on the seed."""


class RingGAN(GAN):
    """The GAN of `camel_gan` with scores instead of probabilities, and settings of a `Cause`."""

    def __init__(
        self, generator: keras.Model, discriminator: keras.Model, cause: Cause, seed: int | None
    ) -> None:
        super().__init__(generator, discriminator, seed, "leak" if cause.leak else None)
        self.cause = cause
        self.middle = middle(cause.objective)
        self.noise_seed = keras.random.SeedGenerator(None if seed is None else seed + 1)

    def _train_discriminator(self, real: Any) -> dict[str, Any]:
        """One step on real and fake samples together, also with a leak, as in the benchmark."""
        d_variables = self.discriminator.trainable_variables
        return self._descend(self.d_optimizer, d_variables, lambda: self._discriminator_loss(real))

    def _loss_on_real(self, real: Any) -> Any:
        score = self._score(real)
        loss = ops.mean(d_terms(self.cause.objective, score, self._labels(score, 1.0)))
        return loss, {
            "d_loss_real": loss,
            "d_acc_real": ops.mean(score > self.middle),
        }

    def _loss_on_fake(self, real: Any) -> Any:
        score = self._score(self._draw(ops.shape(real)[0]))
        loss = ops.mean(d_terms(self.cause.objective, score, self._labels(score, 0.0)))
        return loss, {
            "d_loss_fake": loss,
            "d_acc_fake": ops.mean(score <= self.middle),
        }

    def _generator_loss(self, real: Any) -> Any:
        score = self.discriminator(self._draw(ops.shape(real)[0]), training=True)
        loss = ops.mean(g_terms(self.cause.objective, score))
        return loss, {"g_loss": loss, "g_acc": ops.mean(score > self.middle)}

    def _score(self, samples: Any) -> Any:
        if self.cause.instance_noise:
            noise = keras.random.normal(ops.shape(samples), seed=self.noise_seed)
            samples = samples + self.cause.instance_noise * noise
        return self.discriminator(samples, training=True)

    def _labels(self, score: Any, label: float) -> Any:
        if not self.cause.label_noise:
            return ops.full_like(score, label)
        turned = keras.random.uniform(ops.shape(score), seed=self.noise_seed)
        return ops.where(turned < self.cause.label_noise, 1 - label, label)


def _cross_entropy(score: Any, label: Any) -> Any:
    return ops.softplus(score) - label * score


def middle(objective: str) -> float:
    """Return the score that separates "fake" from "real"."""
    return 0.5 if objective == "least_squares" else 0.0


def d_terms(objective: str, score: Any, label: Any) -> Any:
    """Return D's loss per sample; the label is 1 for real samples."""
    if objective == "least_squares":
        return ops.square(score - label)
    if objective == "hinge":
        return ops.relu(1 - (2 * label - 1) * score)
    return _cross_entropy(score, label)


def g_terms(objective: str, score: Any) -> Any:
    """Return G's loss per sample."""
    if objective == "saturating":
        return -_cross_entropy(score, 0.0)
    if objective == "least_squares":
        return ops.square(score - 1)
    return _cross_entropy(score, 1.0) if objective == "bce" else -score


def draw(count: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Draw points of the ring, float32 (count, 2)."""
    rng = np.random.default_rng(seed)
    angle = rng.integers(0, MODES, count) * 2 * np.pi / MODES
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (scale * (centres + rng.normal(0, SPREAD, (count, 2)))).astype("float32")


def _stack(widths: tuple[int, ...], inputs: int, outputs: int, dropout: float, name: str) -> Any:
    hidden = [layers.Dense(width, activation="relu") for width in widths]
    dropped = [layers.Dropout(dropout)] if dropout else []
    stack = [layer for one in hidden for layer in (one, *dropped)]
    return keras.Sequential([keras.Input((inputs,)), *stack, layers.Dense(outputs)], name=name)


def build(
    fault: str | None = None, seed: int | None = None, cause: Cause | None = None
) -> tuple[RingGAN, np.ndarray]:
    """Return the compiled GAN and its points, float32 (4096, 2).

    Args:
        fault: one of `CAUSES`; None for a GAN without a fault.
        seed: seed of the latents and the noise drawn in training.
        cause: settings to use instead of those of ``fault``.

    Raises:
        ValueError: an unknown fault.
    """
    if fault is not None and fault not in CAUSES:
        raise ValueError(f"fault must be one of {tuple(CAUSES)}. Received: {fault!r}")
    cause = cause or (CAUSES[fault] if fault else Cause())
    generator = _stack(cause.g_widths, LATENT_DIM, 2, 0.0, "generator")
    discriminator = _stack(cause.d_widths, 2, 1, cause.dropout, "discriminator")
    for variable in generator.trainable_variables:
        variable.assign(variable * cause.init)
    gan = RingGAN(generator, discriminator, cause, seed)
    gan.compile(
        d_optimizer=keras.optimizers.Adam(cause.d_rate, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(cause.g_rate, beta_1=0.5),
    )
    return gan, draw(POINTS, scale=cause.scale)


def train(trial: Any) -> RingGAN:
    """Run one trial of ``keras-collapse triage PLAN examples/ring_gan.py:train``."""
    kc.seed_everything(trial.seed)
    gan, points = build(trial.params.get("fault"), trial.seed)
    gan.fit(
        points,
        batch_size=trial.batch_size,
        epochs=trial.epochs,
        verbose=0,
        callbacks=trial.callbacks,
    )
    return gan


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train a small GAN and report whether it fails.")
    parser.add_argument("--fault", choices=CAUSES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=42)
    chosen = parser.parse_args(arguments)
    kc.seed_everything(chosen.seed)
    gan, points = build(chosen.fault, chosen.seed)
    monitor = kc.CollapseMonitor()
    size = gan.cause.batch_size
    epochs = -(-chosen.steps * size // len(points))
    gan.fit(points, batch_size=size, epochs=epochs, verbose=0, callbacks=[monitor])
    return 1 if monitor.verdict.status == "failed" else 0


if __name__ == "__main__":
    raise SystemExit(main())
