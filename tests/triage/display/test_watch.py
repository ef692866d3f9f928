"""A triage watched from another terminal, by what its folder says."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from simulated import result_of

from keras_collapse import cli
from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.process.heartbeat import PROCESS, at_work
from keras_collapse.core.process.identity import this_process
from keras_collapse.outputs.terminal.watch import watch
from keras_collapse.triage import results
from keras_collapse.triage.display.watch import WatchedTriage
from keras_collapse.triage.plans import TrialConfig


def trial(folder: Path, seed: int, says: str | None = None) -> None:
    own = folder / "trials" / str(seed)
    asked = TrialConfig(seed=seed, batch_size=64)
    write_json(own / results.CONFIGURATION, {"trial": asked.model_dump(), "steps": 400})
    if says:
        write_json(own / results.RESULT, result_of(asked, says).to_dict())
    else:
        write_json(own / results.PROGRESS, {"step": 100, "steps": 400, "verdict": "failed"})


def drawn(watched: WatchedTriage) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(watched.renderable)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_its_trials_are_a_table_that_goes_on(tmp_path: Path) -> None:
    trial(tmp_path, 1, "healthy")
    trial(tmp_path, 2)
    watched = WatchedTriage(tmp_path)
    watched.read()
    text = drawn(watched)
    assert "✔ healthy" in text
    assert "▶ running, failed" in text
    assert not watched.over
    assert watched.line == "1 of 2 trials finished, 1 running"
    trial(tmp_path, 2, "failed")
    watched.read()
    assert "✘ failed" in drawn(watched)
    (tmp_path / "triage.json").write_text(json.dumps({"root_cause": "batch_size"}))
    console = Console(file=io.StringIO())
    assert watch(watched, console) is True
    assert "root cause: batch size" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_triage_whose_runner_was_killed_is_over(tmp_path: Path) -> None:
    trial(tmp_path, 1, "healthy")
    trial(tmp_path, 2)
    runner = (
        "import os, pathlib, signal\n"
        "from keras_collapse.core.process.heartbeat import at_work\n"
        f"with at_work(pathlib.Path({str(tmp_path)!r})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with at_work(tmp_path):
        watched = WatchedTriage(tmp_path)
        watched.read()
        assert not watched.over
    watched.read()
    assert not watched.over  # between two commands
    subprocess.run([sys.executable, "-c", runner], check=False)
    watched.read()
    assert watched.over
    assert "runner was killed" in watched.line
    assert "The same command goes on" in drawn(watched)


def test_a_triage_is_watched_from_its_checks_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checks").mkdir()
    write_json(tmp_path / PROCESS, {**this_process(), "started": -60})
    assert cli.watch(tmp_path) == 0
    assert "0 of 0 trials finished" in capsys.readouterr().out


def test_a_broken_trial_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "trials" / "1" / results.CONFIGURATION
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InputError, match="cannot read"):
        WatchedTriage(tmp_path).read()
