"""The published statistics: precision, recall, density, coverage, and the size of a support."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_collapse.core.errors import InputError
from keras_collapse.core.samples.distances import Floats, blocks, neighbour_radii

NEIGHBOURS = 5
"""k of coverage, density, precision and recall, as in Naeem et al. 2020."""
NORMAL_95 = 1.96


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
        matrix(x, f"the {name} sample").astype(np.float64)
        for x, name in ((real, "real"), (fake, "generated"))
    )
    if a.shape[1] != b.shape[1] or min(len(a), len(b)) <= k:
        raise InputError(
            f"balls up to neighbour {k} need more than {k} samples of each kind and of one size. "
            f"Received: shapes {a.shape} and {b.shape}"
        )
    return fidelity_within(a, b, neighbour_radii(a, k), neighbour_radii(b, k), k)


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


def fidelity_within(a: Floats, b: Floats, radii_a: Floats, radii_b: Floats, k: int) -> Fidelity:
    balls = np.zeros(len(b), np.int64)
    recalled = covered = 0
    for part, apart in blocks(a, b):
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


def matrix(samples: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(samples)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be numbers of shape (samples, dimensions). "
            f"Received: {array.dtype} of shape {array.shape}. Flatten each sample"
        )
    return array
