"""The effect of labels, and generated samples of each class next to its real ones."""

from __future__ import annotations

import numpy as np
import pytest

from keras_collapse.core.samples.classes import ClassSamples, label_effect

RNG = np.random.default_rng(0)
CLASSES = 8
ANGLES = 2 * np.pi * np.arange(CLASSES) / CLASSES
CENTRES = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LABELS = np.resize(np.arange(CLASSES), 512)


def drawn(labels: np.ndarray, seed: int = 1, spread: float = 0.05) -> np.ndarray:
    return CENTRES[labels] + spread * np.random.default_rng(seed).normal(size=(len(labels), 2))


REAL = ClassSamples(drawn(LABELS), LABELS)
FAKE = np.resize(np.arange(CLASSES), 256)


def test_the_effect_is_the_labels_share_of_the_variance() -> None:
    z = RNG.normal(size=(1, 5000, 1))
    label = np.array([-1.0, 1.0]).reshape(2, 1, 1)
    assert label_effect(z + 0 * label) == 0
    assert label_effect(0 * z + label) == 1
    assert label_effect(z + label) == pytest.approx(0.5, abs=0.02)


def test_the_effect_of_equal_or_infinite_samples_is_undefined() -> None:
    same = np.full((4, 8, 784), 0.7, "float32")
    assert label_effect(same) is None
    assert label_effect(same + 1e-8 * RNG.normal(size=same.shape)) is None
    same[0, 0, 0] = np.nan
    assert label_effect(same) is None


def test_samples_like_the_data_agree_with_their_labels() -> None:
    found = REAL.compare(drawn(FAKE, seed=2), FAKE)
    assert found["label_agreement"] == pytest.approx(1, abs=0.05)
    assert found["class_missing_share"] == 0
    assert found["class_distance_ratio"] > 0.6


def test_samples_of_any_class_do_not_agree_with_their_labels() -> None:
    agreement = [
        REAL.compare(drawn(np.random.default_rng(s).permutation(FAKE), seed=s), FAKE)
        for s in range(20)
    ]
    assert max(abs(found["label_agreement"]) for found in agreement) < 0.15


@pytest.mark.parametrize("fault", ["alike", "elsewhere"])
def test_a_class_that_is_alike_or_elsewhere_is_named(fault: str) -> None:
    fake = drawn(FAKE, seed=2)
    lost = FAKE == 5
    fake[lost] = fake[lost][0] if fault == "alike" else drawn(FAKE[lost] * 0 + 2, seed=3)
    found = REAL.compare(fake, FAKE)
    assert found["worst_class"] == 5
    assert found["class_missing_share"] == pytest.approx(1 / CLASSES, abs=0.01)
    assert found["label_agreement"] > 0.8


def test_a_generator_that_narrows_every_class_has_lost_none() -> None:
    found = REAL.compare(drawn(FAKE, seed=2, spread=0.003), FAKE)
    assert found["class_distance_ratio"] < 0.1
    assert found["class_missing_share"] == 0


def test_samples_like_the_data_hardly_ever_lose_a_class() -> None:
    lost = [
        REAL.compare(drawn(FAKE, seed, spread), FAKE)["class_missing_share"]
        for seed in range(100, 200)
        for spread in (0.02, 0.05, 0.1)
    ]
    assert max(lost) == 0


def test_classes_that_distances_do_not_tell_apart_are_not_compared() -> None:
    labels = RNG.integers(0, 4, 512)
    real = ClassSamples(RNG.normal(size=(512, 2)), labels)
    assert "label_agreement" not in real.compare(RNG.normal(size=(256, 2)), labels[:256])


def test_too_few_samples_of_each_class_give_no_class_numbers() -> None:
    found = REAL.compare(drawn(FAKE[:40]), FAKE[:40])
    assert found.keys() == {"label_agreement"}
    assert REAL.compare(np.full((256, 2), np.nan), FAKE) == {}
