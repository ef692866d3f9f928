"""G's samples are off the data and do not get closer to it."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.no_progress import NoProgress, rounded
from keras_collapse.core.detectors.sample_quality import mostly_collapsed
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

_ADVICE = (
    "Check that both networks learn (keras-collapse audit) and that the data has G's scale.",
    "Raise G's learning rate, or D's if D separates nothing; remove noise from D's inputs and "
    "labels.",
    "Repeat with another initialization of the weights.",
)
_EVIDENCE = ("precision", "density", "coverage", "sliced_wasserstein",
             "sliced_wasserstein_baseline", "distance_ratio", "separation")  # fmt: skip


class Stalled(NoProgress):
    """Finds ``stalled``, from sample checks.

    >>> detector = Stalled()
    >>> far = {"sliced_wasserstein": 2.0, "sliced_wasserstein_baseline": 0.1}
    >>> for step in range(0, 1600, 100):
    ...     detector.update_probe(Probe(step, {"precision": 0.0, "missing_share": 1.0} | far))
    >>> [(f.severity.value, f.first_step) for f in detector.findings]
    [('failed', 0)]
    """

    kind = "stalled"

    def is_mine(self, checks: Sequence[Probe]) -> bool:
        return not mostly_collapsed(checks)

    def describe(self, probe: Probe) -> Finding:
        evidence = rounded(probe, _EVIDENCE)
        far = ""
        if evidence.get("sliced_wasserstein_baseline", 0.0) > 0:
            times = evidence["sliced_wasserstein"] / evidence["sliced_wasserstein_baseline"]
            far = f" {times:.1f} times as far from it as one half of the data is from the other,"
        message = f"G's samples are off the data,{far} and do not get closer."
        step = probe.step
        return Finding(self.kind, Severity.WARNING, step, step, message, evidence, _ADVICE)
