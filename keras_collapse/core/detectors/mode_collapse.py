"""G's samples cover only a part of the data or repeat each other, and do not improve."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.advice import WASSERSTEIN
from keras_collapse.core.detectors.no_progress import NoProgress, rounded
from keras_collapse.core.detectors.sample_quality import mostly_collapsed, repeating
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

_ADVICE = (
    "Make D stronger or G slower: raise D's learning rate to 2-4 times G's (Heusel et al., 2017), "
    "or take out some of D's dropout.",
    "Let D see several samples at once (minibatch discrimination, Salimans et al., 2016; packing, "
    "Lin et al., 2018).",
    *WASSERSTEIN,
    "Repeat with another seed and a smaller batch: if it depends on the seed, it is the initial "
    "weights.",
)
_EVIDENCE = ("missing_share", "modes_real", "modes_covered", "coverage", "recall",
             "distance_ratio", "duplicate_share", "saturated_share", "support_high")  # fmt: skip


class ModeCollapse(NoProgress):
    """Finds ``mode_collapse``, full or partial, from sample checks.

    >>> detector = ModeCollapse()
    >>> for step in range(0, 1600, 100):
    ...     detector.update_probe(Probe(step, {"missing_share": 0.75, "distance_ratio": 0.2}))
    >>> [(f.severity.value, f.first_step, f.evidence["missing_share"]) for f in detector.findings]
    [('failed', 0, 0.75)]
    """

    kind = "mode_collapse"

    def is_mine(self, checks: Sequence[Probe]) -> bool:
        return mostly_collapsed(checks)

    def describe(self, probe: Probe) -> Finding:
        evidence = rounded(probe, _EVIDENCE)
        parts = []
        if "missing_share" in evidence:
            parts.append(f"they miss {evidence['missing_share']:.0%} of it")
        if evidence.get("modes_real", 1) > 1 and "modes_covered" in evidence:
            parts.append(
                f"reach {evidence['modes_covered']:.0f} of its {evidence['modes_real']:.0f} modes"
            )
        if repeating(probe):
            parts.append(f"{evidence['duplicate_share']:.0%} of them repeat another")
        what = "cover only a part of the data" if "missing_share" in evidence else "are alike"
        message = f"G's samples {what}: {', '.join(parts)}."
        step = probe.step
        return Finding(self.kind, Severity.WARNING, step, step, message, evidence, _ADVICE)
