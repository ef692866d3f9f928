"""The detectors of samples: what stands still is found, what gets better or heals is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from keras_collapse.core.detectors import ModeCollapse, Stalled
from keras_collapse.core.detectors.sample_quality import ALIKE
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.diversity import RealSample
from keras_collapse.core.samples.probe import Probe

RNG = np.random.default_rng(0)
CENTRES = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)


def ring(count: int, modes: Iterable[int] = range(8)) -> np.ndarray:
    centres = CENTRES[RNG.choice(list(modes), count)]
    return centres + RNG.normal(0, 0.05, (count, 2))


REAL = RealSample(ring(1024))


def look(step: int, samples: np.ndarray) -> Probe:
    values = REAL.compare(samples).to_dict()
    return Probe(step, {name: float(v) for name, v in values.items() if v is not None})


GOOD = look(0, ring(256)).values
ONE_MODE = look(0, ring(256, [3])).values
HALF = look(0, ring(256, range(4))).values
POINT = look(0, np.zeros((256, 2)) + CENTRES[0]).values
FAR = look(0, 20 * ring(256)).values
Detector = Callable[[], ModeCollapse | Stalled]


def after(detector: ModeCollapse | Stalled, *stretches: tuple[dict[str, float], int]) -> None:
    """Show each of these values for so many looks, 100 steps apart."""
    values = [one for one, times in stretches for _ in range(times)]
    for place, one in enumerate(values):
        detector.update_probe(Probe(place * 100, one))


@pytest.mark.parametrize("values", [ONE_MODE, HALF, POINT], ids=["one mode", "half", "a point"])
def test_what_lasts_is_collapse(values: dict[str, float]) -> None:
    detector = ModeCollapse()
    after(detector, (GOOD, 5), (values, 4))
    assert [f.severity for f in detector.findings] == [Severity.WARNING]
    detector = ModeCollapse()
    after(detector, (GOOD, 5), (values, 15))
    [finding] = detector.findings
    assert (finding.severity, finding.first_step, finding.last_step) == ("failed", 500, 1900)
    assert finding.evidence["missing_share"] == pytest.approx(values["missing_share"], abs=1e-3)
    assert finding.advice


def test_half_of_the_modes_are_counted() -> None:
    detector = ModeCollapse()
    after(detector, (HALF, 15))
    [finding] = detector.findings
    assert "reach 4 of its 8 modes" in finding.message


def test_samples_far_away_are_stalled_and_not_collapsed() -> None:
    collapse, stalled = ModeCollapse(), Stalled()
    for detector in (collapse, stalled):
        after(detector, (FAR, 15))
    assert collapse.findings == []
    assert [f.severity for f in stalled.findings] == [Severity.FAILED]


@pytest.mark.parametrize("make", [ModeCollapse, Stalled])
def test_good_samples_are_neither(make: Detector) -> None:
    detector = make()
    after(detector, (GOOD, 40))
    assert detector.findings == []


def test_what_gets_better_is_not_collapse() -> None:
    detector = ModeCollapse()
    for step in range(60):
        missing = max(1.0 - 0.02 * step, 0.0)
        in_plane = {"distance_ratio": 0.8, "dimension": 2.0}
        detector.update_probe(Probe(step * 100, {"missing_share": missing, **in_plane}))
    assert detector.findings == []


def test_what_comes_nearer_is_not_stalled() -> None:
    detector = Stalled()
    for step in range(60):
        distance = 20 * 0.96**step
        near = {"sliced_wasserstein": distance, "sliced_wasserstein_baseline": 0.1}
        detector.update_probe(Probe(step * 100, {"precision": 0.0} | near))
    assert detector.findings == []


@pytest.mark.parametrize("ratio", [0.4, 0.9])
def test_one_category_drawn_ever_better_is_no_progress(ratio: float) -> None:
    """As run 491 of the image zoo: red flowers only, off the data for want of the other colours."""
    detector = ModeCollapse()
    seen = {"missing_share": 0.77, "distance_ratio": ratio, "dimension": 9.0,
            "sliced_wasserstein": 0.95, "sliced_wasserstein_baseline": 0.08}  # fmt: skip
    for place in range(20):
        detector.update_probe(Probe(place * 80, seen | {"precision": place * 0.04}))
    found = [finding.severity for finding in detector.findings]
    assert found == ([Severity.FAILED] if ratio < ALIKE else [])


def test_it_heals_after_two_good_looks() -> None:
    detector = ModeCollapse()
    after(detector, (ONE_MODE, 15), (GOOD, 1))
    assert not detector.findings[0].resolved
    after(detector, (GOOD, 1))
    [finding] = detector.findings
    assert finding.resolved
    assert finding.last_step == 1400


def test_a_look_that_cannot_tell_changes_nothing() -> None:
    detector = ModeCollapse()
    after(detector, (ONE_MODE, 8), ({}, 5), (ONE_MODE, 8))
    assert [f.severity for f in detector.findings] == [Severity.FAILED]


def test_few_looks_are_not_enough() -> None:
    detector = ModeCollapse()
    for step in (0, 2000, 4000):
        detector.update_probe(Probe(step, ONE_MODE))
    assert detector.findings == []


def test_calm_losses_with_collapsed_samples_fail() -> None:
    examiner = Examiner()
    for step in range(1500):
        balanced = {"d_acc_real": 0.6, "d_acc_fake": 0.6, "d_loss": 0.67, "g_loss": 0.8}
        examiner.update(Reading(step, 1, balanced))
        if step % 100 == 0:
            examiner.update_probe(Probe(step, ONE_MODE))
    verdict = examiner.verdict()
    assert verdict.status == "failed"
    assert [finding.kind for finding in verdict.findings] == ["mode_collapse"]


def test_a_healthy_verdict_says_whether_samples_were_seen() -> None:
    examiner = Examiner()
    for step in range(600):
        examiner.update(Reading(step, 1, {"d_acc_real": 0.6, "d_acc_fake": 0.6}))
    assert examiner.verdict().status == "unknown"
    examiner.update_probe(Probe(599, GOOD))
    assert "1 sample check" in examiner.verdict().reason


ALL_BLACK = {"fake": 32.0, "not_finite": 0.0, "duplicate_share": 1.0, "saturated_share": 1.0}
ALL_DIFFERENT = ALL_BLACK | {"duplicate_share": 0.0, "saturated_share": 0.3}


def test_samples_that_are_all_alike_are_collapsed_without_any_data() -> None:
    examiner = Examiner()
    for step in range(1500):
        examiner.update(Reading(step, 1, {"d_loss": 0.67, "g_loss": 0.8}))
        if step % 100 == 0:
            examiner.update_probe(Probe(step, ALL_BLACK))
    verdict = examiner.verdict()
    assert verdict.status == "failed"
    [finding] = verdict.findings
    assert finding.kind == "mode_collapse"
    assert finding.message == "G's samples are alike: 100% of them repeat another."


def test_a_collapse_seen_without_data_ends_when_the_samples_differ() -> None:
    detector = ModeCollapse()
    for step in range(0, 1500, 100):
        detector.update_probe(Probe(step, ALL_BLACK))
    for step in range(1500, 1800, 100):
        detector.update_probe(Probe(step, ALL_DIFFERENT))
    assert [finding.resolved for finding in detector.findings] == [True]


def test_differing_samples_without_data_are_no_finding() -> None:
    for detector in (ModeCollapse(), Stalled()):
        for step in range(0, 3000, 100):
            detector.update_probe(Probe(step, ALL_DIFFERENT | {"change": 0.01}))
        assert not detector.findings
        assert not detector.unavailable_reason


def test_samples_that_do_not_change_are_stalled_since_their_first_check() -> None:
    detector = Stalled()
    detector.update_probe(Probe(0, ALL_DIFFERENT | {"change": 0.2}))
    for step in range(100, 500, 100):
        detector.update_probe(Probe(step, ALL_DIFFERENT | {"change": 0.0}))
    [finding] = detector.findings
    assert (finding.severity, finding.first_step, finding.last_step) == ("warning", 0, 400)
    assert "have not changed in 4 sample checks" in finding.message
    detector.update_probe(Probe(500, ALL_DIFFERENT | {"change": 0.1}))
    [finding] = detector.findings
    assert finding.resolved


def test_samples_all_alike_and_unchanged_are_reported_once() -> None:
    examiner = Examiner()
    for step in range(0, 1500, 100):
        examiner.update_probe(Probe(step, ALL_BLACK | {"change": 0.0}))
    assert [f.kind for f in examiner.verdict().findings] == ["mode_collapse"]
