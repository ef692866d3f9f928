"""``train_step`` as the guides for PyTorch and JAX write it: ``backward()`` and stateless calls."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, from_noise, stranger
from keras import layers, ops

LATENT = 16


def networks() -> tuple[keras.Model, keras.Model]:
    discriminator = keras.Sequential(
        [
            keras.Input(shape=(14, 14, 1)),
            layers.Conv2D(8, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(16, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ],
        name="discriminator",
    )
    generator = keras.Sequential(
        [
            keras.Input(shape=(LATENT,)),
            layers.Dense(7 * 7 * 16),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((7, 7, 16)),
            layers.Conv2DTranspose(16, (4, 4), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, (7, 7), padding="same", activation="sigmoid"),
        ],
        name="generator",
    )
    return discriminator, generator


def digits(fault: str | None) -> np.ndarray:
    x, _ = images.digits(960)
    return x.astype("float32") if fault == "bytes" else x.astype("float32") / 255.0


class TorchGAN(keras.Model):
    """The guide's for PyTorch: both kinds in one batch, gradients taken from ``v.value.grad``."""

    def __init__(self, discriminator: Any, generator: Any, latent_dim: int, fault: str | None):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.latent_dim, self.fault = latent_dim, fault
        self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.g_loss_tracker = keras.metrics.Mean(name="g_loss")
        self.seed_generator = keras.random.SeedGenerator(1337)
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        return [self.d_loss_tracker, self.g_loss_tracker]

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, real_images: Any) -> dict[str, Any]:
        import torch

        real_images = real_images[0] if isinstance(real_images, tuple) else real_images
        batch_size = real_images.shape[0]
        shape = (batch_size, self.latent_dim)
        generated_images = self.generator(keras.random.normal(shape, seed=self.seed_generator))
        combined_images = ops.concatenate([generated_images, real_images], axis=0)
        of_fakes = 0.0 if self.fault == "one_label" else 1.0
        labels = ops.concatenate(
            [ops.full((batch_size, 1), of_fakes), ops.zeros((batch_size, 1))], axis=0
        )
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed_generator)
        self.zero_grad()
        d_loss = self.loss_fn(labels, self.discriminator(combined_images.detach()))
        d_loss.backward()
        weights = list(self.discriminator.trainable_weights)
        with torch.no_grad():
            self.d_optimizer.apply([v.value.grad for v in weights], weights)

        latent = keras.random.normal(shape, seed=self.seed_generator)
        misleading_labels = ops.full((batch_size, 1), 1.0 if self.fault == "g_label" else 0.0)
        self.zero_grad()
        g_loss = self.loss_fn(misleading_labels, self.discriminator(self.generator(latent)))
        g_loss.backward()
        weights = list(self.generator.trainable_weights)
        if self.fault == "leak":
            weights += list(self.discriminator.trainable_weights)
        with torch.no_grad():
            self.g_optimizer.apply([v.value.grad for v in weights], weights)
        self.d_loss_tracker.update_state(d_loss)
        self.g_loss_tracker.update_state(g_loss)
        return {"d_loss": self.d_loss_tracker.result(), "g_loss": self.g_loss_tracker.result()}


@stranger(
    "Keras guide for PyTorch: customizing fit",
    "fit",
    "leak one_label g_label bytes g_rate_zero",
    backends="torch",
    steps=300,
)
def torch_guide(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = digits(fault)
    discriminator, generator = networks()
    gan = TorchGAN(discriminator, generator, LATENT, fault)
    gan.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0005),
        g_optimizer=keras.optimizers.Adam(0.0 if fault == "g_rate_zero" else 0.0005),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([generator, discriminator], from_noise(generator, LATENT), data)


class JaxGAN(keras.Model):
    """The guide's for JAX: the state passes through; D's optimizer is kept among the variables."""

    def __init__(self, discriminator: Any, generator: Any, fault: str | None) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.latent_dim, self.fault = LATENT, fault
        self.noise = keras.random.SeedGenerator(7)
        self.built = True

    def compile(self, optimizer: Any, d_optimizer: Any) -> None:
        super().compile(optimizer=optimizer)
        self.d_optimizer = d_optimizer
        d_optimizer.build(self.discriminator.trainable_variables)
        leaks = self.fault == "leak"
        optimizer.build((self if leaks else self.generator).trainable_variables)
        self.d_slots = list(d_optimizer.variables)

    def train_step(self, state: Any, data: Any) -> Any:
        import jax
        import jax.numpy as jnp

        trainable, non_trainable, slots, metrics = state
        real = data[0] if isinstance(data, tuple) else data
        count = len(self.generator.trainable_variables)
        g_tv, d_tv = trainable[:count], trainable[count:]
        place = {id(v): i for i, v in enumerate(self.non_trainable_variables)}
        at_seed = place[id(self.noise.state)]
        seed = non_trainable[at_seed]
        key_d, key_g = jax.random.split(jax.random.wrap_key_data(seed.astype("uint32")))
        following = jax.random.key_data(jax.random.fold_in(key_g, 1)).astype(seed.dtype)

        def score(d_values: Any, x: Any) -> Any:
            return self.discriminator.stateless_call(d_values, [], x, training=True)[0]

        def paint(g_values: Any, key: Any) -> Any:
            z = jax.random.normal(key, (len(real), LATENT))
            return self.generator.stateless_call(g_values, [], z, training=True)[0]

        def bce(logits: Any, label: float) -> Any:
            return jnp.mean(jnp.logaddexp(0.0, logits) - label * logits)

        def d_loss_fn(d_values: Any) -> Any:
            target = 1.0 if self.fault == "one_label" else 0.0
            on_fake = score(d_values, paint(g_tv, key_d))
            return bce(score(d_values, real), 1.0) + bce(on_fake, target)

        def g_loss_fn(g_values: Any, d_values: Any) -> Any:
            wanted = 0.0 if self.fault == "g_label" else 1.0
            return bce(score(d_values, paint(g_values, key_g)), wanted)

        d_loss, gradients = jax.value_and_grad(d_loss_fn)(d_tv)
        at_slots = [place[id(v)] for v in self.d_optimizer.variables]
        d_slots = [non_trainable[i] for i in at_slots]
        d_tv, d_slots = self.d_optimizer.stateless_apply(d_slots, gradients, d_tv)
        if self.fault == "leak":
            g_loss, (of_g, of_d) = jax.value_and_grad(g_loss_fn, argnums=(0, 1))(g_tv, d_tv)
            learnt, slots = self.optimizer.stateless_apply(slots, [*of_g, *of_d], [*g_tv, *d_tv])
            g_tv, d_tv = learnt[:count], learnt[count:]
        else:
            g_loss, of_g = jax.value_and_grad(g_loss_fn)(g_tv, d_tv)
            g_tv, slots = self.optimizer.stateless_apply(slots, of_g, g_tv)
        non_trainable = list(non_trainable)
        non_trainable[at_seed] = following
        for i, slot in zip(at_slots, d_slots):
            non_trainable[i] = slot
        return {"d_loss": d_loss, "g_loss": g_loss}, ([*g_tv, *d_tv], non_trainable, slots, metrics)


@stranger(
    "Keras guide for JAX: a stateless train_step, plain numbers",
    "fit",
    "leak one_label g_label bytes",
    backends="jax",
    steps=300,
)
def jax_guide(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = digits(fault)
    discriminator, generator = networks()
    gan = JaxGAN(discriminator, generator, fault)
    gan.compile(keras.optimizers.Adam(5e-4), keras.optimizers.Adam(5e-4))
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([generator, discriminator], from_noise(generator, LATENT), data)
