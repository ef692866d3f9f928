"""How long trials take is learnt from the checks, and from the trials that have ended."""

from __future__ import annotations

import pytest
from simulated import FACTS, result_of

from keras_collapse.triage.effort.forecast import Forecast
from keras_collapse.triage.plans import TrialConfig
from keras_collapse.triage.trial.outcome import SETTLED

TRIAL = TrialConfig(seed=1, batch_size=32)
CHECK = result_of(TRIAL, "unknown", steps=20, seconds=12.0, facts={**FACTS, "step_seconds": 0.1})


def test_before_a_trial_has_ended_the_checks_tell() -> None:
    forecast = Forecast([CHECK], 2, True)
    assert forecast.steps(400) == SETTLED
    assert forecast.seconds(TRIAL, SETTLED) == pytest.approx(10 + 0.1 * SETTLED)
    assert forecast.seconds(TRIAL, SETTLED, done=1000) == pytest.approx(0.1 * (SETTLED - 1000))
    assert Forecast([CHECK], 2, False).steps(400) == 400


def test_trials_are_expected_to_take_the_steps_and_the_time_of_those_that_ended() -> None:
    forecast = Forecast([CHECK], 2, True)
    forecast.ended(result_of(TRIAL, "failed", steps=1440, seconds=2 * (10 + 144)))
    assert forecast.steps(400) == 1440
    assert forecast.steps(2000) == 2000
    assert forecast.seconds(TRIAL, 1440) == pytest.approx(2 * (10 + 144))


def test_two_at_a_time_take_half_as_long() -> None:
    three = [(TRIAL, 100, 0)] * 3
    alone, both = Forecast([CHECK], 1, True), Forecast([CHECK], 2, True)
    assert alone.left(three) == pytest.approx(60)
    assert both.left(three) == pytest.approx(40)
