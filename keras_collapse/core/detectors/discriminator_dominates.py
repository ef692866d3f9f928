"""The discriminator separates real from fake perfectly, so the generator learns little."""

from __future__ import annotations

from keras_collapse.core.advice import IN_A_STEP, WASSERSTEIN, Line
from keras_collapse.core.detectors.batchnorm_mismatch import has_two_faces
from keras_collapse.core.detectors.persistent_condition import Episode, PersistentCondition
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.three_valued import at_least, both

CERTAIN = 0.98
"""Accuracy on real and on fake from which D separates everything. On points in the plane, no
healthy run of the benchmark shows 0.9 on both for 50 steps; on images good runs come close."""
NO_LOSS = 0.05
"""D's mean cross-entropy up to which it does, if no accuracies are reported."""
WARN_AFTER = 300
"""Steps before a warning: D is ahead at the start of many good runs."""
FAIL_AFTER = 1000
"""Steps before "failed", and only if G's samples are bad as well: with a D this certain, G's
gradient vanishes (Arjovsky & Bottou, 2017), but many good GANs have a strong D."""

_ADVICE = (
    "Lower D's learning rate or raise G's; train G more often than D.",
    "Weaken D: dropout, noise on its inputs that fades (Arjovsky & Bottou, 2017), one-sided label "
    "smoothing (Salimans et al., 2016), or spectral normalization (Miyato et al., 2018).",
    Line("Use the non-saturating loss.", IN_A_STEP),
    *WASSERSTEIN,
)


class DiscriminatorDominates(PersistentCondition):
    """Finds ``discriminator_dominates``, from D's accuracies or else its cross-entropy.

    A strong D is a failure only if G's samples are bad.

    >>> detector = DiscriminatorDominates()
    >>> for step in range(400):
    ...     detector.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 1.0}))
    >>> [(f.severity.value, f.first_step, f.last_step) for f in detector.findings]
    [('warning', 0, 399)]
    """

    kind = "discriminator_dominates"

    def update(self, reading: Reading) -> None:
        self.steps_assessed += reading.steps
        super().update(reading)

    def holds(self, block: Reading) -> bool | None:
        if has_two_faces(block, self.form.normalised(block)):
            return False  # G is not beaten, but fools D in its own step: batchnorm_mismatch
        names = ("d_acc_real", "d_acc_fake")
        halves = [
            at_least(block.values[name], CERTAIN, block.uncertainty(name))
            for name in names
            if name in block.values
        ]
        if len(halves) == len(names):
            return both(*halves)
        if "d_acc" in block.values:
            return at_least(block.values["d_acc"], CERTAIN, block.uncertainty("d_acc"))
        loss = self.form.normalised(block)
        return (
            None
            if loss is None
            else at_least(NO_LOSS, loss, block.uncertainty("d_loss") * self.form.scale)
        )

    def describe(self, episode: Episode) -> Finding | None:
        lasted = episode.lasted * self.row_steps
        if episode.mean is None or lasted < WARN_AFTER:
            return None
        evidence = {name: round(value, 4) for name, value in episode.mean.values.items()}
        seen = "its loss is near 0"
        if "d_acc" in evidence or "d_acc_real" in evidence:
            accuracy = min(evidence[n] for n in evidence if n.startswith("d_acc"))
            seen = f"it is right on {accuracy:.0%} of real and of fake samples"
        ends = (episode.first, episode.latest) if episode.first is not episode.latest else ()
        g_losses = [block.values["g_loss"] for block in ends if block and "g_loss" in block.values]
        if len(g_losses) > 1:
            first, latest = g_losses
            evidence |= {"g_loss_first": round(first, 4), "g_loss_latest": round(latest, 4)}
        failed = lasted >= FAIL_AFTER and self.samples_bad is True
        return Finding(
            kind=self.kind,
            severity=Severity.FAILED if failed else Severity.WARNING,
            first_step=episode.first_step,
            last_step=episode.last_step,
            message=f"The discriminator separates real from fake perfectly: {seen}. G learns "
            "little from it.",
            evidence=evidence,
            advice=_ADVICE,
            resolved=episode.over,
        )
