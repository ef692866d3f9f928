"""Checkerboards are seen in the spectrum, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from keras_collapse.core.detectors import Checkerboard
from keras_collapse.core.detectors.lasting.checkerboard import VISIBLE
from keras_collapse.core.samples.probe import Probe
from keras_collapse.core.samples.spectrum import Spectrum, has_spectrum

RNG = np.random.default_rng(0)
FILES = ("mnist_10000", "quickdraw_apple_3000", "quickdraw_cat_3000", "cifar10_six_classes")


def smooth(count: int, falls: float = 2, size: int = 32) -> np.ndarray:
    """Images whose power falls with the frequency to this power, as that of photographs does."""
    along = np.fft.fftfreq(size) * size
    fall = 1 / np.maximum(np.hypot(along[:, None], along[None]), 1) ** (falls / 2)
    noise = np.fft.fft2(RNG.normal(size=(count, size, size)))
    return np.asarray(np.fft.ifft2(noise * fall).real[..., None])


REAL, NEW = smooth(500), smooth(256)
ROW, COLUMN = np.indices((32, 32))[:, None, :, :, None]
SIZE = NEW.std()


def ratio(images: np.ndarray) -> tuple[float, float]:
    found = Spectrum(REAL).measure(images)
    return found["checkerboard"], found["checkerboard_period"]


@pytest.mark.parametrize(
    ("pattern", "period"),
    [
        ((ROW + COLUMN) % 2, 2),
        (COLUMN % 2, 2),
        (ROW // 2 % 2, 4),
        (((ROW // 2) + (COLUMN // 2)) % 2, 4),
    ],
    ids=["checkerboard", "stripes", "wide stripes", "wide checkerboard"],
)
def test_patterns_are_seen(pattern: np.ndarray, period: int) -> None:
    for brightness in (0, 100 * SIZE):
        strength, found = ratio(NEW + 0.5 * SIZE * pattern + brightness)
        assert (strength > VISIBLE, found) == (True, period)


def test_new_blurred_sharp_noisy_and_binary_images_have_none() -> None:
    blurred = (NEW + np.roll(NEW, 1, 1) + np.roll(NEW, 1, 2) + np.roll(NEW, (1, 1), (1, 2))) / 4
    noise = RNG.normal(size=NEW.shape)
    for images in (NEW, blurred, 3 * NEW - 2 * blurred, noise, NEW + noise, np.sign(NEW)):
        assert ratio(images)[0] < 1.3


def test_noise_is_none_where_the_data_have_less_of_it() -> None:
    assert Spectrum(smooth(200, falls=9)).measure(RNG.normal(size=NEW.shape))["checkerboard"] < 1.2


def test_a_pattern_that_nobody_sees_is_none() -> None:
    data, pattern = smooth(200, falls=9), (ROW + COLUMN) % 2
    found = [
        Spectrum(data[:100]).measure(data[100:] + share * data.std() * pattern)["checkerboard"]
        for share in (0.01, 0.1)
    ]
    assert found[0] < VISIBLE < found[1]


def test_what_cannot_be_measured_is_not() -> None:
    assert not has_spectrum((64,))
    assert not has_spectrum((8, 8, 1))
    assert Spectrum(REAL).measure(np.where(np.arange(32) == 3, np.nan, NEW[..., 0])) == {}
    odd = Spectrum(REAL[:, :25, :27])
    assert odd.measure(NEW[:, :25, :27]) == {}
    for constant in (0.0, 0.1):
        assert ratio(np.full_like(NEW, constant))[0] < 1


@pytest.mark.skipif("KERAS_COLLAPSE_DATA" not in os.environ, reason="KERAS_COLLAPSE_DATA is unset")
@pytest.mark.parametrize("name", FILES)
def test_no_part_of_real_images_has_a_pattern_that_the_rest_lacks(name: str) -> None:
    path = Path(os.environ["KERAS_COLLAPSE_DATA"]) / f"{name}.npz"
    images = np.load(path)["images"][:2500].astype("float32")
    order = np.random.default_rng(0).permutation(len(images))
    for start in range(1024, 2500 - 256, 256):
        rest, part = images[order[:1024]], images[order[start : start + 256]]
        assert Spectrum(rest).measure(part)["checkerboard"] < 1.1
    first, second = np.split(images[:2000], 2)  # sorted by class, where the file is
    assert Spectrum(first).measure(second)["checkerboard"] < VISIBLE


def finding(**values: float) -> list[str]:
    detector = Checkerboard()
    for step in range(0, 1200, 200):
        detector.update_probe(Probe(step, {"checkerboard_period": 2.0} | values))
    assert detector.unavailable_reason == ""
    return [f"{f.severity}: {f.message} {f.advice[0]}" for f in detector.findings]


def test_a_pattern_that_lasts_is_an_info_and_names_the_kernels() -> None:
    assert finding(checkerboard=1.4) == []
    [even] = finding(checkerboard=2.0, uneven_convolutions=0.0)
    [uneven] = finding(checkerboard=2.0, uneven_convolutions=2.0)
    assert even.startswith("info: G's samples show a pattern that repeats every 2 pixels")
    assert "UpSampling2D" in even
    assert "2 of G's transposed convolutions" in uneven
    assert "a kernel size that is divisible by the stride" in uneven
