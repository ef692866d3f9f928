"""G's samples are off the data and do not get closer to it, or do not change at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_collapse.core.advice import AUDITED, IN_A_LOOP, IN_A_STEP, UPDATES, Line
from keras_collapse.core.detectors.base import closed
from keras_collapse.core.detectors.no_progress import NoProgress, rounded
from keras_collapse.core.detectors.sample_quality import mostly_collapsed, repeating
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

_ADVICE = (
    Line("Check that each step trains its own network, and only that.", unless=UPDATES),
    Line("keras-collapse audit checks that of a model with a train_step.", AUDITED, unless=UPDATES),
    "Check that the data has G's scale.",
    "Raise G's learning rate, or D's if D separates nothing; remove noise from D's inputs and "
    "labels.",
    "Repeat with another initialization of the weights.",
)
_UNCHANGED_ADVICE = (
    Line(
        "Check that a gradient reaches G: its learning rate, generator.trainable, and that G's "
        "loss is computed from discriminator(generator(latents)), without detaching the fakes.",
        IN_A_STEP,
    ),
    Line(
        "Check that a gradient reaches G: the learning rate of the combined model, "
        "generator.trainable, and that this very generator is a part of the combined model.",
        IN_A_LOOP,
    ),
    "If G's last activation is saturated or its ReLUs are dead, lower its learning rate and start "
    "again.",
)
UNCHANGED = 1e-6
"""Change of the samples from one check to the next up to which they have not changed: a weight that
moves by one part in a million moves them more."""
UNCHANGED_CHECKS = 4
"""Consecutive checks without a change from which it is reported."""
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

    def __init__(self) -> None:
        super().__init__()
        self._still_since = 0  # the step of the first check that shows the same samples
        self._still_checks = 0  # those after it
        self._unchanged: Finding | None = None
        self._changed_again = closed()

    @property
    def findings(self) -> Sequence[Finding]:
        unchanged = [self._unchanged] if self._unchanged else []
        return [*self._changed_again, *super().findings, *unchanged]

    def update_probe(self, probe: Probe) -> None:
        super().update_probe(probe)
        change = probe.get("change")
        if change is None or change > UNCHANGED or repeating(probe):
            self._still_since, self._still_checks = probe.step, 0
        else:
            self._still_checks += 1
        if self._still_checks >= UNCHANGED_CHECKS:
            self._unchanged = self._describe_unchanged(probe.step)
        elif self._unchanged is not None:
            self._changed_again.append(replace(self._unchanged, resolved=True))
            self._unchanged = None

    def _describe_unchanged(self, step: int) -> Finding:
        return Finding(
            self.kind,
            Severity.WARNING,
            self._still_since,
            step,
            f"G's samples have not changed in {self._still_checks} sample checks: G is not "
            "learning.",
            {"checks": self._still_checks},
            _UNCHANGED_ADVICE,
        )

    def is_mine(self, checks: Sequence[Probe]) -> bool:
        return not mostly_collapsed(checks)

    def describe(self, probe: Probe) -> Finding:
        evidence = rounded(probe, _EVIDENCE)
        far = ""
        if (
            "sliced_wasserstein" in evidence
            and evidence.get("sliced_wasserstein_baseline", 0.0) > 0
        ):
            times = evidence["sliced_wasserstein"] / evidence["sliced_wasserstein_baseline"]
            far = f" {times:.1f} times as far from it as one half of the data is from the other,"
        message = f"G's samples are off the data,{far} and do not get closer."
        step = probe.step
        return Finding(self.kind, Severity.WARNING, step, step, message, evidence, _ADVICE)
