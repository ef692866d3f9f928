"""The numbers have left the ground: NaN, infinity, or a loss that explodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from keras_collapse.core.advice import IN_A_LOOP, IN_A_STEP, Line
from keras_collapse.core.detectors.base import closed
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

EXPLOSION = 1000.0
"""Times its early scale from which a loss counts as exploded. Cross-entropies clipped as Keras
clips them end at 16; critics' losses grow, but not a thousandfold."""
EARLY_STEPS = 100
"""Steps that set a loss's scale, by its largest size among them (at least 1)."""
SUSTAINED = 10
"""Readings in a row before an explosion is one: a single wild batch is not."""
RESOLVES_AFTER = {"losses": 100, "samples": 2}
"""Steps of finite, ordinary losses, and sample checks of finite samples, after which a divergence
that they showed is resolved."""

_ADVICE = {
    "not finite": (
        "Lower both learning rates, or clip gradients (optimizer argument clipnorm).",
        "Use from_logits=True with a linear last layer, so that no logarithm sees a zero.",
        "Check the data for NaN and for values outside the range G draws in.",
    ),
    "exploded": (
        "Lower both learning rates, or clip gradients (optimizer argument clipnorm).",
        Line("Wasserstein critics need weight clipping or a gradient penalty.", IN_A_STEP),
        Line("Wasserstein critics need clipped weights.", IN_A_LOOP),
    ),
}


class Divergence:
    """Finds ``divergence``: at once for NaN and infinity, after ten readings for an explosion.

    Losses may stay finite where G draws NaN behind a clip or a relu. So a divergence is resolved
    only when whatever showed it, losses or samples, has been finite for a while.

    Attributes:
        has_news: whether its findings changed with the latest reading.

    >>> detector = Divergence()
    >>> detector.update(Reading(0, 1, {"d_loss": 0.7}))
    >>> detector.update(Reading(1, 1, {"d_loss": float("nan")}))
    >>> [(f.first_step, f.evidence) for f in detector.findings]
    [(1, {'signal': 'd_loss', 'value': 'nan'})]
    """

    kind = "divergence"

    def __init__(self) -> None:
        self.steps_assessed = 0
        self.unavailable_reason = ""
        self._scale: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._wild: dict[str, tuple[int, int]] = {}  # signal: (first step, readings in a row)
        self._closed = closed()
        self._open: Finding | None = None
        self._last_step = 0  # at which it showed
        self._ordinary: dict[str, float] = {}  # sizes below which a signal needs no closer look
        self.has_news = False
        self._quiet: dict[str, int] = {}  # what shows it: steps or checks since it last did

    def update(self, reading: Reading) -> None:
        """Take the next reading."""
        self.steps_assessed += reading.steps
        found: tuple[int, str, float] | None = None
        for signal, value in reading.values.items():
            if abs(value) < self._ordinary.get(signal, 0.0):  # neither NaN nor infinity is
                continue
            if not math.isfinite(value):
                found = found or (reading.first_step, signal, value)
            elif signal.endswith("acc") or "_acc_" in signal:
                self._ordinary[signal] = math.inf
            elif self._exploded(reading, signal, abs(value)):
                found = found or (self._wild[signal][0], signal, value)
        if found is None:
            self._quieten("losses", reading.steps)
        else:
            self._see("losses", reading.step, lambda: self._describe(reading, *found))

    def update_columns(self, columns: Columns) -> None:
        """Take the next readings: at once where none of them is out of the ordinary."""
        if all(size < self._ordinary.get(s, 0.0) for s, size in columns.sizes().items()):
            self.steps_assessed += len(columns)
            self._quieten("losses", len(columns))
        else:
            for reading in columns:
                self.update(reading)

    def update_probe(self, probe: Probe) -> None:
        """Take the next probe: more samples that are not finite than are is a divergence."""
        lost, drawn = probe.get("not_finite"), probe.get("fake")
        if lost is None and drawn is None:
            return
        if (lost or 0.0) <= (drawn or 0.0):  # a sample check may leave out a few
            self._quieten("samples", 1)
            return
        found = Finding(
            kind=self.kind,
            severity=Severity.FAILED,
            first_step=probe.step,
            last_step=probe.step,
            message="The training has diverged: G draws samples that are not finite.",
            evidence={"signal": "samples", "not_finite": lost},
            advice=_ADVICE["not finite"],
        )
        self._see("samples", probe.step, lambda: found)

    @property
    def findings(self) -> Sequence[Finding]:
        """See `Detector`."""
        if self._open is None:
            return list(self._closed)
        return [*self._closed, replace(self._open, last_step=self._last_step)]

    def _exploded(self, reading: Reading, signal: str, size: float) -> bool:
        seen = self._seen.get(signal, 0)
        scale = self._scale.get(signal, 1.0)
        if seen < EARLY_STEPS and size < EXPLOSION * scale:
            self._scale[signal] = max(scale, size)
            self._seen[signal] = seen + reading.steps
        if size < EXPLOSION * scale:
            self._wild.pop(signal, None)
            if seen >= EARLY_STEPS:
                self._ordinary[signal] = EXPLOSION * scale
            return False
        self._ordinary.pop(signal, None)
        first, count = self._wild.get(signal, (reading.first_step, 0))
        self._wild[signal] = (first, count + 1)
        return count + 1 >= SUSTAINED

    def _describe(self, reading: Reading, first: int, signal: str, value: float) -> Finding:
        exploded = math.isfinite(value)
        words = f"{signal} has exploded to {value:.3g}" if exploded else f"{signal} is {value}"
        evidence: dict[str, object] = {"signal": signal, "value": value if exploded else str(value)}
        if exploded:
            evidence["early_scale"] = self._scale.get(signal, 1.0)
        return Finding(
            kind=self.kind,
            severity=Severity.FAILED,
            first_step=first,
            last_step=reading.step,
            message=f"The training has diverged: {words}.",
            evidence=evidence,
            advice=_ADVICE["exploded" if exploded else "not finite"],
        )

    def _see(self, source: str, step: int, describe: Callable[[], Finding]) -> None:
        """Take a step (or sample check) at which a source showed the divergence."""
        self._quiet[source] = 0
        self._last_step = step
        self.has_news = self._open is None
        if self._open is None:
            self._open = describe()

    def _quieten(self, source: str, count: int) -> None:
        """Take a step (or sample check) at which it did not; it stands for so many."""
        self.has_news = False
        if source not in self._quiet or self._open is None:
            return
        self._quiet[source] += count
        if self._quiet[source] >= RESOLVES_AFTER[source]:
            del self._quiet[source]
        if not self._quiet:
            self._closed.append(replace(self._open, last_step=self._last_step, resolved=True))
            self._open, self.has_news = None, True
