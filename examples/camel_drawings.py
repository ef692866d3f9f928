"""Camel drawings by a stroke generator, of labelled kinds, so that modes can be counted exactly.

A drawing consists of a few pen strokes: smooth curves through a camel's landmarks, randomly
displaced, then scaled to fill its box as Quick, Draw! scales its drawings.
"""

from __future__ import annotations

from itertools import product

import numpy as np

SIDE = 28
HUMPS = ("1-hump", "2-hump")
FACINGS = ("left", "right")
GAITS = ("standing", "walking")
KINDS = tuple(" ".join(parts) for parts in product(HUMPS, FACINGS, GAITS))
"""The kind of each label of `draw`, in order."""

PEN = 0.72
"""Half the pen's width in pixels; the edge fades over one more pixel, as in real drawings."""
MARGIN = 2.1
"""Empty pixels around a drawing."""
UNSURE = 0.028
"""Standard deviation of a landmark's displacement, in drawing widths. With half of it D separates
drawings from G's early noise too easily: the GAN with a leak (camel_gan.py) then leaves its pinned
state after 250 steps, which it does not on real drawings."""
UNSURE_HUMPS = 0.012
"""The same for humps, which distinguish kinds and are drawn more precisely."""
UNSURE_LEGS = 0.016
TILT, SLANT, STRETCH = 0.09, 0.10, 0.20
"""Standard deviation of a drawing's rotation (radians) and of its slant, and largest stretch."""
CHUNK = 512

Curve = np.ndarray  # float (drawings, points, 2): x to the right, y down, in drawing widths


def draw(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw camels, each kind equally often, in random order.

    Args:
        count: number of drawings.
        seed: random seed; equal seeds give bit-identical drawings.

    Returns:
        Images, uint8 (count, 28, 28), 0 paper and 255 ink; labels, int64 (count,), into `KINDS`.

    Raises:
        ValueError: count is less than 1.

    >>> images, labels = draw(16)
    >>> images.shape, sorted(set(labels.tolist())) == list(range(len(KINDS)))
    ((16, 28, 28), True)
    """
    if count < 1:
        raise ValueError(f"count must be at least 1. Received: {count}")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % len(KINDS)).astype(np.int64)
    parts = [_draw(labels[i : i + CHUNK], rng) for i in range(0, count, CHUNK)]
    return np.concatenate(parts), labels


def _draw(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    humps, facing, gait = np.unravel_index(labels, (len(HUMPS), len(FACINGS), len(GAITS)))
    n = len(labels)
    strokes = [_outline(humps == 1, rng), _tail(rng, n), _eye(rng, n), *_legs(gait == 1, rng)]
    points = np.concatenate(strokes, axis=1)
    points = _tilt(points, rng)
    points[facing == 1, :, 0] *= -1
    return _ink(_fill_box(points))


# -- a camel's parts, facing left ------------------------------------------------------------


def _outline(two: np.ndarray, rng: np.random.Generator) -> Curve:
    """Rump, humps, neck, head and belly in one stroke."""
    n = len(two)
    high = rng.uniform(0.15, 0.24, n)  # of the humps above the back
    neck = rng.uniform(-0.04, 0.05, n)  # longer or shorter
    snout = rng.uniform(-0.02, 0.03, n)
    back = np.full(n, 0.45)
    one_hump = [
        (np.full(n, 0.80), back),
        (np.full(n, 0.73), back - 0.3 * high),
        (np.full(n, 0.655), back - 0.85 * high),
        (np.full(n, 0.595), back - 1.05 * high),
        (np.full(n, 0.535), back - 0.85 * high),
        (np.full(n, 0.46), back - 0.3 * high),
        (np.full(n, 0.40), back),
    ]
    dip = rng.uniform(-0.2, 0.05, n)  # between the humps, in hump heights
    two_humps = [
        (np.full(n, 0.80), back),
        (np.full(n, 0.76), back - 0.65 * high),
        (np.full(n, 0.70), back - 0.95 * high),
        (np.full(n, 0.60), back - dip * high),
        (np.full(n, 0.50), back - 0.95 * high),
        (np.full(n, 0.44), back - 0.65 * high),
        (np.full(n, 0.39), back),
    ]
    landmarks = [(np.full(n, 0.86), np.full(n, 0.52))]
    for (x1, y1), (x2, y2) in zip(one_hump, two_humps, strict=True):
        landmarks.append((np.where(two, x2, x1), np.where(two, y2, y1)))
    landmarks += [
        (np.full(n, 0.32), np.full(n, 0.44)),
        (np.full(n, 0.27), 0.30 - neck),
        (np.full(n, 0.24), 0.17 - neck),
        (np.full(n, 0.18), 0.12 - neck),
        (0.05 - snout, 0.17 - neck),
        (0.05 - snout, 0.22 - neck),
        (np.full(n, 0.15), 0.24 - neck),
        (np.full(n, 0.18), 0.33 - neck / 2),
        (np.full(n, 0.22), np.full(n, 0.49)),
        (np.full(n, 0.31), np.full(n, 0.60)),
        (np.full(n, 0.46), np.full(n, 0.64)),
        (np.full(n, 0.62), np.full(n, 0.63)),
        (np.full(n, 0.77), np.full(n, 0.63)),
        (np.full(n, 0.85), np.full(n, 0.60)),
        (np.full(n, 0.87), np.full(n, 0.53)),
    ]
    unsure = np.full(len(landmarks), UNSURE)
    unsure[1 : 1 + len(one_hump)] = UNSURE_HUMPS
    return _curve(landmarks, rng, per_span=9, unsure=unsure)


def _legs(walking: np.ndarray, rng: np.random.Generator) -> list[Curve]:
    """Two legs in front and two behind: straight down, or in mid-stride with bent knees."""
    n = len(walking)
    legs = []
    reach = rng.uniform(0.09, 0.14, n)
    ground = rng.uniform(0.93, 1.0, n)
    for hip, sign in ((0.34, -1), (0.44, 1), (0.72, -1), (0.82, 1)):
        step = np.where(walking, sign * reach * rng.uniform(0.8, 1.2, n), 0.0)
        knee = np.where(walking, 0.25 * step - 0.03, 0.0)
        short = np.where(walking & (rng.random(n) < 0.5), 0.04, 0.0)  # a lifted foot
        x = np.full(n, hip)
        legs.append(
            _curve(
                [
                    (x, np.full(n, 0.62)),
                    (x + knee, np.full(n, 0.78)),
                    (x + step, ground - short),
                    (x + step - 0.045, ground - short),
                ],
                rng,
                per_span=7,
                unsure=UNSURE_LEGS,
            )
        )
    return legs


def _tail(rng: np.random.Generator, n: int) -> Curve:
    swing = rng.uniform(-0.01, 0.07, n)
    return _curve(
        [
            (np.full(n, 0.86), np.full(n, 0.50)),
            (0.90 + swing / 2, np.full(n, 0.55)),
            (0.90 + swing, rng.uniform(0.64, 0.74, n)),
        ],
        rng,
        per_span=8,
        unsure=UNSURE_LEGS,
    )


def _eye(rng: np.random.Generator, n: int) -> Curve:
    """A dot in half of the drawings."""
    x, y = 0.155 + rng.normal(0, 0.008, n), 0.165 + rng.normal(0, 0.01, n)
    x[rng.random(n) < 0.5] = np.nan
    return np.stack([x, y], axis=-1)[:, None, :]


# -- the hand and the pen --------------------------------------------------------------------


def _curve(
    landmarks: list[tuple[np.ndarray, np.ndarray]],
    rng: np.random.Generator,
    per_span: int,
    unsure: float | np.ndarray = UNSURE,
) -> Curve:
    """A Catmull-Rom spline through randomly displaced landmarks."""
    knots = np.stack([np.stack(pair, axis=-1) for pair in landmarks], axis=1)
    knots = knots + rng.normal(0, 1, knots.shape) * np.reshape(unsure, (-1, 1))
    padded = np.concatenate([knots[:, :1], knots, knots[:, -1:]], axis=1)
    t = np.linspace(0, 1, per_span, endpoint=False)[:, None]
    basis = 0.5 * np.concatenate(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3],
        axis=1,
    )
    windows = np.stack([padded[:, i : i + knots.shape[1] - 1] for i in range(4)], axis=2)
    spans = np.einsum("pk,nskc->nspc", basis, windows)
    return np.concatenate([spans.reshape(len(knots), -1, 2), knots[:, -1:]], axis=1)


def _tilt(points: Curve, rng: np.random.Generator) -> Curve:
    """Rotate, slant and stretch each drawing at random."""
    n = len(points)
    angle, slant = rng.normal(0, TILT, n), rng.normal(0, SLANT, n)
    wide, tall = (rng.uniform(1 - STRETCH, 1 + STRETCH, n) for _ in range(2))
    turn = np.stack(
        [np.cos(angle) * wide, -np.sin(angle) + slant, np.sin(angle), np.cos(angle) * tall], axis=1
    ).reshape(n, 2, 2)
    return np.einsum("nij,npj->npi", turn, points - 0.5)


def _fill_box(points: Curve) -> Curve:
    """Centre each drawing and scale it to fill its box up to the margins."""
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    scale = (SIDE - 1 - 2 * MARGIN) / (high - low).max(axis=1)
    middle = (low + high) / 2
    return (points - middle[:, None]) * scale[:, None, None] + (SIDE - 1) / 2


def _ink(points: Curve) -> np.ndarray:
    """Draw each point with a soft round pen; return uint8 (drawings, 28, 28)."""
    n = len(points)
    points = np.nan_to_num(points, nan=-9.0)  # off the paper
    corner = np.floor(points).astype(np.int64) - 1
    images = np.zeros((n, SIDE + 6, SIDE + 6), np.float32)
    which = np.arange(n)[:, None]
    for dy, dx in product(range(4), range(4)):
        x, y = corner[..., 0] + dx, corner[..., 1] + dy
        distance = np.hypot(points[..., 0] - x, points[..., 1] - y)
        darkness = np.clip(PEN + 0.5 - distance, 0, 1).astype(np.float32)
        inside = (x >= -3) & (x < SIDE + 3) & (y >= -3) & (y < SIDE + 3)
        at = (which, np.where(inside, y, -3) + 3, np.where(inside, x, -3) + 3)
        np.maximum.at(images, at, np.where(inside, darkness, 0))
    return (images[:, 3:-3, 3:-3] * 255).round().astype(np.uint8)
