"""Copies of training samples are told from new, blurred, pale and repeated ones."""

from __future__ import annotations

import numpy as np
import pytest

from keras_collapse.core.detectors import Memorisation
from keras_collapse.core.samples.memorisation import FEWEST, TrainingSet, held_out_scores
from keras_collapse.core.samples.probe import Probe

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(12, 300))


def drawn(count: int) -> np.ndarray:
    """Samples of twelve dimensions in three hundred, with a little noise."""
    return RNG.normal(size=(count, 12)) @ MIX + RNG.normal(0, 0.1, (count, 300))


TRAINING, OTHERS = drawn(200), drawn(300)


def found(
    fakes: np.ndarray, training: np.ndarray = TRAINING, held: bool = False
) -> tuple[float, float]:
    values = TrainingSet(training, OTHERS if held else None).measure(fakes)
    return values.get("copied_share", 0.0), values.get("copying_z", 0.0)


@pytest.mark.parametrize("held", [False, True])
def test_copies_are_found_with_and_without_held_out_samples(held: bool) -> None:
    share, z = found(TRAINING[:150] + RNG.normal(0, 0.3, (150, 300)), held=held)
    assert share == 1
    assert z > 10


def test_a_few_copies_among_new_samples_are_counted() -> None:
    share, _ = found(np.concatenate([TRAINING[:60], drawn(140)]))
    assert 0.2 < share < 0.6


@pytest.mark.parametrize("held", [False, True])
def test_new_blurred_pale_and_noisy_samples_are_no_copies(held: bool) -> None:
    new = drawn(250)
    centre = TRAINING.mean(axis=0)
    blurred = np.stack([TRAINING[RNG.choice(200, 8)].mean(axis=0) for _ in range(250)])
    for fakes in (new, blurred, centre + 0.2 * (new - centre), RNG.normal(0, 5, (250, 300))):
        share, z = found(fakes, held=held)
        assert share <= 0.02
        assert z < 4


def test_data_with_duplicates_are_no_copies_of_themselves() -> None:
    twins = np.concatenate([TRAINING, TRAINING])  # every sample twice
    share, z = found(drawn(250), twins)
    assert (share, z < 0) == (0, True)
    # A copy has no other expected ratio there than a sample of the data itself.
    assert found(TRAINING, twins)[0] == 0


def test_a_g_that_repeats_few_samples_is_not_measured() -> None:
    few = np.repeat(TRAINING[: FEWEST - 1], 10, axis=0)
    assert TrainingSet(TRAINING).measure(few) == {}
    assert TrainingSet(TRAINING).measure(np.full((250, 300), np.nan)) == {}


def test_too_few_training_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than"):
        TrainingSet(TRAINING[:10])


def test_d_that_takes_held_out_samples_for_fakes_has_a_gap_of_one() -> None:
    real, fake = RNG.normal(3, 1, 256), RNG.normal(-3, 1, 256)
    same, like_fakes = (held_out_scores(real, RNG.normal(mean, 1, 256), fake) for mean in (3, -3))
    assert same["d_held_out_gap"] == pytest.approx(0, abs=0.05)
    assert same["d_overfits"] == pytest.approx(0.5, abs=0.07)
    assert like_fakes["d_held_out_gap"] == pytest.approx(1, abs=0.05)
    assert like_fakes["d_overfits"] > 0.99
    sigmoid = [1 / (1 + np.exp(-x)) for x in (real, RNG.normal(0, 1, 256), fake)]
    assert held_out_scores(*sigmoid, True)["d_held_out_gap"] == pytest.approx(0.5, abs=0.05)
    assert "d_held_out_gap" not in held_out_scores(fake, fake, real)  # D ranks the wrong way


OVERFIT = {"d_overfits": 0.95, "d_held_out_gap": 1.1, "d_score_held_out": -1.0}
COPIES = {"copied_share": 0.5, "copying_z": 9.0}
NEITHER = {"copied_share": 0.0, "copying_z": -2.0, "d_overfits": 0.55, "d_held_out_gap": 0.1}


def finds(*checks: dict[str, float]) -> list[str]:
    detector = Memorisation()
    for place, values in enumerate(checks):
        detector.update_probe(Probe(place * 200, values))
    assert detector.unavailable_reason == ""  # a first sign leaves the verdict as it is
    return [str(f.severity) + " resolved" * f.resolved for f in detector.findings]


@pytest.mark.parametrize("sign", [OVERFIT, COPIES])
def test_either_sign_is_a_warning_once_it_lasts(sign: dict[str, float]) -> None:
    assert finds(*[sign] * 3) == []
    assert finds(*[sign] * 4) == ["warning"]
    assert finds(*[sign] * 4, NEITHER, NEITHER) == ["warning resolved"]
    assert finds(*[sign, NEITHER] * 4) == []


@pytest.mark.parametrize(
    "change",
    [
        {"copied_share": 0.1},
        {"copying_z": 3.0},
        {"duplicate_share": 0.9},
        {"missing_share": 0.8, "distance_ratio": 0.3},
    ],
)
def test_weak_signs_and_collapsed_samples_are_none(change: dict[str, float]) -> None:
    assert finds(*[COPIES | change] * 9) == []


@pytest.mark.parametrize("change", [{"d_overfits": 0.7}, {"d_held_out_gap": 0.4}])
def test_a_small_lead_of_the_training_data_is_none(change: dict[str, float]) -> None:
    assert finds(*[OVERFIT | change] * 9) == []


def test_what_is_seen_is_named() -> None:
    detector = Memorisation()
    for step in range(0, 800, 200):
        detector.update_probe(Probe(step, OVERFIT | COPIES))
    [finding] = detector.findings
    assert "50% of G's samples are copies" in finding.message
    assert "in 95% of all pairs" in finding.message
    assert finding.evidence["d_score_held_out"] == -1.0
    assert finding.advice[0] == "Train on more data."
