"""The fast form of `make bench-detection`: a sixth of the zoo, and no figure may drop."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "zoo"))

import bench
import marks
import toys
from zoo import Run, load, onset

RUNS = load()


def test_the_held_out_part_is_found_without_false_alarms() -> None:
    held = [run for run in RUNS if run.held_out][::4]
    score = bench.score(bench.ours, held)
    assert score.failed >= 40
    assert score.recall >= 0.9
    assert score.precision >= 0.93


def test_no_healthy_run_ends_as_failed() -> None:
    score = bench.score(bench.at_the_end, [run for run in RUNS if run.label == "healthy"][::3])
    assert score.healthy >= 100
    assert score.alarms == 0


def test_the_right_kind_is_named() -> None:
    hits, tries, _ = bench.kinds([run for run in RUNS if run.held_out][::4])
    assert hits >= 0.85 * tries


def test_losses_alone_raise_no_false_alarms() -> None:
    score = bench.score(bench.by_losses, RUNS[::4])
    assert score.healthy >= 30
    assert score.false_alarms <= 0.02


def test_nan_is_found_at_once() -> None:
    struck = [run for run in RUNS if run.recipe["cause"] == "nan_rate" and run.label == "failed"]
    delays = sorted((bench.ours(run) or 9999) - run.recipe["since"] for run in struck)
    assert delays[len(delays) // 2] <= 10


def test_modes_are_counted_without_labels() -> None:
    true, told = np.array(marks.estimates(toys.TOYS["grid"], [3, 12, 20, 25])).T
    assert np.abs(true - told).mean() <= 1.5
    assert marks.rank_correlation(true, told) >= 0.95


def test_the_corpus_is_as_its_data_sheet_says() -> None:
    labels = [run.label for run in RUNS]
    causes = {run.recipe["cause"] for run in RUNS} - {"none"}
    assert len(RUNS) >= 600
    assert len(causes) >= 12
    assert labels.count("healthy") >= 300
    assert (
        sum(path.stat().st_size for path in (Path(__file__).parent / "zoo").glob("records/*"))
        < 20e6
    )
    seeds = [(run.recipe["seed"], str(run.program)) for run in RUNS]
    assert len(set(seeds)) == len(seeds)


def test_nothing_held_out_is_in_the_part_for_choosing() -> None:
    chosen = [run.program for run in RUNS if not run.held_out]
    held = [run.program for run in RUNS if run.held_out]
    for name in ("data", "network", "objective"):
        only = {program[name] for program in held} - {program[name] for program in chosen}
        assert only, f"no {name} is held out as a whole"


FITS = [run for run in RUNS if run.way == "fit"]
WIRED = ("none", "g_too_fast", "label_noise", "range_mismatch", "bad_initialization")


def test_real_fits_and_runs_trained_together_agree() -> None:
    alike = {(run.program["objective"], run.recipe["cause"]) for run in FITS}
    of_these = [r for r in RUNS if (r.program["objective"], r.recipe["cause"]) in alike]
    ways = marks.both_ways(of_these, bench.called)
    assert len(FITS) >= 80
    assert len(ways) >= 15
    for one in ways:
        assert min(one.chance(one.failed), one.chance(one.called)) >= 0.01, one


def test_a_fits_record_says_what_its_callback_said() -> None:
    for run in FITS[::3]:
        if run.recipe["cause"] in WIRED:  # of other causes the live monitor sees the wiring, too
            assert bench.called(run) == (run.recipe["live"] == "failed"), run.recipe


@pytest.mark.parametrize("name", toys.TOYS)
def test_the_oracle_counts_modes(name: str) -> None:
    toy = toys.TOYS[name]
    rng = np.random.default_rng(0)
    modes, quality = toy.judge(toy.draw(2500, rng))
    assert modes == len(toy.centres)
    assert quality == pytest.approx(0.989, abs=0.01)  # within 3 sigma in a plane: 1 - exp(-4.5)
    one = np.repeat(toy.centres[:1], 100, axis=0)
    assert toy.judge(one) == (1, 1.0)
    assert toy.judge(one + 100)[0] == 0


def run_with(looks: list[str]) -> Run:
    """A run of the ring of 8 whose looks the oracle judges as given."""
    judged = {"good": (8, 0.9), "bad": (2, 0.9), "between": (6, 0.5)}
    modes, quality = (np.array(part) for part in zip(*(judged[x] for x in looks), strict=True))
    empty = np.zeros((0, 6))
    balance = np.ones(len(looks))
    return Run({"data": "ring"}, {}, (), (), empty, empty, modes, quality, balance)


@pytest.mark.parametrize(
    ("looks", "label", "since"),
    [
        (["bad"] * 3 + ["good"] * 7, "healthy", None),
        (["good"] * 4 + ["bad"] * 6, "failed", 400),
        (["good"] * 9 + ["bad"], "between", None),
        (["between"] * 10, "between", None),
    ],
)
def test_labels_come_from_the_oracle(looks: list[str], label: str, since: int | None) -> None:
    run = run_with(looks)
    assert (run.label, onset(run)) == (label, since)
