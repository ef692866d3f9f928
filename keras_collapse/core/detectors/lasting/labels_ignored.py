"""A conditional generator's samples do not follow their labels, or those of one class are lost."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.lasting.sign import LastingSign
from keras_collapse.core.detectors.no_progress import STRETCH, WARN_SHARE, rounded
from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

NO_EFFECT = 1e-3
"""Share of the samples' variance up to which labels have no effect: 3 % of the samples' spread."""
EXACTLY_NONE = 1e-9
"""The same, up to which the rest is rounding. Below it there is no growth to wait for."""
GROWTH = 2.0
"""Factor from the first half of a stretch to the second by which a growing effect is progress."""
UNRELATED = 0.2
"""Agreement of samples with their labels, relative to the data's, up to which there is none. With
256 samples of two classes, chance reaches 0.13."""
AGREEMENT_GAIN = 0.05
"""Growth of a mean agreement from the first half of a stretch to the second that is progress,
over a full stretch (`STRETCH`)."""


class LabelsIgnored(LastingSign):
    """Finds ``labels_ignored``: G's samples do not depend on their labels, or do not show them.

    The first needs no data. The second is a failure only of samples that are good otherwise: G
    learns what the data are before it learns their classes.

    >>> detector = LabelsIgnored()
    >>> for step in range(0, 1600, 100):
    ...     detector.update_probe(Probe(step, {"label_effect": 0.0}))
    >>> [(f.severity.value, f.first_step, f.evidence["label_effect"]) for f in detector.findings]
    [('failed', 0, 0.0)]
    """

    kind = "labels_ignored"

    def holds(self, probe: Probe) -> bool | None:
        if _without_effect(probe):
            return True
        agreement = probe.get("label_agreement")
        if agreement is not None:
            if agreement > UNRELATED:
                return False
            of_samples = bad(probe)
            return None if of_samples is None else not of_samples
        had_none = bool(self._stretch) and _without_effect(self._stretch[-1])
        return False if had_none and "label_effect" in probe.values else None

    def severity(self, checks: Sequence[Probe]) -> Severity | None:
        lasted = checks[-1].step - checks[0].step
        if lasted < WARN_SHARE * STRETCH or _improves(checks):
            return None
        return Severity.FAILED if lasted >= STRETCH else Severity.WARNING

    def describe(self, probe: Probe) -> Finding:
        evidence = rounded(probe, ("label_effect", "label_agreement"))
        if _without_effect(probe):
            message = "G ignores its labels: the same latent gives the same sample under each."
        else:
            message = (
                "G's samples do not show the labels that they were drawn for: they agree with "
                f"those of the nearest real samples {max(evidence['label_agreement'], 0.0):.0%} as "
                "well as the data do."
            )
        advice = (
            "Feed the label to G through an embedding of the latent's width, or as one-hot "
            "channels, and check that it reaches G's output.",
            "Give D the label as well: with a real sample its own label, with a fake the one that "
            "it was drawn for. A D without labels does not reward G for following them.",
            "Check that G's step gives the same labels to G and to D.",
        )
        step = probe.step
        return Finding(self.kind, Severity.WARNING, step, step, message, evidence, advice)


class ClassCollapse(LastingSign):
    """Finds ``class_collapse``: samples of one class are alike or missing, and others are not.

    >>> detector = ClassCollapse()
    >>> one_of_ten = {"class_missing_share": 0.1, "worst_class": 3.0, "label_agreement": 0.9}
    >>> for step in range(0, 1600, 100):
    ...     detector.update_probe(Probe(step, one_of_ten))
    >>> [(f.severity.value, f.first_step, f.evidence["worst_class"]) for f in detector.findings]
    [('warning', 0, 3.0)]
    """

    kind = "class_collapse"

    def holds(self, probe: Probe) -> bool | None:
        lost = probe.get("class_missing_share")
        if lost is None:
            return None
        others = probe.values.get("label_agreement", 1.0) > UNRELATED  # else labels are ignored
        return 0 < lost < 1 and others

    def severity(self, checks: Sequence[Probe]) -> Severity | None:
        lasted = checks[-1].step - checks[0].step
        half = len(checks) // 2
        before = _mean(checks[:half], "class_missing_share")
        after = _mean(checks[half:], "class_missing_share")
        return Severity.WARNING if lasted >= STRETCH and after >= before / GROWTH else None

    def describe(self, probe: Probe) -> Finding:
        names = ("class_missing_share", "class_distance_ratio", "worst_class")
        evidence = rounded(probe, names)
        message = (
            f"The samples of some classes are alike or not of their class, those of class "
            f"{evidence['worst_class']:.0f} most; these classes are "
            f"{evidence['class_missing_share']:.0%} of the data."
        )
        advice = (
            "Draw the labels of G's steps as often as the data hold them, and check that every "
            "class is drawn.",
            "Look at samples of this class: if they are of another class, check the labels that "
            "go with its real samples.",
            "Let D see several samples of a class at once (packing, Lin et al., 2018), or make D's "
            "use of the label stronger (projection, Miyato & Koyama, 2018).",
        )
        step = probe.step
        return Finding(self.kind, Severity.WARNING, step, step, message, evidence, advice)


def _without_effect(probe: Probe) -> bool:
    return probe.values.get("label_effect", 1.0) <= NO_EFFECT


def _improves(checks: Sequence[Probe]) -> bool:
    """Whether labels gain influence from the first half of the checks to the second."""
    half = len(checks) // 2
    before, after = checks[:half], checks[half:]
    if all(map(_without_effect, checks)):
        effect = _mean(after, "label_effect")
        return effect > EXACTLY_NONE and effect >= GROWTH * _mean(before, "label_effect")
    share = min((checks[-1].step - checks[0].step) / STRETCH, 1.0)
    gain = _mean(after, "label_agreement") - _mean(before, "label_agreement")
    return gain >= share * AGREEMENT_GAIN


def _mean(checks: Sequence[Probe], name: str) -> float:
    known = [probe.values[name] for probe in checks if name in probe.values]
    return sum(known) / len(known) if known else 0.0
