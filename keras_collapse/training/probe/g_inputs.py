"""What a generator is given in a training step, and how to draw more of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.training.wiring.step_seen import StepSeen

UNIFORM = {(-1.0, 1.0): 0.577, (0.0, 1.0): 0.289}
"""Ranges of uniform latents in use, and their standard deviation."""
TOLERANCE = 0.2
"""Relative deviation of the standard deviation up to which numbers are drawn from a range: 32 rows
of 8 numbers stay within 0.1."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One input of a generator.

    Args:
        rows: its values in the step, (n, ...).
        latent: which of the last axis' numbers are drawn at random, bool; empty for none.
        limits: the range of a uniform latent; None for a normal one.
        scale: the standard deviation of a normal latent.
        place: the part of the batch that it equals; None for none.
    """

    rows: np.ndarray
    latent: np.ndarray
    limits: tuple[float, float] | None = None
    scale: float = 1.0
    place: int | None = None

    def draw(self, rng: np.random.Generator, count: int, given: np.ndarray | None) -> np.ndarray:
        """Draw values like those of the step, (count, ...); ``given`` replaces what is no latent.

        Args:
            rng: a generator of our own.
            count: the number of rows.
            given: rows of the batches that the step's rows were a part of; None if unknown.
        """
        source = self.rows if given is None else given
        drawn = np.resize(source, (count, *source.shape[1:])).astype(self.rows.dtype)
        if self.latent.any():
            shape = (*drawn.shape[:-1], int(self.latent.sum()))
            if self.limits is not None:
                drawn[..., self.latent] = rng.uniform(*self.limits, shape)
            else:
                drawn[..., self.latent] = self.scale * rng.standard_normal(shape)
        return drawn


@dataclass(frozen=True, slots=True, eq=False)
class GInputs:
    """All inputs of a generator, in the structure that it takes.

    Args:
        parts: in order.
        structure: the structure with anything in the place of each part.
    """

    parts: Sequence[Part]
    structure: Any

    @property
    def has_latent(self) -> bool:
        """Whether any number of any part is drawn at random."""
        return any(part.latent.any() for part in self.parts)

    @property
    def places(self) -> set[int]:
        """The parts of a batch that belong to the inputs."""
        return {part.place for part in self.parts if part.place is not None}

    def draw(self, count: int, seed: int, batch: Mapping[int, np.ndarray] | None = None) -> Any:
        """Draw inputs like those of the step.

        Args:
            count: the number of rows, at most: rows that hold no latent are not repeated.
            seed: of a generator of our own.
            batch: parts of batches by place, row by row; None to repeat the step's own rows.
        """
        rng = np.random.default_rng(seed)
        given = [batch[p.place] if batch and p.place is not None else None for p in self.parts]
        if not self.has_latent:
            lengths = [
                len(p.rows if g is None else g) for p, g in zip(self.parts, given, strict=True)
            ]
            count = min(count, *lengths)
        drawn = [p.draw(rng, count, g) for p, g in zip(self.parts, given, strict=True)]
        return keras.tree.pack_sequence_as(self.structure, drawn)


def inputs_seen(seen: StepSeen) -> GInputs | None:
    """The inputs of the last call of G in a step; None if they are not known."""
    if not seen.given or seen.structure is None:
        return None
    known = [part for part in seen.given[-1] if part is not None and part.ndim > 0 and len(part)]
    if not known or len(known) != len(seen.given[-1]):
        return None
    return GInputs([_part(values, seen.batch) for values in known], seen.structure)


def _part(values: np.ndarray, batch: Sequence[np.ndarray]) -> Part:
    nothing = np.zeros(values.shape[-1] if values.ndim > 1 else 0, bool)
    for place, other in enumerate(batch):
        if other.shape == values.shape and np.array_equal(other.astype(values.dtype), values):
            return Part(values, nothing, place=place)
    if values.ndim == 1 or not np.issubdtype(values.dtype, np.floating):
        return Part(values, nothing)
    columns = np.asarray(values, "float64").reshape(-1, values.shape[-1])
    latent = np.array(~np.isin(columns, (0.0, 1.0)).all(axis=0))  # others are one-hot labels
    numbers = columns[:, latent]
    if numbers.size == 0:
        return Part(values, nothing)
    spread = float(numbers.std())
    for (low, high), expected in UNIFORM.items():
        inside = low <= numbers.min() and numbers.max() <= high
        if inside and abs(spread / expected - 1) < TOLERANCE:
            return Part(values, latent, limits=(low, high))
    if values.ndim > 2 and not _is_normal(numbers):
        return Part(values, nothing)  # images or series that the step has made of the batch
    return Part(values, latent, scale=spread if abs(spread - 1) > TOLERANCE else 1.0)


def _is_normal(numbers: np.ndarray) -> bool:
    """Whether numbers look like normal ones: no skew, and tails neither cut off nor heavy."""
    z = (numbers - numbers.mean()) / (numbers.std() or 1.0)
    return (
        abs(numbers.mean()) < TOLERANCE
        and abs(float((z**3).mean())) < 0.5
        and (2.5 < float((z**4).mean()) < 3.7)
    )
