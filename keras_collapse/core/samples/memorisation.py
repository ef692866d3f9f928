"""Whether samples repeat the training data, and whether D knows its data from held-out ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import MAX_NUMBERS, Floats
from keras_collapse.core.samples.projection import RandomProjection

MOST_TRAINING = 4096
"""Largest training set among which copies are looked for. All of it is needed: of 60,000 samples,
1024 would show one copy in sixty."""
FEWEST = 24
"""Distinct samples below which nothing is measured: a G that draws fewer has collapsed."""
NEIGHBOUR = 5
"""The neighbour whose distance is the measure of a sample's own region: a few samples further than
the second, since data may hold several copies of one sample."""
MOST_EXPECTED = 1024
"""Training samples whose neighbours among the others show what is usual: enough next to a few
hundred fakes, and a quarter of the work of 4096."""
COPY = 1 / 3
"""Ratio of the distances to the nearest training sample and to that neighbour up to which a sample
is a copy, as Yoon et al. (2023) count them with the second neighbour."""

LEAST_PROBABILITY = 1e-7
"""Keras clips a sigmoid's outputs at this distance from 0 and 1 in its cross-entropies."""


class TrainingSet:
    """The training data, prepared for finding copies of its samples among fakes.

    A distance alone shows no copy, since a blurred or pale sample is near to everything. Its ratio
    to the distance to the fifth neighbour does: near 1 for blurred samples and for new ones in many
    dimensions, near 0 for copies.

    Args:
        training: all of it, finite numbers (n, d), n at most `MOST_TRAINING`.
        held_out: samples of the same kind that are not trained on, (m, d); None if there are none.
            Without, `MOST_EXPECTED` training samples are compared with the others instead.
        seed: seed of the random projection of wide samples, and of the choice of those samples.

    Raises:
        ValueError: there are fewer than `FEWEST` training or held-out samples.

    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(100, 20))
    >>> found = TrainingSet(data).measure(data + rng.normal(0, 0.05, data.shape))
    >>> found["copied_share"], found["copying_z"] > 8
    (1.0, True)
    """

    def __init__(
        self, training: NDArray[Any], held_out: NDArray[Any] | None = None, seed: int = 0
    ) -> None:
        if min(len(training), FEWEST if held_out is None else len(held_out)) < FEWEST:
            raise ValueError(f"fewer than {FEWEST} training or held-out samples")
        self._projection = RandomProjection(training, seed)
        self._points = self._projection(training)
        self._squares = np.square(self._points).sum(axis=1)
        if held_out is None:
            order = np.random.default_rng(seed).permutation(len(training))
            rows = np.sort(order[:MOST_EXPECTED])
            self._expected = self._ratios(self._points[rows], rows)[0]
        else:
            self._expected = self._ratios(self._projection(held_out))[0]

    def measure(self, fakes: NDArray[Any]) -> dict[str, float]:
        """Compare fakes (m, d) with the training data.

        Of several fakes that are nearest to the same training sample one counts, so that a G that
        draws a few images over and over is no copier.

        Returns:
            By name, empty if fewer than `FEWEST` fakes count: ``copied_share``: the share of copies
            among them, less that among held-out samples, in [0, 1]; ``copying_z``: the standard
            normal score by which their ratios are smaller than those of held-out samples
            (Mann-Whitney, as in the data-copying test of Meehan, Chaudhuri & Dasgupta 2020, there
            with distances and the opposite sign).
        """
        fakes = fakes[np.isfinite(fakes).all(axis=1)]
        if len(fakes) < FEWEST:
            return {}
        ratios, nearest = self._ratios(self._projection(fakes))
        ratios = ratios[np.unique(nearest, return_index=True)[1]]
        if len(ratios) < FEWEST:
            return {}
        copied = float((ratios <= COPY).mean() - (self._expected <= COPY).mean())
        return {"copied_share": max(copied, 0.0), "copying_z": above(self._expected, ratios)}

    def _ratios(
        self, points: Floats, own: NDArray[np.intp] | None = None
    ) -> tuple[Floats, NDArray[np.intp]]:
        """Of each point the ratio of its distances to neighbours 1 and 5, and the first's row.

        Args:
            points: (m, d), projected.
            own: their rows, if they are training samples: then each is no neighbour of itself.
        """
        ratios, nearest = [], []
        at_once = max(MAX_NUMBERS // len(self._points), 1)
        for start in range(0, len(points), at_once):
            part = points[start : start + at_once]
            apart = np.square(part).sum(axis=1)[:, None] + self._squares
            apart -= 2 * part @ self._points.T  # cancels for copies, which are near 0 all the same
            if own is not None:
                apart[np.arange(len(part)), own[start : start + at_once]] = np.inf
            nearest.append(apart.argmin(axis=1))
            apart.partition((0, NEIGHBOUR - 1), axis=1)
            one, other = np.sqrt(np.maximum(apart[:, [0, NEIGHBOUR - 1]], 0)).T
            ratios.append(one / np.where(other > 0, other, 1.0))
        return np.concatenate(ratios), np.concatenate(nearest)


def held_out_scores(
    training: NDArray[Any],
    held_out: NDArray[Any],
    fake: NDArray[Any],
    probabilities: bool = False,
) -> dict[str, float]:
    """Compare D's scores of training samples with those of held-out ones.

    Args:
        training, held_out, fake: scores (n,), (m,) and (k,).
        probabilities: whether they are those of a sigmoid: the gap is that of its logits.

    Returns:
        By name: ``d_score_held_out``: the mean; ``d_held_out_gap``: (E[training] - E[held out]) /
        (E[training] - E[fake]), 0 for a D that does not overfit and 1 for one that scores held-out
        samples as fakes (r_v of Karras et al. 2020), left out where D ranks fakes above; and
        ``d_overfits``: the share of pairs in which the training sample scores higher, 0.5 for a D
        that does not overfit.
    """
    found = {"d_score_held_out": float(held_out.mean())}
    if probabilities:
        training, held_out, fake = map(_logits, (training, held_out, fake))
    lead = float(training.mean() - fake.mean())
    if lead > 0:
        found["d_held_out_gap"] = float(training.mean() - held_out.mean()) / lead
    found["d_overfits"] = share_above(training, held_out)
    return found


def _logits(scores: NDArray[Any]) -> Floats:
    clipped = np.clip(scores, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float64)


def share_above(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The share of pairs of a row of (n,) and of (m,) in which the first is larger; ties half."""
    return float((np.sign(a[:, None] - b[None, :]) + 1).mean() / 2)


def above(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The standard normal score by which (n,) lies above (m,) (Mann & Whitney 1947)."""
    n, m = len(a), len(b)
    deviation = np.sqrt((n + m + 1) / (12 * n * m))
    return float((share_above(a, b) - 0.5) / deviation)
