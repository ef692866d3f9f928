"""The guide's loop is found out in its first step, its cure is a cure, and its table is true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import train_on_batch_loop
from tiny import slow_where_compiled
from train_on_batch_loop import main, table

import keras_collapse as kc
from keras_collapse.core.journal import Journal
from keras_collapse.core.records import RunStarted, StepLogs

pytestmark = pytest.mark.backend()

slow_on_jax = pytest.mark.slow("jax")  # a fit of these networks is ten seconds of compiling

OLD = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few filters a layer: what these tests take is mostly compiling."""
    monkeypatch.setattr(train_on_batch_loop, "WIDTH", 1 / 16)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[np.ndarray, Sequence[float]]]]:
    """What each model's ``train_on_batch`` took and returned, seen from below the monitor."""
    seen: dict[str, list[tuple[np.ndarray, Sequence[float]]]] = {"d": [], "g": []}
    original = keras.Model.train_on_batch

    def seeing(model: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        returned = original(model, x, *args, **kwargs)
        name = "d" if model.name == "discriminator" else "g"
        seen[name].append((np.array(x), [float(number) for number in returned]))
        return returned

    monkeypatch.setattr(keras.Model, "train_on_batch", seeing)
    return seen


def columns(text: str) -> dict[str, tuple[float, float]]:
    """The printed table: a row's name to its two numbers."""
    lines = text[text.index("since step 0   ") :].splitlines()[1:]
    split = [line.rsplit(maxsplit=2) for line in lines]
    return {name.strip(): (float(since), float(last)) for name, since, last in split}


def test_the_loop_leaks_and_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = kc.CollapseMonitor()
    images = np.zeros((8, 28, 28, 1), "float32")
    train_on_batch_loop.train(images, monitor, steps=2, batch_size=4)
    kinds = {finding.kind: finding for finding in monitor.verdict.findings}
    assert kinds["discriminator_leak"].first_step == 0
    assert "discriminator_frozen" not in kinds
    assert "weights = list(discriminator.trainable_weights)" in capsys.readouterr().out
    assert "train_step" not in " ".join(kinds["discriminator_leak"].advice)


@slow_on_jax
def test_two_lines_cure_it() -> None:
    assert main(["--cure", "--steps", "2"]) == 0


@slow_where_compiled
def test_the_cure_gives_a_d_with_batch_norm_no_second_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def discriminator(_: float) -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Conv2D(4, 5, 4),
                keras.layers.BatchNormalization(),
                keras.layers.LeakyReLU(),
                keras.layers.Flatten(),
                keras.layers.Dense(1, activation="sigmoid"),
            ],
            name="discriminator",
        )

    monkeypatch.setattr(train_on_batch_loop, "build_discriminator", discriminator)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 28, 28, 1)).astype("float32")
    found = {}
    for cure in (False, True):
        monitor = kc.CollapseMonitor(verbose=0)
        train_on_batch_loop.train(images, monitor, steps=2, batch_size=4, cure=cure)
        found[cure] = {finding.kind for finding in monitor.verdict.findings}
    assert "discriminator_leak" in found[False]
    assert found[True] <= {"cumulative_metrics"}


@slow_on_jax
def test_it_trains_on_the_file_and_prints_what_keras_printed_beside_what_was(
    calls: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "black.npy", np.full((3, 28, 28), 255, "uint8"))
    arguments = ["--data", "black.npy", "--batch-size", "5", "--steps", "4"]
    assert main(arguments) == 1
    assert [len(x) for x, _ in calls["d"]] == [5] * 8
    assert [len(x) for x, _ in calls["g"]] == [5] * 4
    assert all((x == 1.0).all() for x, _ in calls["d"][::2])  # the real batches
    printed = columns(capsys.readouterr().out)
    for name, network in (("D", "d"), ("G", "g")):
        returned = np.array([numbers for _, numbers in calls[network]])
        loss, accuracy = returned[-1] if OLD else returned.mean(axis=0)
        assert printed[f"{name} loss"][0] == pytest.approx(loss, abs=1e-3)
        assert printed[f"{name} accuracy"][0] == pytest.approx(accuracy, abs=1e-3)


def test_the_table_sets_running_means_beside_the_last_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_on_batch_loop, "LAST_STEPS", 2)
    journal = Journal(tmp_path / "run")
    journal.write(RunStarted(1, 0.0))
    for step, (real, fake) in enumerate([(0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (1.0, 0.25)]):
        mean = (real + fake) / 2
        logs = {"d_loss": step / 4, "d_acc": mean, "d_acc_real": real, "d_acc_fake": fake}
        journal.write(StepLogs(step, 0, logs | {"g_loss": 1 - step / 4, "g_acc": step / 8}))
    journal.close()
    text = table(tmp_path / "run")
    assert "last 2 steps" in text
    assert columns(text) == {
        "D loss": (0.375, 0.625),
        "D accuracy": (0.531, 0.562),
        "on real": (0.531, 1.0),
        "on fake": (0.531, 0.125),
        "G loss": (0.625, 0.375),
        "G accuracy": (0.188, 0.312),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nothing.npy"], "no such data file: 'nothing.npy'"),
        (["--data", "text.npy"], "'text.npy' cannot be read as NumPy data"),
        (["--steps", "0"], "at least 1. Received: 0 and 64"),
        (["--batch-size", "-2"], "at least 1. Received: 300 and -2"),
        (["--seed", "-1"], "Received: -1"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_anything_runs(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.npy").write_text("no drawings")
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "collapse_runs").exists()
