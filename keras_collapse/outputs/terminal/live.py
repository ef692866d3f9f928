"""LiveMonitor: a run in one panel of the terminal, instead of Keras' progress bar."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.style import STATUS_STYLE, clock, in_ascii, is_ascii, number
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.screens import Screen, screen_for

REFRESH_SECONDS = 0.25
"""Seconds between two drawings; more often flickers."""
SHARE = 0.02
"""Share of the time that drawing may take."""
LINES = 10
"""Lines that a whole ``fit`` prints if there is no terminal."""


class LiveMonitor(Subscriber):
    """Shows the state of the training in one panel while it runs.

    The panel has the status and since when; losses and accuracies as curves, with suspicious
    ranges marked; the share of the data that G's samples miss; some samples; epoch, speed and time
    left; and the findings with their advice. It replaces Keras' progress bar, whatever ``verbose``
    is. In a pipe or a log it prints a few plain lines. It needs a `CollapseMonitor` in the same
    callbacks list.

    Args:
        console: the Rich console to draw on; by default standard output.

    Example::

        gan.fit(data, callbacks=[kc.CollapseMonitor(), kc.LiveMonitor()])
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.state = RunState()
        self._given = console
        self._console: Console | None = None
        self._screen: Screen | None = None
        self._panel = LivePanel(self.state)
        self._lock = threading.RLock()
        self._next = 0.0  # the earliest time of the next drawing
        self._printed = 0
        self._restore: Any = None

    # -- Keras ---------------------------------------------------------------------------

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        # Keras' own progress bar comes later in the list and reads this only.
        if isinstance(params, dict):
            params["verbose"] = 0

    # -- events of the run -----------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        self.state.on_run(facts)
        self._console = self._given or Console()
        self._printed = self.state.step + 1
        self._next = 0.0
        if self._screen is None:
            self._panel.brief = False
            self._screen = screen_for(self._console, self._panel)
            if self._screen is not None:
                self._restore = weakref.finalize(self, self._screen.stop)
        self._draw(force=True)

    def on_logs(self, step: int, logs: Mapping[str, float]) -> None:
        self.state.on_logs(step, logs)
        self._draw()
        if self._screen is None:
            self._print_some()

    def on_reading(self, reading: Reading) -> None:
        self.state.on_reading(reading)

    def on_probe(self, probe: Probe) -> None:
        self.state.on_probe(probe)

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        self.state.on_epoch(step, epoch, numbers)

    def on_samples(self, step: int, images: Any) -> None:
        self.state.on_samples(step, images)

    def on_finding(self, finding: Finding) -> None:
        self.state.on_finding(finding)
        self._draw(force=True)

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        self.state.on_verdict(verdict, samples)
        if self._screen is not None:
            self._panel.brief = True
            self._draw(force=True)
            self._restore()
            self._screen = None

    # -- drawing ---------------------------------------------------------------------------

    def _draw(self, force: bool = False) -> None:
        now = time.monotonic()
        with self._lock:
            if self._screen is None or (now < self._next and not force):
                return
            # CPU time: on a busy machine a drawing may wait for long, at no cost for the training.
            began = time.thread_time()
            self._screen.draw()
            took = time.thread_time() - began
            self._next = time.monotonic() + max(REFRESH_SECONDS, took / SHARE)

    def _print_some(self) -> None:
        """Print a line at regular intervals of steps."""
        state = self.state
        every = max((state.steps or 1000) // LINES, 1)
        if state.step + 1 < self._printed + every or self._console is None:
            return
        self._printed = state.step + 1
        status, reason = state.status
        names = (("D loss", "d_loss"), ("G loss", "g_loss"), ("real", "d_acc_real"),
                 ("fake", "d_acc_fake"))  # fmt: skip
        numbers = [f"{n} {number(state.curves[k].last)}" for n, k in names if k in state.curves]
        left = [f"{clock(state.left)} left"] if state.left is not None else []
        total = f"/{state.steps}" if state.steps else ""
        symbol = STATUS_STYLE[status][0]
        line = ", ".join([f"{symbol} step {state.step + 1}{total}", *numbers, reason, *left])
        if is_ascii(self._console.encoding):
            line = in_ascii(line)
        print(line, file=self._console.file, flush=True)
