"""A monitor and its outputs belong to one fit: nothing of it is left behind for the next."""

from __future__ import annotations

import copy
import gc
import io
import subprocess
import sys
import warnings
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from camel_gan import GAN
from paths import TESTS
from programs import ONES, REAL, latents, networks
from rich.console import Console
from tiny import diverging_gan, once, once_in_a_process, ring, slow_where_compiled, tiny_gan

import keras_collapse as kc
from keras_collapse import sources
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import Fingerprint, RunEnded
from keras_collapse.outputs.subscriber import Subscriber

pytestmark = pytest.mark.backend()


class Ear(Subscriber):
    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        self.events: list[str] = []

    def on_run(self, facts: Any) -> None:
        self.events.append("run")

    def on_verdict(self, verdict: Any, samples: Any) -> None:
        self.events.append("verdict")


class Broken:
    kind, steps_assessed, unavailable_reason, findings = "broken", 0, "", ()

    def update(self, reading: Any) -> None:
        raise RuntimeError("detector fault")


def fit(gan: keras.Model, *callbacks: Any, epochs: int = 1) -> None:
    gan.fit(ring(64), batch_size=32, epochs=epochs, verbose=0, callbacks=list(callbacks))


def quiet(**settings: Any) -> kc.CollapseMonitor:
    return kc.CollapseMonitor(verbose=0, **settings)


@slow_where_compiled
def test_callbacks_of_an_earlier_fit_are_not_called_by_the_next() -> None:
    gan, first, second = tiny_gan(), Ear(), Ear()
    fit(gan, quiet(), first)
    fit(gan, second, quiet())
    assert first.events == second.events == ["run", "verdict"]


@slow_where_compiled
def test_callbacks_of_a_fit_that_was_interrupted_are_not_called_by_the_next() -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    gan, first, second = tiny_gan(), Ear(), Ear()
    with pytest.raises(KeyboardInterrupt):
        fit(gan, quiet(), first, Stop())
    fit(gan, second, quiet())
    assert first.events == ["run"]
    assert second.events == ["run", "verdict"]


@slow_where_compiled
def test_one_callback_in_two_fits_is_called_by_both() -> None:
    ear, gan = Ear(), tiny_gan()
    fit(gan, quiet(), ear)
    fit(gan, quiet(), ear)
    fit(tiny_gan(), ear, quiet())
    assert ear.events == ["run", "verdict"] * 3


def test_without_a_monitor_that_is_reported_when_the_fit_begins() -> None:
    ear = Ear()
    with pytest.warns(UserWarning, match=r"Ear has nothing to report.*CollapseMonitor\(\)"):
        fit(tiny_gan(), ear)
    assert ear.events == []


@slow_where_compiled
def test_a_model_with_a_monitor_and_an_output_is_garbage_collected() -> None:
    def trained() -> weakref.ReferenceType[Any]:
        gan = tiny_gan()
        fit(gan, quiet(), Ear(), kc.LiveMonitor(Console(file=io.StringIO())))
        return weakref.ref(gan)

    reference = trained()
    for _ in range(3):
        gc.collect()
    assert reference() is None


@slow_where_compiled
def test_a_monitor_that_switched_itself_off_is_on_again_for_the_next_model() -> None:
    monitor = quiet(detectors=[Broken()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for gan in (tiny_gan(), tiny_gan()):
            fit(gan, monitor, epochs=30)
            assert monitor.run_dir is not None
            assert any(monitor.run_dir.iterdir())
    said = [w for w in caught if "CollapseMonitor has switched itself off" in str(w.message)]
    assert len(said) == 2  # once for each


@slow_where_compiled
def test_switched_off_is_only_said_of_what_is() -> None:
    def fails(_: kc.Finding) -> None:
        raise RuntimeError("their own")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(diverging_gan(), quiet(on_failure=fails), epochs=6)
    said = [str(w.message) for w in caught if "their own" in str(w.message)]
    assert said
    assert not any("switched itself off" in one for one in said)


@once
@pytest.mark.parametrize(
    "make",
    [
        lambda: kc.LiveMonitor(Console(file=io.StringIO())),
        lambda: kc.WandbLogger(project="mine"),
        lambda: kc.TensorBoardLogger("logs"),
        lambda: kc.MLflowLogger(run_name="mine"),
        lambda: Ear("mine"),
    ],
)
@pytest.mark.usefixtures("offline_wandb")
def test_outputs_can_be_deep_copied_before_and_after_a_fit(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    one = make()
    fresh = copy.deepcopy([one])[0]
    assert type(fresh) is type(one)
    fit(tiny_gan(), one, quiet())
    again = copy.deepcopy(one)
    for name in ("project", "log_dir", "name", "_given", "_wanted"):
        assert getattr(again, name, None) == getattr(one, name, None)
    fit(tiny_gan(), again, quiet())


@once
def test_a_panel_counts_the_steps_of_each_fit() -> None:
    gan, monitor, panel = tiny_gan(), quiet(), kc.LiveMonitor(Console(file=io.StringIO()))
    fit(gan, monitor, panel, epochs=3)
    assert (panel.state.step + 1, panel.state.steps) == (6, 6)
    fit(gan, monitor, panel, epochs=2)  # the run goes on: four more steps
    assert (panel.state.step + 1, panel.state.steps) == (10, 10)
    fit(tiny_gan(), quiet(), panel, epochs=1)  # another run
    assert (panel.state.step + 1, panel.state.steps) == (2, 2)
    assert len(panel.state.curves["d_loss"].values) == 2


# -- names that come late ----------------------------------------------------------------------


class Late(GAN):
    """Reports G's loss from the fifth step on, and leaves out D's in the eighth."""

    def train_step(self, *arguments: Any) -> Any:
        result = super().train_step(*arguments)
        self.calls = getattr(self, "calls", 0) + 1
        logs = result[0] if isinstance(result, tuple) else result
        own = {"d_loss": float(logs["d_loss"])} if self.calls != 8 else {}
        if self.calls >= 5:
            own["g_loss"] = float(logs["g_loss"])
        return (own, *result[1:]) if isinstance(result, tuple) else own


@pytest.mark.backend("torch")  # where a step is plain Python
def test_a_signal_may_come_late_and_be_missing_once() -> None:
    monitor = quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        gan = tiny_gan(kind=Late)
        gan.fit(ring(320), batch_size=32, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.run_dir is not None
    found = kc.diagnose(monitor.run_dir)
    assert found.steps == 10


# -- loops -------------------------------------------------------------------------------------


def test_a_loop_is_asked_to_stop_and_stops() -> None:
    monitor = quiet(on_failure="stop")
    steps = 0
    with monitor.watching():
        for step in range(500):
            monitor.update(d_loss=0.7 if step < 20 else float("nan"), g_loss=0.7)
            steps += 1
            if monitor.should_stop:
                break
    assert steps == 21
    assert monitor.verdict.status == "failed"


def test_a_loop_that_never_asks_whether_to_stop_is_told() -> None:
    monitor = quiet(on_failure="stop")

    def train() -> None:
        for _ in range(200):
            monitor.update(d_loss=float("nan"), g_loss=0.7)

    with pytest.warns(UserWarning, match=r"if monitor\.should_stop: break"):
        train()


def test_a_watched_loop_is_fingerprinted_at_its_end_too(tmp_path: Path) -> None:
    g, d, gan = networks()
    monitor = quiet(run_dir=tmp_path / "run")
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(3):
            d.train_on_batch(REAL, ONES)
            gan.train_on_batch(latents(), ONES)
    prints = [r for r in read_journal(tmp_path / "run") if isinstance(r, Fingerprint)]
    assert [one.step for one in prints] == [-1, 2]
    assert prints[0].weights != prints[1].weights


def test_smoothed_labels_are_told_apart(tmp_path: Path) -> None:
    """A fake labelled 0.3 with G's target 0.7: nearer than 0.5, and still a fake."""
    g, d, gan = networks(metrics=["accuracy"])
    monitor = quiet(run_dir=tmp_path / "run")
    real = ring(64)[:16]
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for _ in range(3):
            latents = np.random.default_rng(0).normal(size=(16, g.input_shape[1])).astype("f4")
            d.trainable = True
            d.train_on_batch(real, np.full((16, 1), 0.9))
            d.train_on_batch(g.predict(latents, verbose=0), np.full((16, 1), 0.3))
            d.trainable = False
            gan.train_on_batch(latents, np.full((16, 1), 0.7))
    [first, *_] = [r.logs for r in read_journal(tmp_path / "run") if r.kind == "logs"]  # type: ignore[attr-defined]
    assert {"d_loss_real", "d_loss_fake", "d_loss", "g_loss"} <= first.keys()


@slow_where_compiled
def test_detectors_of_ones_own_begin_anew_with_each_model() -> None:
    class Counts:
        kind, steps_assessed, unavailable_reason, seen = "counts", 0, "", 0

        def update(self, reading: Any) -> None:
            self.seen += 1

        @property
        def findings(self) -> list[kc.Finding]:
            return [kc.Finding("counts", kc.Severity.INFO, 0, self.seen, f"{self.seen} readings")]

    monitor = quiet(detectors=[Counts()])
    for gan in (tiny_gan(), tiny_gan()):
        fit(gan, monitor, epochs=3)
        assert [f.message for f in monitor.verdict.findings] == ["6 readings"]


LOOP = """
import sys
sys.path.insert(0, {here!r})
import keras_collapse as kc
monitor = kc.CollapseMonitor(run_dir="run")
for step in range(300):
    monitor.update(d_loss=0.7, d_acc_real=0.6, d_acc_fake=0.6, g_loss=0.7)
"""


@once_in_a_process
def test_a_loop_that_only_calls_update_ends_with_its_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOP.format(here=str(TESTS))],
        capture_output=True,
        text=True,
        check=True,
    )
    *_, last = read_journal("run")
    assert isinstance(last, RunEnded)
    assert (last.ended_by, last.verdict.steps) == ("", 300)
    assert "Report: keras-collapse report run" in done.stdout


# -- fits that never reach their end -----------------------------------------------------------

PROGRAM = """
import os, signal, sys
sys.path.insert(0, {here!r})
import keras
from tiny import ring, tiny_gan
import keras_collapse as kc

class End(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            {how}

gan = tiny_gan()
gan.fit(ring(64), batch_size=32, epochs=5, verbose=0,
        callbacks=[kc.CollapseMonitor(run_dir="run"), End()])
"""


@once_in_a_process
@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("raise ValueError('no such layer')", 1, "ValueError: no such layer"),
        pytest.param(
            *("raise KeyboardInterrupt", None, "KeyboardInterrupt"),
            marks=pytest.mark.slow(),  # the suite has a Ctrl-C in a terminal, and SIGTERM here
        ),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15, "SIGTERM"),
    ],
)
def test_a_fit_that_is_cut_off_leaves_its_verdict(
    how: str, status: int | None, reason: str
) -> None:
    program = PROGRAM.format(here=str(TESTS), how=how)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == status or (status is None and done.returncode), done.stderr
    *_, last = read_journal("run")
    assert isinstance(last, RunEnded)
    assert last.ended_by == reason
    assert (last.verdict.status, last.verdict.steps) == ("unknown", 4)
    assert sources.read("run").notes == [f"the run ended early: {reason}"]
    assert ("Report: keras-collapse report run" in done.stdout) == (reason != "SIGTERM")
