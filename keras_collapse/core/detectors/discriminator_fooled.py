"""The discriminator is worse than a coin for long, which one that learns its labels never is."""

from __future__ import annotations

from math import log

from keras_collapse.core.advice import AUDITED, LABELS, UPDATES, Line
from keras_collapse.core.detectors.persistent_condition import Episode, PersistentCondition
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.three_valued import at_least

ACCURACY = 0.4
"""Mean accuracy on real and fake up to which D is worse than a coin. No healthy run of the
detection benchmark shows it for more than 150 steps, that one with noisy labels."""
LOSS = log(2) + 0.2
"""D's mean cross-entropy from which it is, without accuracies: a D can always fall back to ln 2. No
healthy run shows it for more than 30 steps."""
G_LOSS, SATURATING_G_LOSS = 0.5, -1.0
"""G's cross-entropy up to which G wins, in its usual and in its saturating form, below ln 2 in size
and beyond it. A D loss that is a sum and is taken for a mean comes with a G loss near ln 2."""
WARN_AFTER = 200
"""Steps before a warning."""
FAIL_AFTER = 400
"""Steps before "failed", unless G's samples are known to be good."""

_LABELS = (
    "D's loss is low while its accuracy is worse than a coin's: they use different labels. Give "
    "D's own step the label 1 for real samples and 0 for G's, in the loss as in the metrics."
)
_ADVICE = (
    Line(
        "Check that D learns from its own step: its learning rate is not 0, its weights are "
        "trainable when that step is traced, and the step is called.",
        unless=UPDATES,
    ),
    Line("Check that G's step does not train D as well.", unless=UPDATES),
    Line(
        "Check D's labels: 1 for real samples and 0 for G's in D's step, 1 in G's.", unless=LABELS
    ),
    Line(
        "keras-collapse audit checks all that of a model with a train_step.",
        AUDITED,
        unless=UPDATES,
    ),
    "If all that is right, G overpowers D: lower G's learning rate, or train D more often.",
)


class DiscriminatorFooled(PersistentCondition):
    """Finds ``discriminator_fooled``, from D's mean accuracy or else its cross-entropy.

    The causes are a D that is not trained, swapped labels, a leak, or a G that is far too fast. In
    a game of two that both learn it lasts for some tens of steps at most.

    >>> detector = DiscriminatorFooled()
    >>> for step in range(500):
    ...     detector.update(Reading(step, 1, {"d_acc": 0.18, "d_loss": 2.8, "g_loss": 0.007}))
    >>> [(f.severity.value, f.first_step, f.last_step) for f in detector.findings]
    [('failed', 0, 499)]
    """

    kind = "discriminator_fooled"

    def holds(self, block: Reading) -> bool | None:
        self.steps_assessed += block.steps
        if (
            self.row_steps > 1
        ):  # a row may be the epoch's last batch only, and a batch proves nothing
            return None
        known = mean_accuracy(block)
        if known is not None:
            accuracy, error = known
            return at_least(ACCURACY, accuracy, error)
        loss, g_loss = self.form.normalised(block), block.get("g_loss")
        if loss is None or g_loss is None:
            return None
        if not 0 <= g_loss <= G_LOSS and g_loss > SATURATING_G_LOSS:
            return False
        return at_least(loss, LOSS, block.uncertainty("d_loss") * self.form.scale)

    def describe(self, episode: Episode) -> Finding | None:
        mean, lasted = episode.mean, episode.lasted * self.row_steps
        if mean is None or lasted < WARN_AFTER:
            return None
        accuracy, loss = mean_accuracy(mean), self.form.normalised(mean)
        seen = f"its loss is {mean.values.get('d_loss', float('nan')):.3g}"
        if accuracy is not None:
            seen = f"it is right on {accuracy[0]:.0%} of the samples"
        swapped = accuracy is not None and loss is not None and loss < log(2)
        failed = lasted >= FAIL_AFTER and accuracy is not None and self.samples_bad is not False
        return Finding(
            kind=self.kind,
            severity=Severity.FAILED if failed else Severity.WARNING,
            first_step=episode.first_step,
            last_step=episode.last_step,
            message=f"The discriminator is worse than a coin: {seen}. One that learns from its "
            "labels can always do as well as that.",
            evidence={name: round(value, 4) for name, value in mean.values.items()},
            advice=((_LABELS,) if swapped else ()) + _ADVICE,
            resolved=episode.over,
        )


def mean_accuracy(reading: Reading) -> tuple[float, float] | None:
    """D's mean accuracy on real and fake, and its uncertainty; None if unknown."""
    if "d_acc" in reading.values:
        return reading.values["d_acc"], reading.uncertainty("d_acc")
    names = ("d_acc_real", "d_acc_fake")
    if not all(name in reading.values for name in names):
        return None
    mean = sum(reading.values[name] for name in names) / 2
    return mean, max(reading.uncertainty(name) for name in names)
