"""Advice that fits a run: how it is trained, and what of its wiring was checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Driver(StrEnum):
    """What trains a run: ``fit``, ``train_on_batch``, or a loop that calls `update`.

    ``LOG`` stands for a mere log, which does not tell.
    """

    FIT = "fit"
    TRAIN_ON_BATCH = "train_on_batch"
    UPDATE = "update"
    LOG = "log"


UPDATES, LABELS, BATCH_NORM = "updates", "labels", "batch_norm"
"""What can be checked of the wiring: which step updates which network, the labels or the losses'
directions, and whether D's batch norm has one mode. A fault that is found is a finding."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is trained, and what of its wiring was checked: `UPDATES`, `LABELS` and so on."""

    driver: Driver = Driver.LOG
    checked: frozenset[str] = frozenset()

    def also(self, later: Setting) -> Setting:
        """Return this setting, updated by a later one of the same run."""
        same = self.driver is later.driver
        return Setting(later.driver, later.checked | (self.checked if same else frozenset()))


class Line(str):
    """A line of advice that does not fit every run.

    Args:
        words: the line.
        drivers: the drivers that it fits.
        unless: the check that makes it needless.
        given: the check without which it would be premature.

    >>> line = Line("Look for a leak first.", unless=UPDATES)
    >>> line.fits(Setting()), line.fits(Setting(Driver.FIT, frozenset({UPDATES})))
    (True, False)
    """

    drivers: Collection[Driver]
    unless: str
    given: str

    def __new__(
        cls,
        words: str,
        drivers: Collection[Driver] = tuple(Driver),
        unless: str = "",
        given: str = "",
    ) -> Self:
        line = super().__new__(cls, words)
        line.drivers, line.unless, line.given = drivers, unless, given
        return line

    def fits(self, setting: Setting) -> bool:
        """Whether it fits a run."""
        return (
            setting.driver in self.drivers
            and (not self.unless or self.unless not in setting.checked)
            and (not self.given or self.given in setting.checked)
        )


IN_A_STEP = (Driver.FIT, Driver.UPDATE, Driver.LOG)
"""Where the person writes, or may have written, the training step."""
IN_A_LOOP = (Driver.TRAIN_ON_BATCH,)
AUDITED = (Driver.FIT, Driver.LOG)
"""Where ``keras-collapse audit`` helps: it takes a step of a model that has a ``train_step``."""
WASSERSTEIN = (
    Line("Or change to a Wasserstein objective with gradient penalty.", IN_A_STEP),
    Line(
        "Or change to a Wasserstein objective with clipped weights (Arjovsky et al., 2017).",
        IN_A_LOOP,
    ),
)


def advice_for(lines: Sequence[str], setting: Setting, faults: Sequence[str] = ()) -> Sequence[str]:
    """The lines of advice that fit a run, as plain text.

    Args:
        lines: lines that always fit, or each a `Line`.
        setting: of the run.
        faults: the kinds of the wiring faults that were found in it.
    """
    found = [str(line) for line in lines if not isinstance(line, Line) or line.fits(setting)]
    if faults and found:
        kinds = " and ".join(faults)
        found.insert(0, f"Fix {kinds} first: other failures usually follow from it.")
    return tuple(found)


FREEZE_WEIGHTS = (
    "take weights = list(discriminator.trainable_weights) once, while D is trainable; set "
    "weight.trainable = False for each of them before the combined model's train_on_batch(...), "
    "and True again before discriminator.train_on_batch(...)"
)
"""What leaves D unchanged in G's step without a change of its batch norm's mode."""
BATCH_NORM_ADVICE = (
    Line(
        f"Freeze D's weights, not D: {FREEZE_WEIGHTS}. A frozen D runs its batch norm in inference "
        "mode, even if it is called with training=True.",
        IN_A_LOOP,
        unless=BATCH_NORM,
    ),
    Line(
        "If G's step calls D without training=True, call it with training=True, as D's step does.",
        IN_A_STEP,
        unless=BATCH_NORM,
    ),
    Line(
        "If D is frozen for G's step (trainable = False), remove that: a frozen D runs its batch "
        "norm in inference mode, even with training=True. An optimizer that is given the gradients "
        "of generator.trainable_weights only leaves D's weights as they are.",
        IN_A_STEP,
        unless=BATCH_NORM,
    ),
    Line(
        f"If D is frozen in a train_on_batch loop, freeze D's weights instead: {FREEZE_WEIGHTS}.",
        (Driver.LOG,),
        unless=BATCH_NORM,
    ),
    Line(
        "Or use LayerNormalization or GroupNormalization in D, which have no moving averages.",
        unless=BATCH_NORM,
    ),
)
"""Against a batch norm of D's with two modes. Each was measured: see docs/how-it-decides.md."""
