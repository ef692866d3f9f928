"""G's samples are not where the data is, and come no nearer."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.mode_collapse import MISSING, NARROW
from keras_collapse.core.detectors.standstill import Standstill, evidence_of
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.probes import Probe

FAR = 4.0
"""Distance to the data (sliced Wasserstein), in that of two halves of the data, from which samples
lie elsewhere. Healthy runs come below 3: those of the zoo's part for choosing, and the camel GAN,
whose drawings are never so exact that they would lie among real ones pixel by pixel."""
ELSEWHERE = 0.1
"""Precision up to which samples that are so far count as elsewhere. On the zoo's part for choosing,
99 % of the looks at runs that the oracle calls good show more than 0.4; good drawings 0.03."""
BETTER = 0.03
"""Rise of the precision that counts as getting better."""
NEARER = 0.9
"""Factor on the distance to the data (sliced Wasserstein) that counts as coming nearer."""

_ADVICE = (
    "Check that both networks learn (keras-collapse audit) and that the data has G's scale.",
    "Raise G's learning rate, or D's where D tells nothing apart; take noise off D's inputs and "
    "labels.",
    "Repeat with another initialization of the weights.",
)
_EVIDENCE = ("precision", "density", "sliced_wasserstein", "sliced_wasserstein_baseline",
             "distance_ratio", "separation")  # fmt: skip


class Stalled(Standstill):
    """Finds ``stalled``, from looks at G's samples beside real ones.

    >>> detector = Stalled()
    >>> for step in range(0, 1600, 100):
    ...     far = {"sliced_wasserstein": 2.0, "sliced_wasserstein_baseline": 0.1}
    ...     detector.look(Probe(step, {"precision": 0.0} | far))
    >>> [(f.severity.value, f.first_step) for f in detector.findings]
    [('failed', 0)]
    """

    kind = "stalled"

    def __init__(self) -> None:
        super().__init__(_elsewhere, _better, _finding)


def _elsewhere(probe: Probe) -> bool | None:
    precision, distance = probe.get("precision"), probe.get("sliced_wasserstein")
    near = probe.get("sliced_wasserstein_baseline")
    if precision is None or distance is None or near is None:
        return None
    wide = probe.values.get("distance_ratio", 0.0) > NARROW
    missed = probe.values.get("missing_share", 0.0) >= MISSING
    return distance >= FAR * near and (precision <= ELSEWHERE or (wide and missed))


def _better(before: Sequence[Probe], after: Sequence[Probe]) -> bool:
    best = [max(probe.values["precision"] for probe in looks) for looks in (before, after)]
    least = [
        min(probe.values.get("sliced_wasserstein", 0.0) for probe in looks)
        for looks in (before, after)
    ]
    return best[1] >= best[0] + BETTER or least[1] < NEARER * least[0]


def _finding(since: int, probe: Probe, severity: Severity) -> Finding:
    evidence = evidence_of(probe, _EVIDENCE)
    message = (
        f"G's samples are not where the data is: {evidence['precision']:.0%} of them lie among "
        "real ones, and they come no nearer."
    )
    return Finding("stalled", severity, since, probe.step, message, evidence, _ADVICE)
