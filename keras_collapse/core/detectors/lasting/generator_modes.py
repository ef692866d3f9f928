"""G in inference mode, which is sampled, is another generator than G in training mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_collapse.core.detectors.base import closed
from keras_collapse.core.detectors.no_progress import LEAST_CHECKS
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

VISIBLE = 0.3
"""Gap from which both modes differ visibly. With a momentum of 0.99 it was 0.7 to 1.2 in the first
30 steps of a GAN of digits, 0.4 at step 100, and below 0.25 from step 200 on; with a momentum of
0.9 or 0.8 below 0.15 from step 30 on."""
LASTS = 400
"""Steps that it lasts where moving averages do not merely lag behind: twice the above."""


class GeneratorModes:
    """Finds ``generator_modes_differ``: G's moving averages do not follow its training.

    >>> detector = GeneratorModes()
    >>> for step in range(0, 600, 100):
    ...     detector.update_probe(Probe(step, {"mode_gap": 0.8}))
    >>> [(f.severity.value, f.first_step, f.evidence["mode_gap"]) for f in detector.findings]
    [('info', 0, 0.8)]
    """

    kind = "generator_modes_differ"
    unavailable_reason = ""

    def __init__(self) -> None:
        self._first: int | None = None  # step of the stretch
        self._checks = 0
        self._open: Finding | None = None
        self._closed = closed()

    @property
    def findings(self) -> Sequence[Finding]:
        return [*self._closed, self._open] if self._open else list(self._closed)

    def update_probe(self, probe: Probe) -> None:
        gap = probe.get("mode_gap")
        if gap is None:
            return
        if gap < VISIBLE:
            self._first, self._checks = None, 0
            if self._open is not None:
                self._closed.append(replace(self._open, last_step=probe.step, resolved=True))
                self._open = None
            return
        self._first = probe.step if self._first is None else self._first
        self._checks += 1
        if self._checks >= LEAST_CHECKS and probe.step - self._first >= LASTS:
            self._open = _describe(self._first, probe.step, gap)


def _describe(first: int, last: int, gap: float) -> Finding:
    return Finding(
        "generator_modes_differ",
        Severity.INFO,
        first,
        last,
        f"G's samples in inference mode, which are checked, differ from those in training mode by "
        f"{gap:.0%} of the difference between two samples: the moving averages of its batch norm "
        "do not follow its training.",
        {"mode_gap": round(gap, 4)},
        (
            "Call G with training=True in its step, and check that the loop keeps its moving "
            "averages: a loop in JAX has to carry G's non-trainable variables from step to step.",
            "Or lower the momentum of G's BatchNormalization layers to 0.9 or 0.8.",
        ),
    )
