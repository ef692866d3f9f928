"""The callback in real fits: right, harmless, and at home in every kind of fit."""

from __future__ import annotations

import copy
import functools
import json
import math
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from paths import TESTS
from tiny import (
    diverging_gan,
    once_in_a_process,
    ring,
    slow_where_compiled,
    tiny_gan,
    weights,
)
from waiting import wait_until

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.records import EpochEnded, StepLogs
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.training.loops import fit as fit_module
from keras_collapse.training.networks.discovery import Networks

pytestmark = pytest.mark.backend()

BACKEND = keras.backend.backend()


class Ear(Subscriber):
    """Keeps all it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.readings: list[Reading] = []
        self.logs: list[tuple[int, dict[str, float]]] = []
        self.samples: list[int] = []

    def on_reading(self, reading: Reading) -> None:
        self.readings.append(reading)

    def on_logs(self, step: int, logs: Any) -> None:
        self.logs.append((step, dict(logs)))

    def on_samples(self, step: int, images: Any) -> None:
        self.samples.append(step)


def fit(
    gan: keras.Model, monitor: kc.CollapseMonitor, epochs: int = 2, data: Any = None, **how: Any
) -> Ear:
    ear = Ear()
    settings = {"batch_size": 32, "verbose": 0} | how
    gan.fit(ring() if data is None else data, epochs=epochs, callbacks=[ear, monitor], **settings)
    return ear


def quiet(**settings: Any) -> kc.CollapseMonitor:
    return kc.CollapseMonitor(verbose=0, **settings)


def kinds(path: Path) -> list[str]:
    return [record.kind for record in read_journal(path)]


# -- the main job ----------------------------------------------------------------------------


@pytest.mark.first_step
@pytest.mark.oldest_keras
def test_a_leaking_gan_fails_with_discriminator_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    # D sees two equal clouds: whatever it answers is one answer, and the leak makes that "real".
    keras.utils.set_random_seed(0)  # with one seed in eight it is pinned late, and a warning only
    monitor = kc.CollapseMonitor()
    fit(tiny_gan("leak", d_rate=8e-3, g_rate=8e-3), monitor, 40, np.zeros((512, 2), "float32"))
    said = capsys.readouterr().out
    assert monitor.verdict.status == "failed", said
    failed = [f.kind for f in monitor.verdict.findings if f.severity == "failed"]
    assert failed == ["discriminator_leak", "discriminator_pinned"]  # the cause comes first
    assert "discriminator_pinned since step" in said
    assert "FAILED" in said


@slow_where_compiled
def test_the_journal_gives_the_same_verdict_as_the_run() -> None:
    monitor = quiet()
    fit(tiny_gan(), monitor, 20)
    assert monitor.run_dir is not None
    assert kc.diagnose(monitor.run_dir) == monitor.verdict
    assert monitor.verdict.steps == 320
    assert monitor.verdict.averaging == "epoch"


@pytest.mark.oldest_keras
def test_readings_are_the_batches_own_numbers() -> None:
    ear = fit(tiny_gan(), quiet(), 60, ring(32))  # epochs of one batch: its mean is its own
    raw = [log["d_loss"] for _, log in ear.logs]
    assert np.allclose([r.values["d_loss"] for r in ear.readings], raw, atol=1e-6)
    assert [r.step for r in ear.readings] == list(range(60))


@slow_where_compiled
@pytest.mark.oldest_keras
def test_epoch_means_are_undone() -> None:
    ear = fit(tiny_gan(), quiet(), 4)
    assert len(ear.readings) == 64
    for epoch in range(4):
        values = [r.values["d_loss"] for r in ear.readings[epoch * 16 : epoch * 16 + 16]]
        assert np.mean(values) == pytest.approx(ear.logs[epoch * 16 + 15][1]["d_loss"], abs=1e-5)
    assert max(r.uncertainty("d_loss") for r in ear.readings) < 1e-3


# -- harmless --------------------------------------------------------------------------------


def seeded_training(callbacks: list[Any]) -> list[np.ndarray]:
    kc.seed_everything(3)
    gan = tiny_gan()
    gan.fit(ring(), batch_size=32, epochs=3, verbose=0, callbacks=callbacks)
    return weights(gan)


@functools.cache
def trained_bare() -> list[np.ndarray]:
    return seeded_training([])


@pytest.mark.first_step
@pytest.mark.oldest_keras
@pytest.mark.parametrize("every", ["epoch", "batch", 5])
@pytest.mark.usefixtures("as_users_compile")
def test_weights_are_bit_identical_with_and_without_it(every: Any) -> None:
    bare = trained_bare()
    watched = seeded_training([quiet(every=every)])
    assert len(bare) == len(watched) > 20
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))


class Noise(keras.layers.Layer):
    """Noise from the global generators of Keras, NumPy and (beside JAX) the backend."""

    def call(self, x: Any) -> Any:
        if BACKEND == "jax":
            return x
        noise = keras.random.normal(keras.ops.shape(x)) + np.random.normal()
        if BACKEND == "tensorflow":
            import tensorflow as tf

            return x + noise + tf.random.normal(tf.shape(x))
        import torch

        return x + noise + torch.randn(x.shape)


@pytest.mark.backend("tensorflow", "torch")  # Keras refuses unseeded noise under JAX
def test_sampling_a_generator_that_draws_unseeded_noise_moves_no_random_generator() -> None:
    def train(callbacks: list[Any]) -> list[np.ndarray]:
        kc.seed_everything(3)
        gan = tiny_gan(run_eagerly=True, noise=Noise())
        gan.fit(ring(128), batch_size=32, epochs=2, verbose=0, callbacks=callbacks)
        return weights(gan)

    bare, watched = train([]), train([quiet(every="batch")])
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))


@slow_where_compiled
def test_a_fault_in_a_detector_is_reported_once_and_training_goes_on() -> None:
    class Broken:
        kind, steps_assessed, unavailable_reason, findings = "broken", 0, "", ()

        def update(self, reading: Reading) -> None:
            raise RuntimeError("detector fault")

    gan = tiny_gan()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(gan, quiet(detectors=[Broken()]), 6)
    said = [str(w.message) for w in caught if "switched itself off" in str(w.message)]
    assert len(said) == 1
    assert "detector fault" in said[0]
    assert len(gan.history.epoch) == 6


def test_names_that_nobody_knows_are_listed_once_and_training_goes_on() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(ring(64), np.zeros(64), epochs=2, verbose=0, callbacks=[quiet()])
    said = [str(w.message) for w in caught if "nothing to assess" in str(w.message)]
    assert len(said) == 1
    assert "loss" in said[0]
    assert "mae" in said[0]


@slow_where_compiled
def test_a_run_folder_that_cannot_be_written_costs_only_the_journal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monitor = quiet(run_dir=tmp_path / "file" / "run")
    with pytest.warns(UserWarning, match="cannot write to the run folder"):
        fit(tiny_gan(), monitor, 20)
    assert monitor.verdict.steps == 320


@pytest.mark.parametrize(
    "wrong", [{"every": "hour"}, {"every": 0}, {"on_failure": "explode"}, {"every": 1.5}]
)
def test_wrong_arguments_say_what_was_received(wrong: dict[str, Any]) -> None:
    with pytest.raises(kc.InputError, match="Received"):
        kc.CollapseMonitor(**wrong)


# -- every kind of fit -----------------------------------------------------------------------


@pytest.mark.oldest_keras
def test_several_fits_are_one_run_with_one_count_of_steps() -> None:
    gan, monitor = tiny_gan(), quiet()
    ears = [fit(gan, monitor, 2), fit(gan, monitor, 2)]
    assert [step for ear in ears for step, _ in ear.logs] == list(range(64))
    assert monitor.run_dir is not None
    records = list(read_journal(monitor.run_dir))
    assert [r.step for r in records if isinstance(r, StepLogs)] == list(range(64))
    assert [r.kind for r in records].count("run") == 1
    assert kc.diagnose(monitor.run_dir) == monitor.verdict


@slow_where_compiled
@pytest.mark.oldest_keras
def test_one_monitor_on_two_models_keeps_two_runs() -> None:
    monitor = quiet()
    fit(tiny_gan(), monitor, 2)
    first = monitor.run_dir
    fit(tiny_gan(), monitor, 3)
    assert monitor.run_dir != first
    assert monitor.verdict.steps == 48


@slow_where_compiled
def test_two_monitors_on_one_fit_do_not_meet() -> None:
    gan, first, second = tiny_gan("leak"), quiet(), quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        gan.fit(ring(128), batch_size=32, epochs=2, verbose=0, callbacks=[first, second])
    assert first.run_dir != second.run_dir
    for monitor in (first, second):
        assert monitor.verdict.steps == 8
        assert [f.kind for f in monitor.verdict.findings] == ["discriminator_leak"]


@slow_where_compiled
def test_a_step_that_fails_at_once_leaves_the_next_fit_watched() -> None:
    gan, monitor = tiny_gan(), quiet()
    with pytest.raises(Exception, match=r"(?s)."):
        gan.fit(np.zeros((64, 5), "float32"), batch_size=32, verbose=0, callbacks=[monitor])
    gan = tiny_gan("leak")
    fit(gan, monitor, 1)
    assert "discriminator_leak" in [f.kind for f in monitor.verdict.findings]
    assert "apply" not in vars(gan.optimizer)


@slow_where_compiled
def test_a_deep_copy_is_a_fresh_monitor_with_the_same_arguments() -> None:
    monitor = quiet(every=5, signals={"d_loss": "d_loss"}, on_failure="stop")
    fit(tiny_gan(), monitor, 1)
    fresh = copy.deepcopy(monitor)
    assert (fresh.every, fresh.signals, fresh.on_failure) == (5, {"d_loss": "d_loss"}, "stop")
    assert (fresh.verdict.steps, fresh.run_dir) == (0, None)


@slow_where_compiled
@pytest.mark.oldest_keras
def test_initial_epoch_counts_the_steps_before_it() -> None:
    ear = fit(tiny_gan(), quiet(), 5, initial_epoch=3)
    assert [step for step, _ in ear.logs] == list(range(48, 80))


@pytest.mark.oldest_keras
@pytest.mark.backend("tensorflow", "jax")  # PyTorch allows one step an execution
def test_several_steps_an_execution() -> None:
    gan = tiny_gan(steps_per_execution=5)
    ear = fit(gan, quiet(), 3)  # 16 steps an epoch: executions of 5, 5, 5 and 1
    assert [step for step, _ in ear.logs] == [
        start + last for start in (0, 16, 32) for last in (4, 9, 14, 15)
    ]
    assert [r.steps for r in ear.readings] == [5, 5, 5, 1] * 3
    first = ear.readings[:4]
    mean = sum(r.values["d_loss"] * r.steps for r in first) / 16
    assert mean == pytest.approx(ear.logs[3][1]["d_loss"], abs=1e-5)


@pytest.mark.oldest_keras
def test_validation_numbers_are_kept_apart() -> None:
    gan = tiny_gan()
    gan.test_step = lambda *a: _validation(a)  # type: ignore[method-assign]
    monitor = quiet()
    ear = fit(gan, monitor, 2, validation_data=(ring(64),))
    assert len(ear.readings) == 32
    assert monitor.run_dir is not None
    epochs = [r.logs for r in read_journal(monitor.run_dir) if isinstance(r, EpochEnded)]
    assert epochs[-1]["val_d_loss"] == 5.0
    assert all(r.values["d_loss"] < 2 for r in ear.readings)


def _validation(arguments: Any) -> Any:
    logs = {"d_loss": keras.ops.convert_to_tensor(5.0)}
    return (logs, arguments[0]) if BACKEND == "jax" else logs


@pytest.mark.first_step
@pytest.mark.oldest_keras
def test_beside_keras_own_callbacks_and_progress_bar(tmp_path: Path) -> None:
    gan, ear = tiny_gan(), Ear()
    callbacks = [keras.callbacks.CSVLogger(tmp_path / "log.csv"), quiet(), ear]
    gan.fit(ring(), batch_size=32, epochs=2, verbose=1, callbacks=callbacks)
    assert len(ear.readings) == 32


@pytest.mark.parametrize(
    "every", [pytest.param(how, marks=slow_where_compiled) for how in ("epoch", "batch")] + [7]
)
def test_samples_are_looked_at_as_often_as_asked(
    every: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = tiny_gan()
    pictures = keras.Sequential(
        [gan.generator, keras.layers.Dense(64), keras.layers.Reshape((8, 8, 1))], name="generator"
    )
    pictures.build((None, 4))
    found = Networks(pictures, gan.discriminator, (4,))
    monkeypatch.setattr(fit_module, "find_networks", lambda _: found)
    monitor = quiet(every=every, run_dir=tmp_path / "run")
    ear = fit(gan, monitor, 2)
    expected = {"epoch": [15, 31], "batch": list(range(32)), 7: [6, 13, 20, 27]}[every]
    assert ear.samples == expected
    assert (tmp_path / "run" / "samples.png").read_bytes().startswith(b"\x89PNG")


# -- when it fails ---------------------------------------------------------------------------


def test_stop_ends_the_training_early() -> None:
    gan = diverging_gan()
    monitor = quiet(on_failure="stop")
    ear = fit(gan, monitor, 50)
    assert monitor.verdict.cause is not None
    assert monitor.verdict.cause.kind == "divergence"
    assert len(ear.logs) < 50 * 16
    assert not all(math.isfinite(v) for v in ear.logs[-1][1].values())


def test_raise_comes_out_of_fit_with_the_finding() -> None:
    monitor = quiet(on_failure="raise")
    with pytest.raises(kc.CollapseError, match="divergence since step") as error:
        fit(diverging_gan(), monitor, 50)
    assert error.value.finding.kind == "divergence"
    assert monitor.run_dir is not None
    assert kinds(monitor.run_dir)[-1] == "end"


@slow_where_compiled
def test_a_function_is_called_with_the_finding() -> None:
    heard: list[kc.Finding] = []
    fit(diverging_gan(), quiet(on_failure=heard.append), 10)
    assert [f.kind for f in heard] == ["divergence"]


@slow_where_compiled
def test_a_fault_in_that_function_does_not_reach_the_training() -> None:
    def broken(_: kc.Finding) -> None:
        raise ValueError("mine")

    gan = diverging_gan()
    with pytest.warns(UserWarning, match="mine"):
        fit(gan, quiet(on_failure=broken), 4)
    assert len(gan.history.epoch) == 4


# -- other GANs ------------------------------------------------------------------------------


class OnlyTensors(keras.Model):
    """A model whose train step returns tensors, as the Keras documentation's WGAN does."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        self.count = keras.Variable(0.0, trainable=False)
        self.built = True

    def train_step(self, *arguments: Any) -> Any:
        if BACKEND != "jax":
            self.count.assign_add(1.0)
            return self._numbers(self.count.value)
        state, _ = arguments
        trainable, fixed, optimizer, metrics = state
        return self._numbers(fixed[0] + 1), (trainable, [fixed[0] + 1], optimizer, metrics)

    def _numbers(self, count: Any) -> Any:
        return {"d_loss": -keras.ops.sin(count), "g_loss": keras.ops.cos(count * 1.7)}


def test_tensors_of_a_train_step_are_read_as_single_batches() -> None:
    model = OnlyTensors()
    model.compile()
    monitor = quiet()
    ear = fit(model, monitor, 5)
    assert monitor.verdict.averaging == "batch"
    expected = -np.sin(np.arange(1, 81))
    assert np.allclose([r.values["d_loss"] for r in ear.readings], expected, atol=1e-4)


@pytest.mark.backend("jax")
def test_the_verdict_says_which_steps_an_execution_does_not_show() -> None:
    model = OnlyTensors()
    model.compile(steps_per_execution=4)
    monitor = quiet()
    fit(model, monitor, 2)
    [note] = [f for f in monitor.verdict.findings if "execution" in f.message]
    assert (note.kind, note.severity) == ("not_checked", "info")
    assert "the numbers of 3 of 4 steps" in note.message


def test_a_model_without_a_generator_is_watched_without_samples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = OnlyTensors()
    model.compile()
    monitor = kc.CollapseMonitor()
    ear = fit(model, monitor, 2)
    assert "no generator was found" in capsys.readouterr().out
    assert ear.samples == []
    assert len(ear.readings) == 32


# -- a process that dies ---------------------------------------------------------------------

KILLED = """
import sys
sys.path.insert(0, {here!r})
from tiny import ring, tiny_gan
import keras_collapse as kc
gan = tiny_gan()
gan.fit(ring(), batch_size=32, epochs=10**6, verbose=0,
        callbacks=[kc.CollapseMonitor(verbose=0, run_dir={run!r})])
"""


@once_in_a_process
def test_the_journal_is_readable_while_it_grows_and_whole_after_kill_9(tmp_path: Path) -> None:
    run = tmp_path / "run"
    program = KILLED.format(here=str(TESTS), run=str(run))
    process = subprocess.Popen([sys.executable, "-c", program])
    journal = run / "journal.jsonl"
    wait_until(
        lambda: process.poll() is not None or (journal.exists() and journal.stat().st_size > 90_000)
    )
    assert process.poll() is None
    live = kc.diagnose(run)
    assert live.steps > 100
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    whole = journal.read_text().splitlines(keepends=True)
    assert all(json.loads(line) for line in whole if line.endswith("\n"))
    assert len(list(read_journal(run))) >= len(whole) - 1
    assert kc.diagnose(run).steps >= live.steps
    assert kinds(run)[-1] != "end"
