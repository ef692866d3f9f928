"""Sample checks measure fidelity, diversity and repeats, and reject unusable input."""

from __future__ import annotations

import json
import time
import warnings
from functools import cache

import camel_drawings
import numpy as np
import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.core.samples import diversity
from keras_collapse.core.samples.distances import distances
from keras_collapse.core.samples.diversity import Diversity, RealSample, compare_samples
from keras_collapse.core.samples.fidelity import coverage_expected, fidelity, support_from_pairs


def ring(n: int, rng: np.random.Generator, modes: int = 8) -> np.ndarray:
    """PacGAN's ring of 8 Gaussians, or the first few of them."""
    angle = 2 * np.pi * rng.integers(0, modes, n) / 8
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.02, (n, 2))


@cache
def camels(n: int, seed: int) -> np.ndarray:
    return camel_drawings.draw(n, seed)[0].reshape(n, -1).astype(np.float32) / 127.5 - 1


def exact(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(a[:, None] - b).sum(axis=2))


# -- the statistics ---------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 2, 300])
def test_distances_are_those_of_differences(dimensions):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, dimensions)), rng.normal(size=(40, dimensions))
    assert distances(a, b) == pytest.approx(exact(a, b))


def test_distances_do_not_cancel_far_from_the_origin():
    rng = np.random.default_rng(0)
    clumps = rng.normal(0, 1e6, (8, 30))[rng.integers(0, 8, 100)]  # each is far from the others
    points = clumps + rng.normal(0, 1e-3, clumps.shape)
    assert distances(points, points) == pytest.approx(exact(points, points), rel=1e-4)


def test_equal_rows_are_at_distance_zero_exactly():
    rng = np.random.default_rng(0)
    a = rng.normal(1e3, 1, (60, 50))
    assert np.all(np.diag(distances(a, a)) == 0)
    assert np.all(np.diag(distances(a, a[::-1].copy())[:, ::-1]) == 0)


@pytest.mark.parametrize("shapes", [((200, 2), (150, 2)), ((64, 784), (128, 784)), ((50, 8),) * 2])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_fidelity_is_that_of_the_prdc_package(shapes, shift):
    prdc = pytest.importorskip("prdc", reason="the oracle is not installed")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=shapes[0]), rng.normal(shift, 0.8, shapes[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn on prdc's way of calling it
        expected = prdc.compute_prdc(real, fake, nearest_k=5)
    assert fidelity(real, fake)._asdict() == pytest.approx(expected)


def test_fidelity_is_the_same_in_small_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(100, 3)), rng.normal(size=(70, 3))
    whole = fidelity(real, fake)
    monkeypatch.setattr("keras_collapse.core.samples.distances.MAX_NUMBERS", 500)
    assert fidelity(real, fake) == whole


def test_data_that_repeats_itself_covers_itself():
    corners = np.repeat(np.eye(4), 20, axis=0)
    assert fidelity(corners, corners) == (1.0, 1.0, 4.0, 1.0)


@pytest.mark.parametrize(("n", "m"), [(100, 64), (300, 300), (64, 500)])
def test_expected_coverage_is_what_perfect_fakes_reach(n, m):
    rng = np.random.default_rng(0)
    reached = [
        fidelity(rng.normal(size=(n, 2)), rng.normal(size=(m, 2))).coverage for _ in range(30)
    ]
    assert np.mean(reached) == pytest.approx(coverage_expected(n, m), abs=0.02)


@pytest.mark.parametrize("support", [20, 300, 2500])
def test_the_support_of_a_generator_lies_in_its_interval(support):
    rng = np.random.default_rng(0)
    real = RealSample(rng.normal(size=(700, 8)))
    results = [
        real.compare(rng.normal(size=(support, 8))[rng.integers(0, support, 700)]) for _ in range(5)
    ]
    inside = [result.support_low <= support <= result.support_high for result in results]
    assert sum(inside) >= 4
    assert np.median([result.support_estimate for result in results]) == pytest.approx(
        support, rel=0.2
    )


def test_without_repeats_there_is_only_a_lower_bound_of_the_support():
    rng = np.random.default_rng(0)
    result = compare_samples(rng.normal(size=(1000, 8)), rng.normal(size=(1000, 8)))
    assert (result.support_estimate, result.support_high) == (None, None)
    assert result.support_low > 10_000
    assert support_from_pairs(3, 100, real_pairs=3).estimate is None


def test_repeats_count_against_those_of_the_real_data():
    rng = np.random.default_rng(0)
    rounded = rng.normal(size=(1200, 2)).round(1)  # the data itself repeats
    result = compare_samples(rounded[:600], rounded[600:])
    assert result.support_estimate is None
    half = rounded[600:].copy()
    half[:300] = rng.normal(size=(10, 2))[rng.integers(0, 10, 300)]
    assert compare_samples(rounded[:600], half).support_estimate < 100


def test_the_result_does_not_depend_on_place_and_scale():
    rng = np.random.default_rng(0)
    real, fake = ring(300, rng), ring(200, rng, modes=3)
    here, there = compare_samples(real, fake), compare_samples(real * 1e-9 + 1.0, fake * 1e-9 + 1.0)
    assert there.modes_covered == here.modes_covered == 3
    for name in ("missing_share", "precision", "coverage", "duplicate_share", "distance_ratio"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), abs=0.02), name


def test_sliced_wasserstein_is_in_standard_deviations_of_the_data():
    rng = np.random.default_rng(0)
    real = RealSample(5 * rng.normal(size=(1000, 1)))
    same, shifted = real.compare(5 * rng.normal(size=(500, 1))), 5 * rng.normal(2, 1, (500, 1))
    assert same.sliced_wasserstein == pytest.approx(same.sliced_wasserstein_baseline, abs=0.1)
    assert real.compare(shifted).sliced_wasserstein == pytest.approx(2, rel=0.1)


# -- healthy and failing generators -----------------------------------------------------------


def healthy(rng: np.random.Generator) -> np.ndarray:
    return ring(512, rng)


def one_point(rng: np.random.Generator) -> np.ndarray:
    return np.tile(ring(1, rng), (512, 1))


def nearly_one_point(rng: np.random.Generator) -> np.ndarray:
    return ring(1, rng) + rng.normal(0, 1e-5, (512, 2))


def one_mode(rng: np.random.Generator) -> np.ndarray:
    return ring(512, rng, modes=1)


def half_of_the_modes(rng: np.random.Generator) -> np.ndarray:
    return ring(512, rng, modes=4)


def few_points(rng: np.random.Generator) -> np.ndarray:
    return ring(30, rng)[rng.integers(0, 30, 512)]


def noisy(rng: np.random.Generator) -> np.ndarray:
    return ring(512, rng) + rng.normal(0, 0.1, (512, 2))


def untrained(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 0.1, (512, 2))


ONE_POINT = {
    "modes_covered": (1, 1),
    "missing_share": (0.85, 1),
    "duplicate_share": (1, 1),
    "support_estimate": (1, 1),
    "recall": (0, 0.01),
    "coverage": (0, 0.02),
    "distance_ratio": (0, 0),
}
EXPECTED = {
    healthy: {
        "modes_covered": (8, 8),
        "missing_share": (0, 0),
        "duplicate_share": (0, 0.05),
        "precision": (0.95, 1),
        "recall": (0.9, 1),
        "density": (0.9, 1.1),
        "coverage": (0.82, 0.92),
        "distance_ratio": (0.95, 1.05),
        "sliced_wasserstein": (0, 0.15),
    },
    one_point: ONE_POINT,
    nearly_one_point: ONE_POINT | {"distance_ratio": (0, 1e-4)},
    one_mode: {
        "modes_covered": (1, 1),
        "missing_share": (0.85, 0.9),
        "precision": (0.95, 1),
        "recall": (0.1, 0.15),
        "coverage": (0.1, 0.15),
        "distance_ratio": (0, 0.05),
        "sliced_wasserstein": (0.5, 2),
    },
    half_of_the_modes: {
        "modes_covered": (4, 4),
        "missing_share": (0.48, 0.53),
        "precision": (0.95, 1),
        "recall": (0.4, 0.53),
        "coverage": (0.4, 0.53),
        "sliced_wasserstein": (0.3, 2),
    },
    few_points: {
        "duplicate_share": (1, 1),
        "support_estimate": (25, 36),
        "coverage": (0, 0.2),
    },
    noisy: {
        "modes_covered": (8, 8),
        "missing_share": (0, 0.15),
        "precision": (0, 0.3),
        "density": (0, 0.2),
        "sliced_wasserstein": (0, 0.2),
    },
    untrained: {
        "modes_covered": (0, 0),
        "missing_share": (1, 1),
        "precision": (0, 0),
        "coverage": (0, 0),
    },
}


@pytest.mark.parametrize("generator", EXPECTED, ids=lambda generator: generator.__name__)
def test_each_failure_shows_in_the_numbers_that_mean_it(generator):
    rng = np.random.default_rng(3)
    real = RealSample(ring(1000, rng))
    for _ in range(2):
        result = real.compare(generator(rng))
        assert result.modes_real == 8
        for name, (least, most) in EXPECTED[generator].items():
            assert least <= getattr(result, name) <= most, (name, result)


def test_of_drawings_too_collapse_and_noise_show():
    real = RealSample(camels(1000, seed=0))
    good = camels(512, seed=1)
    result = real.compare(good)
    assert result.coverage == pytest.approx(result.coverage_expected, abs=0.08)
    assert result.precision > 0.85
    assert result.missing_share == 0
    assert result.support_estimate is None

    rng = np.random.default_rng(0)
    noise = real.compare(good + rng.normal(0, 0.3, good.shape))
    assert noise.precision < 0.5
    assert noise.coverage < 0.4
    few = real.compare(good[rng.integers(0, 10, 512)])
    assert (few.duplicate_share, few.support_estimate) == (1.0, pytest.approx(10, abs=1))
    assert few.coverage < 0.2
    point = real.compare(np.tile(good[:1], (512, 1)))
    assert (point.distance_ratio, point.support_estimate) == (0.0, 1.0)  # equal to the bit
    assert point.missing_share > 0.5


# -- what is handed in ------------------------------------------------------------------------


def test_samples_that_are_not_finite_are_counted_and_left_out():
    rng = np.random.default_rng(0)
    real, fake = RealSample(ring(300, rng)), ring(200, rng)
    broken = np.concatenate([fake, [[np.nan, 0], [np.inf, 1], [0, -np.inf]]])
    result = real.compare(broken)
    assert (result.fake, result.not_finite) == (200, 3)
    assert result.precision > 0.9
    nothing = real.compare(np.full((100, 2), np.nan))
    assert nothing == Diversity(300, 0, 100, 8, True)
    assert nothing.missing_share is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e30, 1e300, -3e38])
def test_exploded_samples_are_far_and_nothing_else(size):
    rng = np.random.default_rng(0)
    real = RealSample(ring(300, rng).astype(np.float32))
    result = real.compare(np.concatenate([ring(100, rng), np.full((1, 2), size)]))
    assert (result.not_finite, result.modes_covered) == (0, 8)
    assert result.precision == pytest.approx(0.98, abs=0.03)
    assert all(np.isfinite(value) for value in result.to_dict().values() if value is not None)


@pytest.mark.filterwarnings("error")
def test_data_without_any_variation_is_compared_without_errors():
    same = np.ones((100, 5))
    result = compare_samples(same, same)
    assert (result.modes_real, result.coverage, result.missing_share) == (1, 1.0, 0.0)
    assert result.distance_ratio is None
    assert compare_samples(same, same + np.arange(5)).coverage == 0


def test_integers_and_booleans_are_numbers_too():
    images = camel_drawings.draw(200)[0].reshape(200, -1)
    as_floats = compare_samples(images[:100].astype(float), images[100:].astype(float))
    assert compare_samples(images[:100], images[100:]) == as_floats
    assert compare_samples(images[:100] > 99, images[100:] > 99).coverage > 0.3


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        (np.zeros(100), np.zeros(100), r"shape \(100,\)"),
        (np.zeros((10, 2)), np.zeros((100, 2)), "Received: 10. Give at least 32"),
        (np.zeros((100, 2)), np.zeros((9, 2)), "Received: 9. Give at least 32"),
        (np.zeros((100, 2)), np.zeros((100, 3)), "Received: 3 and 2 numbers"),
        (np.full((100, 2), np.nan), np.zeros((100, 2)), "Received: 100 such samples of 100"),
        (np.full((100, 2), "a"), np.zeros((100, 2)), "must be numbers"),
        (np.zeros((100, 2)), np.zeros((100, 2), complex), "must be numbers"),
        (np.zeros((100, 0)), np.zeros((100, 0)), r"shape \(100, 0\)"),
    ],
)
def test_unusable_input_gets_one_clear_line(real, fake, words):
    with pytest.raises(InputError, match=words) as raised:
        compare_samples(real, fake)
    assert "\n" not in str(raised.value)


def test_fidelity_needs_more_samples_than_neighbours():
    with pytest.raises(InputError, match="more than 5 real and 5 generated"):
        fidelity(np.zeros((5, 2)), np.zeros((9, 2)))


def test_the_same_seed_gives_the_same_result():
    real, fake = camels(300, seed=0)[:200], camels(300, seed=0)[200:]
    assert compare_samples(real, fake, seed=4) == compare_samples(real, fake, seed=4)
    assert compare_samples(real, fake, seed=4) != compare_samples(real, fake, seed=5)


def test_of_large_samples_a_part_is_compared_even_where_they_are_sorted(monkeypatch):
    monkeypatch.setattr(diversity, "MOST_SAMPLES", 700)
    rng = np.random.default_rng(0)
    real, fake = ring(2500, rng), ring(2500, rng)
    result = compare_samples(real[np.argsort(real[:, 0])], fake[np.argsort(fake[:, 0])])
    assert (result.real, result.fake) == (700, 700)
    assert result.duplicate_share < 0.05
    assert (result.modes_covered, result.missing_share) == (8, 0)


def test_neither_sample_is_changed_and_a_result_is_plain_json():
    rng = np.random.default_rng(0)
    real, fake = ring(100, rng), ring(100, rng)
    copies = real.copy(), fake.copy()
    result = compare_samples(real, fake)
    assert np.array_equal(real, copies[0])
    assert np.array_equal(fake, copies[1])
    assert Diversity(**json.loads(json.dumps(result.to_dict()))) == result


def test_wide_samples_are_sketched_without_losing_what_matters():
    rng = np.random.default_rng(0)
    images = camels(1000, seed=0)[:700].reshape(-1, 28, 28)
    wide = images.repeat(2, axis=1).repeat(2, axis=2).reshape(700, -1)
    result, exactly = compare_samples(wide[:400], wide[400:]), fidelity(wide[:400], wide[400:])
    assert result.coverage == pytest.approx(exactly.coverage, abs=0.06)
    assert result.precision == pytest.approx(exactly.precision, abs=0.06)
    assert result.recall == pytest.approx(exactly.recall, abs=0.06)
    repeated = wide[400:][rng.integers(0, 20, 300)]
    assert compare_samples(wide[:400], repeated).duplicate_share == 1.0


def test_a_sample_check_costs_less_than_a_second():
    real, fake = RealSample(camels(1000, seed=0)), camels(512, seed=1)
    costs = []
    for _ in range(4):
        begin = time.process_time()
        real.compare(fake)
        costs.append(time.process_time() - begin)
    assert min(costs) < 1  # 0.07 s when this was written; a slow machine must pass too
