"""A dominating discriminator, swings that do not settle, and samples that are not finite."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from keras_collapse.core.detectors import (
    BatchNormMismatch,
    DiscriminatorDominates,
    DiscriminatorFooled,
    DiscriminatorPinned,
    Divergence,
    NonConvergence,
)
from keras_collapse.core.detectors.persistent_condition import PersistentCondition
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Severity
from keras_collapse.core.readings.objective import CrossEntropy
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

BAD = {"missing_share": 0.9, "distance_ratio": 0.3, "precision": 0.5}
GOOD = {"missing_share": 0.0, "distance_ratio": 1.0, "precision": 0.6,
        "sliced_wasserstein": 0.1, "sliced_wasserstein_baseline": 0.07}  # fmt: skip
CERTAIN = {"d_acc_real": 1.0, "d_acc_fake": 0.99, "d_loss": 0.01, "g_loss": 6.0}


def feed(
    detector: PersistentCondition | NonConvergence,
    steps: range,
    **signals: float | Callable[[int], float],
) -> None:
    for step in steps:
        values = {n: v(step) if callable(v) else v for n, v in signals.items()}
        detector.update(Reading(step, 1, values))


def test_a_certain_d_is_a_warning_and_with_bad_samples_a_failure() -> None:
    detector = DiscriminatorDominates()
    feed(detector, range(1500), **CERTAIN)
    [finding] = detector.findings
    assert (finding.severity, finding.first_step) == ("warning", 0)
    assert finding.evidence["g_loss_latest"] == 6.0
    detector.update_probe(Probe(1500, BAD))
    [finding] = detector.findings
    assert (finding.severity, finding.first_step, finding.last_step) == ("failed", 0, 1499)
    detector.update_probe(Probe(1600, GOOD))  # a good G under a strong D is no failure
    assert [f.severity for f in detector.findings] == [Severity.WARNING]


def test_a_certain_d_that_loses_its_lead_heals() -> None:
    detector = DiscriminatorDominates()
    feed(detector, range(500), **CERTAIN)
    feed(detector, range(500, 700), d_acc_real=0.7, d_acc_fake=0.7, d_loss=0.6, g_loss=1.0)
    [finding] = detector.findings
    assert finding.resolved
    assert finding.last_step == 499


@pytest.mark.parametrize("accuracy", [0.9, 0.97])
def test_a_strong_d_is_not_a_dominating_one(accuracy: float) -> None:
    detector = DiscriminatorDominates()
    feed(detector, range(3000), d_acc_real=accuracy, d_acc_fake=accuracy, d_loss=0.2)
    assert detector.findings == []


def test_without_accuracies_a_cross_entropy_near_zero_says_it() -> None:
    detector = DiscriminatorDominates()
    feed(detector, range(500), d_loss=lambda step: 0.69 if step < 50 else 0.02, g_loss=0.7)
    [finding] = detector.findings
    assert finding.first_step == 50


def test_other_objectives_have_no_loss_near_zero() -> None:
    for start in (0.0, 0.25, 2.0):  # Wasserstein, least squares, hinge as a sum
        detector = DiscriminatorDominates()
        feed(
            detector, range(1000), d_loss=lambda step, s=start: s if step < 50 else 0.01, g_loss=0.0
        )
        assert detector.findings == []


def swinging(step: int) -> float:
    return 0.7 + 0.25 * math.sin(step / 30)


def test_a_loss_that_swings_is_a_warning_and_with_bad_samples_a_failure() -> None:
    detector = NonConvergence()
    detector.update_probe(Probe(0, BAD))
    feed(detector, range(1500), d_loss=swinging, g_loss=0.7)
    [finding] = detector.findings
    assert (finding.severity, finding.first_step) == ("warning", 0)
    assert finding.evidence["d_loss_deviation"] == pytest.approx(0.25 / math.sqrt(2), abs=0.02)
    feed(detector, range(1500, 2500), d_loss=swinging, g_loss=0.7)
    assert [f.severity for f in detector.findings] == [Severity.FAILED]
    feed(detector, range(2500, 4000), d_loss=0.69, g_loss=0.7)
    assert [f.resolved for f in detector.findings] == [True]


@pytest.mark.parametrize(
    "loss",
    [
        lambda step: 0.69 + 0.02 * math.sin(step / 30),
        lambda step: 0.69 if step < 1200 else 0.2,
        lambda step: max(0.69 - step / 2000, 0.05),
    ],
    ids=["a small swing", "one jump", "a drift"],
)
def test_what_does_not_swing(loss: Callable[[int], float]) -> None:
    detector = NonConvergence()
    feed(detector, range(3000), d_loss=loss, g_loss=0.7)
    assert detector.findings == []


def test_a_critics_loss_may_swing() -> None:
    detector = NonConvergence()
    feed(detector, range(3000), d_loss=lambda step: 5 * math.sin(step / 30), g_loss=0.0)
    assert detector.findings == []


def test_samples_that_come_and_go_are_named() -> None:
    detector = NonConvergence()
    for place in range(12):
        detector.update_probe(Probe(place * 200, BAD if place % 3 == 2 else GOOD))
    [finding] = detector.findings
    assert finding.severity == "warning"
    assert finding.evidence["relapses"] == 3
    for place in range(12, 40):
        detector.update_probe(Probe(place * 200, GOOD))
    assert [f.resolved for f in detector.findings] == [True]


def test_a_generator_that_draws_nan_has_diverged_whatever_the_losses_say() -> None:
    detector = Divergence()
    detector.update(Reading(0, 1, {"d_loss": 0.7}))
    detector.update_probe(Probe(100, {"not_finite": 3.0, "fake": 253.0}))
    assert detector.findings == []
    detector.update_probe(Probe(200, {"not_finite": 256.0, "fake": 0.0}))
    [finding] = detector.findings
    assert (finding.severity, finding.first_step) == ("failed", 200)


def test_finite_losses_do_not_resolve_what_the_samples_show() -> None:
    detector = Divergence()
    detector.update_probe(Probe(0, {"not_finite": 256.0, "fake": 0.0}))
    for step in range(1, 500):
        detector.update(Reading(step, 1, {"d_loss": 0.7}))
    detector.update_probe(Probe(500, {"not_finite": 256.0, "fake": 0.0}))
    [finding] = detector.findings
    assert (finding.resolved, finding.first_step, finding.last_step) == (False, 0, 500)
    for step in (600, 700):
        detector.update_probe(Probe(step, GOOD | {"not_finite": 0.0, "fake": 256.0}))
    [finding] = detector.findings
    assert finding.resolved


def test_one_answer_beside_good_samples_is_only_a_warning() -> None:
    detector = DiscriminatorPinned()
    feed(detector, range(600), d_acc_real=1.0, d_acc_fake=0.0, d_loss=0.7, g_loss=0.7)
    assert [f.severity for f in detector.findings] == [Severity.FAILED]
    detector.update_probe(Probe(600, GOOD))
    assert [f.severity for f in detector.findings] == [Severity.WARNING]


def test_one_side_of_the_middle_says_less_under_another_objective() -> None:
    detector = DiscriminatorPinned()
    feed(detector, range(600), d_acc_real=1.0, d_acc_fake=0.0, d_loss=2.0, g_loss=0.0)
    assert [f.severity for f in detector.findings] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("d_loss", "g_loss", "share", "other"),
    [
        (0.69, 0.69, 1.0, False),
        (1.39, 0.69, 0.5, False),
        (0.69, -0.69, 1.0, False),  # saturating
        (0.0, 0.0, 0.0, True),  # Wasserstein
        (2.0, 0.0, 0.0, True),  # hinge
        (0.5, 1.0, 0.0, True),  # least squares
        (0.25, 0.5, 0.0, True),
    ],
)
def test_objectives_by_how_they_begin(
    d_loss: float, g_loss: float, share: float, other: bool
) -> None:
    form = CrossEntropy()
    for step in range(10):
        form.update(Reading(step, 1, {"d_loss": d_loss, "g_loss": g_loss}))
    assert (form.scale, form.is_other_objective) == (share, other)


def test_a_log_that_begins_late_tells_no_objective() -> None:
    form = CrossEntropy()
    form.update(Reading(500, 1, {"d_loss": 0.69, "g_loss": 0.7}))
    assert (form.scale, form.is_other_objective) == (0.0, False)


def test_good_samples_make_up_for_losses_that_cannot_be_judged() -> None:
    examiner = Examiner()
    for step in range(600):
        examiner.update(Reading(step, 1, {"d_loss": -0.1, "g_loss": 0.1}))
    assert examiner.verdict().status == "unknown"
    for step in range(600, 1000, 100):
        examiner.update_probe(Probe(step, GOOD))
    assert examiner.verdict().status == "healthy"


def test_bad_samples_are_never_called_healthy() -> None:
    examiner = Examiner()
    for step in range(600):
        examiner.update(Reading(step, 1, {"d_acc_real": 0.6, "d_acc_fake": 0.6}))
    examiner.update_probe(Probe(600, BAD))
    verdict = examiner.verdict()
    assert verdict.status == "unknown"
    assert "train longer" in verdict.reason


def test_one_batch_does_not_decide_the_objective() -> None:
    form = CrossEntropy()
    form.update(Reading(0, 1, {"d_loss": 2.4, "g_loss": 0.1}))  # an unlucky first batch
    for step in range(1, 10):
        form.update(Reading(step, 1, {"d_loss": 0.7, "g_loss": 0.7}))
    assert (form.scale, form.is_other_objective) == (1.0, False)
    wasserstein = CrossEntropy()
    for step, loss in enumerate((0.7, 0.2, -0.5, -1.0, -2.0)):
        wasserstein.update(Reading(100 * step, 1, {"d_loss": loss, "g_loss": 0.4}))
    assert (wasserstein.scale, wasserstein.is_other_objective) == (0.0, True)


def test_a_log_of_every_hundredth_step_shows_a_cross_entropy_after_some_rows() -> None:
    form = CrossEntropy()
    scales = []
    for step, loss in enumerate((0.69, 0.6, 0.5, 0.6, 0.55, 0.5)):
        form.update(Reading(100 * step, 100 if step else 1, {"d_loss": loss, "g_loss": 0.7}))
        scales.append(form.scale)
    assert (scales[0], scales[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("objective", ["least_squares", "wasserstein", "hinge"])
def test_a_known_objective_is_not_inferred(objective: str) -> None:
    examiner = Examiner()
    examiner.know_objective(objective)
    for step in range(900):
        examiner.update(Reading(step, 1, {"d_loss": 0.69 if step < 20 else 1.5, "g_loss": 0.7}))
    assert examiner.verdict().status == "unknown"
    known = CrossEntropy()
    known.know("cross_entropy")
    for step in range(500, 510):  # a log that begins in mid-run
        known.update(Reading(step, 1, {"d_loss": 1.2, "g_loss": 2.0}))
    assert known.scale == 0.5


# -- a D that is worse than a coin -----------------------------------------------------------


def test_a_d_worse_than_a_coin_is_found_and_nothing_else() -> None:
    examiner = Examiner()
    for step in range(600):
        late = {"d_loss": 2.8, "d_acc": 0.18, "g_loss": 0.007}
        early = {"d_loss": 0.7, "d_acc": 0.5 + 0.1 * (-1) ** step, "g_loss": 0.7}
        examiner.update(Reading(step, 1, early if step < 50 else late))
    verdict = examiner.verdict()
    assert [f.kind for f in verdict.findings] == ["discriminator_fooled"]
    assert (verdict.status, verdict.findings[0].first_step) == ("failed", 50)
    assert "learning rate is not 0" in verdict.findings[0].advice[0]


def test_losses_alone_show_it_as_a_warning() -> None:
    detector = DiscriminatorFooled()
    g_loss = lambda s: 0.7 if s < 50 else 0.007  # noqa: E731
    feed(detector, range(600), d_loss=lambda s: 0.7 if s < 50 else 2.8, g_loss=g_loss)
    assert [(f.severity.value, f.first_step) for f in detector.findings] == [("warning", 50)]


def test_a_sum_that_began_like_a_mean_is_not_worse_than_a_coin() -> None:
    examiner = Examiner()
    for step in range(800):  # D learns at once, and later the two are even
        d_loss = (1.3, 1.1, 0.9, 0.7)[step] if step < 4 else 0.6 if step < 100 else 1.38
        examiner.update(Reading(step, 1, {"d_loss": d_loss, "g_loss": 0.75}))
    assert examiner.verdict().findings == ()


def test_a_low_loss_beside_a_low_accuracy_names_the_labels_first() -> None:
    detector = DiscriminatorFooled()
    feed(detector, range(600), d_loss=lambda s: 0.7 if s < 50 else 0.1, d_acc=0.02, g_loss=0.7)
    [finding] = detector.findings
    assert "different labels" in finding.advice[0]


@pytest.mark.parametrize("steps", [60, 150])
def test_a_g_that_is_ahead_for_some_tens_of_steps_is_no_failure(steps: int) -> None:
    detector = DiscriminatorFooled()
    feed(
        detector,
        range(600),
        d_loss=lambda s: 1.5 if 100 <= s < 100 + steps else 0.65,
        d_acc=lambda s: 0.3 if 100 <= s < 100 + steps else 0.6,
        g_loss=0.8,
    )
    assert detector.findings == []


# -- a D with two faces ----------------------------------------------------------------------

FROZEN_NORM = {"d_acc_real": 1.0, "d_acc_fake": 1.0, "g_acc": 0.75, "d_loss": 0.025, "g_loss": 0.47}


def test_a_d_that_answers_otherwise_in_gs_step_is_found_and_nothing_else() -> None:
    examiner = Examiner()
    for step in range(1200):
        start = {"d_acc_real": 0.6, "d_acc_fake": 0.5, "g_acc": 0.5, "d_loss": 0.69, "g_loss": 0.7}
        examiner.update(Reading(step, 1, start if step < 50 else FROZEN_NORM))
    verdict = examiner.verdict()
    assert [(f.kind, f.severity.value) for f in verdict.findings] == [
        ("batchnorm_mismatch", "failed")
    ]
    assert "call it with training=True" in verdict.findings[0].advice[0]


def test_cross_entropies_that_are_both_low_show_it_without_accuracies() -> None:
    for form in ("both", "dominates"):
        detector = BatchNormMismatch() if form == "both" else DiscriminatorDominates()
        feed(
            detector,
            range(800),
            d_loss=lambda s: 0.69 if s < 50 else 0.025,
            g_loss=lambda s: 0.7 if s < 50 else 0.47,
        )
        expected = ["batchnorm_mismatch"] if form == "both" else []
        assert [f.kind for f in detector.findings] == expected
        assert all(f.severity == "warning" for f in detector.findings)


def test_a_saturating_loss_near_zero_is_a_g_that_loses() -> None:
    detector = BatchNormMismatch()
    feed(
        detector,
        range(800),
        d_loss=lambda s: 0.69 if s < 50 else 0.02,
        g_loss=lambda s: -0.7 if s < 50 else -0.01,
    )
    assert detector.findings == []


def test_networks_that_both_get_what_they_want_have_the_same_labels() -> None:
    wins = {"d_acc_fake": 1.0, "g_acc": 1.0}
    later = BatchNormMismatch()
    feed(later, range(30), d_loss=0.69, g_loss=0.69, d_acc_fake=0.5, g_acc=0.5)
    feed(later, range(30, 900), d_loss=0.001, g_loss=0.001, **wins)
    [finding] = later.findings
    assert finding.kind == "generator_objective"
    assert "swapped" in finding.advice[0]


@pytest.mark.parametrize(
    ("fake", "g_acc"),
    [(0.0, 1.0), (0.6, 0.9), (0.97, 0.2), (0.75, 0.25)],
    ids=["a leak", "noise in D's step", "a strong D", "a game"],
)
def test_other_games_have_one_face(fake: float, g_acc: float) -> None:
    detector = BatchNormMismatch()
    feed(detector, range(900), d_acc_real=0.8, d_acc_fake=fake, g_acc=g_acc)
    assert detector.findings == []


def test_a_d_that_ranks_samples_is_not_pinned_by_its_loss_alone() -> None:
    for separation, found in ((0.55, ["discriminator_pinned"]), (0.76, [])):
        examiner = Examiner()
        examiner.know_objective("cross_entropy", 0.5)
        for step in range(400):
            examiner.update(Reading(step, 1, {"d_loss": 1.43, "g_loss": 0.61}))
            if step % 30 == 0:
                examiner.update_probe(Probe(step, {"separation": separation}))
        assert [f.kind for f in examiner.verdict().findings] == found
