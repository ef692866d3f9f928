"""Whether D's loss is a cross-entropy, and in which form: known, or inferred from a run's start."""

from __future__ import annotations

from math import log

from keras_collapse.core.readings.reading import Reading, merge

CROSS_ENTROPY = "cross_entropy"
OBJECTIVES = (CROSS_ENTROPY, "least_squares", "wasserstein", "hinge")
"""Objectives that a caller may know."""
CHANCE_AT_START = (0.55, 0.95)
"""D's mean cross-entropy in a run's first steps: an untrained D answers about 1/2, hence
ln 2 = 0.69. The sum over both halves is twice that. Least squares begin near 0.25, 0.5 or 1, hinge
at 1 or 2."""
G_AT_START = (0.3, 1.5)
"""|G's loss| in those steps, cross-entropies of either sign; a critic's G begins near 0."""
START_STEPS = 10
"""First steps of a run whose mean losses show how D began; one batch alone does not."""
FEWEST = 5
"""Readings that decide if a log holds only every n-th step: those after the start must not be
negative, as losses of critics are."""


class CrossEntropy:
    """Converts D's loss to its mean cross-entropy, if it is one.

    Wasserstein, hinge and least-squares losses begin at other values and are never converted. What
    the first losses tell is overruled by `know`.

    Args:
        row_steps: the least number of training steps that one step of the readings stands for.

    Attributes:
        began_at_chance: whether the first reading is that of a cross-entropy, mean or sum, of an
            untrained D. If D learns in the next steps already, that leaves `scale` open.

    >>> form = CrossEntropy()
    >>> for step in range(10):
    ...     form.update(Reading(step, 1, {"d_loss": 1.39, "g_loss": 0.7}))
    >>> form.scale, form.normalised(Reading(10, 1, {"d_loss": 1.0, "g_loss": 0.7}))
    (0.5, 0.5)
    """

    def __init__(self, row_steps: int = 1) -> None:
        self._row_steps = row_steps
        self._objective: str | None = None
        self._measured: float | None = None
        self._first: list[Reading] = []
        self._scale = 0.0
        self._other = self._decided = False
        self.began_at_chance = False

    def know(self, objective: str, scale: float | None = None) -> None:
        """Take the objective once it is known; later than a decision it has no effect.

        Args:
            objective: one of `OBJECTIVES`.
            scale: of a cross-entropy the factor to its mean, as logged; None if unknown.
        """
        if not self._decided:
            self._objective, self._measured = objective, scale
            self._other = self._decided = objective != CROSS_ENTROPY

    @property
    def scale(self) -> float:
        """1 if D's loss is a mean cross-entropy, 1/2 if a sum of two, 0 if that is unknown."""
        return self._scale

    @property
    def is_decided(self) -> bool:
        """Whether further readings change nothing."""
        return self._decided

    @property
    def is_other_objective(self) -> bool:
        """Whether the objective is known, or seen in the first steps, to be another."""
        return self._other

    def update(self, reading: Reading) -> None:
        """Take a reading; the first ones with a D loss decide."""
        if self._decided or "d_loss" not in reading.values:
            return
        self._first.append(reading)
        start = [one for one in self._first if one.step < START_STEPS]
        covered = sum(one.steps for one in start)
        if covered < START_STEPS and len(self._first) < max(FEWEST, len(start) + 1):
            return
        self._decided = True
        if self._objective == CROSS_ENTROPY:
            self._scale = _nearest_scale(merge(start or self._first), self._measured)
        elif start and self._row_steps == 1:
            losses = [one.values["d_loss"] for one in self._first]
            scale, first = _of_start(merge(start)), _of_start(start[0])
            # Where D learns within the first steps, a sum may come down to a mean's start.
            clear = min(losses) >= 0 and first in (0.0, scale)
            self._scale = scale if clear else 0.0
            self.began_at_chance = first > 0
            seen = covered >= START_STEPS and "g_loss" in start[0].values
            self._other = (scale == 0 and seen) or min(losses) < 0
        self._first = []

    def normalised(self, reading: Reading) -> float | None:
        """D's mean cross-entropy in this reading; None if it is not known to be one."""
        d_loss = reading.get("d_loss")
        return d_loss * self._scale if d_loss is not None and self._scale else None


def _of_start(first: Reading) -> float:
    """The scale if D and G begin as they do under cross-entropy; 0 if not."""
    if not G_AT_START[0] <= abs(first.values.get("g_loss", log(2))) <= G_AT_START[1]:
        return 0.0
    loss, (low, high) = first.values["d_loss"], CHANCE_AT_START
    return next((share for share in (1.0, 0.5) if low <= loss * share <= high), 0.0)


def _nearest_scale(first: Reading, measured: float | None) -> float:
    """Of 1 and 1/2, the scale that was measured, else that brings a loss nearer to ln 2."""
    both_known = {"d_loss_real", "d_loss_fake"} <= first.values.keys()  # then a sum is halved
    if measured is not None and not both_known:
        return measured
    loss = max(first.values["d_loss"], 1e-9)
    return 1.0 if both_known or loss < log(2) * 2**0.5 else 0.5
