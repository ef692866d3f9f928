"""The discriminator gives (nearly) the same answer to everything."""

from __future__ import annotations

from math import log

from keras_collapse.core.advice import IN_A_LOOP, IN_A_STEP, UPDATES, Driver, Line
from keras_collapse.core.detectors.discriminator_fooled import LOSS
from keras_collapse.core.detectors.persistent_condition import Episode, PersistentCondition
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.three_valued import at_least, both, within
from keras_collapse.core.samples.probe import Probe

D_LOSS_BAND = (0.72, 0.75)
"""D's loss in a collapse, "stuck high" in the GAN Training Triage Guide. With real and
fake indistinguishable and a leaking generator step of relative weight w, D settles at
p = (1 + w)/(2 + w): a loss of 0.7136 at w = 1/2, 0.7520 at 1."""
D_ACC_BAND = (0.49, 0.51)
"""The triage guide's "50 % exactly", as the mean of a block prints it."""
G_ACC_BAND = (0.99, 1.0)
"""The triage guide's "99 %+": D calls all of G's samples real."""

ONE_SIDED = 0.9
"""|accuracy on real - accuracy on fake| from which D counts as giving one answer. Exactly one
answer gives 1; the healthy run published with Foster, "Generative Deep Learning" (2019), averages
below 0.8 over any 50 steps, even at its start."""
NO_SKILL = 0.1
"""Real plus fake accuracy minus 1 (Youden's J: 0 separates nothing, 1 everything) below which D
counts as separating nothing."""
EXACT = 0.005
"""How close to 50 % every batch's accuracy must be if only the mean of both halves is reported: one
answer gives 50 % exactly; chance scatters by 0.5/sqrt(2 * batch size), 0.011 at 1024."""
WORSE_THAN_CHANCE = 0.015
"""Nats above ln 2 from which D's mean cross-entropy is worse than a coin's beyond noise: a D that
is trained on its own labels only can always fall back to ln 2."""
SEPARATES = 0.7
"""D's ranking accuracy in a sample check from which its loss alone is no evidence that it gives one
answer: 0.76 in a GAN of good samples whose cross-entropy stayed at 0.713."""
WARM_UP = 100
"""First steps of a run in which one answer does not count: an untrained D gives one."""
WARN_AFTER = 100
"""Steps of one answer before a warning. In healthy starts D alternates between "all real" and "all
fake" within tens of steps (26 at most in that published run)."""
FAIL_AFTER = 200
"""Steps of one answer before "failed": twice the warning's."""

_STRONGER = (
    "make D stronger (less dropout, more filters) or raise its learning rate relative to G's."
)
_ADVICE = (
    Line(
        "Look for a leak first: in Keras 3 the combined model's train_on_batch also trains a D "
        "that is not frozen when its step is traced.",
        (*IN_A_LOOP, Driver.LOG),
        unless=UPDATES,
    ),
    Line(
        "Look for a leak first: an optimizer of G's that is given D's weights too trains D to call "
        "G's samples real.",
        IN_A_STEP,
        unless=UPDATES,
    ),
    Line(f"If the wiring is right: {_STRONGER}", unless=UPDATES),
    Line(f"{_STRONGER[0].upper()}{_STRONGER[1:]}", given=UPDATES),
    "Repeat with another seed and a smaller batch before changing more.",
)


class DiscriminatorPinned(PersistentCondition):
    """Finds ``discriminator_pinned``, by the best evidence the readings hold.

    It is ``failed`` only if G's samples are not known to be good (a D cannot separate good samples,
    and to which side it errs is chance), and never if the losses show another objective than
    cross-entropy, whose scores have no middle at 1/2.

    The evidence, in this order: accuracies on real and fake at opposite ends (the one on fake may
    come from G's accuracy); the triage guide's three bands; a mean accuracy of exactly 50 % in
    every batch; and, if there are losses only, a D loss that stays above ln 2, which alone is never
    more than a ``warning``.

    Args:
        row_steps: the least number of training steps that one step of the readings stands for.
        d_loss_band, d_acc_band, g_acc_band: suspicious ranges of D's loss, D's and G's accuracy.

    >>> detector = DiscriminatorPinned()
    >>> for step in range(300):
    ...     detector.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0}))
    >>> [(f.severity.value, f.first_step, f.last_step) for f in detector.findings]
    [('failed', 0, 299)]
    """

    kind = "discriminator_pinned"

    def __init__(
        self,
        row_steps: int = 1,
        d_loss_band: tuple[float, float] = D_LOSS_BAND,
        d_acc_band: tuple[float, float] = D_ACC_BAND,
        g_acc_band: tuple[float, float] = G_ACC_BAND,
    ) -> None:
        super().__init__(row_steps)
        self.bands = {"d_loss": d_loss_band, "d_acc": d_acc_band, "g_acc": g_acc_band}
        self._losses_only = False
        self._separates = False  # in the latest sample check

    def update_probe(self, probe: Probe) -> None:
        super().update_probe(probe)
        separation = probe.get("separation")
        if separation is not None:
            self._separates = separation >= SEPARATES

    def holds(self, block: Reading) -> bool | None:
        answer = self._judge(block)
        if answer is not None:
            self.steps_assessed += block.steps
        return answer

    # -- the rules -----------------------------------------------------------------------

    def _judge(self, block: Reading) -> bool | None:
        """Whether D gives one answer on this block; None if the numbers cannot tell."""
        self.unavailable_reason = ""
        self._losses_only = False
        halves = opposite_ends(block)
        if halves is not None:
            real, fake, *errors = halves
            return both(
                at_least(abs(real - fake), ONE_SIDED, sum(errors)),
                at_least(NO_SKILL, real + fake - 1, sum(errors)),
            )
        banded = [
            within(block.values[name], *band, block.uncertainty(name))
            for name, band in self.bands.items()
            if name in block.values
        ]
        if len(banded) == len(self.bands):
            return both(*banded)
        if "d_acc" in block.values:
            if block.uncertainty("d_acc") > EXACT or self.input.block_steps < 2:
                self.unavailable_reason = (
                    "D's accuracy is rounded or averaged too coarsely to judge"
                )
                return None
            accuracies = (one.get("d_acc") for one in self.input.parts)
            return all(abs(one - 0.5) <= EXACT for one in accuracies if one is not None)
        return self._judge_by_losses(block)

    def _judge_by_losses(self, block: Reading) -> bool | None:
        """As `_judge`, by D's loss, which decides extremes only: near ln 2 a D may be either."""
        self._losses_only = True
        d_loss = self.form.normalised(block)
        if d_loss is None:
            self.unavailable_reason = (
                "no accuracies were reported, and the losses do not begin as cross-entropies; "
                "report d_acc_real and d_acc_fake to decide it"
            )
            return None
        error = block.uncertainty("d_loss") * self.form.scale
        if at_least(d_loss, LOSS, error):
            return False  # not one answer, but wrong ones: discriminator_fooled
        if at_least(d_loss, log(2) + WORSE_THAN_CHANCE, error):
            return True
        if at_least(log(2) - WORSE_THAN_CHANCE, d_loss, error):
            return False
        self.unavailable_reason = (
            "only losses were reported, and a D loss near ln 2 fits a healthy D as well as a "
            "pinned one; report d_acc_real and d_acc_fake to decide it"
        )
        return None

    def describe(self, episode: Episode) -> Finding | None:
        mean = episode.mean
        since_warm_up = episode.last_step + 1 - WARM_UP // self.row_steps
        lasted = min(episode.lasted, since_warm_up) * self.row_steps
        if mean is None or lasted < WARN_AFTER:
            return None
        if self._losses_only and (self.samples_bad is False or self._separates):
            return None  # D ranks them, or cannot since samples are good: such a loss fits both
        doubts = self._losses_only or self.form.is_other_objective or self.samples_bad is False
        certain = lasted >= FAIL_AFTER and not doubts
        halves = opposite_ends(mean)
        evidence: dict[str, float | int] = {"steps": mean.steps}
        for signal, value in mean.values.items():
            evidence[signal] = round(value, 4)
            if error := mean.uncertainty(signal):
                evidence[f"{signal}_uncertainty"] = round(error, 4)
        if halves is None:
            d_loss = self.form.normalised(mean) or float("nan")
            seen = f"its mean cross-entropy stays at {d_loss:.3f}, above ln 2"
            if "d_acc" in mean.values:
                seen = f"its accuracy stays at {mean.values['d_acc']:.1%}"
        else:
            real, fake, *errors = halves
            for signal, value, error in zip(
                ("d_acc_real", "d_acc_fake"), (real, fake), errors, strict=True
            ):
                evidence[signal] = round(value, 4)
                if error:
                    evidence[f"{signal}_uncertainty"] = round(error, 4)
            answer = "real" if real > fake else "fake"
            seen = (
                f'it calls nearly everything "{answer}": right on {_share(real)} of real '
                f"samples and on {_share(fake)} of fake ones"
            )
        return Finding(
            kind=self.kind,
            severity=Severity.FAILED if certain else Severity.WARNING,
            first_step=episode.first_step,
            last_step=episode.last_step,
            message=f"The discriminator no longer separates real from fake: {seen}.",
            evidence=evidence,
            advice=_ADVICE,
            resolved=episode.over,
        )


def opposite_ends(reading: Reading) -> tuple[float, float, float, float] | None:
    """D's accuracy on real and on fake, and the uncertainty of each; None if unknown.

    Without separate halves, G's accuracy is the share of fakes that D calls real, so D is right on
    the others; and D's accuracy is the mean of the halves.
    """
    real, fake = reading.get("d_acc_real"), reading.get("d_acc_fake")
    if real is not None and fake is not None:
        return real, fake, reading.uncertainty("d_acc_real"), reading.uncertainty("d_acc_fake")
    d_acc, g_acc = reading.get("d_acc"), reading.get("g_acc")
    if d_acc is None or (fake is None and g_acc is None):
        return None
    error = reading.uncertainty("d_acc_fake" if fake is not None else "g_acc")
    missed = fake if fake is not None else 1 - (g_acc or 0.0)
    return 2 * d_acc - missed, missed, 2 * reading.uncertainty("d_acc") + error, error


def _share(accuracy: float) -> str:
    return f"{min(max(accuracy, 0.0), 1.0):.0%}"
