"""Where the live panel is drawn: a terminal, or the output of a notebook's cell."""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Console
from rich.live import Live

from keras_collapse.outputs.terminal.run_panel import LivePanel


class Screen(Protocol):
    """One place for the panel."""

    def draw(self) -> None:
        """Draw it as it is now."""

    def stop(self) -> None:
        """Leave it there, and the place as it was found."""


def screen_for(console: Console, panel: LivePanel) -> Screen | None:
    """The place that this console is; None for pipes and logs."""
    if console.is_jupyter:
        return NotebookScreen(panel)
    if console.is_terminal and not console.is_dumb_terminal:
        return TerminalScreen(console, panel)
    return None


class TerminalScreen:
    """The last lines of a terminal; what is printed meanwhile goes above.

    Args:
        console: of the terminal.
        panel: to draw.
    """

    def __init__(self, console: Console, panel: LivePanel) -> None:
        self._console = console
        self._live = Live(panel, console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()
        console.show_cursor(True)  # a training that is killed cannot bring it back
        self._size = console.size

    def draw(self) -> None:
        if self._console.size != self._size:
            self._size = self._console.size
            self._console.clear()  # what was drawn for another width would stay as shreds
        self._live.refresh()

    def stop(self) -> None:
        self._live.stop()


class NotebookScreen:
    """One output of the cell that runs ``fit``.

    Args:
        panel: to draw.
    """

    def __init__(self, panel: LivePanel) -> None:
        from IPython.display import display

        self._panel = panel
        self._handle: Any = display(panel, display_id=True)

    def draw(self) -> None:
        self._handle.update(self._panel)

    def stop(self) -> None:
        self.draw()
