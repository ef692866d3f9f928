"""Published statistics: precision, recall, density, coverage and the estimated support size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_collapse.core.errors import InputError
from keras_collapse.core.samples.distances import Floats, distances_by_rows, neighbour_radii

NEIGHBOURS = 5
"""k of coverage, density, precision and recall, as in Naeem et al. 2020."""
NORMAL_95 = 1.96
"""Standard normal quantile of a two-sided 95 % interval."""


class Fidelity(NamedTuple):
    """Precision and recall of Kynkäänniemi et al. 2019, density and coverage of Naeem et al. 2020.

    B(x) is the ball around sample x that reaches its k-th nearest neighbour of its own kind.

    Args:
        precision: share of fakes within B of any real sample, in [0, 1] (Kynkäänniemi et al.,
            eq. 1 and 2).
        recall: share of real samples within B of any fake, in [0, 1] (the same).
        density: number of real samples' B that contain a fake, divided by k, averaged over the
            fakes; at least 0 (Naeem et al.).
        coverage: share of real samples whose B contains a fake, in [0, 1] (Naeem et al.).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def fidelity(real: ArrayLike, fake: ArrayLike, k: int = NEIGHBOURS) -> Fidelity:
    """Compute precision, recall, density and coverage from all samples in all dimensions.

    A sample on the surface of a ball counts as inside, so that repeated data covers itself.
    Sources: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
    Models" (2019); Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models"
    (2020). Needs 32 MB at a time in addition to the samples.

    Args:
        real: finite numbers of shape (n, d), n > k.
        fake: finite numbers of shape (m, d), m > k.
        k: the nearest neighbour that sets a ball's radius.

    Raises:
        InputError: a sample is no matrix of numbers, the widths differ, or n or m is too small.

    >>> line = np.arange(20.0)[:, None]
    >>> fidelity(line, line + 0.25)
    Fidelity(precision=1.0, recall=1.0, density=1.17, coverage=1.0)
    """
    a, b = (
        as_matrix(x, f"the {name} sample").astype(np.float64)
        for x, name in ((real, "real"), (fake, "generated"))
    )
    if a.shape[1] != b.shape[1] or min(len(a), len(b)) <= k:
        raise InputError(
            f"k={k} needs more than {k} real and {k} generated samples of one width. "
            f"Received: shapes {a.shape} and {b.shape}"
        )
    return fidelity_from_radii(a, b, neighbour_radii(a, k), neighbour_radii(b, k), k)


def coverage_expected(n: int, m: int, k: int = NEIGHBOURS) -> float:
    """Return the expected coverage of n real samples by m fakes of the same distribution.

    1 - (n-1)...(n-k) / ((m+n-1)...(m+n-k)), for any distribution (Naeem et al. 2020): a real
    sample is not covered if its k nearest real samples are all closer than the nearest fake.

    >>> round(coverage_expected(1000, 1000), 3), round(coverage_expected(1000, 64), 3)
    (0.969, 0.267)
    """
    i = np.arange(1, k + 1)
    return float(1 - np.prod((n - i) / (m + n - i)))


class Support(NamedTuple):
    """An estimated number of distinct samples and its 95 % interval; None if unbounded."""

    estimate: float | None
    low: float
    high: float | None


def support_from_pairs(pairs: int, samples: int, real_pairs: float = 0) -> Support:
    """Estimate the number of distinct samples that a generator makes, from repeated ones.

    s draws from N equally frequent samples contain about s(s-1) / 2N equal pairs (the birthday
    paradox, used by Arora, Risteski & Zhang, "Do GANs learn the distribution? Some theory and
    empirics", 2018). If frequencies p differ, N is the effective number 1 / Σp². The interval is
    that of a Poisson count (Byar's approximation).

    Args:
        pairs: number of pairs of fakes that count as equal.
        samples: number of fakes.
        real_pairs: mean number of such pairs in as many real samples. Without clearly more pairs
            of fakes, there is no estimate.

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
    """The 95 % interval of a Poisson mean (Byar's approximation)."""
    more = count + 1
    high = more * (1 - 1 / (9 * more) + NORMAL_95 / (3 * more**0.5)) ** 3
    low = count * (1 - 1 / (9 * count) - NORMAL_95 / (3 * count**0.5)) ** 3 if count else 0.0
    return max(low, 0.0), high


def fidelity_from_radii(a: Floats, b: Floats, radii_a: Floats, radii_b: Floats, k: int) -> Fidelity:
    """As `fidelity`, for real samples (n, d) and fakes (m, d) with radii (n,) and (m,)."""
    balls = np.zeros(len(b), np.int64)
    recalled = covered = 0
    for part, apart in distances_by_rows(a, b):
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


def as_matrix(samples: ArrayLike, name: str) -> NDArray[Any]:
    """Return samples as an array.

    Args:
        samples: numbers of shape (samples, dimensions).
        name: what error messages call them.

    Raises:
        InputError: they are no numbers of that shape.
    """
    array = np.asarray(samples)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be numbers of shape (samples, dimensions). "
            f"Received: {array.dtype} of shape {array.shape}. Flatten each sample"
        )
    return array


def as_rows(samples: ArrayLike, name: str) -> NDArray[Any]:
    """Return samples as an array.

    Args:
        samples: numbers of shape (samples, ...), at least one number each.
        name: what error messages call them.

    Raises:
        InputError: they are no numbers of that shape.
    """
    array = np.asarray(samples)
    if array.ndim < 2 or 0 in array.shape[1:] or array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be numbers of shape (samples, ...). "
            f"Received: {array.dtype} of shape {array.shape}"
        )
    return array
