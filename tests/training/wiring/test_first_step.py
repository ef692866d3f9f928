"""A ``fit`` checks its own first step: faults are findings at once, and nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from programs import BATCH, LATENT, DStepOnGsLoss, build, networks, toggling
from tiny import GAN, ring, tiny_gan, weights

import keras_collapse as kc

pytestmark = pytest.mark.backend()
slow_on_jax = pytest.mark.slow("jax")  # where each step is compiled

DATA = 0.8 * ring(4 * BATCH)


def first_findings(gan: Any, tmp_path: Path, data: Any = DATA) -> dict[str, tuple[str, int]]:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    gan.fit(data, batch_size=BATCH, epochs=1, verbose=0, callbacks=[monitor])
    found = [f for f in monitor.verdict.findings if f.severity != "info"]
    return {f.kind: (str(f.severity), f.first_step) for f in found}


class WrongLabel(GAN):
    """Trains G to be called fake."""

    def _generator_loss(self, real: Any) -> Any:
        p_fake = self.discriminator(self._draw(ops.shape(real)[0]), training=True)
        loss = -ops.mean(ops.log(1 - p_fake + 1e-7))
        return loss, {"g_loss": loss, "g_acc": ops.mean(p_fake > 0.5)}


class TwoFaces(GAN):
    """Scores G's samples in G's step by D's moving averages."""

    def _generator_loss(self, real: Any) -> Any:
        p_fake = self.discriminator(self._draw(ops.shape(real)[0]), training=False)
        loss = -ops.mean(ops.log(p_fake + 1e-7))
        return loss, {"g_loss": loss, "g_acc": ops.mean(p_fake > 0.5)}


class Counting(GAN):
    """Keeps a count, a list and a variable that Keras does not know, and draws from a generator."""

    def _one_step(self, real: Any) -> dict[str, Any]:
        self.taken = getattr(self, "taken", 0) + 1
        self.history_of_steps.append(self.taken)
        return super()._one_step(real)


def with_batch_norm(kind: type[GAN]) -> GAN:
    gan = tiny_gan(kind=kind)
    d = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="discriminator",
    )
    found = kind(gan.generator, d, seed=7)
    found.compile(
        d_optimizer=keras.optimizers.RMSprop(1e-3),
        g_optimizer=keras.optimizers.RMSprop(1e-3),
        **({"jit_compile": False} if keras.backend.backend() == "tensorflow" else {}),
    )
    return found


@slow_on_jax
def test_a_correct_gan_shows_nothing(tmp_path: Path) -> None:
    assert first_findings(tiny_gan(), tmp_path) == {}


def test_the_label_of_gs_step_is_a_finding_of_the_first_step(tmp_path: Path) -> None:
    found = first_findings(tiny_gan(kind=WrongLabel), tmp_path)
    assert found == {"generator_objective": ("failed", 0)}


def test_a_d_step_on_gs_loss_is_a_leak(tmp_path: Path) -> None:
    assert first_findings(build(DStepOnGsLoss), tmp_path) == {"discriminator_leak": ("failed", 0)}


@slow_on_jax
def test_a_batch_norm_with_two_modes_is_a_finding_of_the_first_step(tmp_path: Path) -> None:
    found = first_findings(with_batch_norm(TwoFaces), tmp_path)
    assert found == {"batchnorm_mismatch": ("warning", 0)}
    assert first_findings(with_batch_norm(GAN), tmp_path / "right") == {}


@slow_on_jax
def test_a_rate_of_zero_is_the_cause_of_a_frozen_network(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan(d_rate=0.0).fit(DATA, batch_size=BATCH, epochs=1, verbose=0, callbacks=[monitor])
    [finding] = [f for f in monitor.verdict.findings if f.kind == "discriminator_frozen"]
    assert finding.message.endswith("The learning rate of its optimizer is 0.")
    assert finding.advice == (
        "Give the discriminator's optimizer a learning rate above 0, such as 2e-4.",
    )


@slow_on_jax
def test_a_second_fit_is_checked_again_only_after_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras_collapse.training.loops import fit_watch

    taken: list[Any] = []

    def check(*given: Any) -> tuple[None, list[Any]]:
        taken.append(given)
        return None, []

    monkeypatch.setattr(fit_watch, "check_first_step", check)
    gan, monitor = tiny_gan(), kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    for _ in range(3):
        gan.fit(DATA, batch_size=BATCH, verbose=0, callbacks=[monitor])
    assert len(taken) == 1
    gan.compile(
        d_optimizer=keras.optimizers.RMSprop(1e-3), g_optimizer=keras.optimizers.RMSprop(1e-3)
    )
    gan.fit(DATA, batch_size=BATCH, verbose=0, callbacks=[monitor])
    assert len(taken) == 2


@slow_on_jax
def test_an_error_of_the_check_costs_the_check_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras_collapse.training.loops import fit_watch

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(fit_watch, "check_first_step", broken)
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    with pytest.warns(UserWarning, match="The check of the first step failed this time"):
        tiny_gan().fit(DATA, batch_size=BATCH, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.verdict.steps == len(DATA) // BATCH


@pytest.mark.backend("torch")
def test_counters_and_lists_of_a_model_are_as_without_the_check(tmp_path: Path) -> None:
    def trained(callbacks: list[Any]) -> tuple[int, list[int], list[np.ndarray]]:
        kc.seed_everything(3)
        gan = tiny_gan(kind=Counting)
        gan.history_of_steps = []
        gan.fit(DATA, batch_size=BATCH, epochs=1, verbose=0, callbacks=callbacks)
        return gan.taken, list(gan.history_of_steps), weights(gan)

    bare = trained([])
    watched = trained([kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)])
    assert bare[:2] == watched[:2]
    assert all(np.array_equal(a, b) for a, b in zip(bare[2], watched[2], strict=True))


@pytest.mark.backend("tensorflow")
def test_variables_and_generators_of_tensorflow_are_as_without_the_check(tmp_path: Path) -> None:
    import tensorflow as tf

    class Augmenter(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.probability = tf.Variable(0.0, trainable=False)

        def call(self, x: Any) -> Any:
            return x * (1 + 0.01 * self.probability)

    class Augmenting(GAN):
        def _one_step(self, real: Any) -> dict[str, Any]:
            self.steps_taken.assign_add(1)
            self.augmenter.probability.assign_add(0.1)
            real = self.augmenter(real)
            noise = self.noise.normal(tf.shape(real))
            return super()._one_step(real + 0.01 * noise)

    def trained(callbacks: list[Any]) -> tuple[int, list[np.ndarray]]:
        kc.seed_everything(3)
        gan = tiny_gan(kind=Augmenting)
        gan.augmenter = Augmenter()
        gan.steps_taken, gan.noise = tf.Variable(0), tf.random.Generator.from_seed(5)
        gan.fit(DATA, batch_size=BATCH, epochs=1, verbose=0, callbacks=callbacks)
        return int(gan.steps_taken), weights(gan)

    bare = trained([])
    watched = trained([kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)])
    assert bare[0] == watched[0] == len(DATA) // BATCH
    assert all(np.array_equal(a, b) for a, b in zip(bare[1], watched[1], strict=True))


@slow_on_jax
def test_a_loop_whose_d_is_frozen_for_gs_step_has_two_batch_norms() -> None:
    g, _, _ = networks()
    d = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    d.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    latents_in = keras.Input((LATENT,))
    gan = keras.Model(latents_in, d(g(latents_in)))
    gan.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    flags, rng = toggling(d), np.random.default_rng(0)
    ones, zeros = np.ones((BATCH, 1), "float32"), np.zeros((BATCH, 1), "float32")
    monitor = kc.CollapseMonitor(verbose=0)
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(3):
            latents = rng.standard_normal((BATCH, LATENT), np.float32)
            flags["before_d"]()
            d.train_on_batch(DATA[:BATCH], ones)
            d.train_on_batch(g.predict(latents, verbose=0), zeros)
            flags["before_g"]()
            gan.train_on_batch(latents, ones)
    assert "batchnorm_mismatch" in [f.kind for f in monitor.verdict.findings]
