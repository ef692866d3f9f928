"""Whether D's loss is a cross-entropy, and in which form, inferred from a run's first steps."""

from __future__ import annotations

from math import log

from keras_collapse.core.readings.reading import Reading

CHANCE_AT_START = (0.55, 0.95)
"""D's mean cross-entropy in a run's first steps: an untrained D answers about 1/2, hence
ln 2 = 0.69. The sum over both halves is twice that. Least squares begin near 0.25, 0.5 or 1, hinge
at 1 or 2."""
G_AT_START = (0.3, 1.5)
"""|G's loss| in those steps, cross-entropies of either sign; a critic's G begins near 0."""
START_STEPS = 10
"""Most steps that the first reading may cover to show how D began."""


class CrossEntropy:
    """Converts D's loss to its mean cross-entropy, if it is one.

    Wasserstein, hinge and least-squares losses begin at other values and are never converted.

    Args:
        row_steps: the least number of training steps that one step of the readings stands for.

    >>> form = CrossEntropy()
    >>> form.update(Reading(0, 1, {"d_loss": 1.39, "g_loss": 0.7}))
    >>> form.scale, form.normalised(Reading(1, 1, {"d_loss": 1.0, "g_loss": 0.7}))
    (0.5, 0.5)
    """

    def __init__(self, row_steps: int = 1) -> None:
        self._row_steps = row_steps
        self._scale: float | None = None
        self._other = False

    @property
    def scale(self) -> float:
        """1 if D's loss is a mean cross-entropy, 1/2 if a sum of two, 0 if that is unknown."""
        return self._scale or 0.0

    @property
    def is_other_objective(self) -> bool:
        """Whether the run's first steps were seen and show another objective."""
        return self._other

    def update(self, reading: Reading) -> None:
        """Take a reading; the first one with a D loss decides."""
        if self._scale is None and "d_loss" in reading.values:
            self._scale = self._of_start(reading)
            seen = (
                self._row_steps == 1 and reading.step < START_STEPS and "g_loss" in reading.values
            )
            self._other = seen and self._scale == 0

    def normalised(self, reading: Reading) -> float | None:
        """D's mean cross-entropy in this reading; None if it is not known to be one."""
        d_loss = reading.get("d_loss")
        return d_loss * self._scale if d_loss is not None and self._scale else None

    def _of_start(self, first: Reading) -> float:
        if self._row_steps > 1 or first.step >= START_STEPS:
            return 0.0
        if not G_AT_START[0] <= abs(first.values.get("g_loss", log(2))) <= G_AT_START[1]:
            return 0.0
        loss, (low, high) = first.values["d_loss"], CHANCE_AT_START
        return next((share for share in (1.0, 0.5) if low <= loss * share <= high), 0.0)
