"""D answers otherwise in G's step than in its own: batch norm, or labels that agree."""

from __future__ import annotations

from math import log

from keras_collapse.core.advice import (
    AUDITED,
    BATCH_NORM_ADVICE,
    IN_A_LOOP,
    IN_A_STEP,
    LABELS,
    Line,
)
from keras_collapse.core.detectors.persistent_condition import Episode, PersistentCondition
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.three_valued import at_least, both

RIGHT_ON_FAKES = 0.9
"""D's accuracy on fakes in its own step from which it counts as knowing them."""
FOOLED_IN_G_STEP = 0.5
"""Share of fakes that D calls real in G's step from which the two contradict each other. One update
of D or of G between both measurements does not turn 40 % of D's answers around for long: no run of
the detection benchmark shows it, noise in D's step only included."""
D_LOSS = 0.1
"""D's mean cross-entropy up to which D's mean answer to fakes is below 0.2, without accuracies."""
G_LOSS = log(2)
"""G's cross-entropy up to which D's mean answer to fakes is above 1/2 in G's step."""
BOTH_WIN = 0.05
"""Cross-entropies of D and of G up to which both get what they are trained for."""
WARN_AFTER = 100
"""Steps before a warning; numbers of the two steps do not differ by so much even at the start."""
FAIL_AFTER = 400
"""Steps before "failed", unless G's samples are known to be good."""

_ADVICE = (
    *BATCH_NORM_ADVICE,
    Line(
        "If D's batch norm is not the cause: check that both steps call D, and G, with the same "
        "training=... argument.",
        IN_A_STEP,
    ),
    Line(
        "If D's batch norm is not the cause: draw D's fakes with generator(latents, training=True) "
        "instead of generator.predict(latents), or lower the momentum of G's batch norm to 0.8.",
        IN_A_LOOP,
    ),
)
_LABELS_ADVICE = (
    "Check the labels: D's step needs 1 for real samples and 0 for G's, G's step 1 for G's. With "
    "D's swapped, both networks are trained to the same answer.",
    Line("keras-collapse audit finds which loss has them.", AUDITED, unless=LABELS),
)


class BatchNormMismatch(PersistentCondition):
    """Finds ``batchnorm_mismatch``: g_acc far above 1 - d_acc_fake for long.

    In its own step D is right on nearly all fakes, and in G's step it calls most of them real. A D
    with batch norm that is frozen for G's step does that, since it uses other statistics there.
    Where both networks get all that they are trained for, their labels agree, which is
    ``generator_objective``. Without accuracies, cross-entropies show it, as a ``warning`` only.

    >>> detector = BatchNormMismatch()
    >>> for step in range(500):
    ...     detector.update(Reading(step, 1, {"d_acc_fake": 1.0, "g_acc": 0.8}))
    >>> [(f.kind, f.severity.value, f.first_step) for f in detector.findings]
    [('batchnorm_mismatch', 'failed', 0)]
    """

    kind = "batchnorm_mismatch"

    def holds(self, block: Reading) -> bool | None:
        self.steps_assessed += block.steps
        return has_two_faces(block, self.form.normalised(block))

    def describe(self, episode: Episode) -> Finding | None:
        mean, lasted = episode.mean, episode.lasted * self.row_steps
        if mean is None or lasted < WARN_AFTER:
            return None
        latest = episode.latest or mean
        d_loss, g_loss = self.form.normalised(latest), latest.get("g_loss")
        agree = d_loss is not None and g_loss is not None and max(d_loss, g_loss) <= BOTH_WIN
        known = accuracy_on_fakes(mean)
        by_accuracy = known is not None and "g_acc" in mean.values
        failed = lasted >= FAIL_AFTER and by_accuracy and self.samples_bad is not False
        losses = [mean.values.get(name, float("nan")) for name in ("d_loss", "g_loss")]
        seen = f"D's loss is {losses[0]:.3g}, G's {losses[1]:.3g}"
        if known is not None and by_accuracy:
            seen = (
                f"D is right on {known[0]:.0%} of the fakes in its own step, and "
                f"calls {mean.values['g_acc']:.0%} of them real in G's"
            )
        cause = "D answers otherwise in G's step than in its own"
        if agree:
            cause = "D and G are trained to the same answer"
        return Finding(
            kind="generator_objective" if agree else self.kind,
            severity=Severity.FAILED if failed else Severity.WARNING,
            first_step=episode.first_step,
            last_step=episode.last_step,
            message=f"Both networks win at once: {seen}. {cause}.",
            evidence={name: round(value, 4) for name, value in mean.values.items()},
            advice=_LABELS_ADVICE if agree else _ADVICE,
            resolved=episode.over,
        )


def accuracy_on_fakes(reading: Reading) -> tuple[float, float] | None:
    """D's accuracy on fakes, and its uncertainty; at least 2 d_acc - 1 without halves."""
    if "d_acc_fake" in reading.values:
        return reading.values["d_acc_fake"], reading.uncertainty("d_acc_fake")
    if "d_acc" in reading.values:
        return 2 * reading.values["d_acc"] - 1, 2 * reading.uncertainty("d_acc")
    return None


def has_two_faces(block: Reading, d_loss: float | None) -> bool | None:
    """Whether D knows the fakes in its own step and not in G's; None if the numbers cannot tell.

    Args:
        block: the readings.
        d_loss: D's mean cross-entropy; None if its loss is not known to be one.
    """
    g_acc, g_loss = block.get("g_acc"), block.get("g_loss")
    known = accuracy_on_fakes(block)
    if known is not None and g_acc is not None:
        answer = both(
            at_least(known[0], RIGHT_ON_FAKES, known[1]),
            at_least(g_acc, FOOLED_IN_G_STEP, block.uncertainty("g_acc")),
        )
        if answer or "d_acc_fake" in block.values:
            return answer
    if d_loss is None or g_loss is None:
        return None
    if g_loss < 0:  # a saturating loss, which is near 0 where G loses
        return False
    return both(
        at_least(D_LOSS, d_loss, block.uncertainty("d_loss")),
        at_least(G_LOSS, g_loss, block.uncertainty("g_loss")),
    )
