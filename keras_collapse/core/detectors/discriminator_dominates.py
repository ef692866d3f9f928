"""The discriminator separates real from fake perfectly, so the generator learns little."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np

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
WON = 0.99
"""Accuracy on real and on fake from which D has won, if its loss is as low as follows."""
WON_LOSS = 0.01
"""Mean cross-entropy up to which D has won, over `FAIL_AFTER` steps or more. Where no samples can
be compared, that is "failed" if G's loss does not fall meanwhile. None of the 264 healthy runs of
the benchmark shows that, nor even a loss of 0.1 with accuracies of 0.95 for 30 steps."""
FALLS = 2.0
"""Standard errors by which G's mean loss is lower in the last third than in the first if it falls:
one chance in forty. Neighbouring steps are alike, so noise more often looks like a fall, which is a
warning only."""
LEAST_FALL = 1e-3
"""Fall, relative to G's loss, that is none: Keras clips a cross-entropy, which is constant then."""

_ADVICE = (
    "Lower D's learning rate or raise G's; train G more often than D.",
    "Weaken D: dropout, noise on its inputs that fades (Arjovsky & Bottou, 2017), one-sided label "
    "smoothing (Salimans et al., 2016), or spectral normalization (Miyato et al., 2018).",
    Line("Use the non-saturating loss.", IN_A_STEP),
    *WASSERSTEIN,
)


class DiscriminatorDominates(PersistentCondition):
    """Finds ``discriminator_dominates``, from D's accuracies or else its cross-entropy.

    A strong D is a failure only if G's samples are bad; where nobody can compare them, only if D's
    cross-entropy is near 0 and G's loss does not fall.

    >>> detector = DiscriminatorDominates()
    >>> for step in range(400):
    ...     detector.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 1.0}))
    >>> [(f.severity.value, f.first_step, f.last_step) for f in detector.findings]
    [('warning', 0, 399)]
    """

    kind = "discriminator_dominates"

    def holds(self, block: Reading) -> bool | None:
        self.steps_assessed += block.steps
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
        thirds = _thirds(episode.parts)
        if thirds is not None:
            evidence |= {"g_loss_first": round(thirds[0], 4), "g_loss_latest": round(thirds[1], 4)}
        failed = self.samples_bad is True
        if self.readings_alone:  # else a G whose samples are not bad has only a strong D
            lost = thirds is not None and thirds[2] is False
            failed = failed or (lost and self._has_won(episode.mean))
        return Finding(
            kind=self.kind,
            severity=Severity.FAILED if failed and lasted >= FAIL_AFTER else Severity.WARNING,
            first_step=episode.first_step,
            last_step=episode.last_step,
            message=f"The discriminator separates real from fake perfectly: {seen}. G learns "
            "little from it.",
            evidence=evidence,
            advice=_ADVICE,
            resolved=episode.over,
        )

    def _has_won(self, mean: Reading) -> bool:
        """Whether D's cross-entropy is near 0 and its accuracies near 1; False if unknown."""
        loss = self.form.normalised(mean)
        if loss is None and self.form.began_at_chance and _is_cross_entropy(mean):
            loss = mean.values["d_loss"]  # at most: half of it, if it is a sum
        halves = {"d_acc_real", "d_acc_fake"} <= mean.values.keys()
        # Half of each batch is real: a mean of 0.995 leaves 0.99 to either half.
        least = {"d_acc_real": WON, "d_acc_fake": WON} if halves else {"d_acc": (1 + WON) / 2}
        return loss is not None and all(
            (
                at_least(WON_LOSS, loss, mean.uncertainty("d_loss") * (self.form.scale or 1)),
                *(
                    at_least(mean.values.get(name, 0.0), bound, mean.uncertainty(name))
                    for name, bound in least.items()
                ),
            )
        )


def _is_cross_entropy(mean: Reading) -> bool:
    """Whether G's loss is what a non-saturating cross-entropy is, given such a loss of D's.

    D's loss on fakes, E[-log(1 - p)], is at most twice its mean loss L. Then E[-log p], G's loss,
    is at least -log(1 - exp(-2 L)), by Jensen's inequality: 3.9 at L = 0.01. Least squares stay
    near 1 there, and other objectives do not begin at chance.
    """
    d_loss, g_loss = mean.get("d_loss"), mean.get("g_loss")
    if d_loss is None or g_loss is None or not d_loss >= 0:
        return False
    return g_loss >= -log(1 - exp(-2 * max(d_loss, 1e-9)))


def _thirds(parts: Sequence[Reading]) -> tuple[float, float, bool | None] | None:
    """G's loss in the first and the last third of an episode, and whether it falls.

    Returns:
        None without G's loss, or with fewer than six parts; ``falls`` is None if rounding leaves it
        open.
    """
    known = [part for part in parts if "g_loss" in part.values]
    size = len(known) // 3
    if size < 2:
        return None
    first, last = (
        np.array([part.values["g_loss"] for part in third])
        for third in (known[:size], known[-size:])
    )
    error = float(np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / size))
    rounding = max(part.uncertainty("g_loss") for part in known)
    before, after = float(first.mean()), float(last.mean())
    bound = max(FALLS * error, LEAST_FALL * abs(before))
    return before, after, at_least(before - after, bound, rounding)
