"""The fast form of `make bench-detection`: a sixth of the zoo, and no figure may drop."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "zoo"))

import bench
import toys
from zoo import Run, load

RUNS = load()


def test_the_held_out_part_is_found_without_false_alarms() -> None:
    held = [run for run in RUNS if run.held_out][::6]
    score = bench.score(bench.ours, held)
    assert score.failed >= 15
    assert score.recall >= 0.8
    assert score.false_alarms <= 0.1


def test_losses_alone_raise_no_false_alarms() -> None:
    score = bench.score(bench.by_losses, RUNS[::3])
    assert score.healthy >= 30
    assert score.false_alarms <= 0.02


def test_the_corpus_is_as_its_data_sheet_says() -> None:
    labels = [run.label for run in RUNS]
    causes = {run.recipe["cause"] for run in RUNS} - {"none"}
    assert len(RUNS) >= 600
    assert len(causes) >= 12
    assert labels.count("healthy") >= 250
    assert (
        sum(path.stat().st_size for path in (Path(__file__).parent / "zoo").glob("records/*"))
        < 20e6
    )
    seeds = [(run.recipe["seed"], str(run.program)) for run in RUNS]
    assert len(set(seeds)) == len(seeds)


def test_nothing_held_out_is_in_the_part_for_choosing() -> None:
    chosen = [run.program for run in RUNS if not run.held_out]
    held = [run.program for run in RUNS if run.held_out]
    for name in ("toy", "network", "objective"):
        only = {program[name] for program in held} - {program[name] for program in chosen}
        assert only, f"no {name} is held out as a whole"


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
    return Run({"toy": "ring"}, {}, (), empty, empty, empty, modes, quality)


@pytest.mark.parametrize(
    ("looks", "label", "onset"),
    [
        (["bad"] * 3 + ["good"] * 7, "healthy", None),
        (["good"] * 4 + ["bad"] * 6, "failed", 400),
        (["bad"] * 10, "failed", 0),
        (["good"] * 9 + ["bad"], "between", None),
        (["between"] * 10, "between", None),
    ],
)
def test_labels_come_from_the_oracle(looks: list[str], label: str, onset: int | None) -> None:
    run = run_with(looks)
    assert (run.label, run.onset) == (label, onset)
