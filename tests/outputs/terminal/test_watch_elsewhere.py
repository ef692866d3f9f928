"""``watch`` of a run whose process cannot be seen: another machine's, or another container's."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest
from rich.console import Console
from waiting import wait_until

from keras_collapse.core.journal import Journal
from keras_collapse.core.process.heartbeat import FILE_NAME
from keras_collapse.core.process.identity import this_process
from keras_collapse.core.records import SCHEMA, FitStarted, ReaderSettings, RunStarted, StepLogs
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.watch import WatchedRun, watch, watched_run

ELSEWHERE = {"pid": 7, "started": 5.0, "host": "gpu7", "boot": "another"}


def run(folder: Path, process: dict[str, object]) -> Path:
    """A run of ten steps whose journal is not open any more, and has no heartbeat."""
    journal = Journal(folder)
    journal.write(RunStarted(SCHEMA, 0.0, process))
    journal.write(FitStarted(0, {"model": "gan"}))
    journal.write(ReaderSettings(None, "batch", 0, None))
    for step in range(10):
        journal.write(StepLogs(step, 0, {"d_loss": 0.7, "g_loss": 0.8}))
    wait_until((folder / FILE_NAME).exists)
    journal.close()
    (folder / FILE_NAME).unlink()
    return folder


def age(path: Path, seconds: float) -> None:
    path.touch()
    os.utime(path, (time.time() - seconds,) * 2)


def panel(watched: WatchedRun) -> str:
    watched.read()
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(LivePanel(watched.state))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_an_open_journal_has_a_heartbeat_next_to_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run")
    wait_until((tmp_path / "run" / FILE_NAME).exists)
    journal.close()


def test_a_long_step_is_told_from_a_dead_process_by_the_heartbeat(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", ELSEWHERE)
    age(folder / "journal.jsonl", 900)
    age(folder / FILE_NAME, 45)
    watched = watched_run(folder)
    shown = panel(watched)
    assert "nothing written for 15:" in shown
    assert "a long step; it was alive 45 s ago on gpu7" in shown
    assert not watched.over
    assert watched.line.startswith("? nothing written lately, a long step; it was alive 45 s ago")


@pytest.mark.parametrize("beats", [True, False])
def test_a_process_without_a_sign_of_life_is_taken_for_dead(tmp_path: Path, beats: bool) -> None:
    folder = run(tmp_path / "run", ELSEWHERE)
    age(folder / "journal.jsonl", 900)
    if beats:
        age(folder / FILE_NAME, 600)
    watched = watched_run(folder)
    assert f"no sign of life from gpu7 for {10 if beats else 15} min: its" in panel(watched)
    assert watched.over
    console = Console(file=io.StringIO())
    assert watch(watched, console) is False  # it ends, and nothing is wrong with the losses
    assert "or the machine cannot be reached" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_that_writes_is_alive(tmp_path: Path) -> None:
    watched = watched_run(run(tmp_path / "run", ELSEWHERE))
    assert "sign of life" not in panel(watched)
    assert not watched.over


def test_a_silent_process_of_this_machine_is_seen_to_run(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", this_process())
    age(folder / "journal.jsonl", 900)
    watched = watched_run(folder)
    assert "a long step; its process is running" in panel(watched)
    assert not watched.over
