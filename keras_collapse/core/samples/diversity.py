"""A sample check: statistics that compare generated samples with real ones.

They need no labels and no pretrained network, only distances between flattened samples. On the
image benchmark no untrained description of images separated failing from good samples clearly
better than pixels do (docs/benchmarks/embeddings.md); a network of your own can be given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_collapse.core.errors import InputError
from keras_collapse.core.samples.distances import Floats, distances
from keras_collapse.core.samples.fidelity import (
    NEIGHBOURS,
    Support,
    as_matrix,
    as_rows,
    coverage_expected,
    fidelity_from_radii,
    support_from_pairs,
)
from keras_collapse.core.samples.missing import Neighbourhoods, missed_modes
from keras_collapse.core.samples.modes import find_modes
from keras_collapse.core.samples.projection import PrincipalAxes, RandomProjection
from keras_collapse.core.samples.wasserstein import SlicedWasserstein

LEAST_SAMPLES = 32
"""Fewest real or generated samples that can be compared."""
MOST_SAMPLES = 2048
"""Most samples of each kind that are compared; of more, this many are drawn at random. A distance
matrix then takes at most 32 MB; `RealSample` keeps one, a sample check needs four at a time."""
DUPLICATE_QUANTILE = 0.01
"""Quantile of real samples' nearest-neighbour distances below which a fake repeats another."""
MOST_NUMBERS = 1 << 14
"""Numbers of a sample that are compared; of more, a fixed random choice, so that a check takes no
longer for larger images. A photograph of 64 x 64 pixels has 12,288."""

Features: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""Samples (n, ...) to numbers (n, k)."""


@dataclass(frozen=True, slots=True)
class Diversity:
    """The result of one sample check; a value is None if there are too few samples for it.

    Args:
        real, fake: numbers of samples compared.
        not_finite: number of generated samples dropped because they contain NaN or infinity.
        precision: share of fakes within the real manifold, in [0, 1] (Kynkäänniemi et al. 2019).
        recall: share of real samples within the fakes' manifold, in [0, 1] (the same).
        density: density of real samples around fakes, at least 0; about 1 for a perfect generator
            (Naeem et al. 2020).
        coverage: share of real samples with a fake nearby, in [0, 1] (the same).
        coverage_expected: coverage of a perfect generator at these numbers of samples.
        duplicate_share: share of fakes that repeat another fake, in [0, 1]. Two fakes repeat each
            other if they are closer than 99 % of as many real samples are to their nearest one.
        support_estimate: estimated number of distinct samples that the generator makes (Arora,
            Risteski & Zhang 2018); None if fakes repeat each other no more than real samples do.
        support_low, support_high: its 95 % interval; ``support_high`` is None without upper bound.
        distance_ratio: mean distance between fakes, divided by that between real samples.
        sliced_wasserstein: sliced Wasserstein-1 distance of fakes and real samples (Rabin et al.
            2011), in standard deviations of the data.
        sliced_wasserstein_baseline: the same between two halves of the real sample, scaled to
            these numbers of samples: the distance of a perfect generator.
        dimension: intrinsic dimension of the real sample (Levina & Bickel 2005); 0 if unknown.
        modes_real: number of separate modes in the real sample, at least 1.
        modes_clear: False if one mode was found but several could not have been separated.
        modes_covered: number of these modes that the fakes are not proven to miss.
        missing_share: share of the real sample that the fakes miss, by modes or locally.
        missing_in_modes: share of the real sample in missed modes.
        missing_locally: share of the real sample with far too few fakes nearby, in any
            mode. A lower bound: differences that distances do not show are not counted.
    """

    real: int
    fake: int
    not_finite: int
    modes_real: int
    modes_clear: bool
    dimension: float | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    coverage_expected: float | None = None
    duplicate_share: float | None = None
    support_estimate: float | None = None
    support_low: float | None = None
    support_high: float | None = None
    distance_ratio: float | None = None
    sliced_wasserstein: float | None = None
    sliced_wasserstein_baseline: float | None = None
    modes_covered: int | None = None
    missing_share: float | None = None
    missing_in_modes: float | None = None
    missing_locally: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name, as plain numbers and None for JSON."""
        return asdict(self)


class RealSample:
    """A sample of the real data, prepared for repeated comparison with generated samples.

    Args:
        real: numbers of shape (n, ...), n at least 32; of more than 2048 samples, 2048 are drawn.
        seed: seed of the draw and the random projections; equal seeds give equal results.
        features: a function from samples (n, ...) to finite numbers (n, k) that are compared
            instead, such as a network's; None for the samples themselves.

    Raises:
        InputError: ``real`` has other than finite numbers, or too few samples.

    >>> rng = np.random.default_rng(0)
    >>> real = RealSample(rng.normal(size=(500, 2)))
    >>> result = real.compare(np.zeros((100, 2)))
    >>> result.duplicate_share, result.support_estimate, result.distance_ratio
    (1.0, 1.0, 0.0)
    """

    def __init__(self, real: ArrayLike, *, seed: int = 0, features: Features | None = None) -> None:
        samples = as_rows(real, "the real sample")
        self.seed = seed
        self.shape = samples.shape[1:]
        flat = samples.reshape(len(samples), -1)
        if not np.isfinite(flat).all():
            raise InputError(
                "the real sample contains NaN or infinity. "
                f"Received: {int((~np.isfinite(flat)).any(axis=1).sum())} such samples of "
                f"{len(samples)}. Remove them"
            )
        if len(samples) < LEAST_SAMPLES:
            raise InputError(
                f"too few real samples to compare with. Received: {len(samples)}. "
                f"Give at least {LEAST_SAMPLES}"
            )
        self._features = features
        self._chosen: NDArray[np.int64] | None = None
        width = math.prod(self.shape)
        if features is None and width > MOST_NUMBERS:
            rng = np.random.default_rng(seed)
            self._chosen = np.sort(rng.permutation(width)[:MOST_NUMBERS])
        flat = self._described(_subsample(samples, seed))
        self._project, self._axes = RandomProjection(flat, seed), PrincipalAxes(flat, seed)
        self._points, self._principal = self._project(flat), self._axes(flat)
        apart = distances(self._points, self._points)
        self._radii = np.partition(apart, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        self._mean_distance = _mean_distance(apart)
        self._duplicate_thresholds: dict[int, tuple[float, float]] = {}
        apart = distances(self._principal, self._principal)
        self.modes = find_modes(apart)
        self._neighbourhoods = Neighbourhoods(apart)
        self._wasserstein = SlicedWasserstein(self._points, seed)

    def _described(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The numbers (n, k) that are compared."""
        if self._features is None:
            flat = samples.reshape(len(samples), -1)
            return flat if self._chosen is None else flat[:, self._chosen]
        described = as_matrix(self._features(samples), "what features() returns")
        if len(described) != len(samples):
            raise InputError(
                "features() must return one row for each sample. "
                f"Received: {len(described)} rows for {len(samples)} samples"
            )
        return described

    def compare(self, fake: ArrayLike) -> Diversity:
        """Compare generated samples with the real ones.

        Args:
            fake: numbers of shape (m, ...), of as many numbers each as the real samples, m at
                least 32.

        Returns:
            The statistics. Samples with NaN or infinity are dropped and counted in
            ``not_finite``; if fewer than 32 are left, only that count is given.

        Raises:
            InputError: ``fake`` has other than numbers, samples of another size than the real
                ones, or too few.
        """
        samples = as_rows(fake, "the generated sample")
        size, own = math.prod(samples.shape[1:]), math.prod(self.shape)
        if size != own:
            raise InputError(
                f"generated and real samples differ in size. Received: {size} and {own} numbers "
                "each. Give samples of one shape"
            )
        if len(samples) < LEAST_SAMPLES:
            raise InputError(
                f"too few generated samples. Received: {len(samples)}. "
                f"Give at least {LEAST_SAMPLES}"
            )
        finite = np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)
        lost = int((~finite).sum())
        samples = _subsample(samples[finite] if lost else samples, self.seed)
        n, m = len(self._points), len(samples)
        modes = self.modes
        if m < LEAST_SAMPLES:
            return Diversity(n, m, lost, modes.count, modes.clear)
        flat = self._described(samples.reshape(m, *self.shape))
        points, principal = self._project(flat), self._axes(flat)
        apart = distances(points, points)
        radii = np.partition(apart, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        fidelity = fidelity_from_radii(self._points, points, self._radii, radii, NEIGHBOURS)
        repeated, support = self._duplicates(apart[:n, :n])
        missing = self._missing_shares(principal)
        return Diversity(
            real=n,
            fake=m,
            not_finite=lost,
            modes_real=modes.count,
            modes_clear=modes.clear,
            dimension=modes.dimension,
            **fidelity._asdict(),
            coverage_expected=coverage_expected(n, m),
            duplicate_share=repeated,
            **{f"support_{name}": value for name, value in support._asdict().items()},
            distance_ratio=(
                _mean_distance(apart) / self._mean_distance if self._mean_distance else None
            ),
            sliced_wasserstein=self._wasserstein(points),
            sliced_wasserstein_baseline=self._wasserstein.baseline(m),
            **missing,
        )

    def _duplicates(self, apart: Floats) -> tuple[float, Support]:
        """The share of fakes that repeat another fake, and the support estimated from that."""
        size = len(apart)
        if size not in self._duplicate_thresholds:
            self._duplicate_thresholds[size] = self._duplicate_threshold(size)
        close, real_pairs = self._duplicate_thresholds[size]
        same = apart <= close
        np.fill_diagonal(same, False)
        share = float(same.any(axis=1).mean())
        return share, support_from_pairs(int(same.sum()) // 2, size, real_pairs)

    def _duplicate_threshold(self, size: int) -> tuple[float, float]:
        """For ``size`` real samples: a duplicate's largest distance, mean number of such pairs."""
        starts = range(0, len(self._points) - size + 1, size)
        apart = []
        for start in starts:
            part = self._points[start : start + size]
            apart.append(distances(part, part))
            np.fill_diagonal(apart[-1], np.inf)
        close = float(np.quantile([part.min(axis=1) for part in apart], DUPLICATE_QUANTILE))
        return close, sum(float((part <= close).sum()) for part in apart) / 2 / len(apart)

    def _missing_shares(self, principal: Floats) -> dict[str, Any]:
        modes, n = self.modes, len(self._points)
        apart = distances(principal, self._principal)
        nearest = apart.argmin(axis=1)
        there = modes.labels[nearest]
        inside = apart[np.arange(len(principal)), nearest] <= modes.reach[there]
        of_real = np.bincount(modes.labels, minlength=modes.count)
        of_fake = np.bincount(there, minlength=modes.count)
        reached = np.bincount(there[inside], minlength=modes.count)
        missed = missed_modes(of_real, of_fake, reached)
        in_modes = missed[modes.labels]
        locally = self._neighbourhoods.missing(apart)
        both = in_modes if locally is None else in_modes | locally
        return {
            "modes_covered": modes.count - int(missed.sum()),
            "missing_share": float(both.sum() / n),
            "missing_in_modes": float(in_modes.sum() / n),
            "missing_locally": None if locally is None else float(locally.sum() / n),
        }


def compare_samples(real: ArrayLike, fake: ArrayLike, *, seed: int = 0) -> Diversity:
    """Run one sample check. To run several against the same real sample, keep a `RealSample`.

    Args:
        real, fake: numbers of shape (n, ...) and (m, ...).
        seed: see `RealSample`.

    Raises:
        InputError: see `RealSample` and `RealSample.compare`.
    """
    return RealSample(real, seed=seed).compare(fake)


def _mean_distance(apart: Floats) -> float:
    return float(apart.sum() / (len(apart) * (len(apart) - 1)))


def _subsample(samples: NDArray[Any], seed: int) -> NDArray[Any]:
    """At most `MOST_SAMPLES` in random order, so that data sorted by class is drawn evenly."""
    order = np.random.default_rng(seed).permutation(len(samples))
    return samples[order[:MOST_SAMPLES]]
