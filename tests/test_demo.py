"""``keras-collapse demo``: the main job as a stranger starts it, and every way to get it wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def demo(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keras_collapse.cli", "demo", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So few drawings that an epoch is four steps."""
    path = tmp_path_factory.mktemp("data") / "few.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (256, 784), dtype=np.uint8))
    return path


def test_it_trains_and_says_what_to_do_next(few: Path, tmp_path: Path) -> None:
    done = demo("--epochs", 2, "--data", few)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"Drawings: 256 from {few}" in done.stdout
    assert "step 8/8" in done.stdout
    assert "UNKNOWN: too few steps" in done.stdout  # and never "healthy" after eight steps
    (run,) = (tmp_path / "collapse_runs").iterdir()
    assert f"keras-collapse diagnose collapse_runs/{run.name}" in done.stdout
    assert (run / "samples.png").exists()
    assert f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db" in done.stdout
    again = [sys.executable, "-m", "keras_collapse.cli", "diagnose", str(run)]
    said = subprocess.run(again, capture_output=True, text=True, check=True).stdout
    assert "UNKNOWN: too few steps" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nothing.npy"], "no such data file"),
        (["--data", "wrong.npy"], "Received: shape (64, 10)"),
        (["--data", "tiny.npy"], "batch_size=64 with 8 drawings"),
        (["--fault", "flood"], "--fault must be one of leak"),
        (["--seed", "-1"], "seed must be a whole number"),
        (["--out", "taken/run"], "cannot write to the run folder"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    np.save("wrong.npy", np.zeros((64, 10), np.uint8))
    np.save("tiny.npy", np.zeros((8, 784), np.uint8))
    Path("taken").write_text("")
    before = files(tmp_path)
    done = demo(*arguments, KERAS_BACKEND="jax")  # the quickest to load
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert files(tmp_path) == before


def test_a_port_in_use_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = demo("--ui", taken.getsockname()[1], KERAS_BACKEND="jax")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be used" in done.stderr
    assert not files(tmp_path)


def test_no_backend_is_one_line_with_the_command_that_helps() -> None:
    done = demo(KERAS_BACKEND="nothing")
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert done.stderr.count("\n") == 1
    # Without any installed: hide the three from Python.
    hidden = "import importlib.util as u; f = u.find_spec\n"
    hidden += (
        "u.find_spec = lambda n, *a: None if n in ('tensorflow','jax','torch') else f(n, *a)\n"
    )
    hidden += "import sys; sys.argv = ['keras-collapse', 'demo']\n"
    hidden += "from keras_collapse.cli import main; main()\n"
    clean = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, env=clean, check=False
    )
    assert done.returncode == 2
    assert "no Keras backend is installed" in done.stderr
    assert done.stderr.count("\n") == 1
