"""Averaging is inferred from the numbers and undone, and its uncertainty is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import averaged, batches

from keras_collapse.core.readings.averaging import Unaverager, batch_size_of
from keras_collapse.core.readings.reading import Reading, SignalRow, merge


def undo(rows: list[SignalRow], **settings: str) -> tuple[list[Reading], Unaverager]:
    unaverager = Unaverager(**settings)
    readings = [reading for row in rows for reading in unaverager.push(row)]
    return readings + unaverager.close(), unaverager


@pytest.mark.parametrize("kind", ["batch", "epoch", "run"])
@pytest.mark.parametrize("decimals", [3, 4, None])
@pytest.mark.parametrize("epoch_steps", [20, 47, 90])
def test_averaging_is_recognised_from_the_numbers_alone(
    kind: str, decimals: int | None, epoch_steps: int
) -> None:
    right = 0
    for seed in range(20):
        rows = averaged(batches(seed, 200), kind, decimals, epoch_steps)
        right += undo(rows)[1].averaging == kind
    assert right >= 19


def test_a_wild_start_does_not_look_like_a_running_mean() -> None:
    right = 0
    for seed in range(40):
        numbers = batches(seed, 120)
        numbers["d_loss"][:4] += [0.5, 1.0, -0.2, 0.3]
        right += undo(averaged(numbers, "batch", 3))[1].averaging == "batch"
    assert right >= 38


@pytest.mark.parametrize("kind", ["epoch", "run"])
def test_undoing_gives_back_the_batches(kind: str) -> None:
    numbers = batches(1, 150)
    readings, _ = undo(averaged(numbers, kind, None, 40))
    assert [reading.step for reading in readings] == list(range(150))
    for signal, values in numbers.items():
        assert np.allclose([r.values[signal] for r in readings], values, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    decimals=st.integers(2, 5),
    kind=st.sampled_from(["batch", "epoch", "run"]),
    steps=st.integers(2, 300),
    epoch_steps=st.integers(1, 80),
)
def test_the_true_mean_lies_within_the_uncertainty(
    seed: int, decimals: int, kind: str, steps: int, epoch_steps: int
) -> None:
    numbers = batches(seed, steps)
    readings, _ = undo(averaged(numbers, kind, decimals, epoch_steps), averaging=kind)
    assert sum(reading.steps for reading in readings) == steps
    merged = [merge(readings[i : i + 7]) for i in range(0, len(readings), 7)]
    for reading in [*readings, *merged, merge(readings)]:
        covered = slice(reading.first_step, reading.step + 1)
        for signal, values in numbers.items():
            error = abs(reading.values[signal] - values[covered].mean())
            assert error <= reading.uncertainty(signal) + 1e-9


def test_a_single_late_step_of_a_rounded_running_mean_is_never_given() -> None:
    readings, _ = undo(averaged(batches(0, 1500), "run", 3))
    late = [reading for reading in readings if reading.step > 1000]
    assert late
    assert all(reading.steps > 100 for reading in late[:-1])
    assert all(reading.uncertainty("d_loss") <= 0.005 for reading in late[:-1])


def test_what_the_caller_knows_decides_where_the_numbers_cannot() -> None:
    rows = [SignalRow(step, {"d_loss": 0.7}, {}, 0) for step in range(60)]
    assert undo(rows, hint="epoch")[1].averaging == "epoch"
    assert undo(rows)[1].averaging == "batch"


def test_the_numbers_overrule_the_caller() -> None:
    rows = averaged(batches(3, 100), "batch", None, 100)
    assert undo(rows, hint="epoch")[1].averaging == "batch"


@pytest.mark.parametrize("stride", [10, 50])
def test_a_log_of_every_nth_step_is_undone_between_its_rows(stride: int) -> None:
    numbers = batches(2, 2000)
    rows = averaged(numbers, "run", None)[::stride]
    readings, unaverager = undo(rows)
    assert unaverager.averaging == "run"
    assert readings[-1].steps == stride
    covered = slice(readings[-1].first_step, readings[-1].step + 1)
    assert readings[-1].values["d_loss"] == pytest.approx(numbers["d_loss"][covered].mean())


def test_a_nan_is_passed_on_at_once() -> None:
    unaverager = Unaverager()
    unaverager.push(SignalRow(0, {"d_loss": 0.7}))
    readings = unaverager.push(SignalRow(1, {"d_loss": math.nan}))
    assert readings[-1].step == 1
    assert math.isnan(readings[-1].values["d_loss"])


def test_batch_size_is_read_from_accuracies() -> None:
    assert batch_size_of([k / 48 for k in (5, 7, 11, 13, 17, 24)]) == 48
    assert batch_size_of([float(np.float32(k / 1000)) for k in (501, 502, 503, 504, 505)]) == 1000
    assert batch_size_of(np.random.default_rng(0).random(20)) is None
    assert batch_size_of([0.5, 1.0]) is None
