"""The trials of a triage while it runs: a table on a terminal, a line for each change in a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from keras_collapse.outputs.style import STATUS_STYLE

STYLE = {
    **{str(status): style for status, style in STATUS_STYLE.items()},
    "done": ("✔", "green"),
    "waiting": ("·", "dim"),
    "starting": ("…", "blue"),
    "running": ("▶", "blue"),
}
"""A symbol beside each colour, for those who do not see colours; other ends are "!"."""


ROWS = 18
"""Rows that are shown, the latest: more than a terminal is high would flicker."""


@dataclass
class Row:
    """One trial as it is shown."""

    name: str
    state: str = "waiting"
    verdict: str = ""
    step: int = 0
    steps: int = 0
    began: float | None = None
    note: str = ""
    seconds: float = field(default=0.0)

    @property
    def left(self) -> str:
        """Time left, by the steps so far."""
        if self.state != "running" or self.began is None or not self.step:
            return ""
        seconds = (time.monotonic() - self.began) / self.step * (self.steps - self.step)
        return clock(max(seconds, 0))


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75)
    '1:15'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class TrialsTable:
    """Shows trials by name; a context, so that the terminal is whole again afterwards.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: dict[str, Row] = {}
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._shown = 0.0

    @property
    def lively(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def __enter__(self) -> TrialsTable:
        if self.lively:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.lively:
            self.refresh(force=True)
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self.console.print(line, highlight=False, markup=False, emoji=False)

    def add(self, key: str, name: str, steps: int) -> None:
        """A trial that waits."""
        self.rows.setdefault(key, Row(name, steps=steps))
        self.refresh()

    def progress(self, running: Mapping[str, Mapping[str, Any]]) -> None:
        """How far the running trials are."""
        for key, said in running.items():
            row = self.rows.get(key)
            if row is None:
                continue
            step = int(said.get("step", 0))
            if row.state == "waiting":
                self._line(f"{row.name}: begins")
            row.state = "running" if step else "starting"
            if step and row.began is None:
                row.began = time.monotonic()
            row.step, row.verdict = step, str(said.get("verdict", ""))
        self.refresh()

    def end(self, key: str, says: str, step: int, seconds: float, note: str) -> None:
        """A trial has ended."""
        row = self.rows[key]
        row.state, row.verdict, row.step, row.seconds, row.note = says, says, step, seconds, note
        self._line(
            f"{row.name}: {says} after {step} steps, {clock(seconds)}"
            + (f"; {note}" if note else "")
        )
        self.refresh(force=True)

    def _line(self, text: str) -> None:
        if not self.lively:
            print(text, file=self.console.file, flush=True)

    def refresh(self, force: bool = False) -> None:
        """Draw it anew, four times a second at most unless forced."""
        now = time.monotonic()
        if self.lively and (force or now - self._shown > 0.25):
            self._shown = now
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """The table as it stands."""
        table = Table(expand=False, pad_edge=False)
        for name in ("trial", "state"):
            table.add_column(name, overflow="fold")
        table.add_column("steps", min_width=12)
        table.add_column("time", justify="right")
        for row in list(self.rows.values())[-ROWS:]:
            symbol, colour = STYLE.get(row.state, ("!", "magenta"))
            words = row.state.replace("_", " ")
            if row.state == "running" and row.verdict in ("failed", "warning"):
                words += f", {row.verdict}"
            state = Text(f"{symbol} {words}", style=colour)
            took = clock(row.seconds) if row.seconds else (f"-{row.left}" if row.left else "")
            bar: Any = ""
            if row.state == "running":
                bar = ProgressBar(row.steps, row.step, width=12)
            elif row.step:
                bar = str(row.step)
            table.add_row(row.name, state, bar, took)
        return table
