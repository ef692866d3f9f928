"""The trials of a triage while it runs: a table in a terminal or notebook, lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.jupyter import JupyterMixin
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from keras_collapse.core.findings import Status
from keras_collapse.core.plain_json import count_of
from keras_collapse.core.process.printable import printable
from keras_collapse.outputs.style import GREEN, STATUS_STYLE, clock
from keras_collapse.outputs.terminal.screens import Screen, screen_for

# A symbol accompanies each colour, for readers who cannot see colours; other states are "!".
STYLE = {
    **{str(status): style for status, style in STATUS_STYLE.items()},
    "done": ("✔", GREEN),
    "undecided": STATUS_STYLE[Status.UNKNOWN],
    "waiting": ("·", "dim"),
    "stopped": ("■", "dim"),
    "starting": ("…", "blue"),
    "running": ("▶", "blue"),
}
MOST_ROWS = 18
"""Rows shown, the latest ones: a table higher than the terminal would flicker."""
REFRESH_SECONDS = 0.25


@dataclass
class Row:
    """One trial in the table."""

    name: str
    steps: int
    state: str = "waiting"
    detail: str = ""
    step: int = 0
    began: float | None = None
    seconds: float = 0.0

    @property
    def time(self) -> str:
        """The trial's duration; while it runs, the time left, estimated from its steps so far."""
        if self.seconds:
            return clock(self.seconds)
        if self.state != "running" or self.began is None or not self.step:
            return ""
        left = (time.monotonic() - self.began) / self.step * (self.steps - self.step)
        return f"{clock(left)} left" if left >= 60 else f"{max(left, 0):.0f} s left"


class TrialsTable(JupyterMixin):
    """Shows trials; a context manager that restores the terminal at its end.

    Args:
        console: where to show them.

    Attributes:
        left: seconds until all trials that are known will have ended; None if unknown.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: dict[str, Row] = {}
        self.left: float | None = None
        self._screen: Screen | None = None
        self._drawn = 0.0

    def __enter__(self) -> TrialsTable:
        self._screen = screen_for(self.console, self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen is not None:
            self.refresh(force=True)
            self._screen.stop()

    def __rich__(self) -> Table:
        return self.table()

    def say(self, line: str) -> None:
        """Print a line above the table."""
        wraps = self._screen is not None
        self.console.print(
            printable(line), highlight=False, markup=False, emoji=False, soft_wrap=not wraps
        )

    def add(self, key: str, name: str, steps: int) -> None:
        """Add a waiting trial."""
        self.rows.setdefault(key, Row(printable(name), steps))
        self.refresh()

    def progress(self, running: Mapping[str, Mapping[str, Any]]) -> None:
        """Update running trials from their ``step`` and ``verdict``."""
        for key, report in running.items():
            row = self.rows.get(key)
            if row is None:
                continue
            step = count_of(report.get("step", 0))
            if row.state == "waiting":
                self._line(f"{row.name}: started")
            row.state = "running" if step else "starting"
            if step and row.began is None:
                row.began = time.monotonic()
            verdict = str(report.get("verdict", ""))
            row.step, row.detail = step, verdict if verdict in ("failed", "warning") else ""
        self.refresh()

    def end(
        self, key: str, status: str, step: int, seconds: float, detail: str = "", note: str = ""
    ) -> None:
        """Show the end of a trial.

        Args:
            key: the trial's.
            status: its verdict, or how it ended.
            step: training steps done.
            seconds: its duration.
            detail: shown after the status in the table.
            note: shown in place of it in a pipe, where there is room.
        """
        row = self.rows[key]
        status, detail, note = printable(status), printable(detail), printable(note)
        row.state, row.detail, row.step, row.seconds = status, detail, step, seconds
        self._line(
            f"{row.name}: {status.replace('_', ' ')} after {step} steps, {clock(seconds)}"
            + (f"; {more}" if (more := note or detail) else "")
            + (f"; about {clock(self.left)} left" if self.left else "")
        )
        self.refresh(force=True)

    def stop(self) -> None:
        """Show that the trials that have not ended were stopped."""
        self.left = None
        for row in self.rows.values():
            if row.state in ("waiting", "starting", "running"):
                row.state, row.detail = "stopped", ""
        self.refresh(force=True)

    def _line(self, text: str) -> None:
        if self._screen is None:
            print(text, file=self.console.file, flush=True)

    def refresh(self, force: bool = False) -> None:
        """Redraw, at most four times a second unless forced."""
        now = time.monotonic()
        if self._screen is not None and (force or now - self._drawn > REFRESH_SECONDS):
            self._drawn = now
            self._screen.draw()

    def table(self) -> Table:
        """Return the table in its present state."""
        caption = f"about {clock(self.left)} left" if self.left else None
        table = Table(expand=False, pad_edge=False, caption=caption, caption_justify="right")
        for name in ("trial", "state"):
            table.add_column(name, overflow="fold")
        table.add_column("steps", min_width=12)
        table.add_column("time", justify="right")
        for row in list(self.rows.values())[-MOST_ROWS:]:
            symbol, colour = STYLE.get(row.state, ("!", "magenta"))
            words = ", ".join(filter(None, (row.state.replace("_", " "), row.detail)))
            state = Text(f"{symbol} {words}", style=colour)
            bar: Any = ""
            if row.state == "running":
                bar = ProgressBar(row.steps, row.step, width=12)
            elif row.step:
                bar = str(row.step)
            table.add_row(Text(row.name), state, bar, row.time)
        return table
