"""Loops whose step is a ``tf.function``: the first step is taken again, and nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import ring

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked

pytestmark = pytest.mark.backend("tensorflow")

DATA = ring(512)
BATCH = 32
COUNT = 8


def train(
    monitor: kc.CollapseMonitor | None, fault: str | None = None, critics: int = 1, **functions: Any
) -> tuple[list[np.ndarray], Any]:
    """A loop as TensorFlow's tutorials write it; all that it leaves, and its compiled step."""
    import tensorflow as tf

    keras.utils.set_random_seed(5)
    g = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(2, "tanh" if fault == "range_mismatch" else None),
        ]
    )
    d = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    of_g, of_d = keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3)
    seen = tf.Variable(0)
    traced = []

    @tf.function(**functions)
    def d_step(real: Any) -> Any:
        traced.append(1)
        seen.assign_add(1)
        with tf.GradientTape() as tape:
            fakes = g(tf.random.normal((BATCH, 4)), training=True)
            on_real, on_fake = d(real, training=True), d(fakes, training=True)
            label = tf.ones_like if fault == "discriminator_objective" else tf.zeros_like
            loss = entropy(tf.ones_like(on_real), on_real) + entropy(label(on_fake), on_fake)
        variables = d.trainable_variables
        of_d.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function
    def g_step() -> Any:
        with tf.GradientTape() as tape:
            on_fake = d(g(tf.random.normal((BATCH, 4)), training=True), training=True)
            label = tf.zeros_like if fault == "generator_objective" else tf.ones_like
            loss = entropy(label(on_fake), on_fake)
        of_g.apply(tape.gradient(loss, g.trainable_variables), g.trainable_variables)
        return loss

    scale = 40.0 if fault == "range_mismatch" else 1.0
    data = tf.data.Dataset.from_tensor_slices(DATA * scale).shuffle(512).repeat().batch(BATCH)
    batches = iter(data)

    def loop() -> None:
        for _ in range(COUNT):
            for _ in range(critics):
                d_loss = d_step(next(batches))
            g_loss = g_step()
            if monitor is not None:
                monitor.update(disc_loss=d_loss, gen_loss=g_loss)

    if monitor is None:
        loop()
    else:
        with monitor.watching(generator=g, discriminator=d):
            loop()
    kept = [*g.variables, *d.variables, *of_g.variables, *of_d.variables]
    left = [keras.ops.convert_to_numpy(v.value) for v in kept]
    drawn = tf.random.normal((3,)).numpy(), next(batches).numpy(), seen.numpy(), np.array(traced)
    return [*left, *drawn], type(d_step)


def quiet(**settings: Any) -> kc.CollapseMonitor:
    return kc.CollapseMonitor(verbose=0, **settings)


def named(monitor: kc.CollapseMonitor) -> dict[str, int]:
    return {f.kind: f.first_step for f in monitor.verdict.findings}


@pytest.mark.parametrize("critics", [1, 3])
def test_a_loop_is_trained_to_the_same_bits(critics: int) -> None:
    bare, kind = train(None, critics=critics)
    call = kind.__call__
    watched, _ = train(quiet(every=3), critics=critics)
    *bare, bare_traced = bare
    *watched, traced = watched
    assert len(traced) > len(bare_traced)  # the step was taken again
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))
    assert kind.__call__ is call


@pytest.mark.parametrize(
    "fault", [None, "discriminator_objective", "generator_objective", "range_mismatch"]
)
def test_faults_are_named_in_the_first_step(fault: str | None) -> None:
    monitor = quiet()
    train(monitor, fault)
    assert named(monitor) == ({fault: 0} if fault else {})


def test_real_samples_are_found_among_what_the_step_is_given(tmp_path: Path) -> None:
    monitor = quiet(run_dir=tmp_path / "run", every=4)
    train(monitor)
    checks = [r for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert any("missing_share" in check.probe.values for check in checks)


def test_a_step_that_draws_its_own_batches_is_not_taken_again() -> None:
    import tensorflow as tf

    g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    d = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    @tf.function
    def step(batches: Any) -> Any:
        real = next(batches)
        fakes = g(tf.random.normal((BATCH, 4)))
        return tf.reduce_mean(d(real)), tf.reduce_mean(d(fakes)), real[0, 0]

    batches = iter(tf.data.Dataset.from_tensor_slices(DATA).batch(BATCH))
    monitor = quiet()
    with monitor.watching(generator=g, discriminator=d):
        for place in range(3):
            d_loss, g_loss, first = step(batches)
            monitor.update(d_loss=d_loss, g_loss=g_loss)
            assert first == DATA[BATCH * place, 0]
    [finding] = monitor.verdict.findings
    assert finding.kind == "not_checked"
    assert "draws its own batches" in finding.message


def test_a_step_that_fails_uncompiled_is_reported_and_the_loop_goes_on() -> None:
    import tensorflow as tf

    g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    d = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    @tf.function
    def step(real: Any) -> Any:
        if tf.executing_eagerly():
            raise RuntimeError("compiled only")
        return tf.reduce_mean(d(real)), tf.reduce_mean(d(g(tf.random.normal((BATCH, 4)))))

    monitor = quiet()
    with monitor.watching(generator=g, discriminator=d):
        for _ in range(3):
            d_loss, g_loss = step(DATA[:BATCH])
            monitor.update(d_loss=d_loss, g_loss=g_loss)
    [finding] = monitor.verdict.findings
    assert "compiled only" in finding.message


def test_what_g_drew_outside_of_the_step_is_not_taken_for_data(tmp_path: Path) -> None:
    import tensorflow as tf

    g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    d = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    @tf.function
    def d_step(fakes: Any, real: Any) -> Any:
        return tf.reduce_mean(d(fakes)) - tf.reduce_mean(d(real))

    @tf.function
    def g_step(z: Any) -> Any:
        return -tf.reduce_mean(d(g(z)))

    monitor = quiet(run_dir=tmp_path / "run", every=2)
    with monitor.watching(generator=g, discriminator=d):
        for _ in range(8):
            fakes = g(tf.random.normal((BATCH, 4)))
            d_loss, g_loss = d_step(fakes, DATA[:BATCH]), g_step(tf.random.normal((BATCH, 4)))
            monitor.update(d_loss=d_loss, g_loss=g_loss)
    checks = [r for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert checks
    assert all("missing_share" not in check.probe.values for check in checks)
