"""``keras-collapse demo``: as a newcomer starts it, and every mistake one can make.

Nothing here requires an empty stderr: which messages a framework prints there depends on the CPU.
"""

from __future__ import annotations

import importlib
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest

from keras_collapse import cli
from keras_collapse import demo as demo_module
from keras_collapse.keras_backend import quiet_start


def demo(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keras_collapse.cli", "demo", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment
    )


@pytest.fixture
def demo_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same in this process, which need not load a framework each time."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = ["keras-collapse", "demo", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # that a demo in this process sets
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "tensorflow"))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(command, ended.value.code, said.out, said.err)

    return run


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a command prints about a mistake."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("keras-collapse:")]
    return line


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So few drawings that an epoch is four steps."""
    path = tmp_path_factory.mktemp("data") / "few.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (256, 784), dtype=np.uint8))
    return path


def test_it_trains_and_prints_the_next_commands(few: Path, tmp_path: Path) -> None:
    done = demo("--epochs", 2, "--data", few)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert f"Drawings: 256 from {few}" in done.stdout
    assert "step 8/8" in done.stdout
    # Never "healthy" after eight steps.
    assert "UNKNOWN: discriminator_pinned needs 250 usable steps" in done.stdout
    (run,) = (tmp_path / "collapse_runs").iterdir()
    assert f"keras-collapse diagnose collapse_runs/{run.name}" in done.stdout
    assert (run / "samples.png").exists()
    assert f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db" in done.stdout
    again = [sys.executable, "-m", "keras_collapse.cli", "diagnose", str(run)]
    said = subprocess.run(again, capture_output=True, text=True, check=True).stdout
    assert "needs 250 usable steps" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nothing.npy"], "no such data file"),  # as a process, the others in this one
        (["--data", "wrong.npy"], "Received: shape (64, 10)"),
        (["--data", "tiny.npy"], "batch_size=64 with 8 drawings"),
        (["--fault", "flood"], "--fault must be one of leak"),
        (["--seed", "-1"], "seed must be a whole number"),
        (["--out", "taken/run"], "cannot write to the run folder"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    arguments: list[str],
    said: str,
    demo_here: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    np.save("wrong.npy", np.zeros((64, 10), np.uint8))
    np.save("tiny.npy", np.zeros((8, 784), np.uint8))
    Path("taken").write_text("")
    before = files(tmp_path)
    if "nothing.npy" in arguments:
        done = demo(*arguments, KERAS_BACKEND="jax")  # the quickest to load
    else:
        done = demo_here(*arguments)
    assert said in error_of(done)
    assert files(tmp_path) == before


def test_a_port_in_use_is_reported_before_anything_is_trained(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = demo("--ui", taken.getsockname()[1], KERAS_BACKEND="jax")
    assert "cannot be used" in error_of(done)
    assert not files(tmp_path)


def test_no_backend_is_one_line_with_the_command_that_helps() -> None:
    done = demo(KERAS_BACKEND="nothing")
    assert "pip install" in error_of(done)
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
    assert "no Keras backend is installed" in error_of(done)


def test_a_framework_that_writes_to_the_screen_from_c_is_kept_off_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet_start():
        os.write(2, b"oneDNN custom operations are on\n")
    assert capfd.readouterr().err == ""
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_a_framework_wrote_is_shown_if_it_cannot_be_imported(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def start() -> None:
        with quiet_start():
            os.write(2, b"libcuda.so.1: cannot open shared object file\n")
            importlib.import_module("no_such_framework")

    with pytest.raises(ImportError):
        start()
    assert "libcuda.so.1" in capfd.readouterr().err


def test_a_folder_with_a_space_is_one_argument_of_the_ui(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{tmp_path}/my runs/mlflow.db"
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: uri)
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: started.append(command))
    monitor = SimpleNamespace(run_dir=tmp_path / "my runs" / "1")
    logger = SimpleNamespace(link=lambda server: f"{server}/#/experiments/1/runs/2")
    demo_module._print_next(monitor, logger, 5001)
    (command,) = started
    assert command[command.index("--backend-store-uri") + 1] == uri
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith("In MLflow:")]
    assert shlex.split(line)[-1] == uri
    assert "http://127.0.0.1:5001/#/experiments/1/runs/2" in printed
