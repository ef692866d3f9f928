"""A probe: the numbers of one sample check, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

APART = 100
"""Training steps between comparisons with the data, at least; checks between them draw the picture
only. Steps, not seconds: the same training is checked at the same steps on every machine. Drawing
and scoring 256 samples costs about as much as two steps of a batch of 64."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of one sample check, after a training step.

    Args:
        step: the training step it came after, 0-based.
        values: name to number: those of `Diversity` that could be computed, of a conditional G
            ``label_effect`` and those of `ClassSamples`, of a G with batch norm ``mode_gap``, what
            `TrainingSet`, `held_out_scores` and `Spectrum` return, and of D on the fixed samples
            ``d_score_real, d_score_fake`` (its mean score) and
            ``separation`` (D's ranking accuracy, the area under its ROC curve, in [0.5, 1]).
    """

    step: int
    values: Mapping[str, float]

    def get(self, name: str) -> float | None:
        """The number, or None if it could not be computed."""
        return self.values.get(name)
