"""The record of one training step: what both networks were given, and what they made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_collapse.core.samples.distances import distances
from keras_collapse.training.hooks.optimizer_calls import D, G, Update

NEARER = 0.5
"""Share of the distance to the data up to which a sample is one of G's with noise on it."""
ALIGNED = 0.999
"""Cosine from which two directions are the same."""

_OBJECTIVES = {
    "BinaryCrossentropy": "cross_entropy",
    "MeanSquaredError": "least_squares",
    "Hinge": "hinge",
}
"""Classes of Keras' losses, and the objectives that they are used for."""


@dataclass
class StepSeen:
    """The record of one training step.

    Args:
        generator, discriminator: the networks.
        updates: the optimizer calls, in order, with the norms of gradients that have values.
        given: G's inputs, call by call and part by part.
        structure: the structure of the last of them.
        drawn: G's outputs, call by call.
        inputs_of_d: D's inputs, call by call and part by part.
        score_shapes: the shapes of D's outputs for one sample.
        shown: the samples among these, call by call; None where there is none.
        fake: which of them are G's, bool (batch,), call by call; None where there is none.
        losses: (loss, predictions) of each call of a Keras loss.
        scale: the factor from D's loss to a mean cross-entropy, if that was measured.
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
    score_shapes: Sequence[tuple[int, ...]] = ()
    shown: list[np.ndarray | None] = field(default_factory=list)
    fake: list[np.ndarray | None] = field(default_factory=list)
    losses: list[tuple[Any, np.ndarray]] = field(default_factory=list)
    scale: float | None = None
    moved: dict[str, list[str]] = field(default_factory=dict)
    modes: dict[str, list[bool | None]] = field(default_factory=lambda: {G: [], D: []})
    batch: Sequence[np.ndarray] = ()
    logs: Mapping[str, Any] = field(default_factory=dict)

    def find_shown(self) -> None:
        """Find the samples among D's inputs, which may hold labels or images to translate too.

        They are the input, or its first or last channels, in whose place D is shown G's samples,
        as far as it has their shape.
        """
        known = getattr(self.generator, "output_shape", None)
        shape = self.drawn[0].shape[1:] if self.drawn else tuple(known)[1:] if known else ()
        calls = [dict(_samples_in(parts, shape)) for parts in self.inputs_of_d]
        places = dict.fromkeys(place for call in calls for place in call)
        counts = {
            place: sum(int(drawn_rows(c[place], self.drawn).sum()) for c in calls if place in c)
            for place in places
        }
        ranked = sorted(places, key=lambda place: -counts[place])
        self.shown = [next((c[place] for place in ranked if place in c), None) for c in calls]
        self.fake = [None if x is None else drawn_rows(x, self.drawn) for x in self.shown]
        if not any(rows is not None and rows.any() for rows in self.fake):
            self._find_nearest()

    def _find_nearest(self) -> None:
        """Where D is shown no sample as G drew it, as with noise on its inputs, take the nearest.

        A row is one of G's if it is far nearer to one of G's samples than to any of the batch.
        """
        for place, x in enumerate(self.shown):
            drawn = [one for one in self.drawn if x is not None and one.shape[1:] == x.shape[1:]]
            real = [one for one in self.batch if x is not None and one.shape[1:] == x.shape[1:]]
            if x is not None and drawn and real:
                self.fake[place] = _distance(x, drawn) < NEARER * _distance(x, real)

    @property
    def objective(self) -> str | None:
        """The objective that Keras' own losses in the step tell, if all tell the same; else that
        which D's loss has been measured to be.
        """
        found = {_OBJECTIVES.get(type(loss).__name__) for loss, _ in self.losses}
        measured = "cross_entropy" if self.scale is not None else None
        return (found.pop() if len(found) == 1 else None) or measured

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


def _samples_in(
    parts: Sequence[np.ndarray | None], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """The samples that a network's inputs may hold, each with its place."""
    for place, part in enumerate(parts):
        if part is None or not shape or part.ndim != len(shape) + 1:
            continue
        if part.shape[1:] == shape:
            yield (place, 0), part
        elif part.shape[1:-1] == shape[:-1] and part.shape[-1] > shape[-1]:  # labels as channels
            yield (place, 1), np.ascontiguousarray(part[..., : shape[-1]])
            yield (place, 2), np.ascontiguousarray(part[..., -shape[-1] :])


def _distance(x: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """The distance of each sample to the nearest of the others, (n,)."""
    rows = np.concatenate([one.reshape(len(one), -1) for one in others])
    apart = distances(x.reshape(len(x), -1).astype("float64"), rows.astype("float64"))
    return np.asarray(apart.min(axis=1))


def _lies_between(x: np.ndarray, real: np.ndarray, fake: np.ndarray) -> bool:
    """Whether each sample lies on the line through the real and the fake one of its place."""
    a, b = (part.reshape(len(x), -1).astype("float64") for part in (x - real, fake - real))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return bool((lengths > 0).all() and (np.abs((a * b).sum(axis=1)) > ALIGNED * lengths).all())


def drawn_rows(shown: np.ndarray, drawn: Sequence[np.ndarray]) -> np.ndarray:
    """Which samples are bit-identical to one of G's: bool (batch,)."""
    fakes = {sample.tobytes() for batch in drawn for sample in batch}
    return np.array([sample.tobytes() in fakes for sample in shown], dtype=bool)
