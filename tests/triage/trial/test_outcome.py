"""When a trial is decided, and how long it goes on while it is not."""

from __future__ import annotations

import pytest

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe
from keras_collapse.triage.trial.outcome import (
    CONFIRMED,
    LAST_CHECKS,
    SETTLED,
    early_stop,
    longest,
    over,
    succeeded,
)

NUMBERS = {"dimension": 12.0, "distance_ratio": 1.0, "precision": 0.9, "missing_share": 0.0,
           "duplicate_share": 0.0, "sliced_wasserstein_baseline": 0.1}  # fmt: skip


def checks(*distances: float) -> list[Probe]:
    """Checks whose samples are that far from the data, in units of its halves' distance."""
    return [
        Probe(100 * place, {**NUMBERS, "sliced_wasserstein": distance / 10})
        for place, distance in enumerate(distances)
    ]


GOOD, BAD = checks(*[1.5] * LAST_CHECKS), checks(*[20.0] * LAST_CHECKS)


def test_bad_samples_are_a_failure_only_once_a_working_gan_would_have_settled() -> None:
    assert succeeded("unknown", BAD, 400) is None
    assert succeeded("unknown", BAD, SETTLED) is False
    assert not over("warning", BAD, 400)
    assert not over("warning", BAD, SETTLED)  # two of 82 healthy trainings recover later
    assert over("warning", BAD, CONFIRMED)


def test_good_samples_are_a_success_but_the_trial_goes_on_until_it_could_have_failed() -> None:
    assert succeeded("unknown", GOOD, 400) is True
    assert not over("unknown", GOOD, 400)
    assert not over("healthy", [], 400)
    assert over("unknown", GOOD, SETTLED)


def test_a_failed_verdict_counts_but_may_still_go_away() -> None:
    assert succeeded("failed", [], 20) is False
    assert not over("failed", [], 1000)
    assert over("failed", [], CONFIRMED)


def finding(kind: str) -> Finding:
    return Finding(kind, Severity.FAILED, 0, 0, "", {}, ())


def test_a_trial_is_stopped_early_for_what_is_permanent_or_has_lasted() -> None:
    assert early_stop([finding("divergence")], 20) is not None
    assert early_stop([finding("mode_collapse")], CONFIRMED - 1) is None
    assert early_stop([finding("mode_collapse")], CONFIRMED) is not None


@pytest.mark.parametrize("some", [[], GOOD[1:], checks(1.5, 20, 20, 1.5)])
def test_few_or_mixed_checks_decide_nothing(some: list[Probe]) -> None:
    assert succeeded("unknown", some, 5000) is None


def test_checks_that_compared_nothing_do_not_count() -> None:
    only_drawn = Probe(999, {"separation": 0.5})
    assert succeeded("unknown", [*GOOD, only_drawn], SETTLED) is True


def test_short_trials_go_on_longest() -> None:
    assert [longest(steps) for steps in (20, 800, 1500)] == [1600, 1600, 3000]
