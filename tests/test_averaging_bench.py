"""The fast form of `make bench-averaging`, on the zoo's records: a row is a mean of 10 steps."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "zoo"))

import averaging_bench as bench
from zoo import load


def recorded() -> list[bench.Numbers]:
    runs = []
    for run in load()[::15]:
        numbers = dict(zip(run.signals, run.readings.T.astype("float64"), strict=True))
        if all(abs(values).max() < bench.LARGEST for values in numbers.values()):
            critic = run.program["objective"].startswith("wasserstein")
            runs.append(bench.without_scores(numbers) if critic else numbers)
    return runs


@pytest.mark.parametrize(("kind", "least"), [("batch", 0.7), ("run", 0.4), ("epoch", 0.4)])
def test_averaging_is_recognised_or_left_open(kind: str, least: float) -> None:
    runs = recorded()
    found: Counter[str] = bench.count(runs, kind, seed=0)
    assert len(runs) >= 60
    assert found["wrong"] <= 1
    assert found["right"] >= least * len(runs)
