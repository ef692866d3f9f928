"""``keras-collapse watch``: the live panel of a run that another process trains."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Status
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.core.process.printable import printable
from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.style import STATUS_STYLE, in_ascii, is_ascii
from keras_collapse.outputs.terminal.run_panel import LivePanel

POLL_SECONDS = 0.5
"""Seconds between two polls: a change is shown within 2 s of the journal's."""
LINE_SECONDS = 30.0
"""Seconds between two lines if there is no terminal and nothing has changed."""


class Watched(Protocol):
    """Something that can be watched: a run or a triage."""

    @property
    def renderable(self) -> Any:
        """The current state, for Rich."""

    def read(self) -> None:
        """Poll for updates."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""

    @property
    def line(self) -> str:
        """The current state in one line; the part before the first comma is the status."""

    @property
    def problem(self) -> bool:
        """Whether a problem was found."""


class WatchedRun:
    """A run and its follower.

    Args:
        follower: its ``read()`` brings ``state`` up to date.
        state: of the run.
    """

    def __init__(self, follower: Any, state: RunState) -> None:
        self.state = state
        self._panel = LivePanel(state)
        self.read = follower.read

    @property
    def renderable(self) -> Any:
        return self._panel

    @property
    def over(self) -> bool:
        return self.state.verdict is not None or bool(self.state.ended)

    @property
    def line(self) -> str:
        state = self.state
        status, reason = state.status
        why = state.ended or reason
        if state.silent and not state.ended:
            why = f"nothing written lately, {state.silent_because}"
        total = f"/{state.steps}" if state.steps else ""
        broken = f", broken lines: {state.broken_lines}" if state.broken_lines else ""
        return f"{STATUS_STYLE[status][0]} {why}, step {state.step + 1}{total}{broken}"

    @property
    def problem(self) -> bool:
        return self.state.status[0] in (Status.FAILED, Status.WARNING)


def watched_run(folder: Path) -> WatchedRun:
    """The run in this folder, or the latest run below it.

    Raises:
        InputError: there is no run.
    """
    if not (folder / FILE_NAME).exists() and folder.suffix != ".jsonl":
        runs = sorted(folder.glob(f"*/{FILE_NAME}"), key=lambda path: path.stat().st_mtime)
        if not runs:
            raise InputError(
                f"no run in {str(folder)!r}. Give the folder of a run that has begun: that of "
                "CollapseMonitor(run_dir=...), or one in collapse_runs."
            )
        folder = runs[-1].parent
    state = RunState()
    return WatchedRun(JournalFollower(folder, state), state)


def watched_mlflow_run(run_id: str, tracking_uri: str | None) -> WatchedRun:
    """The run on a tracking server; raises InputError like `MLflowFollower`."""
    from keras_collapse.outputs.followers.mlflow import MLflowFollower

    state = RunState()
    return WatchedRun(MLflowFollower(run_id, tracking_uri, state), state)


def watch(watched: Watched, console: Console | None = None) -> bool:
    """Show a run until it ends, or until Ctrl-C, which does not affect the training.

    Returns:
        Whether a problem was found.
    """
    console = console or Console()
    watched.read()
    if console.is_terminal and not console.is_dumb_terminal:
        if not watched.over:
            _on_screen(watched, console)
        console.print(watched.renderable)
    else:
        _in_lines(watched, console)
    return watched.problem


def _on_screen(watched: Watched, console: Console) -> None:
    """Show it on the alternate screen, so that earlier output comes back."""
    try:
        with Live(watched.renderable, console=console, screen=True, auto_refresh=False) as live:
            while not watched.over:
                watched.read()
                live.refresh()
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _in_lines(watched: Watched, console: Console) -> None:
    shown, last = "", 0.0
    try:
        while True:
            line = watched.line
            state = line.partition(",")[0]
            if state != shown or time.monotonic() - last > LINE_SECONDS or watched.over:
                shown, last = state, time.monotonic()
                words = in_ascii(line) if is_ascii(console.encoding) else line
                print(printable(words), file=console.file, flush=True)
            if watched.over:
                return
            time.sleep(POLL_SECONDS)
            watched.read()
    except KeyboardInterrupt:
        return
