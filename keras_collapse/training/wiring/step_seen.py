"""The record of one training step: what both networks were given, and what they made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_collapse.training.hooks.optimizer_calls import D, G, Update

ALIGNED = 0.999
"""Cosine from which two directions are the same."""


@dataclass
class StepSeen:
    """The record of one training step.

    Args:
        generator, discriminator: the networks.
        updates: the optimizer calls, in order, with gradient norms.
        given: G's inputs, call by call and part by part.
        structure: the structure of the last of them.
        drawn: G's outputs, call by call.
        inputs_of_d: D's inputs, call by call and part by part.
        shown: the samples among these, call by call; None where there is none.
        losses: (loss, predictions) of each call of a Keras loss.
        moved: network to the paths of its weights that changed.
        modes: network to whether its batch norms used the batch's statistics, call by call; None
            where it has none.
        batch: the arrays of the batch that the step was given.
        logs: the step's log.
    """

    generator: Any
    discriminator: Any
    updates: list[Update] = field(default_factory=list)
    given: list[list[np.ndarray | None]] = field(default_factory=list)
    structure: Any = None
    drawn: list[np.ndarray] = field(default_factory=list)
    inputs_of_d: list[list[np.ndarray | None]] = field(default_factory=list)
    shown: list[np.ndarray | None] = field(default_factory=list)
    losses: list[tuple[Any, np.ndarray]] = field(default_factory=list)
    moved: dict[str, list[str]] = field(default_factory=dict)
    modes: dict[str, list[bool | None]] = field(default_factory=lambda: {G: [], D: []})
    batch: Sequence[np.ndarray] = ()
    logs: Mapping[str, Any] = field(default_factory=dict)

    def find_shown(self) -> None:
        """Find the samples among D's inputs, which may hold labels or images to translate too.

        They are the input in whose place D is shown G's samples, as far as it has their shape.
        """
        shape = self.drawn[0].shape[1:] if self.drawn else None
        fits = [
            {i for i, part in enumerate(parts) if part is not None and part.shape[1:] == shape}
            for parts in self.inputs_of_d
        ]
        drawn = {
            i
            for parts, places in zip(self.inputs_of_d, fits, strict=True)
            for i in places
            if drawn_rows(parts[i], self.drawn).any()  # type: ignore[arg-type]
        }
        self.shown = [
            next((parts[i] for i in sorted(places & drawn or places)), None)
            for parts, places in zip(self.inputs_of_d, fits, strict=True)
        ]

    @property
    def real_place(self) -> int | None:
        """The part of the batch that D is shown as real samples; None if it is not shown any."""
        shown = {row.tobytes() for x in self.shown if x is not None for row in x}
        for place, part in enumerate(self.batch):
            if any(row.tobytes() in shown for row in part):
                return place
        return None

    def real_values(self, low: float, high: float) -> np.ndarray | None:
        """The values of the real samples that D was shown, as one array; None if there are none.

        They are the rows that the batch holds too. If D was shown none of these as they are, they
        are the batch's samples where these lie in a range, as where D's inputs are augmented; else
        what D was shown instead, as where the step scales the batch: all that G did not draw and
        that does not lie between a real sample and one of G's, as samples of a gradient penalty do
        (Gulrajani et al., 2017).

        Args:
            low, high: the range.
        """
        shown = [x for x in self.shown if x is not None]
        of_batch = {row.tobytes() for part in self.batch for row in part}
        rows = [np.array([row.tobytes() in of_batch for row in x], bool) for x in shown]
        if not any(found.any() for found in rows):
            shape = shown[0].shape[1:] if shown else None
            for part in self.batch:
                fits = part.shape[1:] == shape and part.size
                if fits and low <= part.min() and part.max() <= high:
                    return part.ravel()
            rows = self._not_drawn(shown)
        parts = [x[real].ravel() for x, real in zip(shown, rows, strict=True)]
        return np.concatenate(parts) if parts else None

    def _not_drawn(self, shown: Sequence[np.ndarray]) -> list[np.ndarray]:
        rows = [~drawn_rows(x, self.drawn) for x in shown]
        earlier: list[np.ndarray] = []
        for x, real in zip(shown, rows, strict=True):
            pairs = [(r, f) for r in earlier for f in self.drawn if r.shape == x.shape == f.shape]
            if real.all() and any(_lies_between(x, *pair) for pair in pairs):
                real[:] = False
            elif real.all():
                earlier.append(x)
        return rows


def _lies_between(x: np.ndarray, real: np.ndarray, fake: np.ndarray) -> bool:
    """Whether each sample lies on the line through the real and the fake one of its place."""
    a, b = (part.reshape(len(x), -1).astype("float64") for part in (x - real, fake - real))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return bool((lengths > 0).all() and (np.abs((a * b).sum(axis=1)) > ALIGNED * lengths).all())


def drawn_rows(shown: np.ndarray, drawn: Sequence[np.ndarray]) -> np.ndarray:
    """Which samples are bit-identical to one of G's: bool (batch,)."""
    fakes = {sample.tobytes() for batch in drawn for sample in batch}
    return np.array([sample.tobytes() in fakes for sample in shown], dtype=bool)
