"""Statistics of a conditional generator's samples: the effect of labels, and each class by itself.

`label_effect` needs no data; `ClassSamples` compares the samples of each class with its real ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_collapse.core.samples.distances import distances
from keras_collapse.core.samples.missing import FALSE_ALARM_RATE, MISSED_BELOW, fisher_p_value
from keras_collapse.core.samples.projection import PrincipalAxes

ROUNDING = 1e-11
"""Variance, relative to the mean square, up to which all samples are the same: float32 rounds to
1e-7, and its square."""
LEAST_OF_CLASS = 10
"""Fewest real and generated samples of a class that can be compared."""
MOST_REAL = 1024
"""Real samples that are used, the first ones."""
DISTINCT = 0.3
"""Agreement of real samples with their nearest neighbour's label from which distances tell the
classes apart."""
ALIKE_BELOW = 0.1
"""Spread of a class' samples, relative to its real ones, up to which they are alike. Healthy
generators of points narrow a class to a third."""
ALIKE_OF_OTHERS = 0.25
"""The same, relative to the median of all classes: a generator that narrows all of them equally has
not lost this one."""

Classes = NDArray[np.int64]


def label_effect(samples: NDArray[Any]) -> float | None:
    """How much of the samples' variance depends on the label.

    The total-effect index of the label (Homma & Saltelli, 1996): E_z[Var_y(x | z)] / Var(x), the
    variance between labels y at the same latent z, as a share of the variance of all samples x.

    Args:
        samples: (labels, latents, d): the same latents under each label.

    Returns:
        In [0, 1]: 0 if G ignores its label, 1 if it ignores its latent. None if it is undefined:
        samples are not finite, or all the same.

    >>> z = np.random.default_rng(0).normal(size=(8, 3))
    >>> label_effect(np.stack([z, z]))
    0.0
    >>> label_effect(np.stack([0 * z, 0 * z + 1]))
    1.0
    """
    x = np.asarray(samples, np.float64)
    if not np.isfinite(x).all():
        return None
    total = float(x.var(axis=(0, 1)).mean())
    if total <= ROUNDING * float(np.square(x).mean()):
        return None
    return float(x.var(axis=0).mean()) / total


class ClassSamples:
    """Real samples by class, prepared for repeated comparison with generated ones.

    Args:
        real: finite numbers of shape (n, d), in random order; the first 1024 are used.
        labels: the class of each, int (n,).
        seed: of the projection.

    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 2
    >>> real = rng.normal(size=(200, 2)) + 9 * labels[:, None]
    >>> found = ClassSamples(real, labels).compare(real, 1 - labels)
    >>> found["label_agreement"], found["class_missing_share"]
    (-1.0, 1.0)
    """

    def __init__(self, real: NDArray[Any], labels: Classes, *, seed: int = 0) -> None:
        self._labels = np.asarray(labels[:MOST_REAL], np.int64)
        kept = np.asarray(real[:MOST_REAL])
        self._projection = PrincipalAxes(kept, seed)
        self._points = self._projection(kept)
        apart = distances(self._points, self._points)
        self._spread = {c: _spread(apart, self._labels == c) for c in np.unique(self._labels)}
        np.fill_diagonal(apart, np.inf)
        self._own = self._labels[apart.argmin(axis=1)] == self._labels
        self._agreement = _kappa(self._labels, self._labels[apart.argmin(axis=1)])

    def compare(self, fake: NDArray[Any], labels: Classes) -> dict[str, float]:
        """Compare generated samples with the real ones of their class.

        Args:
            fake: numbers of shape (m, d); those with NaN or infinity are dropped.
            labels: the class that each was drawn for, int (m,).

        Returns:
            By name, as far as there are enough samples: ``label_agreement``: agreement of the
            samples' labels with those of their nearest real samples (Cohen's kappa, 1960), divided
            by the same of real samples; 0 if samples have nothing to do with their labels, about 1
            for a perfect generator; not given where distances do not tell the classes apart.
            ``class_missing_share``: share of the data, in [0, 1], in classes whose own samples are
            provably elsewhere or all alike. ``class_distance_ratio``: the least mean distance
            between samples of one class, divided by that of its real samples, at least 0.
            ``worst_class``: the class that is missing, or else the one of that ratio.
        """
        finite = np.isfinite(fake).all(axis=1)
        labels = np.asarray(labels, np.int64)[finite]
        if len(labels) < LEAST_OF_CLASS:
            return {}
        points = self._projection(fake[finite])
        nearest = self._labels[distances(points, self._points).argmin(axis=1)]
        found: dict[str, float] = {}
        if self._agreement >= DISTINCT:
            found["label_agreement"] = _kappa(labels, nearest) / self._agreement
        apart = distances(points, points)
        kept = [
            c
            for c, spread in self._spread.items()
            if spread > 0 and min((self._labels == c).sum(), (labels == c).sum()) >= LEAST_OF_CLASS
        ]
        if len(kept) < 2:
            return found
        ratios = {c: _spread(apart, labels == c) / self._spread[c] for c in kept}
        limit = min(ALIKE_BELOW, ALIKE_OF_OTHERS * float(np.median(list(ratios.values()))))
        missing = [c for c in kept if self._is_missing(c, nearest[labels == c], len(kept))]
        lost = [*missing, *(c for c in kept if c not in missing and ratios[c] < limit)]
        worst = missing[0] if missing else min(kept, key=lambda c: ratios[c])
        found["class_missing_share"] = float(np.isin(self._labels, lost).mean())
        found["class_distance_ratio"] = min(ratios.values())
        found["worst_class"] = float(worst)
        return found

    def _is_missing(self, label: int, nearest: Classes, classes: int) -> bool:
        """Whether provably too few samples of a class are nearest to its real ones."""
        own = self._own[self._labels == label]
        agreeing = np.array([(nearest == label).sum()])
        m, n = len(nearest), len(own)
        if agreeing[0] * n >= MISSED_BELOW * own.sum() * m:
            return False
        p = fisher_p_value(agreeing, np.array([own.sum()]), m, n)
        return bool(p[0] < FALSE_ALARM_RATE / classes)


def _spread(apart: NDArray[Any], chosen: NDArray[Any]) -> float:
    """The mean distance between different samples among those chosen."""
    count = int(chosen.sum())
    if count < 2:
        return 0.0
    return float(apart[np.ix_(chosen, chosen)].sum() / (count * (count - 1)))


def _kappa(a: Classes, b: Classes) -> float:
    """Agreement of two labellings beyond chance (Cohen, 1960), in [-1, 1]; 0 if undefined."""
    chance = sum(float((a == c).mean() * (b == c).mean()) for c in np.unique(a))
    return 0.0 if chance >= 1 else (float((a == b).mean()) - chance) / (1 - chance)
