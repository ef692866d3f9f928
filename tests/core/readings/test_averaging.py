"""Averaging is inferred from the numbers and undone, and its uncertainty is right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import averaged, batches

from keras_collapse.core.readings.averaging import Unaverager
from keras_collapse.core.readings.inference import batch_size_of
from keras_collapse.core.readings.reading import Reading, SignalRow, merge


def undo(rows: list[SignalRow], **settings: Any) -> tuple[list[Reading], Unaverager]:
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


@settings(max_examples=60)
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


def test_numbers_that_do_not_show_their_averaging_stay_as_logged() -> None:
    rows = [SignalRow(step, {"d_loss": 0.7 + 0.01 * (step > 30)}, {}, 0) for step in range(60)]
    readings, unaverager = undo(rows)
    assert unaverager.averaging is None
    assert [reading.values for reading in readings] == [row.values for row in rows]


def test_what_the_caller_knows_is_never_overruled() -> None:
    slow = [SignalRow(step, {"d_loss": 0.3 + 1 / (step + 1)}, {}, 0) for step in range(100)]
    assert undo(slow, averaging="batch")[0][-1].values == {"d_loss": 0.31}
    rows = averaged(batches(3, 100), "batch", None, 100)
    assert undo(rows, averaging="epoch")[1].averaging == "epoch"


def drifting(seed: int, rows: int, step: int) -> list[SignalRow]:
    """A loop's own losses as it prints every ``step``-th of them: drift, and a little noise."""
    rng = np.random.default_rng(seed)
    place = np.linspace(0, 1, rows)
    d_loss = 0.68 - 0.4 * place + 0.03 * rng.normal(size=rows)
    g_loss = 0.7 + 0.5 * place + 0.05 * rng.normal(size=rows)
    return [
        SignalRow(i * step, {"d_loss": round(d, 3), "g_loss": round(g, 3)},
                  {"d_loss": 5e-4, "g_loss": 5e-4})
        for i, (d, g) in enumerate(zip(d_loss.tolist(), g_loss.tolist(), strict=True))
    ]  # fmt: skip


@pytest.mark.parametrize("step", [1, 10, 100])
def test_drifting_numbers_of_single_batches_are_not_undone(step: int) -> None:
    for seed in range(6):
        readings, unaverager = undo(drifting(seed, 40, step))
        assert unaverager.averaging in ("batch", None)
        assert all(0.2 < reading.values["d_loss"] < 0.8 for reading in readings)


def test_a_hypothesis_that_implies_a_negative_cross_entropy_is_rejected() -> None:
    falling = np.concatenate([np.full(10, 0.7), np.full(40, 0.69) - 0.012 * np.arange(40)])
    rows = [SignalRow(i, {"d_loss": float(d), "g_loss": 0.7}) for i, d in enumerate(falling)]
    assert undo(rows)[1].averaging in ("batch", None)


def test_accuracies_that_are_multiples_of_one_batch_are_single_batches() -> None:
    rng = np.random.default_rng(0)
    decay = 1 / np.arange(1, 61)  # as a running mean moves
    share = np.round(64 * (0.5 + 0.4 * decay) + rng.integers(-1, 2, 60)) / 64
    rows = [
        SignalRow(i, {"d_acc": round(float(a), 3)}, {"d_acc": 5e-4}) for i, a in enumerate(share)
    ]
    assert undo(rows)[1].averaging == "batch"


@pytest.mark.parametrize("stride", [7, 10])
def test_epochs_of_a_log_that_skips_steps_begin_where_they_did(stride: int) -> None:
    numbers = batches(4, 1000)
    rows = averaged(numbers, "epoch", None, 118)[stride - 1 :: stride]
    readings, unaverager = undo(rows)
    assert unaverager.averaging == "epoch"
    errors = []
    for reading in readings:
        covered = numbers["d_acc"][reading.first_step : reading.step + 1]
        errors.append(abs(reading.values["d_acc"] - covered.mean()))
    assert np.median(errors) < 0.005  # the length of an epoch is known to a step or two
    assert max(errors) < 0.1


# -- networks that are not trained at every step ---------------------------------------------


def sometimes(
    every: int, steps: int, epoch_steps: int, first: int
) -> tuple[list[SignalRow], dict[str, np.ndarray]]:
    """Means since the epoch began, G's only over the steps at which it was trained."""
    rng = np.random.default_rng(every)
    numbers = {"d_loss": rng.uniform(0.5, 0.8, steps), "g_loss": rng.uniform(0.7, 2.0, steps)}
    rows: list[SignalRow] = []
    kept: dict[str, list[float]] = {}
    for step in range(steps):
        if step % epoch_steps == 0:
            kept = {"d_loss": [], "g_loss": []}
        kept["d_loss"].append(numbers["d_loss"][step])
        if step % every == first:
            kept["g_loss"].append(numbers["g_loss"][step])
        means = {k: float(np.float32(np.mean(v))) if v else 0.0 for k, v in kept.items()}
        rounding = {k: v * 2.0**-22 for k, v in means.items()}
        rows.append(SignalRow(step, means, rounding, step // epoch_steps))
    return rows, numbers


@pytest.mark.parametrize("first", [0, 4])
@pytest.mark.parametrize("epoch_steps", [60, 63])
def test_a_generator_trained_at_every_fifth_step_is_read_at_those(
    first: int, epoch_steps: int
) -> None:
    rows, numbers = sometimes(5, 240, epoch_steps, first)
    readings, _ = undo(rows, averaging="epoch", origin=0)
    latest = None
    for reading in readings:
        if reading.step % 5 == first:
            latest = numbers["g_loss"][reading.step]
        if reading.step < first:
            assert "g_loss" not in reading.values
        elif latest is not None and "g_loss" in reading.values:
            assert reading.values["g_loss"] == pytest.approx(latest, abs=1e-4)
        assert reading.values["d_loss"] == pytest.approx(numbers["d_loss"][reading.step], abs=1e-4)
    assert sum("g_loss" in reading.values for reading in readings) > 200


def test_constant_numbers_of_a_trained_network_count() -> None:
    losses = np.concatenate([np.linspace(0.7, 0.1, 20), np.zeros(10), np.full(10, 0.5)])
    rows = []
    for begin, end in ((0, 20), (20, 40)):
        means = np.cumsum(losses[begin:end]) / np.arange(1, end - begin + 1)
        rows += [SignalRow(begin + i, {"d_loss": float(m)}, {}, begin) for i, m in enumerate(means)]
    readings, _ = undo(rows, averaging="epoch", origin=0)
    assert [r.values["d_loss"] for r in readings] == pytest.approx(losses, abs=1e-6)


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
