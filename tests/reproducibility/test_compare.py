"""Two runs are identical, different with the first difference named, or beyond telling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import Journal
from keras_collapse.core.records import SCHEMA, Fingerprint, FitStarted, RunStarted, StepLogs
from keras_collapse.reproducibility.compare import compare

LAYERS = ["generator/dense/kernel", "generator/dense/bias", "discriminator/dense/kernel",
          "discriminator/dense/bias", "discriminator/dense_1/kernel"]  # fmt: skip
STEPS, EPOCH = 12, 4

Change = Callable[[dict[str, Any]], None]


def write(folder: Path, change: Change = lambda run: None) -> Path:
    """A run of three epochs of four steps, fingerprinted at its begin and after each epoch."""
    run: dict[str, Any] = {
        "facts": {"backend": "jax", "version.keras": "3.15.1", "steps": EPOCH},
        "logs": {s: {"d_loss": 0.7 - s / 100, "g_loss": 0.6 + s / 50} for s in range(STEPS)},
        "weights": {s: [[p, f"{p}@{s}"] for p in LAYERS] for s in (-1, 3, 7, 11)},
    }
    change(run)
    journal = Journal(folder)
    journal.write(RunStarted(SCHEMA, 0.0))
    journal.write(FitStarted(0, run["facts"]))
    for step in sorted(run["logs"].keys() | run["weights"].keys()):
        if step in run["logs"]:
            journal.write(StepLogs(step, step // EPOCH, run["logs"][step]))
        if step in run["weights"]:
            journal.write(Fingerprint(step, run["weights"][step]))
    journal.close()
    return folder


def shift(steps: range, by: float) -> Change:
    def change(run: dict[str, Any]) -> None:
        for step in steps:
            run["logs"][step]["d_loss"] *= 1 + by
        rehash(steps.start, LAYERS)(run)

    return change


def rehash(begin: int, layers: list[str]) -> Change:
    def change(run: dict[str, Any]) -> None:
        for step, weights in run["weights"].items():
            if step >= begin:
                run["weights"][step] = [
                    [p, d + "other"] if p in layers else [p, d] for p, d in weights
                ]

    return change


def both(*changes: Change) -> Change:
    def change(run: dict[str, Any]) -> None:
        for one in changes:
            one(run)

    return change


def test_the_same_run_twice_is_identical(tmp_path: Path) -> None:
    found = compare(write(tmp_path / "a"), write(tmp_path / "b"))
    assert found.identical is True
    assert (found.steps, found.first_step, found.settings) == (12, None, {})


@pytest.mark.parametrize(
    ("change", "first", "step", "source"),
    [
        (both(rehash(-1, LAYERS), shift(range(12), 0.3)), "initial weights", 0, "another seed"),
        (both(rehash(-1, LAYERS[2:3]), shift(range(12), 0.1)), "initial weights", 0, LAYERS[2]),
        (shift(range(12), 0.2), "readings", 0, "first batch"),
        (shift(range(5, 12), 0.2), "readings", 5, "of this step"),
        (shift(range(5, 12), 1e-6), "readings", 5, "another order"),
        (rehash(7, LAYERS[:1]), "weights", 7, "outside of the logged step"),
    ],
)
def test_the_first_difference_and_its_source_are_named(
    tmp_path: Path, change: Change, first: str, step: int, source: str
) -> None:
    found = compare(write(tmp_path / "a"), write(tmp_path / "b", change))
    assert found.identical is False
    assert (found.first, found.first_step) == (first, step)
    assert source in found.source


def test_settings_that_differ_are_blamed_first(tmp_path: Path) -> None:
    def older(run: dict[str, Any]) -> None:
        run["facts"]["version.keras"] = "3.14.1"

    other = write(tmp_path / "b", both(older, shift(range(12), 1e-6)))
    found = compare(write(tmp_path / "a"), other)
    assert found.source == "settings that differ: version.keras (3.15.1 and 3.14.1)"


def test_a_shorter_run_parts_where_it_ends(tmp_path: Path) -> None:
    def stop(run: dict[str, Any]) -> None:
        run["logs"] = {s: log for s, log in run["logs"].items() if s < 8}
        run["weights"].pop(11)

    found = compare(write(tmp_path / "a"), write(tmp_path / "b", stop))
    assert (found.identical, found.first, found.first_step) == (False, "length", 8)


def test_a_resumed_run_is_compared_from_where_it_began(tmp_path: Path) -> None:
    def resume(run: dict[str, Any]) -> None:
        run["logs"] = {s: log for s, log in run["logs"].items() if s >= 8}
        run["weights"] = {s: w for s, w in run["weights"].items() if s >= 7}

    found = compare(write(tmp_path / "a"), write(tmp_path / "b", resume))
    assert found.identical is True
    assert found.steps == 4


def test_without_fingerprints_it_cannot_tell(tmp_path: Path) -> None:
    def blind(run: dict[str, Any]) -> None:
        run["weights"] = {}

    found = compare(write(tmp_path / "a"), write(tmp_path / "b", blind))
    assert found.identical is None
    assert "cannot be told" in found.message


def test_runs_without_a_common_step_are_refused(tmp_path: Path) -> None:
    def late(run: dict[str, Any]) -> None:
        run["logs"] = {s + 100: log for s, log in run["logs"].items()}

    with pytest.raises(InputError, match="no training step in common"):
        compare(write(tmp_path / "a"), write(tmp_path / "b", late))
    with pytest.raises(InputError, match="cannot read the journal"):
        compare(tmp_path / "a", tmp_path / "nothing")
