"""Numbers that leave the ground are found at once; large but ordinary ones are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_collapse.core.detectors import Divergence
from keras_collapse.core.detectors import divergence as rules
from keras_collapse.core.readings.reading import Reading


def watch(values: list[float], signal: str = "g_loss") -> Divergence:
    detector = Divergence()
    for step, value in enumerate(values):
        detector.update(Reading(step, 1, {signal: value}))
    return detector


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_fails_at_its_step(value: float) -> None:
    detector = watch([0.7] * 50 + [value])
    (finding,) = detector.findings
    assert (finding.severity, finding.first_step) == ("failed", 50)
    assert finding.evidence == {"signal": "g_loss", "value": str(value)}


def test_a_nan_that_stays_is_one_finding() -> None:
    detector = watch([0.7] * 20 + [math.nan] * 500)
    (finding,) = detector.findings
    assert (finding.first_step, finding.last_step) == (20, 519)


def test_an_explosion_is_found_within_ten_readings() -> None:
    detector = watch([0.7] * 200 + [1e4] * rules.SUSTAINED)
    (finding,) = detector.findings
    assert finding.first_step == 200


def test_one_wild_batch_is_not_an_explosion() -> None:
    assert not watch([0.7] * 200 + [1e6] + [0.7] * 50).findings


def test_a_critics_growing_loss_is_not_an_explosion() -> None:
    assert not watch(list(-np.linspace(0.1, 300, 5000)), "d_loss").findings


def test_a_skipped_nan_heals() -> None:
    (finding,) = watch([0.7] * 50 + [math.nan] + [0.7] * 200).findings
    assert finding.resolved
    assert finding.last_step == 50
