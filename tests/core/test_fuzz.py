"""Whatever numbers come, in whatever order: no detector crashes, and none grows without end."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_collapse.core.detectors import default_detectors
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import SIGNALS
from keras_collapse.core.samples.probe import Probe

ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)
LIKELY = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 0.693, 1e300, -1e300]), st.floats(0, 2))
NUMBERS = ("missing_share", "distance_ratio", "precision", "coverage", "duplicate_share",
           "sliced_wasserstein", "sliced_wasserstein_baseline", "dimension", "modes_real",
           "modes_covered", "not_finite", "fake", "separation", "support_high")  # fmt: skip
LEAST, MOST = -(10**12), 10**12

values = st.dictionaries(st.sampled_from(SIGNALS), st.one_of(ANY, LIKELY))
steps = st.integers(LEAST, MOST)  # gaps, restarts and repetitions
readings = st.builds(
    Reading, steps, st.integers(1, 10**6), values,
    st.dictionaries(st.sampled_from(SIGNALS), st.floats(0, 1)),
)  # fmt: skip
told = st.dictionaries(st.sampled_from(NUMBERS), st.one_of(ANY, LIKELY))
probes = st.builds(Probe, steps, told)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.one_of(readings, probes), st.integers(1, 30)), max_size=20),
    st.sampled_from([1, 20]),
)
def test_no_numbers_crash_a_detector(
    seen: list[tuple[Reading | Probe, int]], row_steps: int
) -> None:
    examiner = Examiner(row_steps=row_steps)
    for one, times in seen:
        for _ in range(times):  # what repeats makes findings, what does not rarely does
            changed = (
                examiner.update(one) if isinstance(one, Reading) else examiner.update_probe(one)
            )
            for finding in changed:
                json.dumps(finding.to_dict(), allow_nan=False)
    verdict = examiner.verdict()
    assert verdict.status in ("healthy", "warning", "failed", "unknown")
    json.dumps(verdict.to_dict("fuzz"), allow_nan=False)


@settings(max_examples=10)
@given(st.lists(st.tuples(values, told), min_size=2, max_size=2), st.integers(1, 60))
def test_nothing_kept_grows_with_what_comes_and_goes(
    both: list[tuple[Mapping[str, float], Mapping[str, float]]], length: int
) -> None:
    detectors = default_detectors()
    examiner = Examiner(detectors)
    for step in range(0, 30_000, 30):
        signals, numbers = both[step // 30 // length % 2]
        examiner.update(Reading(step + 29, 30, signals))
        examiner.update_probe(Probe(step + 29, numbers))
    assert len(examiner.verdict().findings) <= 20 * len(detectors)


@pytest.mark.parametrize("period", [7, 400])
def test_a_million_steps_take_no_more_memory_than_some(period: int) -> None:
    """Failing and healing in turn, all the time."""
    examiner = Examiner()
    rng = np.random.default_rng(0)
    sizes = []
    tracemalloc.start()
    for step in range(0, 10**6, 100):
        ill = step // 100 % (2 * period) < period
        accuracy = {"d_acc_real": 1.0, "d_acc_fake": 0.0} if ill else {"d_acc_real": 0.6}
        losses = {"d_loss": 0.69 + rng.normal(0, 0.01), "g_loss": float("nan") if ill else 0.7}
        examiner.update(Reading(step + 99, 100, losses | accuracy))
        if step % 200 == 0:
            missing = {"missing_share": 0.9 if ill else 0.0, "distance_ratio": 0.5}
            examiner.update_probe(Probe(step, missing | {"precision": 0.5}))
        if step % 10**5 == 0:
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[-1] <= 1.2 * max(sizes[2:5]) + 20_000
