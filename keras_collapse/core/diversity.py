"""One look at generated samples beside real ones: how good, how varied, what repeats or is missing.

No labels, no pretrained network: distances between flattened samples only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_collapse.core.errors import InputError
from keras_collapse.core.modes import Neighbourhoods, find_modes, missed_modes

Floats: TypeAlias = NDArray[np.float64]

NEIGHBOURS = 5
"""k of coverage, density, precision and recall, as in Naeem et al. 2020."""
LEAST_SAMPLES = 32
"""Fewer real or generated samples say nothing about diversity."""
MOST_SAMPLES = 2048
"""Samples of each kind that are compared; of more, this many are drawn. A matrix of distances
then takes at most 32 MB; a prepared sample keeps one, a look has four at a time."""
SKETCH = 256
"""Dimensions in which distances are taken. On drawings of 784 pixels, coverage, density, precision
and recall stay within 0.03 of those of all pixels; with 64, precision of noisy fakes is 0.2 off,
and principal components make held-out real samples look better than real (density 1.5)."""
AXES = 16
"""Principal axes of the real sample in which modes and missing parts are looked for. Where fakes
are one of three drawn categories (0.67 of the data is missing), 0.55, 0.45 and 0.33 are seen to be
missing with 16 axes; with all pixels 0.44, 0.36 and 0.09, with 64 random projections 0.35, 0.27
and 0.08."""
REPEATS = 0.01
"""Share of real samples that may lie as close to another as a fake that repeats another."""
PROJECTIONS = 64
"""Directions of the sliced Wasserstein distance."""
LEVELS = 256
"""Quantiles at which each direction's distance is taken."""
HALVINGS = 8
"""Times the real sample is halved for the baseline of the sliced Wasserstein distance."""
CANCELLED = 1e-11
"""Squared distance, in squared lengths, below which the fast formula keeps fewer than four digits
and differences are taken instead."""
BLOCK = 1 << 22
"""Numbers (32 MB) in any array that exists only in passing."""
FARTHEST = 1e30
"""Times the real data's size from which a value is only "far": its square would overflow."""
NORMAL_95 = 1.96


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
        samples = _matrix(real, "the real sample")
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
        self._sketch = _Sketch(_some(samples, seed), seed)
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
        samples = _matrix(fake, "the generated sample")
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
        fidelity = _fidelity(self._points, points, self._radii, radii, NEIGHBOURS)
        repeated, support = self._repeats(apart[:n, :n])
        baseline = self._noise * float(np.sqrt((1 / n + 1 / m) / (4 / n)))
        missing = self._missing(located)
        return Diversity(
            real=n,
            fake=m,
            not_finite=lost,
            modes_real=modes.count,
            modes_clear=modes.clear,
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


# -- the published statistics -----------------------------------------------------------------


class Fidelity(NamedTuple):
    """Precision and recall of Kynkäänniemi et al. 2019, density and coverage of Naeem et al. 2020.

    With B(x) the ball around a sample up to its k-th nearest neighbour among its own kind:

    precision: share of fakes in B of any real sample (Kynkäänniemi, eq. 1 and 2);
    recall: share of real samples in B of any fake;
    density: for each fake the number of real B it is in, divided by k, averaged (Naeem et al.);
    coverage: share of real samples whose B holds a fake (Naeem et al.).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def fidelity(real: ArrayLike, fake: ArrayLike, k: int = NEIGHBOURS) -> Fidelity:
    """Precision, recall, density and coverage, from all samples and all their dimensions.

    A sample on a ball's surface is in it, so that data that repeats itself covers itself.
    Sources: "Improved Precision and Recall Metric for Assessing Generative Models" (2019),
    "Reliable Fidelity and Diversity Metrics for Generative Models" (2020). Memory: 32 MB at a
    time beside the samples.

    Args:
        real: (n, d) finite numbers, n > k.
        fake: (m, d) finite numbers, m > k.
        k: which neighbour bounds a ball.

    >>> line = np.arange(20.0)[:, None]
    >>> fidelity(line, line + 0.25)
    Fidelity(precision=1.0, recall=1.0, density=1.17, coverage=1.0)
    """
    a, b = (
        _matrix(x, f"the {name} sample").astype(np.float64)
        for x, name in ((real, "real"), (fake, "generated"))
    )
    if a.shape[1] != b.shape[1] or min(len(a), len(b)) <= k:
        raise InputError(
            f"balls up to neighbour {k} need more than {k} samples of each kind and of one size. "
            f"Received: shapes {a.shape} and {b.shape}"
        )
    return _fidelity(a, b, _neighbour_radii(a, k), _neighbour_radii(b, k), k)


def coverage_expected(n: int, m: int, k: int = NEIGHBOURS) -> float:
    """Coverage of n real samples by m fakes of the same distribution, whatever it is.

    1 - (n-1)...(n-k) / ((m+n-1)...(m+n-k)), as Naeem et al. 2020 derive it: the k nearest real
    samples all come before the nearest fake.

    >>> round(coverage_expected(1000, 1000), 3), round(coverage_expected(1000, 64), 3)
    (0.969, 0.267)
    """
    i = np.arange(1, k + 1)
    return float(1 - np.prod((n - i) / (m + n - i)))


class Support(NamedTuple):
    """A number of different samples, with its 95 % interval."""

    estimate: float | None
    low: float
    high: float | None


def support_from_pairs(pairs: int, samples: int, real_pairs: float = 0) -> Support:
    """How many different samples a generator makes, from how often they repeat.

    s draws out of N equally frequent samples hold about s(s-1) / 2N equal pairs (the birthday
    paradox, as Arora, Risteski & Zhang 2018 use it in "Do GANs learn the distribution? Some
    theory and empirics"). Where some are more frequent, N is the effective number, 1 / Σp².
    The interval is that of a Poisson count (Byar's approximation).

    Args:
        pairs: pairs of fakes that are as good as equal.
        samples: how many fakes were looked at.
        real_pairs: such pairs in as many real samples, on average; fakes must clearly have more.

    >>> support_from_pairs(0, 1000)  # none found: only a lower bound
    Support(estimate=None, low=136174.0, high=None)
    >>> support_from_pairs(50, 1000)
    Support(estimate=9990.0, low=7577.0, high=13461.0)
    """
    all_pairs = samples * (samples - 1) / 2
    fewest, most = _poisson_interval(pairs)
    low = max(round(all_pairs / most), 1)
    surely = fewest - _poisson_interval(real_pairs)[1] if real_pairs else fewest
    if surely <= 0:
        return Support(None, float(low), None)
    estimate = max(all_pairs / (pairs - real_pairs), 1.0)
    return Support(float(round(estimate)), float(low), float(round(max(all_pairs / surely, 1.0))))


def _poisson_interval(count: float) -> tuple[float, float]:
    more = count + 1
    high = more * (1 - 1 / (9 * more) + NORMAL_95 / (3 * more**0.5)) ** 3
    low = count * (1 - 1 / (9 * count) - NORMAL_95 / (3 * count**0.5)) ** 3 if count else 0.0
    return max(low, 0.0), high


# -- distances --------------------------------------------------------------------------------


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean distances (n, m) between the rows of (n, d) and (m, d).

    |x|² + |y|² - 2xy loses all digits where x and y nearly agree; there differences are taken.
    Equal rows are at distance 0 exactly.
    """
    centre = np.median(b, axis=0)
    a, b = a - centre, b - centre
    sizes = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    squared = a @ b.T
    squared *= -2
    squared += sizes
    sizes *= CANCELLED
    near = squared <= sizes
    for row in np.flatnonzero(near.any(axis=1)):
        columns = near[row]
        squared[row, columns] = np.square(b[columns] - a[row]).sum(axis=1)
    return np.sqrt(squared, out=squared)


def _blocks(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Distances of a few rows of ``a`` at a time to all of ``b``."""
    rows = max(BLOCK // len(b), 1)
    for start in range(0, len(a), rows):
        part = slice(start, start + rows)
        yield part, distances(a[part], b)


def _neighbour_radii(x: Floats, k: int) -> Floats:
    return np.concatenate([np.partition(d, k, axis=1)[:, k] for _, d in _blocks(x, x)])


def _fidelity(a: Floats, b: Floats, radii_a: Floats, radii_b: Floats, k: int) -> Fidelity:
    balls = np.zeros(len(b), np.int64)
    recalled = covered = 0
    for part, apart in _blocks(a, b):
        inside = apart <= radii_a[part, None]
        balls += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((apart <= radii_b).any(axis=1).sum())
    return Fidelity(
        precision=float((balls > 0).mean()),
        recall=recalled / len(a),
        density=float(balls.mean() / k),
        coverage=covered / len(a),
    )


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


# -- large inputs -----------------------------------------------------------------------------


class _Sketch:
    """Samples of any width as (samples, 256 at most) and (samples, 16 at most) numbers.

    The first keep distances: coordinates are dealt out at random and added up with random signs
    (Charikar, Chen & Farach-Colton 2002, count sketch); squared distances keep their mean, with a
    relative error of sqrt(2 / 256). Equal samples stay equal, to the bit, which no product of
    matrices promises. The second are the principal axes of the real sample, found by subspace
    iteration (Halko, Martinsson & Tropp 2011).

    Args:
        real: (n, d), finite.
        seed: of what is dealt out.
    """

    def __init__(self, real: NDArray[Any], seed: int) -> None:
        rng = np.random.default_rng(seed)
        width = real.shape[1]
        self._dealt = rng.permutation(width)
        self._signs = rng.choice([-1.0, 1.0], width)
        self._centre = real.mean(axis=0, dtype=np.float64)
        ends = np.stack([real.min(axis=0), real.max(axis=0)])
        self._size = float(np.abs(ends - self._centre).max()) or 1.0
        self._axes = self._principal_axes(real, rng) if width > AXES else None
        self.points, self.located = self(real)

    def __call__(self, samples: NDArray[Any]) -> tuple[Floats, Floats]:
        parts = [self._project(part) for part in self._scaled(samples)]
        return (
            np.concatenate([points for points, _ in parts]),
            np.concatenate([located for _, located in parts]),
        )

    def _scaled(self, samples: NDArray[Any]) -> Iterator[Floats]:
        """A few samples at a time, centred, in units of the real data's size."""
        rows = max(BLOCK // samples.shape[1], 1)
        for start in range(0, len(samples), rows):
            with np.errstate(over="ignore"):
                part = (samples[start : start + rows] - self._centre) / self._size
            yield np.clip(part, -FARTHEST, FARTHEST)

    def _project(self, x: Floats) -> tuple[Floats, Floats]:
        located = x if self._axes is None else x @ self._axes
        if x.shape[1] <= SKETCH:
            return x, located
        points = np.zeros((len(x), SKETCH))
        for start in range(0, x.shape[1], SKETCH):
            dealt = self._dealt[start : start + SKETCH]
            points[:, : len(dealt)] += x[:, dealt] * self._signs[dealt]
        return points, located

    def _principal_axes(self, real: NDArray[Any], rng: np.random.Generator) -> Floats:
        axes = rng.normal(size=(real.shape[1], 2 * AXES))
        for _ in range(4):
            axes = np.linalg.qr(axes)[0]
            axes = sum((x.T @ (x @ axes) for x in self._scaled(real)), np.zeros_like(axes))
        axes = np.linalg.qr(axes)[0]
        inner = sum((y.T @ y for y in (x @ axes for x in self._scaled(real))), np.zeros(1))
        return np.asarray(axes @ np.linalg.eigh(inner)[1][:, : -AXES - 1 : -1], np.float64)


# -- what people hand in ----------------------------------------------------------------------


def _matrix(samples: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(samples)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be numbers of shape (samples, dimensions). "
            f"Received: {array.dtype} of shape {array.shape}. Flatten each sample"
        )
    return array


def _some(samples: NDArray[Any], seed: int) -> NDArray[Any]:
    """At most `MOST_SAMPLES`, in random order: data sorted by class must not look collapsed."""
    order = np.random.default_rng(seed).permutation(len(samples))
    return samples[order[:MOST_SAMPLES]]
