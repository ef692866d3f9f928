"""Unlabelled modes are separated where possible, and what fakes miss of them is found."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

import camel_drawings
import numpy as np
import pytest

from keras_collapse.core.samples.distances import distances
from keras_collapse.core.samples.diversity import Diversity, RealSample
from keras_collapse.core.samples.missing import Neighbourhoods, fisher_p_value, missed_modes
from keras_collapse.core.samples.modes import find_modes, intrinsic_dimension

Samples = tuple[np.ndarray, np.ndarray]  # float (n, d), the mode of each


def ring(n: int, rng: np.random.Generator, radius: float = 2.0) -> Samples:
    """PacGAN's ring of 8 Gaussians; their spread is a hundredth of the radius."""
    labels = rng.integers(0, 8, n)
    angle = 2 * np.pi * labels / 8
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centres + rng.normal(0, radius / 100, (n, 2)), labels


def grid(n: int, rng: np.random.Generator) -> Samples:
    """PacGAN's grid of 25 Gaussians."""
    labels = rng.integers(0, 25, n)
    centres = np.stack([labels // 5, labels % 5], axis=1) * 2.0 - 4.0
    return centres + rng.normal(0, 0.05, (n, 2)), labels


def unequal(n: int, rng: np.random.Generator) -> Samples:
    """Five Gaussians of unequal weight and spread."""
    labels = rng.choice(5, n, p=[0.40, 0.25, 0.15, 0.12, 0.08])
    centres = np.array([[0, 0], [4, 0], [0, 4], [4, 4], [8, 2.0]])
    spread = np.array([0.3, 0.1, 0.2, 0.4, 0.05])
    return centres[labels] + rng.normal(0, 1, (n, 2)) * spread[labels, None], labels


def gaussian(n: int, rng: np.random.Generator) -> Samples:
    return rng.normal(size=(n, 2)), np.zeros(n, int)


def gaussian_10d(n: int, rng: np.random.Generator) -> Samples:
    return rng.normal(size=(n, 10)), np.zeros(n, int)


def square(n: int, rng: np.random.Generator) -> Samples:
    return rng.uniform(size=(n, 2)), np.zeros(n, int)


def line(n: int, rng: np.random.Generator) -> Samples:
    return rng.uniform(size=(n, 1)), np.zeros(n, int)


def heavy_tails(n: int, rng: np.random.Generator) -> Samples:
    return rng.standard_t(3, (n, 2)), np.zeros(n, int)


@cache
def drawn_camels() -> Samples:
    images, labels = camel_drawings.draw(2400)
    return images.reshape(2400, -1).astype(np.float32) / 127.5 - 1, labels


def camels(n: int, rng: np.random.Generator) -> Samples:
    """Embedded drawings of 8 labelled kinds, 784 numbers each; 2400 at most."""
    images, labels = drawn_camels()
    some = rng.choice(len(images), min(n, len(images)), replace=False)
    return images[some], labels[some]


def mixed_drawings(n: int, rng: np.random.Generator) -> Samples:
    """Real Quick, Draw! drawings of three categories."""
    if "KERAS_COLLAPSE_DATA" not in os.environ:
        pytest.skip("KERAS_COLLAPSE_DATA names no folder with Quick, Draw! files")
    labels = np.sort(rng.integers(0, 3, n))
    parts = []
    for label, category in enumerate(("apple", "bicycle", "cat")):
        file = Path(os.environ["KERAS_COLLAPSE_DATA"], f"quickdraw_{category}_3000.npz")
        images = np.load(file)["images"]
        parts.append(images[rng.choice(3000, int((labels == label).sum()), replace=False)])
    return np.concatenate(parts).reshape(n, -1) / 127.5 - 1, labels


def apart(points: np.ndarray) -> np.ndarray:
    return distances(points, points)


def check_without(samples, kept, n: int = 1000, m: int = 512, seed: int = 0) -> Diversity:
    """A sample check of fakes that are real samples of the kept modes only."""
    rng = np.random.default_rng(seed)
    real, _ = samples(n, rng)
    pool, labels = samples(8 * m, rng)
    return RealSample(real).compare(rng.permutation(pool[np.isin(labels, kept)])[:m])


# -- finding modes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "n", "modes"),
    [(ring, 150, 8), (ring, 1000, 8), (grid, 500, 25), (grid, 1000, 25), (unequal, 300, 5)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_separate_modes_are_counted(samples, n, modes):
    for seed in range(3):
        points, labels = samples(n, np.random.default_rng(seed))
        found = find_modes(apart(points))
        assert (found.count, found.clear) == (modes, True)
        pairs = set(zip(found.labels.tolist(), labels.tolist(), strict=True))
        assert len(pairs) == modes  # each mode found is one mode made


@pytest.mark.parametrize("samples", [gaussian, gaussian_10d, square, line, heavy_tails])
@pytest.mark.parametrize(("n", "tries"), [(100, 30), (1000, 2)])
def test_one_lump_is_one_mode_never_many(samples, n, tries):
    counts = [
        find_modes(apart(samples(n, np.random.default_rng(seed))[0])).count for seed in range(tries)
    ]
    assert set(counts) == {1}


def test_in_many_dimensions_one_mode_found_is_not_called_clear():
    rng = np.random.default_rng(0)
    assert find_modes(apart(gaussian(500, rng)[0])).clear
    assert not find_modes(apart(gaussian_10d(500, rng)[0])).clear
    # Four samples to a mode: neighbours lie in other modes, so nothing can be concluded.
    assert not find_modes(apart(grid(100, rng)[0])).clear


def test_modes_do_not_depend_on_scale_or_on_repeated_samples():
    points, _ = ring(300, np.random.default_rng(0))
    assert find_modes(apart(points * 1e-6)).count == 8
    assert find_modes(apart(np.concatenate([points, points]))).count == 8
    assert find_modes(apart(np.repeat(np.eye(8), 40, axis=0))).count == 8


def test_samples_that_are_all_equal_are_one_mode():
    assert find_modes(np.zeros((64, 64))).count == 1


@pytest.mark.parametrize("dimensions", [1, 2, 8])
def test_intrinsic_dimension_is_that_of_the_data_not_of_the_space(dimensions):
    rng = np.random.default_rng(0)
    flat = (
        rng.uniform(size=(1000, dimensions)) @ np.linalg.qr(rng.normal(size=(20, dimensions)))[0].T
    )
    assert intrinsic_dimension(apart(flat)) == pytest.approx(dimensions, rel=0.2)


def test_camels_that_face_left_and_right_are_two_modes():
    points, _ = camels(1000, np.random.default_rng(0))
    result = RealSample(points).compare(points[:64])
    assert (result.modes_real, result.modes_clear) == (2, True)


# -- probabilities ----------------------------------------------------------------------------


def test_at_most_is_fishers_exact_test():
    m, n = 7, 9
    fake, real = (part.ravel() for part in np.meshgrid(np.arange(m + 1), np.arange(n + 1)))
    expected = []
    for a, b in zip(fake.tolist(), real.tolist(), strict=True):
        ways = sum(math.comb(m, t) * math.comb(n, a + b - t) for t in range(a + 1))
        expected.append(ways / math.comb(m + n, a + b))
    assert fisher_p_value(fake, real, m, n) == pytest.approx(expected)


def test_a_mode_is_missed_only_where_chance_does_not_explain_it():
    of_real = np.full(8, 125)
    for fake, missed in [([70] * 7 + [0], 1), ([70] * 7 + [30], 0), ([9] * 7 + [0], 0)]:
        of_fake = np.array(fake)
        assert missed_modes(of_real, of_fake, of_fake).sum() == missed


def test_many_empty_modes_prove_together_what_none_proves_alone():
    of_real = np.full(25, 40)
    for empty, missed in [(1, 0), (12, 12)]:
        of_fake = np.array([128 // (25 - empty)] * (25 - empty) + [0] * empty)
        assert missed_modes(of_real, of_fake, of_fake).sum() == missed


def test_a_mode_whose_fakes_are_all_out_of_reach_is_missed():
    of_real = of_fake = np.full(8, 60)
    reached = np.array([0, 1, *[30] * 6])
    assert missed_modes(of_real, of_fake, reached).tolist() == [True, *[False] * 7]


# -- what fakes miss --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "kept"),
    [
        (ring, range(8)),
        (ring, range(7)),
        (ring, range(4)),
        (ring, [5]),
        (grid, range(25)),
        (grid, range(24)),
        (grid, range(13)),
        (unequal, [0, 1, 2, 3]),
        (unequal, [1, 4]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_modes_that_fakes_miss_are_counted_and_weighed(samples, kept):
    result = check_without(samples, list(kept))
    _, labels = samples(1000, np.random.default_rng(0))
    assert result.modes_covered == len(kept)
    assert result.missing_in_modes == pytest.approx(
        np.mean(~np.isin(labels, list(kept))), abs=0.002
    )


def test_the_estimate_of_modes_covered_orders_generators_rightly():
    rng = np.random.default_rng(1)
    real = RealSample(grid(1000, rng)[0])
    pool, labels = grid(6000, rng)
    for covered in range(1, 26, 3):
        kept = rng.permutation(25)[:covered]
        result = real.compare(rng.permutation(pool[np.isin(labels, kept)])[:256])
        assert abs(result.modes_covered - covered) <= 1


@pytest.mark.parametrize(
    ("samples", "kept", "least", "most"),
    [
        (mixed_drawings, [0], 0.40, 0.67),  # of three categories, one
        (mixed_drawings, [1, 2], 0.20, 0.34),
        (camels, [0, 1, 4, 5], 0.48, 0.52),  # facing left
        (camels, [0, 2, 4, 6], 0.20, 0.50),  # standing
        (camels, [3], 0.50, 0.88),  # one kind of eight
    ],
    ids=["apples", "no apples", "left", "standing", "one kind"],
)
def test_of_drawings_what_is_missing_is_seen_without_labels(samples, kept, least, most):
    result = check_without(samples, kept)
    assert least <= result.missing_share <= most
    assert result.missing_locally >= least - 0.01


@pytest.mark.parametrize(
    "samples", [ring, grid, unequal, gaussian, gaussian_10d, square, camels, mixed_drawings]
)
@pytest.mark.parametrize(("n", "m"), [(100, 64), (100, 700), (600, 256)])
def test_fakes_as_good_as_real_samples_miss_nothing(samples, n, m):
    for seed in range(2):
        both, _ = samples(n + m, np.random.default_rng(seed))
        both = np.random.default_rng(seed).permutation(both)
        result = RealSample(both[:n]).compare(both[n:])
        assert result.modes_covered == result.modes_real
        assert result.missing_share <= 0.03


@pytest.mark.parametrize("change", ["noise", "blur", "pale"])
def test_poor_drawings_are_not_missing_ones(change):
    rng = np.random.default_rng(2)
    both, _ = camels(1512, rng)
    real, fake = both[:1000], both[1000:]
    if change == "noise":
        fake = fake + rng.normal(0, 0.3, fake.shape)
    elif change == "blur":
        images = fake.reshape(-1, 28, 28)
        shifts = [(0, 0), (0, 1), (1, 0), (1, 1)]
        fake = sum(np.roll(images, shift, axis=(1, 2)) for shift in shifts)
        fake = fake.reshape(512, -1) / 4
    else:
        fake = (fake + 1) * 0.7 - 1
    result = RealSample(real).compare(fake)
    assert result.missing_share <= 0.03
    assert result.modes_covered == result.modes_real


def test_too_few_samples_give_no_answer():
    points = np.random.default_rng(0).normal(size=(400, 2))
    around = Neighbourhoods(apart(points))
    assert around.missing(distances(points[:16], points)) is None
    assert around.missing(distances(np.zeros((256, 2)), points)).mean() > 0.7
