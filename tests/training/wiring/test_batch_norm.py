"""Every advice against a batch norm of D's with two modes removes it, and leaves D unchanged."""

from __future__ import annotations

import pytest
from batch_norm import FITS, LOOPS, train_fit, train_loop

from keras_collapse.core.advice import BATCH_NORM_ADVICE, Driver, Setting, advice_for

pytestmark = pytest.mark.backend()

SLOW = pytest.mark.slow("tensorflow", "jax")  # where steps are compiled
SLOW_ON_JAX = pytest.mark.slow("jax")
SAME, APART = 1e-6, 0.05
"""Differences of D's scores of one sample in both steps: none, and one of another D."""
FAULTY = {
    "D frozen": {"batchnorm_mismatch"},
    "D frozen, called with `training=True`": {"batchnorm_mismatch"},
    "called with `training=False`": {"batchnorm_mismatch"},
    "D's other layers frozen": {"discriminator_leak"},
}
QUICK = {"loop": {"D frozen", "D's weights frozen"}, "fit": {"D's weights frozen"}}
CASES = [
    pytest.param(train, way, FAULTY.get(name, set()), id=f"{loop}: {name}",
                 marks=[SLOW_ON_JAX] if name in QUICK[loop] else [SLOW])
    for loop, train, ways in (("loop", train_loop, LOOPS), ("fit", train_fit, FITS))
    for name, way in ways.items()
]  # fmt: skip


@pytest.mark.parametrize(("train", "way", "kinds"), CASES)
def test_what_is_found_is_what_the_scores_and_weights_show(train, way, kinds) -> None:  # type: ignore[no-untyped-def]
    seen = train(way, steps=4)
    assert seen.kinds == kinds
    assert seen.gap > APART if "batchnorm_mismatch" in kinds else seen.gap < SAME
    assert bool(seen.moved) == ("discriminator_leak" in kinds)


def test_no_advice_is_given_that_is_not_tried_here() -> None:
    tried = {
        Driver.TRAIN_ON_BATCH: ["Freeze D's weights, not D", "LayerNormalization"],
        Driver.FIT: ["call it with training=True", "remove that", "LayerNormalization"],
    }
    for driver, starts in tried.items():
        lines = advice_for(BATCH_NORM_ADVICE, Setting(driver))
        assert len(lines) == len(starts)
        assert all(start in line for start, line in zip(starts, lines, strict=True))
