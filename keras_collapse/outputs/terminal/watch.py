"""``keras-collapse watch``: the panel of a run that another process trains, or has trained."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Status
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.style import STATUS_STYLE, in_ascii, is_ascii
from keras_collapse.outputs.terminal.run_panel import LivePanel

LOOK_SECONDS = 0.5
"""Between two looks: a change is shown within 2 s of the journal's."""
LINE_SECONDS = 30.0
"""Between two lines, where there is no terminal and nothing has changed."""


class Watched(Protocol):
    """What can be watched."""

    @property
    def renderable(self) -> Any:
        """For Rich."""

    def read(self) -> None:
        """Hear what is new."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""

    @property
    def line(self) -> str:
        """How it is, in a line; the part before the first comma changes only with the state."""

    @property
    def problem(self) -> bool:
        """Whether a problem was found."""


class WatchedRun:
    """A run, by whatever tells of it.

    Args:
        follower: has a ``read`` that tells ``state``.
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
        said = state.ended or ("silent" if state.silent else reason)
        total = f"/{state.steps}" if state.steps else ""
        return f"{STATUS_STYLE[status][0]} {said}, step {state.step + 1}{total}"

    @property
    def problem(self) -> bool:
        return self.state.status[0] in (Status.FAILED, Status.WARNING)


def watched_run(folder: Path) -> WatchedRun:
    """The run of this folder, or the latest one in it.

    Raises:
        InputError: there is none.
    """
    if not (folder / FILE_NAME).exists() and folder.suffix != ".jsonl":
        runs = sorted(folder.glob(f"*/{FILE_NAME}"), key=lambda path: path.stat().st_mtime)
        if not runs:
            raise InputError(
                f"no run in {str(folder)!r}. Give the folder of a run that has begun: the one "
                "that CollapseMonitor(run_dir=...) was given, or one in collapse_runs."
            )
        folder = runs[-1].parent
    state = RunState()
    return WatchedRun(JournalFollower(folder, state), state)


def watched_mlflow_run(run_id: str, tracking_uri: str | None) -> WatchedRun:
    """The run on a tracking server. Raises InputError as `MLflowFollower`."""
    from keras_collapse.outputs.followers.mlflow import MLflowFollower

    state = RunState()
    return WatchedRun(MLflowFollower(run_id, tracking_uri, state), state)


def watch(watched: Watched, console: Console | None = None) -> bool:
    """Show it until it is over, or until Ctrl-C, which leaves the training alone.

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
    """On a screen of its own: what was there before comes back."""
    try:
        with Live(watched.renderable, console=console, screen=True, auto_refresh=False) as live:
            while not watched.over:
                watched.read()
                live.refresh()
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return


def _in_lines(watched: Watched, console: Console) -> None:
    said, last = "", 0.0
    try:
        while True:
            line = watched.line
            state = line.partition(",")[0]
            if state != said or time.monotonic() - last > LINE_SECONDS or watched.over:
                said, last = state, time.monotonic()
                words = in_ascii(line) if is_ascii(console.encoding) else line
                print(words, file=console.file, flush=True)
            if watched.over:
                return
            time.sleep(LOOK_SECONDS)
            watched.read()
    except KeyboardInterrupt:
        return
