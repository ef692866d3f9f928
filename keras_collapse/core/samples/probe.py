"""A probe: what one look at G's samples and D's answers says, as plain numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """One look, after a training step.

    Args:
        step: the training step it came after, 0-based.
        values: name to number: those of `Diversity` that could be told, and of D on the fixed
            samples ``d_score_real, d_score_fake`` (its mean score) and ``separation`` (share of
            pairs of a real and a fake sample that D puts in one order, in [0.5, 1]).
    """

    step: int
    values: Mapping[str, float]

    def get(self, name: str) -> float | None:
        """The number, or None where it could not be told."""
        return self.values.get(name)
