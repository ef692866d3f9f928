"""The fast form of `make bench-images`: every third run, and no figure may drop."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "zoo" / "images"))

from image_bench import missing_at_the_end
from labels import missing_categories
from runs import Run, load_runs, onset

ONE_FLOWER_A_COLOUR = {298, 466}
"""Runs that the oracle calls healthy, and their sample grids do not; see the zoo's data sheet."""
RUNS = load_runs()
SCORED = [run for run in RUNS if run.label == "healthy" or run.failed][::3]
ENDS = {id(run): run.examine() for run in SCORED}


def of(*labels: str) -> list[Run]:
    return [run for run in SCORED if run.label in labels]


def test_collapse_and_garbage_are_found() -> None:
    runs = of("collapse", "garbage")
    assert len(runs) >= 10
    found = [run for run in runs if ENDS[id(run)][0] is not None]
    assert len(found) >= 0.9 * len(runs)
    right = [r for r in found if ENDS[id(r)][0].kind in r.right_kinds]  # type: ignore[union-attr]
    assert len(right) >= 0.85 * len(found)


def test_no_healthy_run_ends_as_failed() -> None:
    runs = of("healthy")
    assert len(runs) >= 10
    called = {run.about["number"] for run in runs if ENDS[id(run)][2].status == "failed"}
    assert called <= ONE_FLOWER_A_COLOUR


def test_no_collapsed_run_ends_as_healthy() -> None:
    silent = [run for run in of("collapse", "garbage") if ENDS[id(run)][2].status == "healthy"]
    assert [run.about["number"] for run in silent] == []


def test_collapse_is_found_soon_after_its_onset() -> None:
    late = [ENDS[id(run)][1] - onset(run) for run in of("collapse") if ENDS[id(run)][1]]
    assert sorted(late)[len(late) // 2] <= 500


def test_a_dropped_category_is_found_and_its_share_estimated() -> None:
    """Where pixels tell the categories apart: drawings, flowers and landscapes."""
    runs = [
        run
        for run in RUNS
        if "dropped" in run.about["fault"]["name"]
        and run.label == "missing"
        and not run.about["data"].startswith(("photos", "digits"))
    ]
    assert len(runs) >= 3
    firsts = [run.examine()[0] for run in runs]
    assert None not in firsts
    named = [first.kind == "mode_collapse" for first in firsts if first is not None]
    assert sum(named) >= 0.8 * len(runs)
    for run in runs:
        shares, last = run.shares, run.judged[-1]
        assert last is not None
        dropped = {*run.about["fault"]["dropped"], *missing_categories(last, shares)}
        lost = sum(shares[k] for k in dropped)  # G may miss others as well
        missing = missing_at_the_end(run)
        if len(run.about["fault"]["dropped"]) == 1:
            assert missing == pytest.approx(lost, abs=0.1)
        else:  # of two, one may look like what is there
            assert lost / 3 < missing < lost + 0.1
