"""The events of one training: the monitor publishes them, the outputs subscribe to them.

Callbacks stand in a list in any order and do not know each other. What they share is the ``params``
dictionary that Keras hands to every callback of one ``fit``: the events of that ``fit`` are kept
there, so they belong to exactly one training and go when it goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.guard import guarded, warn
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

_KEY = "keras_collapse"


class Listener:
    """Base class of everything that subscribes to a run's events; every method is optional.

    The methods are called between training steps, on the thread that Keras calls callbacks on.
    """

    def on_run(self, facts: Mapping[str, Any]) -> None:
        """Called when a fit or loop begins, with its parameters and environment by name."""

    def on_logs(self, step: int, logs: Mapping[str, float]) -> None:
        """Called with each batch's log, as Keras reported it."""

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        """Called when an epoch ends with ``step``; ``numbers`` are the current learning rates."""

    def on_reading(self, reading: Reading) -> None:
        """Called with each reading, averaging undone."""

    def on_probe(self, probe: Probe) -> None:
        """Called with the numbers of each sample check."""

    def on_samples(self, step: int, images: Any) -> None:
        """Called with G's samples from the fixed latents, uint8 (height, width[, 3])."""

    def on_finding(self, finding: Finding) -> None:
        """Called with each finding that is new, more severe, or resolved."""

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        """Called when the fit or loop has ended; ``samples`` is the last picture, or None."""


class RunEvents:
    """Passes what a monitor publishes to the listeners, in the order in which they subscribed.

    An error in a listener is reported once and unsubscribes that listener only.

    Attributes:
        facts: facts that other callbacks add to the run's own, such as the seeding's report.

    >>> events, listener = RunEvents(), Listener()
    >>> events.subscribe(listener)
    >>> events.publish("on_logs", 0, {"d_loss": 0.7})
    """

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self._monitor: weakref.ReferenceType[Any] | None = None
        self._posted: dict[str, Finding] = {}
        self._listeners: list[Listener] = []

    def __repr__(self) -> str:
        return f"<events of one training, {len(self._listeners)} listeners>"

    @property
    def has_monitor(self) -> bool:
        """Whether a monitor publishes here."""
        return self._monitor is not None

    def admit(self, monitor: Any) -> bool:
        """Let a monitor publish here, unless another one does: each reading is logged once.

        Returns:
            Whether it may; if not, this was reported.
        """
        if self._monitor is not None and self._monitor() not in (monitor, None):
            warn(
                "there are two CollapseMonitors in one callbacks list. The outputs show what the "
                "first one finds; the second one has a journal and a verdict of its own.",
                stacklevel=3,
            )
            return False
        self._monitor = weakref.ref(monitor)
        return True

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with every event from now on; subscribing twice has no effect."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Stop calling ``listener``."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def publish(self, event: str, *arguments: Any) -> None:
        """Call ``event`` (a method of `Listener`) on every listener."""
        for listener in list(self._listeners):
            guarded(listener, getattr(listener, event), *arguments, off=self.unsubscribe)

    def post(self, finding: Finding) -> None:
        """Leave a finding for the monitor's verdict; one of each kind is kept."""
        self._posted[finding.kind] = finding

    def take_posted(self) -> list[Finding]:
        """Return the findings posted since the last call."""
        found, self._posted = list(self._posted.values()), {}
        return found


def events_of(params: Any) -> RunEvents:
    """Return the events of the training that these callback parameters belong to.

    Args:
        params: the dictionary that Keras gave to ``Callback.set_params``; with anything else,
            new events that nobody else can subscribe to are returned.
    """
    if not isinstance(params, dict):
        return RunEvents()
    events: RunEvents = params.setdefault(_KEY, RunEvents())
    return events


def without_events(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return callback parameters to which nobody else listens: of a second monitor in one fit."""
    return {name: value for name, value in params.items() if name != _KEY}
