"""The camel GAN of the GAN Training Triage Guide as one Keras 3 model, on every backend.

Architecture and learning rates are those of notebook ``04_01_gan_camel_train.ipynb`` (D. Foster,
*Generative Deep Learning*, 1st edition, 2019, chapter 4); the wiring is correct. Run it::

    python examples/camel_gan.py                            # embedded camel drawings
    python examples/camel_gan.py --data drawings.npy        # real Quick, Draw! bitmaps

or run controlled experiments on it: ``keras-collapse triage full examples/camel_gan.py:train``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import quickdraw
from keras import layers, ops

import keras_collapse as kc

LATENT_DIM = 100
FAULTS = ("leak",)


@dataclass(frozen=True)
class Preset:
    """The settings that differ between the guide's full size and a size for CPUs."""

    width: float
    batch_size: int
    epochs: int
    drawings: int


PRESETS = {
    "full": Preset(width=1.0, batch_size=1024, epochs=13, drawings=121_399),
    "small": Preset(width=0.25, batch_size=64, epochs=20, drawings=4096),
}


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(mean=0.0, stddev=0.02)


def build_discriminator(width: float = 1.0, dropout: float = 0.4) -> keras.Model:
    """Build D: drawings (batch, 28, 28, 1) in [-1, 1] to the probability (batch, 1) of real."""
    drawing = keras.Input((28, 28, 1), name="drawing")
    x = drawing
    for filters, strides in zip((64, 64, 128, 128), (2, 2, 2, 1), strict=True):
        x = layers.Conv2D(
            int(filters * width), 5, strides, padding="same", kernel_initializer=_normal()
        )(x)
        x = layers.Activation("relu")(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    real = layers.Dense(1, activation="sigmoid", kernel_initializer=_normal())(x)
    return keras.Model(drawing, real, name="discriminator")


def build_generator(width: float = 1.0, latent_dim: int = LATENT_DIM) -> keras.Model:
    """Build G: standard normal latents (batch, latent_dim) to drawings (batch, 28, 28, 1)."""
    latents = keras.Input((latent_dim,), name="latents")
    channels = int(64 * width)
    x = layers.Dense(7 * 7 * channels, kernel_initializer=_normal())(latents)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.Activation("relu")(x)
    x = layers.Reshape((7, 7, channels))(x)
    for filters in (128, 64):
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(int(filters * width), 5, padding="same", kernel_initializer=_normal())(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
    x = layers.Conv2DTranspose(int(64 * width), 5, padding="same", kernel_initializer=_normal())(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.Activation("relu")(x)
    drawing = layers.Conv2DTranspose(
        1, 5, padding="same", activation="tanh", kernel_initializer=_normal()
    )(x)
    return keras.Model(latents, drawing, name="generator")


class GAN(keras.Model):
    """A generator and a discriminator, each trained by its own optimizer in one ``train_step``.

    Args:
        generator: latents (batch, latent_dim) to samples.
        discriminator: samples to the probability (batch, 1) of being real.
        seed: seed of the latents drawn in training; None draws one from Keras' global seed.
        fault: None for correct wiring; ``"leak"`` for the guide's wiring, in which the generator's
            step updates the discriminator too.

    Raises:
        ValueError: an unknown fault.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        fault: str | None = None,
    ) -> None:
        super().__init__(name="gan")
        if fault not in (None, *FAULTS):
            raise ValueError(f"fault must be one of {FAULTS} or None. Received: {fault!r}")
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = generator.input_shape[-1]
        self.fault = fault
        self.latent_seed = keras.random.SeedGenerator(seed)
        names = ("d_loss", "d_loss_real", "d_loss_fake", "d_acc", "d_acc_real", "d_acc_fake")
        self.trackers = {n: keras.metrics.Mean(n) for n in (*names, "g_loss", "g_acc")}
        self.built = True

    def compile(
        self, d_optimizer: keras.Optimizer, g_optimizer: keras.Optimizer, **kwargs: Any
    ) -> None:
        """Set an optimizer for each network, built on the variables that it updates."""
        super().compile(optimizer=g_optimizer, **kwargs)
        self.d_optimizer = d_optimizer
        g_optimizer.build(self._moved_by_generator)
        d_optimizer.build(self.discriminator.trainable_variables)
        # Keras passes the state of one optimizer through JAX' pure step. The other optimizer's
        # variables are passed too if the model tracks them.
        self.d_optimizer_variables = list(d_optimizer.variables)

    @property
    def _moved_by_generator(self) -> list[Any]:
        leaked = self.discriminator.trainable_variables if self.fault == "leak" else []
        return self.generator.trainable_variables + leaked

    # -- one training step, common to all backends ---------------------------------------

    def _loss_on_real(self, real: Any) -> Any:
        p_real = self.discriminator(real, training=True)
        loss = _cross_entropy(1.0, p_real)
        return loss, {"d_loss_real": loss, "d_acc_real": ops.mean(p_real > 0.5)}

    def _loss_on_fake(self, real: Any) -> Any:
        p_fake = self.discriminator(self._draw(ops.shape(real)[0]), training=True)
        loss = _cross_entropy(0.0, p_fake)
        return loss, {"d_loss_fake": loss, "d_acc_fake": ops.mean(p_fake <= 0.5)}

    def _discriminator_loss(self, real: Any) -> Any:
        """Binary cross-entropy of D on real drawings (label 1) and on G's (label 0)."""
        loss_real, on_real = self._loss_on_real(real)
        loss_fake, on_fake = self._loss_on_fake(real)
        return (loss_real + loss_fake) / 2, on_real | on_fake

    def _generator_loss(self, real: Any) -> Any:
        """The non-saturating loss: cross-entropy of D on G's drawings with label 1."""
        p_fake = self.discriminator(self._draw(ops.shape(real)[0]), training=True)
        loss = _cross_entropy(1.0, p_fake)
        return loss, {"g_loss": loss, "g_acc": ops.mean(p_fake > 0.5)}

    def _draw(self, count: Any) -> Any:
        latents = keras.random.normal((count, self.latent_dim), seed=self.latent_seed)
        return self.generator(latents, training=True)

    def _train_discriminator(self, real: Any) -> dict[str, Any]:
        d_variables = self.discriminator.trainable_variables
        if self.fault == "leak":  # the guide's loop: real, fake, then a G step that updates D too
            logs = self._descend(self.d_optimizer, d_variables, lambda: self._loss_on_real(real))
            return logs | self._descend(
                self.d_optimizer, d_variables, lambda: self._loss_on_fake(real)
            )
        return self._descend(self.d_optimizer, d_variables, lambda: self._discriminator_loss(real))

    def _one_step(self, real: Any) -> dict[str, Any]:
        logs = self._train_discriminator(real)
        logs |= self._descend(
            self.optimizer, self._moved_by_generator, lambda: self._generator_loss(real)
        )
        logs["d_loss"] = (logs["d_loss_real"] + logs["d_loss_fake"]) / 2
        logs["d_acc"] = (logs["d_acc_real"] + logs["d_acc_fake"]) / 2
        for name, tracker in self.trackers.items():
            tracker.update_state(logs[name])
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    # -- what each backend needs ---------------------------------------------------------

    def train_step(self, *args: Any) -> Any:
        if keras.backend.backend() == "jax":
            return self._stateless_step(*args)
        return self._one_step(*args)

    def _descend(
        self, optimizer: keras.Optimizer, variables: Sequence[Any], measure: Callable[[], Any]
    ) -> dict[str, Any]:
        """One gradient step of ``optimizer`` on ``variables``; returns the logs of ``measure``."""
        descend = {
            "tensorflow": self._descend_tensorflow,
            "jax": self._descend_jax,
            "torch": self._descend_torch,
        }[keras.backend.backend()]
        gradients, logs = descend(variables, measure)
        optimizer.apply(gradients, variables)
        return logs

    def _descend_tensorflow(self, variables: Sequence[Any], measure: Callable[[], Any]) -> Any:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss, logs = measure()
        return tape.gradient(loss, [v.value for v in variables]), logs

    def _descend_torch(self, variables: Sequence[Any], measure: Callable[[], Any]) -> Any:
        self.zero_grad()
        loss, logs = measure()
        loss.backward()
        gradients = [v.value.grad for v in variables]
        return gradients, {name: value.detach() for name, value in logs.items()}

    def _descend_jax(self, variables: Sequence[Any], measure: Callable[[], Any]) -> Any:
        import jax

        states = self.non_trainable_variables

        def pure(values: list[Any]) -> Any:
            now = [(v, v.value) for v in (*self.trainable_variables, *states)]
            with keras.StatelessScope([*now, *zip(variables, values, strict=True)]) as scope:
                loss, logs = measure()
            return loss, (logs, [scope.get_current_value(v) for v in states])

        values = [v.value for v in variables]
        gradients, (logs, after) = jax.grad(pure, has_aux=True)(values)
        for variable, value in zip(states, after, strict=True):
            variable.assign(value)
        return gradients, logs

    def _stateless_step(self, state: Any, real: Any) -> Any:
        """The training step as the pure function that JAX needs: variables in, variables out."""
        variables = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        pairs = [
            pair
            for group, values in zip(variables, state, strict=True)
            for pair in zip(group, values, strict=True)
        ]
        with keras.StatelessScope(pairs) as scope:
            logs = self._one_step(real)
        return logs, tuple([scope.get_current_value(v) for v in group] for group in variables)


def _cross_entropy(label: float, probability: Any) -> Any:
    return ops.mean(
        keras.losses.binary_crossentropy(ops.full_like(probability, label), probability)
    )


def build(
    preset: str = "small",
    data: str | None = None,
    seed: int | None = None,
    fault: str | None = None,
    dropout: float = 0.4,
    d_rate: float = 8e-4,
    g_rate: float = 4e-4,
    d_width: float = 1.0,
) -> tuple[GAN, np.ndarray]:
    """Return the compiled GAN and its drawings, float32 (N, 28, 28, 1) in [-1, 1].

    Args:
        preset: ``"small"`` (a quarter of the width, for CPUs) or ``"full"`` (the guide's).
        data: a ``.npy`` or ``.npz`` file of drawings; None for the camels of ``quickdraw.load``.
        seed: seed of the latents drawn in training.
        fault: see `GAN`.
        dropout: dropout rate of the discriminator, in [0, 1).
        d_rate, g_rate: learning rates (RMSprop) of the discriminator and the generator.
        d_width: factor of the discriminator's width.

    Raises:
        ValueError: an unknown preset or fault.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {tuple(PRESETS)}. Received: {preset!r}")
    size = PRESETS[preset]
    drawings = quickdraw.load("camel", data, count=size.drawings)
    print(f"Drawings: {len(drawings.images):,} from {drawings.source}")
    discriminator = build_discriminator(size.width * d_width, dropout)
    gan = GAN(build_generator(size.width), discriminator, seed, fault)
    gan.compile(
        d_optimizer=keras.optimizers.RMSprop(d_rate), g_optimizer=keras.optimizers.RMSprop(g_rate)
    )
    return gan, drawings.scaled()


def whole_batches(images: np.ndarray, batch_size: int) -> np.ndarray:
    """Drop the last, smaller batch, so that all steps have one shape and compile once."""
    if len(images) < batch_size:
        raise ValueError(
            f"batch_size must not exceed the number of drawings. "
            f"Received: batch_size={batch_size} with {len(images)} drawings"
        )
    return images[: len(images) // batch_size * batch_size]


def train(trial: Any) -> GAN:
    """Run one trial of ``keras-collapse triage PLAN examples/camel_gan.py:train``."""
    kc.seed_everything(trial.seed)
    gan, images = build(**trial.params)
    gan.fit(
        whole_batches(images, trial.batch_size),
        batch_size=trial.batch_size,
        epochs=trial.epochs,
        callbacks=trial.callbacks,
    )
    return gan


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the camel GAN and report whether it fails.")
    parser.add_argument("--data", help=".npy or .npz file of 28x28 drawings")
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--epochs", type=int, help="default: the preset's")
    parser.add_argument("--batch-size", type=int, help="default: the preset's")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--fault", choices=FAULTS, help="train with this fault")
    chosen = parser.parse_args(arguments)
    size = PRESETS[chosen.preset]
    batch_size = chosen.batch_size or size.batch_size

    kc.seed_everything(chosen.seed)
    gan, images = build(chosen.preset, chosen.data, chosen.seed, chosen.fault)
    monitor = kc.CollapseMonitor()
    gan.fit(
        whole_batches(images, batch_size),
        batch_size=batch_size,
        epochs=chosen.epochs or size.epochs,
        callbacks=[kc.SeedControl(chosen.seed), monitor, kc.MLflowLogger()],
    )
    return 1 if monitor.verdict.status == "failed" else 0


if __name__ == "__main__":
    raise SystemExit(main())
