"""An independent opinion on a program's final samples: good, bad or unsure.

It shares no code with keras_collapse, and its thresholds were fixed before any program was run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PROJECTED = 24
"""Dimensions of the fixed random projection: they show structure, and suit 512 samples."""
GOOD_DISTANCE, BAD_DISTANCE = 0.35, 0.9
"""Fréchet distance in units of the data's own variance. A generator that draws nothing but the mean
image has 1, one half of the data against the other less than 0.05."""
FLAT = 0.02
"""Standard deviation within a sample, as a share of the data's, of one plain colour."""
ALIKE = 0.2
"""Mean distance between two samples, as a share of that between two of the data."""
OUTSIDE = 0.1
"""Share of values beyond the data's range, by more than a tenth of it."""
LABEL_EFFECT = 0.05
"""Variance between the classes' means, as a share of that in the data, below which labels are
ignored."""
NEAR = 0.2
"""Distance from a centre, in units of the ring's radius, within which a point counts as drawn."""


def opinion(
    samples: np.ndarray,
    real: np.ndarray,
    labels: np.ndarray | None = None,
    real_labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Judge samples against data.

    Args:
        samples: (n, *shape), drawn after the training.
        real: (m, *shape), the data as D was shown them.
        labels, real_labels: their classes, (n,) and (m,); None if there are none.

    Returns:
        ``says`` (``good``, ``bad`` or ``unsure``), ``why`` in words, and the numbers used.
    """
    samples, real = np.asarray(samples, "float64"), np.asarray(real, "float64")
    if not np.isfinite(samples).all():
        return {"says": "bad", "why": "samples are not finite"}
    if real.ndim == 2 and real.shape[1] == 2:
        return _of_points(samples, real)
    return _of_images(samples, real, labels, real_labels)


def _of_points(samples: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """Modes of the ring of eight that have samples, and the share of samples near any of them."""
    angles = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angles), np.sin(angles)], 1)
    scale = float(np.median(np.linalg.norm(real, axis=1)))
    distances = np.linalg.norm(samples[:, None] / scale - centres, axis=2)
    near = distances.min(1) < NEAR
    counts = np.bincount(distances.argmin(1)[near], minlength=8)
    modes, share = int((counts >= 0.02 * len(samples)).sum()), float(near.mean())
    numbers = {"modes": modes, "near_a_mode": round(share, 3)}
    if modes <= 4 or share < 0.3:
        return {"says": "bad", "why": f"{modes} of 8 modes, {share:.0%} near one", **numbers}
    says = "good" if modes == 8 and share > 0.7 else "unsure"
    return {"says": says, "why": f"{modes} of 8 modes, {share:.0%} near one", **numbers}


def _of_images(
    samples: np.ndarray,
    real: np.ndarray,
    labels: np.ndarray | None,
    real_labels: np.ndarray | None,
) -> dict[str, Any]:
    flat, data = samples.reshape(len(samples), -1), real.reshape(len(real), -1)
    low, high = data.min(), data.max()
    beyond = (flat < low - 0.1 * (high - low)) | (flat > high + 0.1 * (high - low))
    numbers = {
        "distance": round(max(_frechet(*pair) for pair in _views(samples, real)), 3),
        "within": round(float(flat.std(1).mean() / data.std(1).mean()), 3),
        "between": round(_spread(flat) / _spread(data), 3),
        "outside": round(float(beyond.mean()), 3),
    }
    if labels is not None and real_labels is not None:
        numbers["label_effect"] = round(
            _between(flat, labels) / max(_between(data, real_labels), 1e-12), 3
        )
    why = [
        words
        for is_so, words in (
            (numbers["within"] < FLAT, "each sample is one plain colour"),
            (numbers["between"] < ALIKE, "samples are alike"),
            (numbers["outside"] > OUTSIDE, "samples lie outside of the data's range"),
            (numbers["distance"] > BAD_DISTANCE, "samples are far from the data"),
            (numbers.get("label_effect", 1.0) < LABEL_EFFECT, "labels have no effect"),
        )
        if is_so
    ]
    if why:
        return {"says": "bad", "why": ", ".join(why), **numbers}
    if numbers["distance"] < GOOD_DISTANCE:
        return {"says": "good", "why": "samples are near the data and varied", **numbers}
    return {"says": "unsure", "why": "neither near the data nor far", **numbers}


def _views(samples: np.ndarray, real: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pixels, and for images the differences of neighbours, which show noise."""
    views = [(samples, real)]
    if real.ndim == 4:
        views.append((np.diff(samples, axis=2), np.diff(real, axis=2)))
    return [(a.reshape(len(a), -1), b.reshape(len(b), -1)) for a, b in views]


def _frechet(samples: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance between Gaussians (Dowson and Landau, 1982), by the data's variance."""
    size = samples.shape[1]
    if size > PROJECTED:
        directions = np.random.default_rng(11).standard_normal((size, PROJECTED)) / np.sqrt(size)
        samples, real = samples @ directions, real @ directions
    one, other = np.cov(samples, rowvar=False), np.cov(real, rowvar=False)
    # The trace of a product's root is the sum of the roots of its eigenvalues.
    roots = np.sqrt(np.clip(np.linalg.eigvals(one @ other).real, 0, None)).sum()
    mean = ((samples.mean(0) - real.mean(0)) ** 2).sum()
    return float((mean + np.trace(one) + np.trace(other) - 2 * roots) / np.trace(other))


def _spread(rows: np.ndarray) -> float:
    """Mean distance between two rows."""
    half = len(rows) // 2
    return float(np.linalg.norm(rows[:half] - rows[half : 2 * half], axis=1).mean())


def _between(rows: np.ndarray, labels: np.ndarray) -> float:
    """Variance between the means of classes of at least eight rows, without that of chance."""
    classes = [rows[labels == one] for one in np.unique(labels)]
    kept = [one for one in classes if len(one) >= 8]
    means = np.stack([one.mean(0) for one in kept])
    by_chance = np.mean([one.var(0).sum() / len(one) for one in kept])
    return float(means.var(0).sum() - by_chance)
