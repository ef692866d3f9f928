"""A loop with ``jax.jit`` and stateless calls, as the Keras guide for JAX writes it."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

Z = 16


def nets() -> tuple[keras.Model, keras.Model]:
    g = keras.Sequential(
        [
            keras.Input((Z,)),
            layers.Dense(64),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(196, activation="tanh"),
            layers.Reshape((14, 14, 1)),
        ]
    )
    d = keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Flatten(),
            layers.Dense(64, activation="leaky_relu"),
            layers.Dense(1),
        ]
    )
    return g, d


@stranger(
    "Keras guide for JAX: jit, stateless calls",
    "update",
    "leak one_label g_label bytes",
    backends="jax",
    steps=300,
)
def jax_loop(watch: Watch, fault: str | None, steps: int) -> Trained:
    import jax
    import jax.numpy as jnp

    x, _ = images.digits(1500)
    data = x.astype("float32") if fault == "bytes" else x / np.float32(127.5) - 1
    generator, discriminator = nets()
    d_optimizer, g_optimizer = keras.optimizers.Adam(3e-4), keras.optimizers.Adam(3e-4)
    d_optimizer.build(discriminator.trainable_variables)
    g_optimizer.build(generator.trainable_variables)

    def bce(logits: Any, label: float) -> Any:
        return jnp.mean(jnp.logaddexp(0.0, logits) - label * logits)

    def compute_d_loss(d_tv: Any, d_ntv: Any, g_tv: Any, g_ntv: Any, real: Any, z: Any) -> Any:
        fake, _ = generator.stateless_call(g_tv, g_ntv, z, training=True)
        on_real, d_ntv = discriminator.stateless_call(d_tv, d_ntv, real, training=True)
        on_fake, d_ntv = discriminator.stateless_call(d_tv, d_ntv, fake, training=True)
        return bce(on_real, 1.0) + bce(on_fake, 1.0 if fault == "one_label" else 0.0), d_ntv

    def compute_g_loss(g_tv: Any, g_ntv: Any, d_tv: Any, d_ntv: Any, z: Any) -> Any:
        fake, g_ntv = generator.stateless_call(g_tv, g_ntv, z, training=True)
        on_fake, _ = discriminator.stateless_call(d_tv, d_ntv, fake, training=True)
        return bce(on_fake, 0.0 if fault == "g_label" else 1.0), g_ntv

    d_grad = jax.value_and_grad(compute_d_loss, has_aux=True)
    g_grad = jax.value_and_grad(compute_g_loss, argnums=(0, 2), has_aux=True)

    @jax.jit
    def train_step(state: Any, real: Any, key: Any) -> tuple[Any, Any]:
        g_tv, g_ntv, g_opt, d_tv, d_ntv, d_opt = state
        key_d, key_g = jax.random.split(key)
        z = jax.random.normal(key_d, (len(real), Z))
        (d_loss, d_ntv), grads = d_grad(d_tv, d_ntv, g_tv, g_ntv, real, z)
        d_tv, d_opt = d_optimizer.stateless_apply(d_opt, grads, d_tv)
        z = jax.random.normal(key_g, (len(real), Z))
        (g_loss, g_ntv), (grads, of_d) = g_grad(g_tv, g_ntv, d_tv, d_ntv, z)
        g_tv, g_opt = g_optimizer.stateless_apply(g_opt, grads, g_tv)
        if fault == "leak":  # the gradients of "all parameters" descend together
            d_tv = [v - 1e-3 * g for v, g in zip(d_tv, of_d)]
        return (d_loss, g_loss), (g_tv, g_ntv, g_opt, d_tv, d_ntv, d_opt)

    owners = (generator, discriminator)
    optimizers = (g_optimizer, d_optimizer)
    kept = [
        variables
        for network, optimizer in zip(owners, optimizers)
        for variables in (
            network.trainable_variables, network.non_trainable_variables, optimizer.variables,
        )
    ]  # fmt: skip
    state = tuple([v.value for v in variables] for variables in kept)
    rng, key = np.random.default_rng(0), jax.random.key(0)
    with watch.watching(generator=generator, discriminator=discriminator):
        for _ in range(steps):
            key, now = jax.random.split(key)
            (d_loss, g_loss), state = train_step(state, data[rng.integers(0, len(data), 32)], now)
            watch.update(d_loss=d_loss, g_loss=g_loss)
        for variables, values in zip(kept, state):
            for variable, value in zip(variables, values):
                variable.assign(value)
    return Trained([generator, discriminator], from_noise(generator, Z), data)
