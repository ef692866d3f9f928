"""Where the parts that watch one model meet: the monitor speaks, the outputs listen.

Callbacks stand in a list in any order and do not know each other. Each model has one hub; what
the monitor sees is published there, and a fault of one listener switches off that listener only.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.guard import guarded
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe


class Listener:
    """What an output may want to hear; every method does nothing until overridden.

    The methods run between training steps, on the thread that Keras calls callbacks on.
    """

    def on_run(self, facts: Mapping[str, Any]) -> None:
        """A run begins; ``facts`` are its parameters and surroundings, by name."""

    def on_logs(self, step: int, logs: Mapping[str, float]) -> None:
        """A batch's log, as Keras handed it over."""

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        """An epoch has ended with this step; ``numbers`` are the learning rates as they are now."""

    def on_reading(self, reading: Reading) -> None:
        """A reading, averaging undone."""

    def on_probe(self, probe: Probe) -> None:
        """What a look at G's samples said, in numbers."""

    def on_samples(self, step: int, images: Any) -> None:
        """G's samples from the fixed latents: uint8 (rows * height, columns * width[, 3])."""

    def on_finding(self, finding: Finding) -> None:
        """A finding that is new, graver or healed."""

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        """The run has ended; ``samples`` is the last grid, or None."""


class Hub:
    """Passes what the monitor publishes to the listeners, in the order they came."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self._posted: dict[str, Finding] = {}
        self._listeners: list[Listener] = []

    def join(self, listener: Listener) -> None:
        """Hear everything from now on; joining twice is once."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def post(self, finding: Finding) -> None:
        """Leave a finding for the monitor's verdict; one of each kind."""
        self._posted[finding.kind] = finding

    def take_posted(self) -> list[Finding]:
        """The findings left since the last asking."""
        found, self._posted = list(self._posted.values()), {}
        return found

    def tell(self, event: str, *arguments: Any) -> None:
        """Call ``event`` (a method of `Listener`) on every listener."""
        for listener in list(self._listeners):
            guarded(listener, getattr(listener, event), *arguments, off=self.leave)


_hubs: weakref.WeakKeyDictionary[Any, Hub] = weakref.WeakKeyDictionary()


def hub_of(model: Any) -> Hub:
    """The model's hub, made at first asking; it goes when the model goes."""
    if model not in _hubs:
        _hubs[model] = Hub()
    return _hubs[model]
