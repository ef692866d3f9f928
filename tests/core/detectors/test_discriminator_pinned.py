"""A discriminator that gives one answer is found; one that warms up or plays fair is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_collapse.core.detectors import DiscriminatorPinned
from keras_collapse.core.detectors import discriminator_pinned as rules
from keras_collapse.core.detectors.persistent_condition import BLOCK_STEPS
from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.reading import Reading


def watch(steps: int, rounding: float = 0.0, **levels: object) -> DiscriminatorPinned:
    """Feed a detector; each level is a number or a function of the step."""
    detector = DiscriminatorPinned()
    for step in range(steps):
        values = {k: float(v(step) if callable(v) else v) for k, v in levels.items()}  # type: ignore[arg-type]
        detector.update(Reading(step, 1, values, dict.fromkeys(values, rounding)))
    return detector


def only(detector: DiscriminatorPinned) -> Finding:
    assert len(detector.findings) == 1
    return detector.findings[0]


@pytest.mark.parametrize(("real", "fake"), [(1.0, 0.0), (0.0, 1.0), (0.97, 0.02)])
def test_opposite_ends_fail_with_their_first_step(real: float, fake: float) -> None:
    detector = watch(
        800,
        d_acc_real=lambda s: 0.7 if s < 300 else real,
        d_acc_fake=lambda s: 0.6 if s < 300 else fake,
    )
    finding = only(detector)
    assert finding.severity == "failed"
    assert (finding.first_step, finding.last_step) == (300, 799)
    assert finding.evidence["d_acc_real"] == pytest.approx(real)
    assert finding.evidence["d_acc_fake"] == pytest.approx(fake)


def test_a_warning_comes_before_the_failure() -> None:
    said = []
    detector = DiscriminatorPinned()
    for step in range(500):
        detector.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0}))
        said += [(step, f.severity.value) for f in detector.findings]
    first = {severity: step for step, severity in reversed(said)}
    assert first["warning"] < first["failed"]
    assert first["warning"] >= rules.WARM_UP + rules.WARN_AFTER - BLOCK_STEPS


def test_a_swinging_start_is_not_a_failure() -> None:
    side = lambda step: float((step // 15) % 2)  # noqa: E731 all real, all fake, all real, ...
    assert not watch(250, d_acc_real=side, d_acc_fake=lambda s: 1 - side(s)).findings


def test_a_one_sided_start_that_ends_is_not_a_failure() -> None:
    detector = watch(
        400,
        d_acc_real=lambda s: 1.0 if s < 120 else 0.7,
        d_acc_fake=lambda s: 0.0 if s < 120 else 0.6,
    )
    assert not detector.findings


def test_chance_on_both_sides_is_not_pinned() -> None:
    rng = np.random.default_rng(0)
    share = lambda _: rng.binomial(64, 0.5) / 64  # noqa: E731
    assert not watch(1500, d_acc_real=share, d_acc_fake=share, g_acc=share).findings


def test_a_failure_that_heals_is_closed() -> None:
    broken = lambda s: 300 <= s < 700  # noqa: E731
    detector = watch(
        1000,
        d_acc_real=lambda s: 1.0 if broken(s) else 0.7,
        d_acc_fake=lambda s: 0.0 if broken(s) else 0.6,
    )
    finding = only(detector)
    assert finding.resolved
    assert finding.last_step == 699


def test_fake_accuracy_may_come_from_the_generators() -> None:
    finding = only(watch(500, d_acc=0.5, g_acc=1.0))
    assert finding.evidence["d_acc_real"] == 1.0
    assert finding.evidence["d_acc_fake"] == 0.0


def test_the_guides_bands_are_the_default_of_a_rule() -> None:
    assert DiscriminatorPinned().bands == {
        "d_loss": (0.72, 0.75),
        "d_acc": (0.49, 0.51),
        "g_acc": (0.99, 1.0),
    }
    assert rules.D_LOSS_BAND[0] > math.log(2)


def test_only_the_mean_accuracy_is_enough_when_it_is_exactly_one_half() -> None:
    assert only(watch(500, d_acc=0.5)).severity == "failed"


def test_only_the_mean_accuracy_scattering_about_one_half_is_chance() -> None:
    rng = np.random.default_rng(1)
    detector = watch(500, d_acc=lambda _: rng.binomial(2048, 0.5) / 2048)
    assert not detector.findings
    assert detector.steps_assessed == 500


def test_no_conclusion_from_numbers_more_uncertain_than_the_difference() -> None:
    detector = watch(800, rounding=0.2, d_acc_real=1.0, d_acc_fake=0.0)
    assert not detector.findings
    assert detector.steps_assessed == 0


def test_losses_alone_never_say_failed() -> None:
    assert only(watch(800, d_loss=0.735, g_loss=0.5)).severity == "warning"


def test_a_loss_near_chance_alone_cannot_be_judged() -> None:
    detector = watch(800, d_loss=0.69, g_loss=0.7)
    assert not detector.findings
    assert detector.steps_assessed == 0
    assert "d_acc_real" in detector.unavailable_reason


def test_a_discriminating_loss_alone_is_judged() -> None:
    detector = watch(800, d_loss=lambda s: 0.7 if s < 10 else 0.5, g_loss=1.2)
    assert not detector.findings
    assert detector.steps_assessed == 800


def test_a_sum_of_both_halves_is_judged_as_their_mean() -> None:
    at_two_ln_2 = watch(800, d_loss=1.386, g_loss=0.7)
    assert not at_two_ln_2.findings
    assert "d_acc_real" in at_two_ln_2.unavailable_reason
    assert only(watch(800, d_loss=lambda s: 1.39 if s < 50 else 1.47, g_loss=0.7)).first_step == 50
    assert watch(800, d_loss=lambda s: 1.39 if s < 50 else 1.1, g_loss=0.7).steps_assessed > 700


def test_a_log_that_begins_late_or_has_a_row_per_epoch_shows_no_objective() -> None:
    late = DiscriminatorPinned()
    for step in range(500, 900):
        late.update(Reading(step, 1, {"d_loss": 0.735}))
    epochs = DiscriminatorPinned(row_steps=20)
    for step in range(40):
        epochs.update(Reading(step, 1, {"d_loss": 0.735}))
    assert not late.findings
    assert not epochs.findings
    assert late.steps_assessed == epochs.steps_assessed == 0


def test_a_critic_whose_loss_begins_by_chance_near_ln_2_is_no_cross_entropy() -> None:
    detector = watch(800, d_loss=0.735, g_loss=lambda s: 0.01 if s < 10 else 0.7)
    assert not detector.findings
    assert "cross-entropies" in detector.unavailable_reason


@pytest.mark.parametrize("start", [-0.5, 0.0, 12.0])
def test_no_cross_entropy_threshold_touches_another_objective(start: float) -> None:
    detector = watch(800, d_loss=lambda s: start if s < 100 else 0.735, g_loss=1.0)
    assert not detector.findings
    assert "cross-entropies" in detector.unavailable_reason
