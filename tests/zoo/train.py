"""Many GANs trained at once: one compiled program, each run with its own seed, rates and fault.

Keras' networks and optimizers, called without state and mapped over runs by JAX.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import ring_gan
from keras import layers
from zoo import DATA, EVERY, LOOK

LATENT = 8
SCORED = 256
"""Samples of each kind whose scores by D are kept."""
POOL = 16384
"""Real samples that a training draws from."""
SIGNALS = ("d_loss_real", "d_loss_fake", "d_acc_real", "d_acc_fake", "g_loss", "g_acc")


@dataclass(frozen=True)
class Program:
    """What must be the same for runs that are trained together."""

    data: str = "ring"
    network: str = "relu64"
    objective: str = "bce"
    batch: int = 128
    steps: int = 3000


@dataclass(frozen=True)
class Recipe:
    """One run's own settings; the defaults are those of a good run.

    Args:
        cause: the name of what is wrong with it, or "none".
        d_rate, g_rate: learning rates.
        leak: whether G's step trains D as well.
        d_share, g_share: share of the steps in which that network is trained.
        label_noise: probability that a real sample is called fake in D's step, and the reverse.
        scale: what the data is multiplied with before D sees it.
        init: what the initial weights of G are multiplied with.
        instance_noise: standard deviation of noise on all that D sees.
        since: the step from which all this is so; before it the run is a good one.
        before: rates of D and of G until then.
        seed: of weights and draws.
    """

    cause: str = "none"
    d_rate: float = 1e-3
    g_rate: float = 1e-3
    leak: float = 0.0
    d_share: float = 1.0
    g_share: float = 1.0
    label_noise: float = 0.0
    scale: float = 1.0
    init: float = 1.0
    instance_noise: float = 0.0
    since: int = 0
    before: tuple[float, float] = (2e-3, 5e-4)
    seed: int = 0

    def at(self, step: int) -> Recipe:
        """What holds at that step."""
        return self if step >= self.since else Recipe(d_rate=self.before[0], g_rate=self.before[1])


@dataclass
class Look:
    """A stretch of `LOOK` steps of all runs, and what G and D are after it.

    Args:
        readings: (runs, LOOK / EVERY, signals), means.
        fakes: (runs, judged, size): G's samples from fixed latents, on the data's own scale.
        scores: (runs, 2, SCORED): D's on real and on fake samples.
    """

    readings: np.ndarray
    fakes: np.ndarray
    scores: np.ndarray


def _mlp(widths: Sequence[int], activation: str, inputs: int, outputs: int, norm: bool = False,
         dropout: float = 0.0, last: str | None = None) -> keras.Model:  # fmt: skip
    stack: list[Any] = [keras.Input((inputs,))]
    for width in widths:
        stack.append(layers.Dense(width))
        if norm:
            stack.append(layers.BatchNormalization(momentum=0.9))
        stack.append(layers.Activation(activation))
        if dropout:
            stack.append(layers.Dropout(dropout))
    return keras.Sequential([*stack, layers.Dense(outputs, activation=last)])


def networks(name: str, size: int) -> tuple[keras.Model, keras.Model]:
    """G and D of an architecture, by name, for samples of that many numbers."""
    parts = {
        "relu64": ((64, 64), "relu", (64, 64), "relu", False, 0.0),
        "leaky48": ((48, 48, 48), "leaky_relu", (48, 48, 48), "leaky_relu", False, 0.0),
        "tanh64": ((64, 64), "tanh", (64, 64), "tanh", False, 0.0),
        "norm64": ((64, 64), "relu", (64, 64), "leaky_relu", True, 0.0),
        "dropout64": ((64, 64), "relu", (64, 64), "leaky_relu", False, 0.3),
        "lessdropout64": ((64, 64), "relu", (64, 64), "leaky_relu", False, 0.2),
        "heavydropout64": ((64, 64), "relu", (64, 64), "leaky_relu", False, 0.8),
        "weakd": ((64, 64), "relu", (4,), "relu", False, 0.0),
        "strongd": ((16,), "relu", (128, 128, 128), "relu", False, 0.0),
        "drawer": ((256, 256), "relu", (256, 256), "leaky_relu", True, 0.3),
        "plaindrawer": ((192, 192), "leaky_relu", (192, 192), "leaky_relu", False, 0.3),
    }[name]
    g_widths, g_act, d_widths, d_act, norm, dropout = parts
    return (
        _mlp(g_widths, g_act, LATENT, size, norm=norm, last="tanh" if size > 2 else None),
        _mlp(d_widths, d_act, size, 1, dropout=dropout),
    )


def d_terms(objective: str, score: Any, label: Any) -> Any:
    """D's loss of each sample, a critic's too; label 1 for real."""
    if objective.startswith("wasserstein"):
        return -(2 * label - 1) * score
    return ring_gan.d_terms(objective, score, label)


PENALTY = 1.0
CLIPPED = 0.1


def train(program: Program, recipes: Sequence[Recipe]) -> Iterator[Look]:
    """Train all of them, side by side."""
    data = DATA[program.data]
    pool = jnp.asarray(data.draw(POOL, np.random.default_rng(1)))
    g, d = networks(program.network, data.size)
    beta = 0.0 if program.objective == "wasserstein_gp" else 0.5
    d_opt = keras.optimizers.Adam(1e-3, beta_1=beta)
    g_opt = keras.optimizers.Adam(1e-3, beta_1=beta)
    d_opt.build(d.trainable_variables)
    g_opt.build([*g.trainable_variables, *d.trainable_variables])
    own = len(g.trainable_variables)

    def initial(recipe: Recipe) -> Any:
        keras.utils.set_random_seed(recipe.seed)
        fresh_g, fresh_d = networks(program.network, data.size)
        scaled = [v.value * recipe.init for v in fresh_g.trainable_variables]
        state = {
            "g": scaled, "g_other": [v.value for v in fresh_g.non_trainable_variables],
            "d": [v.value for v in fresh_d.trainable_variables],
            "d_other": [v.value for v in fresh_d.non_trainable_variables],
            "d_opt": [v.value for v in d_opt.variables],
            "g_opt": [v.value for v in g_opt.variables],
        }  # fmt: skip
        state["key"] = jax.random.PRNGKey(recipe.seed)
        return state

    names = ("leak", "d_share", "g_share", "label_noise", "scale", "instance_noise", "d_rate",
             "g_rate")  # fmt: skip

    def settings_at(step: int) -> Any:
        now = [recipe.at(step) for recipe in recipes]
        return {n: jnp.asarray([float(getattr(r, n)) for r in now]) for n in names}

    def real_samples(key: Any, count: int) -> Any:
        return pool[jax.random.randint(key, (count,), 0, POOL)]

    def with_rate(optimizer: Any, variables: Any, rate: Any) -> Any:
        place = [v is optimizer._learning_rate for v in optimizer.variables].index(True)
        return [rate.astype("float32") if i == place else v for i, v in enumerate(variables)]

    def step(settings: Any, state: Any, _: Any) -> Any:
        key, *keys = jax.random.split(state["key"], 9)
        noise = lambda k, x: x + settings["instance_noise"] * jax.random.normal(k, x.shape)  # noqa: E731
        real = settings["scale"] * real_samples(keys[0], program.batch)
        z = jax.random.normal(keys[1], (program.batch, LATENT))
        fake, _ = g.stateless_call(state["g"], state["g_other"], z, training=True)
        flips = jax.random.uniform(keys[2], (2, program.batch, 1)) < settings["label_noise"]

        def d_loss(weights: Any) -> Any:
            on_real, other = d.stateless_call(weights, state["d_other"], noise(keys[3], real),
                                              training=True)  # fmt: skip
            on_fake, other = d.stateless_call(weights, other, noise(keys[4], fake), training=True)
            of_real = d_terms(program.objective, on_real, 1.0 - flips[0]).mean()
            of_fake = d_terms(program.objective, on_fake, 0.0 + flips[1]).mean()
            loss = of_real + of_fake
            if program.objective == "wasserstein_gp":
                mix = jax.random.uniform(keys[5], (program.batch, 1))
                between = mix * real + (1 - mix) * fake
                slope = jax.grad(
                    lambda x: d.stateless_call(weights, other, x, training=False)[0].sum()
                )(between)
                norms = jnp.sqrt(jnp.square(slope).sum(axis=1) + 1e-12)
                loss += PENALTY * jnp.square(norms - 1).mean()
            return loss, (of_real, of_fake, on_real, on_fake, other)

        gradients, (of_real, of_fake, on_real, on_fake, other) = jax.grad(d_loss, has_aux=True)(
            state["d"]
        )
        d_new, d_opt_new = d_opt.stateless_apply(state["d_opt"], gradients, state["d"])
        if program.objective == "wasserstein_clip":
            d_new = [jnp.clip(w, -CLIPPED, CLIPPED) for w in d_new]
        train_d = jax.random.uniform(keys[6]) < settings["d_share"]
        d_new, d_opt_new = jax.tree.map(
            lambda new, old: jnp.where(train_d, new, old), (d_new, d_opt_new),
            (state["d"], state["d_opt"]),
        )  # fmt: skip
        z = jax.random.normal(keys[7], (program.batch, LATENT))

        def g_loss(weights: Any) -> Any:
            drawn, g_other = g.stateless_call(weights[:own], state["g_other"], z, training=True)
            score, after = d.stateless_call(weights[own:], other, drawn, training=True)
            return ring_gan.g_terms(program.objective, score).mean(), (score, g_other, after)

        both = [*state["g"], *d_new]
        (of_g, (on_g, g_other, other)), gradients = jax.value_and_grad(g_loss, has_aux=True)(both)
        moved, g_opt_new = g_opt.stateless_apply(state["g_opt"], gradients, both)
        train_g = jax.random.uniform(jax.random.fold_in(key, 1)) < settings["g_share"]
        g_new, g_opt_new = jax.tree.map(
            lambda new, old: jnp.where(train_g, new, old), (moved[:own], g_opt_new),
            (state["g"], state["g_opt"]),
        )  # fmt: skip
        d_new = [
            jnp.where(settings["leak"] > 0, m, w) for m, w in zip(moved[own:], d_new, strict=True)
        ]
        line = ring_gan.middle(program.objective)
        readings = jnp.stack([of_real, of_fake, (on_real > line).mean(), (on_fake <= line).mean(),
                              of_g, (on_g > line).mean()])  # fmt: skip
        new = {"g": g_new, "g_other": g_other, "d": d_new, "d_other": other, "d_opt": d_opt_new,
               "g_opt": g_opt_new, "key": key}  # fmt: skip
        return new, readings

    def look(settings: Any, state: Any) -> Any:
        z = jax.random.normal(jax.random.PRNGKey(7), (data.judged, LATENT))
        fake, _ = g.stateless_call(state["g"], state["g_other"], z, training=False)
        real = settings["scale"] * real_samples(jax.random.PRNGKey(8), SCORED)
        scores = [
            d.stateless_call(state["d"], state["d_other"], x, training=False)[0][:, 0]
            for x in (real, fake[:SCORED])
        ]
        return fake / settings["scale"], jnp.stack(scores)

    @jax.jit
    @partial(jax.vmap, in_axes=(0, 0))
    def stretch(settings: Any, state: Any) -> Any:
        state |= {
            "d_opt": with_rate(d_opt, state["d_opt"], settings["d_rate"]),
            "g_opt": with_rate(g_opt, state["g_opt"], settings["g_rate"]),
        }
        state, readings = jax.lax.scan(partial(step, settings), state, None, length=LOOK)
        means = readings.reshape(LOOK // EVERY, EVERY, len(SIGNALS)).mean(axis=1)
        return state, means, *look(settings, state)

    states = [initial(recipe) for recipe in recipes]
    state = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *states)
    for began in range(0, program.steps, LOOK):
        state, *seen = stretch(settings_at(began), state)
        yield Look(*map(np.asarray, seen))
