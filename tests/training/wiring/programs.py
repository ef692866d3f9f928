"""GAN programs as people write them, correct and faulty, each with the faults it has.

A program builds its networks and trains them for a few steps under a monitor: by ``fit`` with a
``train_step`` of its own, or by a ``train_on_batch`` loop. Each is tiny: what is tested is who
trains whom.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np
from keras import layers, ops
from tiny import GAN, ring

import keras_collapse as kc

BACKEND = keras.backend.backend()
LATENT = 4
BATCH = 32
STEPS = 4


@dataclass(frozen=True)
class Program:
    """One program.

    Args:
        name: of the idiom.
        faults: the kinds it has on this backend; empty where it is correct.
        train: trains it under the monitor given.
    """

    name: str
    faults: frozenset[str]
    train: Callable[[kc.CollapseMonitor], None]


PROGRAMS: list[Program] = []


def has(*faults: str, **by_backend: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a program with its faults; a keyword gives those of one backend alone."""

    def register(train: Callable[..., None]) -> Callable[..., None]:
        here = frozenset(faults)
        if BACKEND in by_backend:
            here = frozenset(filter(None, by_backend[BACKEND].split()))
        PROGRAMS.append(Program(train.__name__, here, train))
        return train

    return register


def correct(train: Callable[..., None]) -> Callable[..., None]:
    return has()(train)


# -- parts -----------------------------------------------------------------------------------


def generator(batch_norm: bool = True) -> keras.Model:
    norm = [layers.BatchNormalization()] if batch_norm else []
    return keras.Sequential(
        [keras.Input((LATENT,)), layers.Dense(16), *norm, layers.ReLU(), layers.Dense(2)],
        name="generator",
    )


def discriminator(activation: str | None = "sigmoid", batch_norm: bool = False) -> keras.Model:
    norm = [layers.BatchNormalization()] if batch_norm else []
    return keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, activation="leaky_relu"),
            *norm,
            layers.Dropout(0.3),
            layers.Dense(1, activation=activation),
        ],
        name="discriminator",
    )


def rmsprop() -> keras.Optimizer:
    return keras.optimizers.RMSprop(1e-3)


def latents(count: int = BATCH) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, LATENT), dtype="float32")


REAL = ring(BATCH)
ONES, ZEROS = np.ones((BATCH, 1), "float32"), np.zeros((BATCH, 1), "float32")


def compiled(network: keras.Model, **how: Any) -> keras.Model:
    settings = {"optimizer": rmsprop(), "loss": "binary_crossentropy", "metrics": ["accuracy"]}
    network.compile(**(settings | how), jit_compile=False)
    return network


def joined(g: keras.Model, d: keras.Model) -> keras.Model:
    return keras.Sequential([keras.Input((LATENT,)), g, d], name="gan")


# -- loops -----------------------------------------------------------------------------------


def loop(
    monitor: kc.CollapseMonitor,
    g: keras.Model,
    d: keras.Model,
    gan: keras.Model,
    before_d: Callable[[], None] = lambda: None,
    before_g: Callable[[], None] = lambda: None,
    d_steps: int = 1,
    real: Any = ONES,
    fake: Any = ZEROS,
    wanted: Any = None,
    samples: Any = REAL,
    draw: Callable[[], Any] | None = None,
    **how: Any,
) -> None:
    """The loop of every tutorial, with what differs as arguments.

    Args:
        monitor, g, d, gan: the monitor and the three models.
        before_d, before_g: what is done before D's and G's step.
        d_steps: of D to one of G.
        real, fake: D's labels.
        wanted: G's label, by default that of real samples.
        samples: the real ones.
        draw: gives the fakes that D is shown, by default by ``predict``.
        **how: arguments of ``train_on_batch``.
    """
    draw = draw or (lambda: g.predict(latents(), verbose=0))
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(STEPS):
            for _ in range(d_steps):
                before_d()
                d.train_on_batch(samples, real, **how)
                d.train_on_batch(draw(), fake, **how)
            before_g()
            gan.train_on_batch(latents(), real if wanted is None else wanted, **how)


def mixed_loop(
    monitor: kc.CollapseMonitor, g: keras.Model, d: keras.Model, gan: keras.Model
) -> None:
    """A loop that shows D both kinds in one batch."""
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(STEPS):
            d.trainable = True
            both = np.concatenate([REAL, g.predict(latents(), verbose=0)])
            d.train_on_batch(both, np.concatenate([ONES, ZEROS]))
            d.trainable = False
            gan.train_on_batch(latents(), ONES)


def toggling(
    d: keras.Model,
) -> dict[str, Callable[[], None]]:
    """The cure: D's flag as it must be whenever a step may be traced."""
    return {
        "before_d": lambda: setattr(d, "trainable", True),
        "before_g": lambda: setattr(d, "trainable", False),
    }


def networks(**how: Any) -> tuple[keras.Model, keras.Model, keras.Model]:
    g, d = generator(), compiled(discriminator(), **how)
    return g, d, compiled(joined(g, d), **{k: v for k, v in how.items() if k != "optimizer"})


@correct
def loop_toggling_at_each_step(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, **toggling(d))


@correct
def loop_toggling_with_five_d_steps(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, d_steps=5, **toggling(d))


@correct
def loop_toggling_with_smoothed_labels(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, real=ONES * 0.9, fake=ONES * 0.1, **toggling(d))


@correct
def loop_toggling_with_flipped_labels(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, real=ZEROS, fake=ONES, **toggling(d))


@correct
def loop_toggling_with_dictionaries(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, return_dict=True, **toggling(d))


@correct
def loop_toggling_without_metrics(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks(metrics=None)
    loop(monitor, g, d, gan, **toggling(d))


@correct
def loop_toggling_with_least_squares(monitor: kc.CollapseMonitor) -> None:
    g = generator()
    d = compiled(discriminator(None), loss="mse", metrics=None)
    loop(monitor, g, d, compiled(joined(g, d), loss="mse", metrics=None), **toggling(d))


@correct
def loop_toggling_with_adam_and_decay(monitor: kc.CollapseMonitor) -> None:
    rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 100, 0.9)
    g, d = generator(), compiled(discriminator(), optimizer=keras.optimizers.Adam(rate, 0.5))
    gan = compiled(joined(g, d), optimizer=keras.optimizers.AdamW(2e-4, 0.5))
    loop(monitor, g, d, gan, **toggling(d))


@correct
def loop_toggling_with_plain_sgd(monitor: kc.CollapseMonitor) -> None:
    g, d = generator(), compiled(discriminator(), optimizer=keras.optimizers.SGD(1e-2))
    gan = compiled(joined(g, d), optimizer=keras.optimizers.SGD(1e-2, momentum=0.9))
    loop(monitor, g, d, gan, **toggling(d))


@correct
def loop_toggling_with_a_warm_up_from_zero(monitor: kc.CollapseMonitor) -> None:
    rate = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1e-3)
    g, d = generator(), compiled(discriminator(), optimizer=keras.optimizers.Adam(rate))
    rate = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1e-3)
    gan = compiled(joined(g, d), optimizer=keras.optimizers.Adam(rate))
    loop(monitor, g, d, gan, **toggling(d))


@correct
def loop_toggling_with_metrics_reset_at_each_call(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()

    def before_d() -> None:
        d.trainable = True
        d.reset_metrics()

    loop(monitor, g, d, gan, before_d, toggling(d)["before_g"])


@correct
def loop_toggling_with_both_kinds_in_one_batch(monitor: kc.CollapseMonitor) -> None:
    mixed_loop(monitor, *networks())


@correct
def loop_with_a_functional_combined_model(monitor: kc.CollapseMonitor) -> None:
    g, d = generator(), compiled(discriminator())
    z = keras.Input((LATENT,))
    loop(monitor, g, d, compiled(keras.Model(z, d(g(z)))), **toggling(d))


@correct
def loop_by_update(monitor: kc.CollapseMonitor) -> None:
    for _ in range(STEPS):
        monitor.update(d_loss=0.69, g_loss=0.7, d_acc_real=0.5, d_acc_fake=0.5)


@has("discriminator_leak")
def loop_compile_freeze_compile_unfreeze(monitor: kc.CollapseMonitor) -> None:
    g, d = generator(), compiled(discriminator())
    d.trainable = False
    gan = compiled(joined(g, d))
    d.trainable = True
    loop(monitor, g, d, gan)


@has("discriminator_leak")
def loop_never_frozen(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan)


@has("discriminator_leak")
def loop_never_frozen_with_flipped_labels(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, real=ZEROS, fake=ONES)


@has("discriminator_leak")
def loop_never_frozen_with_least_squares(monitor: kc.CollapseMonitor) -> None:
    g = generator()
    d = compiled(discriminator(None), loss="mse", metrics=None)
    loop(monitor, g, d, compiled(joined(g, d), loss="mse", metrics=None))


@has("discriminator_frozen")
def loop_freeze_and_leave(monitor: kc.CollapseMonitor) -> None:
    g, d = generator(), compiled(discriminator())
    d.trainable = False
    loop(monitor, g, d, compiled(joined(g, d)))


@has("discriminator_leak")
def loop_never_frozen_with_five_d_steps(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, d_steps=5)


@has("discriminator_leak", torch="discriminator_leak discriminator_frozen")
def loop_trace_then_freeze(monitor: kc.CollapseMonitor) -> None:
    """Frozen after its first step: too late for G's, and PyTorch never trains D again."""
    g, d, gan = networks()
    with (
        monitor.watching(generator=g, discriminator=d, combined=gan),
        contextlib.suppress(ValueError),  # JAX: the optimizer no longer fits the variables
    ):
        for _ in range(STEPS):
            d.train_on_batch(REAL, ONES)
            d.train_on_batch(g.predict(latents(), verbose=0), ZEROS)
            gan.train_on_batch(latents(), ONES)
            d.trainable = False


@has("discriminator_leak", "discriminator_frozen")
def loop_toggling_the_wrong_way_round(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    right = toggling(d)
    loop(monitor, g, d, gan, right["before_g"], right["before_d"])


@has("generator_frozen")
def loop_generator_left_frozen(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    g.trainable = False
    loop(monitor, g, d, gan, **toggling(d))


@has("generator_leak")
def loop_d_trained_through_the_generator(monitor: kc.CollapseMonitor) -> None:
    g, core = generator(), discriminator()
    z, x = keras.Input((LATENT,)), keras.Input((2,))
    d = compiled(keras.Model([x, z], [core(x), core(g(z))]), loss=["binary_crossentropy"] * 2,
                 metrics=None)  # fmt: skip
    gan = compiled(joined(g, core))
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(STEPS):
            core.trainable = True
            d.train_on_batch([REAL, latents()], [ONES, ZEROS])
            core.trainable = False
            gan.train_on_batch(latents(), ONES)


@correct
def loop_drawing_fakes_by_a_direct_call(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, draw=functools.partial(g, latents(), training=False), **toggling(d))


@correct
def loop_with_a_conditional_discriminator(monitor: kc.CollapseMonitor) -> None:
    """D and G are told a class, and D names it too (Odena et al., 2017)."""
    z, label, x = keras.Input((LATENT,)), keras.Input((1,)), keras.Input((2,))
    g = keras.Model([z, label], layers.Dense(2)(layers.Concatenate()([z, label])))
    hidden = layers.Dense(16, activation="relu")(layers.Concatenate()([x, label]))
    outputs = [layers.Dense(1, activation="sigmoid")(hidden), layers.Dense(1)(hidden)]
    d = keras.Model([x, label], outputs, name="discriminator")
    how = {"loss": ["binary_crossentropy", "mse"], "metrics": None}
    compiled(d, **how)
    gan = compiled(keras.Model([z, label], d([g([z, label]), label])), **how)
    classes = np.arange(BATCH, dtype="float32")[:, None] % 2
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(STEPS):
            d.trainable = True
            fakes = g.predict([latents(), classes], verbose=0)
            d.train_on_batch([REAL, classes], [ONES, classes])
            d.train_on_batch([fakes, classes], [ZEROS, classes])
            d.trainable = False
            gan.train_on_batch([latents(), classes], [ONES, classes])


@has("discriminator_objective")
def loop_with_one_label_for_d(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    loop(monitor, g, d, gan, fake=ONES, **toggling(d))


@has("generator_objective")
def loop_with_gs_label_not_flipped(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks()
    draw = functools.partial(g, latents(), training=False)
    loop(monitor, g, d, gan, draw=draw, wanted=ZEROS, **toggling(d))


@has("range_mismatch")
def loop_on_data_beyond_gs_reach(monitor: kc.CollapseMonitor) -> None:
    g = keras.Sequential([keras.Input((LATENT,)), layers.Dense(2, activation="tanh")])
    d = compiled(discriminator())
    loop(monitor, g, d, compiled(joined(g, d)), samples=100 * REAL, **toggling(d))


@has("loss_activation_mismatch")
def loop_with_a_sigmoid_before_a_loss_of_logits(monitor: kc.CollapseMonitor) -> None:
    g, d, gan = networks(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    loop(monitor, g, d, gan, **toggling(d))


@has("mixed_batchnorm")
def loop_with_both_kinds_in_one_normalised_batch(monitor: kc.CollapseMonitor) -> None:
    g, d = generator(), compiled(discriminator(batch_norm=True))
    mixed_loop(monitor, g, d, compiled(joined(g, d)))


@has("recompiled")
def loop_compiling_at_each_step(monitor: kc.CollapseMonitor) -> None:
    """What Keras 2 needed before a changed flag was heeded, copied into the loop."""
    g, d, gan = networks()

    def before_d() -> None:
        d.trainable = True
        compiled(d)

    loop(monitor, g, d, gan, before_d, toggling(d)["before_g"])


if BACKEND != "jax":  # there Keras refuses an optimizer that knows more than the model

    @has("shared_optimizer", "discriminator_leak")
    def loop_one_optimizer_for_both(monitor: kc.CollapseMonitor) -> None:
        one = rmsprop()
        g, d = generator(), discriminator()
        one.build([*d.trainable_variables, *g.trainable_variables])
        compiled(d, optimizer=one)
        loop(monitor, g, d, compiled(joined(g, d), optimizer=one))


# -- fits ------------------------------------------------------------------------------------


def fit(monitor: kc.CollapseMonitor, gan: keras.Model, **how: Any) -> None:
    settings = {"batch_size": BATCH, "epochs": 1, "verbose": 0} | how
    gan.fit(ring(BATCH * STEPS), callbacks=[monitor], **settings)


def build(kind: type[GAN] = GAN, d: Any = None, g: Any = None, **how: Any) -> GAN:
    optimizers = {"d_optimizer": rmsprop(), "g_optimizer": rmsprop()} | how
    gan = kind(g or generator(), d or discriminator(), seed=1)
    gan.compile(**optimizers, jit_compile=BACKEND == "jax")
    return gan


@correct
def fit_both_halves_in_one_d_step(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build())


class SeparateHalves(GAN):
    """D learns from real and from fake samples in two steps."""

    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        logs = self._descend(self.d_optimizer, judge, lambda: self._loss_on_real(real))
        logs |= self._descend(self.d_optimizer, judge, lambda: self._loss_on_fake(real))
        logs |= self._descend(self.optimizer, draw, lambda: self._generator_loss(real))
        return logs


@correct
def fit_each_half_in_a_d_step(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(SeparateHalves))


class FiveDSteps(GAN):
    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        for _ in range(5):
            logs = self._descend(self.d_optimizer, judge, lambda: self._discriminator_loss(real))
        logs |= self._descend(self.optimizer, draw, lambda: self._generator_loss(real))
        return logs


@correct
def fit_with_five_d_steps(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(FiveDSteps))


class TwoGSteps(GAN):
    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        logs = self._descend(self.d_optimizer, judge, lambda: self._discriminator_loss(real))
        for _ in range(2):
            logs |= self._descend(self.optimizer, draw, lambda: self._generator_loss(real))
        return logs


@correct
def fit_with_two_g_steps(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(TwoGSteps))


class GFirst(GAN):
    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        logs = self._descend(self.optimizer, draw, lambda: self._generator_loss(real))
        logs |= self._descend(self.d_optimizer, judge, lambda: self._discriminator_loss(real))
        return logs


@correct
def fit_with_g_first(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(GFirst))


class Wasserstein(GAN):
    def _discriminator_loss(self, real: Any) -> Any:
        loss = ops.mean(self.discriminator(self._draw(BATCH), training=True)) - ops.mean(
            self.discriminator(real, training=True)
        )
        return loss, {"d_loss": loss}

    def _generator_loss(self, _: Any) -> Any:
        loss = -ops.mean(self.discriminator(self._draw(BATCH), training=True))
        return loss, {"g_loss": loss}

    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        logs = self._descend(self.d_optimizer, judge, lambda: self._discriminator_loss(real))
        logs |= self._descend(self.optimizer, draw, lambda: self._generator_loss(real))
        return logs


@correct
def fit_a_critic(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(Wasserstein, d=discriminator(None)))


class Hinge(Wasserstein):
    def _discriminator_loss(self, real: Any) -> Any:
        on_real = ops.mean(ops.relu(1 - self.discriminator(real, training=True)))
        on_fake = ops.mean(ops.relu(1 + self.discriminator(self._draw(BATCH), training=True)))
        return on_real + on_fake, {"d_loss": on_real + on_fake}


@correct
def fit_a_hinge_loss(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(Hinge, d=discriminator(None)))


@correct
def fit_with_adam_clipping_and_decay(monitor: kc.CollapseMonitor) -> None:
    adam = keras.optimizers.Adam
    fit(
        monitor,
        build(d_optimizer=adam(1e-3, 0.5, clipnorm=1.0), g_optimizer=adam(1e-3, weight_decay=1e-4)),
    )


@correct
def fit_with_plain_sgd(monitor: kc.CollapseMonitor) -> None:
    sgd = keras.optimizers.SGD
    fit(monitor, build(d_optimizer=sgd(1e-2), g_optimizer=sgd(1e-2)))


@correct
def fit_with_batch_norm_in_d(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(SeparateHalves, d=discriminator(batch_norm=True)))


@correct
def fit_part_of_d_frozen_on_purpose(monitor: kc.CollapseMonitor) -> None:
    d = discriminator()
    d.layers[0].trainable = False
    fit(monitor, build(d=d))


class KnowsAll(GAN):
    """G's optimizer was built on all variables, and is handed G's only."""

    @property
    def _moved_by_generator(self) -> list[Any]:
        return self.generator.trainable_variables

    def compile(self, d_optimizer: Any, g_optimizer: Any, **how: Any) -> None:
        everything = [*self.generator.trainable_variables, *self.discriminator.trainable_variables]
        g_optimizer.build(everything)
        super().compile(d_optimizer, g_optimizer, **how)


@correct
def fit_with_an_optimizer_that_knows_all(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(KnowsAll))


@correct
def fit_twice(monitor: kc.CollapseMonitor) -> None:
    gan = build()
    fit(monitor, gan)
    fit(monitor, gan)


if BACKEND != "torch":

    @correct
    def fit_with_several_steps_an_execution(monitor: kc.CollapseMonitor) -> None:
        fit(monitor, build(steps_per_execution=2))


class Moves(GAN):
    """A step in which each optimizer is handed what ``moves`` says."""

    d_moves: tuple[str, ...] = ("discriminator",)
    g_moves: tuple[str, ...] = ("generator",)

    def _of(self, names: tuple[str, ...]) -> list[Any]:
        return [v for name in names for v in getattr(self, name).trainable_variables]

    @property
    def _moved_by_generator(self) -> list[Any]:
        return self._of(("generator", "discriminator"))

    def compile(self, d_optimizer: Any, g_optimizer: Any, **how: Any) -> None:
        d_optimizer.build(self._of(("generator", "discriminator")))
        super().compile(d_optimizer, g_optimizer, **how)

    def _one_step(self, real: Any) -> dict[str, Any]:
        logs = {}
        if self.d_moves:
            logs |= self._descend(
                self.d_optimizer, self._of(self.d_moves), lambda: self._discriminator_loss(real)
            )
        if self.g_moves:
            logs |= self._descend(
                self.optimizer, self._of(self.g_moves), lambda: self._generator_loss(real)
            )
        return {"d_loss": ops.ones(()), "g_loss": ops.ones(())} | logs


def moves(name: str, d: tuple[str, ...], g: tuple[str, ...]) -> type[GAN]:
    return type(name, (Moves,), {"d_moves": d, "g_moves": g})


BOTH = ("generator", "discriminator")


@has("discriminator_leak")
def fit_g_step_moves_d_too(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("GMovesBoth", ("discriminator",), BOTH)))


class DStepOnGsLoss(GAN):
    """D takes a second step, with its own optimizer, on G's loss."""

    def _one_step(self, real: Any) -> dict[str, Any]:
        judge = self.discriminator.trainable_variables
        logs = super()._one_step(real)
        self._descend(self.d_optimizer, judge, lambda: self._generator_loss(real))
        return logs


@has("discriminator_leak")
def fit_the_camel_gans_leak(monitor: kc.CollapseMonitor) -> None:
    gan = GAN(generator(), discriminator(), seed=1, fault="leak")
    gan.compile(rmsprop(), rmsprop(), jit_compile=BACKEND == "jax")
    fit(monitor, gan)


@has("generator_leak")
def fit_d_step_moves_g_too(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("DMovesBoth", BOTH, ("generator",))))


@has("discriminator_leak", "generator_leak")
def fit_both_steps_move_both(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("AllMoveAll", BOTH, BOTH)))


@has("discriminator_leak", "generator_frozen")
def fit_g_step_moves_d_instead(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("GMovesD", ("discriminator",), ("discriminator",))))


@has("generator_leak", "discriminator_frozen")
def fit_d_step_moves_g_instead(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("DMovesG", ("generator",), ("generator",))))


@has("generator_frozen")
def fit_without_a_g_step(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("NoG", ("discriminator",), ())))


@has("discriminator_frozen")
def fit_without_a_d_step(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(moves("NoD", (), ("generator",))))


class OneLoss(Moves):
    def _one_step(self, real: Any) -> dict[str, Any]:
        def measure() -> Any:
            on_d, logs = self._discriminator_loss(real)
            on_g, more = self._generator_loss(real)
            return on_d + on_g, logs | more

        return self._descend(self.optimizer, self._of(BOTH), measure)


@has("shared_optimizer")
def fit_one_step_on_the_sum_of_both_losses(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(OneLoss))


class OneOptimizer(Moves):
    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self._of(("discriminator",)), self._of(("generator",))
        logs = self._descend(self.optimizer, judge, lambda: self._discriminator_loss(real))
        return logs | self._descend(self.optimizer, draw, lambda: self._generator_loss(real))


@has("shared_optimizer")
def fit_one_optimizer_for_both_steps(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(OneOptimizer))


class GWithoutGradient(GAN):
    """G's samples pass D without a gradient: what ``predict`` or ``detach`` in a step does."""

    def _generator_loss(self, real: Any) -> Any:
        p_fake = self.discriminator(ops.stop_gradient(self._draw(BATCH)), training=True)
        loss = ops.mean(-ops.log(p_fake + 1e-7)) + 0.0 * sum(
            ops.sum(v) for v in self.generator.trainable_variables
        )
        return loss, {"g_loss": loss, "g_acc": ops.mean(p_fake > 0.5)}


@has("generator_frozen")
def fit_g_without_gradient(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(GWithoutGradient))


class DWithoutGradient(SeparateHalves):
    def _loss_on_real(self, real: Any) -> Any:
        loss, logs = super()._loss_on_real(real)
        return self._cut(loss), logs

    def _loss_on_fake(self, real: Any) -> Any:
        loss, logs = super()._loss_on_fake(real)
        return self._cut(loss), logs

    def _cut(self, loss: Any) -> Any:
        nothing = sum(ops.sum(v) for v in self.discriminator.trainable_variables)
        return ops.stop_gradient(loss) + 0.0 * nothing


@has("discriminator_frozen")
def fit_d_without_gradient(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(DWithoutGradient))


@has("discriminator_frozen")
def fit_d_left_frozen(monitor: kc.CollapseMonitor) -> None:
    d = discriminator()
    d.trainable = False
    fit(monitor, build(d=d))


@has("generator_frozen")
def fit_g_left_frozen(monitor: kc.CollapseMonitor) -> None:
    g = generator()
    g.trainable = False
    fit(monitor, build(g=g))


@has("discriminator_frozen")
def fit_d_with_a_rate_of_zero(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(d_optimizer=keras.optimizers.RMSprop(0.0)))


@has("generator_frozen")
def fit_g_with_a_rate_of_zero(monitor: kc.CollapseMonitor) -> None:
    fit(monitor, build(g_optimizer=keras.optimizers.RMSprop(0.0)))


@has("recompiled")
def fit_compiled_anew_for_each_epoch(monitor: kc.CollapseMonitor) -> None:
    gan = build()
    for _ in range(3):
        fit(monitor, gan)
        gan.compile(rmsprop(), rmsprop(), jit_compile=BACKEND == "jax")
