"""A GAN with a ``train_step`` for each backend, as code that must run on all three has it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from corpus import Trained, Watch, from_noise
from keras import layers, ops

LATENT_DIM = 16
BACKEND = keras.backend.backend()


def build_generator(last: str | None = "tanh", points: bool = False) -> keras.Model:
    inputs = keras.Input((LATENT_DIM,))
    x = layers.Dense(64)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    if points:
        x = layers.Dense(64, activation="relu")(x)
        return keras.Model(inputs, layers.Dense(2)(x), name="generator")
    x = layers.Dense(8 * 8 * 8, activation="relu")(x)
    x = layers.Reshape((8, 8, 8))(x)
    x = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation=last)(x)
    return keras.Model(inputs, x, name="generator")


def build_discriminator(last: str | None = None, points: bool = False) -> keras.Model:
    shape = (2,) if points else (16, 16, 1)
    inputs = keras.Input(shape)
    x = inputs
    if not points:
        x = layers.Conv2D(8, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Flatten()(x)
    x = layers.Dense(64)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(1, activation=last)(x), name="discriminator")


class MultiGAN(keras.Model):
    """Losses written once, with ``ops``; the step of this process' backend.

    Args:
        fault: what is wrong with it, or None.
        points: whether it draws points of the plane rather than images.
    """

    def __init__(self, fault: str | None = None, points: bool = False) -> None:
        super().__init__()
        last = "sigmoid" if fault == "sigmoid_twice" else None
        self.generator = build_generator(points=points)
        self.discriminator = build_discriminator(last, points)
        self.latent_dim, self.fault = LATENT_DIM, fault
        self.seed_generator = keras.random.SeedGenerator(42)
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.built = True

    def compile(self, d_optimizer: Any, g_optimizer: Any, **how: Any) -> None:
        super().compile(**how)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.g_optimizer.build(self._learnt_by_g())
        # JAX passes a model's variables through its steps; those of optimizers belong to it then.
        self.optimizer_state = [*self.d_optimizer.variables, *self.g_optimizer.variables]
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def call(self, z: Any, training: bool = False) -> Any:
        return self.generator(z, training=training)

    @property
    def metrics(self) -> list[Any]:
        return [self.d_loss_metric, self.g_loss_metric]

    def _learnt_by_g(self) -> list[Any]:
        both = self.fault == "leak"
        more = self.discriminator.trainable_variables if both else []
        return [*self.generator.trainable_variables, *more]

    def _latents(self, n: int) -> Any:
        return keras.random.normal((n, LATENT_DIM), seed=self.seed_generator)

    def d_loss(self, real: Any) -> Any:
        fake = ops.stop_gradient(self.generator(self._latents(ops.shape(real)[0]), training=True))
        on_real = self.discriminator(real, training=True)
        on_fake = self.discriminator(fake, training=True)
        target = ops.ones_like if self.fault == "one_label" else ops.zeros_like
        return self.bce(ops.ones_like(on_real), on_real) + self.bce(target(on_fake), on_fake)

    def g_loss(self, real: Any) -> Any:
        fake = self.generator(self._latents(ops.shape(real)[0]), training=True)
        on_fake = self.discriminator(fake, training=True)
        target = ops.zeros_like if self.fault == "g_label" else ops.ones_like
        return self.bce(target(on_fake), on_fake)

    def train_step(self, *args: Any) -> Any:
        return getattr(self, f"_{BACKEND}_step")(*args)

    def _pairs(self) -> list[tuple[Any, Any, Any, Any]]:
        of_d = self.discriminator.trainable_variables
        return [
            (self.d_loss, self.d_optimizer, of_d, self.d_loss_metric),
            (self.g_loss, self.g_optimizer, self._learnt_by_g(), self.g_loss_metric),
        ]

    def _tensorflow_step(self, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        real = _first(data)
        for measure, optimizer, variables, metric in self._pairs():
            with tf.GradientTape() as tape:
                loss = measure(real)
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            metric.update_state(loss)
        return {m.name: m.result() for m in self.metrics}

    def _torch_step(self, data: Any) -> dict[str, Any]:
        import torch

        real = _first(data)
        for measure, optimizer, variables, metric in self._pairs():
            self.zero_grad()
            loss = measure(real)
            loss.backward()
            with torch.no_grad():
                optimizer.apply([v.value.grad for v in variables], variables)
            metric.update_state(loss.detach())
        return {m.name: m.result() for m in self.metrics}

    def _jax_step(self, state: Any, data: Any) -> Any:
        import jax

        trainable, non_trainable, optimizer_variables, metrics_variables = state
        real = _first(data)
        known = dict(zip(map(id, self.trainable_variables), trainable, strict=True))
        known |= dict(zip(map(id, self.non_trainable_variables), non_trainable, strict=True))
        known |= dict(zip(map(id, self.metrics_variables), metrics_variables, strict=True))
        everything = [
            *self.trainable_variables, *self.non_trainable_variables, *self.metrics_variables,
        ]  # fmt: skip
        for measure, optimizer, variables, metric in self._pairs():

            def pure(
                values: Any, measure: Any = measure, variables: Any = variables, known: Any = known
            ) -> Any:
                now = known | dict(zip(map(id, variables), values, strict=True))
                scope = keras.StatelessScope(state_mapping=[(v, now[id(v)]) for v in everything])
                with scope:
                    loss = measure(real)
                return loss, [scope.get_current_value(v) for v in self.non_trainable_variables]

            values = [known[id(v)] for v in variables]
            (loss, after), gradients = jax.value_and_grad(pure, has_aux=True)(values)
            known |= dict(zip(map(id, self.non_trainable_variables), after, strict=True))
            slots = [known[id(v)] for v in optimizer.variables]
            values, slots = optimizer.stateless_apply(slots, gradients, values)
            known |= dict(zip(map(id, variables), values, strict=True))
            known |= dict(zip(map(id, optimizer.variables), slots, strict=True))
            kept = metric.stateless_update_state([known[id(v)] for v in metric.variables], loss)
            known |= dict(zip(map(id, metric.variables), kept, strict=True))
        logs = {
            m.name: m.stateless_result([known[id(v)] for v in m.variables]) for m in self.metrics
        }
        return logs, (
            [known[id(v)] for v in self.trainable_variables],
            [known[id(v)] for v in self.non_trainable_variables],
            optimizer_variables,
            [known[id(v)] for v in self.metrics_variables],
        )


def _first(data: Any) -> Any:
    return data[0] if isinstance(data, tuple | list) else data


def gan_of(fault: str | None, points: bool = False, **how: Any) -> MultiGAN:
    """A compiled GAN with this fault."""
    gan = MultiGAN(fault, points)
    g_rate = {"cold_start": 0.1, "g_rate_zero": 0.0}.get(fault or "", 1e-3)
    d_rate = 0.0 if fault == "d_rate_zero" else 1e-3
    gan.compile(keras.optimizers.Adam(d_rate, 0.5), keras.optimizers.Adam(g_rate, 0.5), **how)
    return gan


def fitted(
    watch: Watch, fault: str | None, data: Any, real: np.ndarray, epochs: int, **how: Any
) -> Trained:
    """The GAN after ``fit(data)``; ``how`` are further arguments of ``fit``."""
    compiling = {k: how.pop(k) for k in ("steps_per_execution", "jit_compile") if k in how}
    gan = gan_of(fault, points=real.ndim == 2, **compiling)
    gan.fit(data, epochs=epochs, callbacks=watch.callbacks, verbose=0, **how)
    return Trained(
        [gan.generator, gan.discriminator],
        from_noise(gan.generator, LATENT_DIM),
        real,
        optimizers=[gan.d_optimizer, gan.g_optimizer],
    )
