"""Where what changes is drawn: a terminal, or the output of a notebook's cell."""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Console
from rich.live import Live


class Screen(Protocol):
    """A place where something is drawn, such as the live panel."""

    def draw(self) -> None:
        """Draw its current state."""

    def stop(self) -> None:
        """Stop drawing and leave the last state visible."""


def screen_for(console: Console, panel: Any) -> Screen | None:
    """The screen for this console; None for pipes and logs."""
    if console.is_jupyter:
        return NotebookScreen(panel)
    if console.is_terminal and not console.is_dumb_terminal:
        return TerminalScreen(console, panel)
    return None


class TerminalScreen:
    """The last lines of a terminal; other output appears above them.

    Args:
        console: of the terminal.
        panel: what to draw, with ``__rich__``; in a notebook also rich's `JupyterMixin`.
    """

    def __init__(self, console: Console, panel: Any) -> None:
        self._console = console
        self._live = Live(panel, console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()
        console.show_cursor(True)  # a training that is killed could not restore it
        self._size = console.size

    def draw(self) -> None:
        if self._console.size != self._size:
            self._size = self._console.size
            self._console.clear()  # or parts drawn for another width would remain
        self._live.refresh()

    def stop(self) -> None:
        self._live.stop()


class NotebookScreen:
    """One output of the notebook cell that runs ``fit``.

    Args:
        panel: what to draw, with ``__rich__``; in a notebook also rich's `JupyterMixin`.
    """

    def __init__(self, panel: Any) -> None:
        from IPython.display import display

        self._panel = panel
        self._handle: Any = display(panel, display_id=True)

    def draw(self) -> None:
        self._handle.update(self._panel)

    def stop(self) -> None:
        self.draw()
