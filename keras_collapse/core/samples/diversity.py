"""One look at generated samples beside real ones: how good, how varied, what repeats or is missing.

No labels, no pretrained network: distances between flattened samples only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_collapse.core.errors import InputError
from keras_collapse.core.samples.distances import Floats, distances
from keras_collapse.core.samples.fidelity import (
    NEIGHBOURS,
    Support,
    coverage_expected,
    fidelity_within,
    matrix,
    support_from_pairs,
)
from keras_collapse.core.samples.modes import Neighbourhoods, find_modes, missed_modes
from keras_collapse.core.samples.projection import Sketch

LEAST_SAMPLES = 32
"""Fewer real or generated samples say nothing about diversity."""
MOST_SAMPLES = 2048
"""Samples of each kind that are compared; of more, this many are drawn. A matrix of distances
then takes at most 32 MB; a prepared sample keeps one, a look has four at a time."""
REPEATS = 0.01
"""Share of real samples that may lie as close to another as a fake that repeats another."""
PROJECTIONS = 64
"""Directions of the sliced Wasserstein distance."""
LEVELS = 256
"""Quantiles at which each direction's distance is taken."""
HALVINGS = 8
"""Times the real sample is halved for the baseline of the sliced Wasserstein distance."""


@dataclass(frozen=True, slots=True)
class Diversity:
    """What one look at generated samples says. None: too few samples to tell.

    Args:
        real, fake: how many samples were compared.
        not_finite: generated samples left out because they hold NaN or infinity.
        precision: share of fakes within the real manifold, in [0, 1].
        recall: share of real samples within the fakes' manifold, in [0, 1].
        density: how densely real samples lie around fakes; about 1 for a perfect generator.
        coverage: share of real samples with a fake nearby, in [0, 1].
        coverage_expected: coverage that a perfect generator has at these numbers of samples.
        duplicate_share: share of fakes that repeat another fake, in [0, 1]: lie closer to it than
            all but 1 % of as many real samples lie to each other.
        support_estimate: how many different samples the generator seems to make; None where
            fakes repeat each other no more than real samples do.
        support_low, support_high: its 95 % interval; None above: no upper bound.
        distance_ratio: mean distance between fakes, in mean distances between real samples.
        sliced_wasserstein: distance of the two distributions, in standard deviations of the data.
        sliced_wasserstein_baseline: the same between two parts of the real sample, scaled to
            these numbers of samples: what a perfect generator has.
        dimension: intrinsic dimensions of the real sample, 0 where they cannot be told.
        modes_real: separate modes found in the real sample, at least 1.
        modes_clear: False where 1 was found but more could not have been told apart.
        modes_covered: how many of them the fakes do not provably miss.
        missing_share: share of the real sample that the fakes miss, by modes or locally.
        missing_in_modes: share of the real sample in missed modes.
        missing_locally: share of the real sample with far too few fakes around, whatever the
            modes. A lower bound: what is subtle in distances stays unseen.
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
        """Plain numbers and None, as JSON holds them."""
        return asdict(self)


class RealSample:
    """A sample of the real data, prepared so that a look at fakes beside it is cheap.

    Args:
        real: (n, d) numbers, flattened samples, n of 32 and more; of more than 2048, so many
            are drawn.
        seed: of what is drawn and of random directions; the same seed gives the same numbers.

    Raises:
        InputError: not a matrix of finite numbers, or too few samples.

    >>> rng = np.random.default_rng(0)
    >>> real = RealSample(rng.normal(size=(500, 2)))
    >>> look = real.compare(np.zeros((100, 2)))
    >>> look.duplicate_share, look.support_estimate, look.distance_ratio
    (1.0, 1.0, 0.0)
    """

    def __init__(self, real: ArrayLike, *, seed: int = 0) -> None:
        samples = matrix(real, "the real sample")
        self.seed = seed
        self.dimensions = samples.shape[1]
        if not np.isfinite(samples).all():
            raise InputError(
                "the real sample holds values that are not finite. "
                f"Received: {int((~np.isfinite(samples)).any(axis=1).sum())} such samples of "
                f"{len(samples)}. Leave them out"
            )
        if len(samples) < LEAST_SAMPLES:
            raise InputError(
                f"too few real samples to compare with. Received: {len(samples)}. "
                f"Give at least {LEAST_SAMPLES}"
            )
        self._sketch = Sketch(_some(samples, seed), seed)
        self._points, self._located = self._sketch.points, self._sketch.located
        apart = distances(self._points, self._points)
        self._radii = np.partition(apart, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        self._mean_distance = _mean_distance(apart)
        self._closeness: dict[int, tuple[float, float]] = {}
        apart = distances(self._located, self._located)
        self.modes = find_modes(apart)
        self._neighbourhoods = Neighbourhoods(apart)
        directions = np.random.default_rng(seed).normal(size=(self._points.shape[1], PROJECTIONS))
        self._directions = directions / np.linalg.norm(directions, axis=0)
        projected = self._points @ self._directions
        self._spread = float(projected.std(axis=0).mean()) or 1.0
        self._quantiles = _quantiles(projected)
        self._noise = self._halves(projected)

    def compare(self, fake: ArrayLike) -> Diversity:
        """Look at generated samples.

        Args:
            fake: (m, d) numbers, flattened as the real ones, m of 32 and more.

        Returns:
            The look. Samples that are not finite are left out and counted; where fewer than 32
            are left, only the count is told.

        Raises:
            InputError: not a matrix of numbers, of another width than the real samples, or too
                few of them.
        """
        samples = matrix(fake, "the generated sample")
        if samples.shape[1] != self.dimensions:
            raise InputError(
                f"generated samples have another size than real ones. Received: "
                f"{samples.shape[1]} and {self.dimensions} numbers each. Flatten both alike"
            )
        if len(samples) < LEAST_SAMPLES:
            raise InputError(
                f"too few generated samples. Received: {len(samples)}. "
                f"Give at least {LEAST_SAMPLES}"
            )
        finite = np.isfinite(samples).all(axis=1)
        lost = int((~finite).sum())
        samples = _some(samples[finite] if lost else samples, self.seed)
        n, m = len(self._points), len(samples)
        modes = self.modes
        if m < LEAST_SAMPLES:
            return Diversity(n, m, lost, modes.count, modes.clear)
        points, located = self._sketch(samples)
        apart = distances(points, points)
        radii = np.partition(apart, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        fidelity = fidelity_within(self._points, points, self._radii, radii, NEIGHBOURS)
        repeated, support = self._repeats(apart[:n, :n])
        baseline = self._noise * float(np.sqrt((1 / n + 1 / m) / (4 / n)))
        missing = self._missing(located)
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
            sliced_wasserstein_baseline=baseline,
            **missing,
        )

    def _repeats(self, apart: Floats) -> tuple[float, Support]:
        """Share of fakes that repeat another, and the support that tells."""
        size = len(apart)
        if size not in self._closeness:
            self._closeness[size] = self._closeness_of(size)
        close, real_pairs = self._closeness[size]
        same = apart <= close
        np.fill_diagonal(same, False)
        share = float(same.any(axis=1).mean())
        return share, support_from_pairs(int(same.sum()) // 2, size, real_pairs)

    def _closeness_of(self, size: int) -> tuple[float, float]:
        """Distance of a repeated real sample, and pairs as close, in so many real samples."""
        starts = range(0, len(self._points) - size + 1, size)
        apart = []
        for start in starts:
            part = self._points[start : start + size]
            apart.append(distances(part, part))
            np.fill_diagonal(apart[-1], np.inf)
        close = float(np.quantile([part.min(axis=1) for part in apart], REPEATS))
        return close, sum(float((part <= close).sum()) for part in apart) / 2 / len(apart)

    def _missing(self, located: Floats) -> dict[str, Any]:
        modes, n = self.modes, len(self._points)
        apart = distances(located, self._located)
        nearest = apart.argmin(axis=1)
        there = modes.labels[nearest]
        inside = apart[np.arange(len(located)), nearest] <= modes.reach[there]
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

    def _wasserstein(self, points: Floats) -> float:
        gaps = _quantiles(points @ self._directions) - self._quantiles
        return float(np.abs(gaps).mean()) / self._spread

    def _halves(self, projected: Floats) -> float:
        rng = np.random.default_rng(self.seed)
        found = []
        for _ in range(HALVINGS):
            first, second = np.array_split(rng.permutation(len(projected)), 2)
            gaps = _quantiles(projected[first]) - _quantiles(projected[second])
            found.append(float(np.abs(gaps).mean()))
        return sum(found) / len(found) / self._spread


def look_at(real: ArrayLike, fake: ArrayLike, *, seed: int = 0) -> Diversity:
    """One look; for several beside the same real sample, keep a `RealSample`."""
    return RealSample(real, seed=seed).compare(fake)


def _mean_distance(apart: Floats) -> float:
    return float(apart.sum() / (len(apart) * (len(apart) - 1)))


def _quantiles(projected: Floats) -> Floats:
    """Quantiles (levels, directions) of samples (n, directions)."""
    ordered = np.sort(projected, axis=0)
    place = (np.arange(LEVELS) + 0.5) / LEVELS * len(ordered) - 0.5
    place = np.clip(place, 0, len(ordered) - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    part = (place - below)[:, None]
    return np.asarray(ordered[below] * (1 - part) + ordered[above] * part, np.float64)


def _some(samples: NDArray[Any], seed: int) -> NDArray[Any]:
    """At most `MOST_SAMPLES`, in random order: data sorted by class must not look collapsed."""
    order = np.random.default_rng(seed).permutation(len(samples))
    return samples[order[:MOST_SAMPLES]]
