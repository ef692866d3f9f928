"""The triage report draws the losses of all trials as SVG charts that share their scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_collapse.core.journal import Journal
from keras_collapse.core.records import SCHEMA, ReaderSettings, RunStarted, StepLogs
from keras_collapse.outputs.report.triage_charts import triage_charts
from keras_collapse.outputs.report.triage_report import html

FOUND: dict[str, Any] = {
    "experiment": "gan.py:train", "plan": "plan-b", "steps": 300, "backend": "jax", "room": "a CPU",
    "root_cause": "inconclusive", "statement": "", "rule": "", "confidence": None, "evidence": {},
    "solution": [], "cure": [], "deciding": [], "notes": [], "trials": [],
    "reproducible": {"to_the_bit": True},
    "guide": {"plan_a": [], "plan_b": [], "step_3": [], "tie_breakers": []},
}  # fmt: skip


def usual(step: int) -> dict[str, float]:
    return {"d_loss": 0.6 + 0.01 * math.sin(step), "g_loss": 0.8 + 0.01 * math.cos(step)}


def run(folder: Path, logs: Callable[[int], dict[str, float]] = usual, steps: int = 400) -> None:
    journal = Journal(folder)
    journal.write(RunStarted(SCHEMA, 0.0))
    journal.write(ReaderSettings(None, "batch", 0, None))
    for step in range(steps):
        journal.write(StepLogs(step, 0, logs(step)))
    journal.close()


def trial(folder: Path, says: str, batch_size: int, steps: int = 300) -> dict[str, Any]:
    name = f"{says}, batch {batch_size}"
    run(folder / name / "run", steps=steps)
    return {"name": name, "says": says, "batch_size": batch_size, "folder": str(folder / name)}


def test_each_batch_size_has_a_chart_of_each_loss(tmp_path: Path) -> None:
    rows = [trial(tmp_path, "failed", 64), trial(tmp_path, "timed_out", 8),
            trial(tmp_path, "healthy", 64)]  # fmt: skip
    charts = triage_charts(rows)
    assert [chart.name for chart in charts] == [
        "D's loss, batch size 8", "G's loss, batch size 8",
        "D's loss, batch size 64", "G's loss, batch size 64",
    ]  # fmt: skip
    assert charts[0].keys == [("other", "timed out")]
    assert charts[2].keys == [("failed", "failed"), ("healthy", "healthy")]
    assert [line.style for line in charts[2].lines] == ["failed", "healthy"]
    assert charts[0].y_ticks == charts[2].y_ticks
    text = html(FOUND, rows, "again")
    assert "<img" not in text
    assert text.count('class="plot"') == 4
    assert "<title>timed_out, batch 8: timed out</title>" in text


def test_a_trial_without_a_log_is_skipped(tmp_path: Path) -> None:
    lost = {"name": "lost", "says": "died", "batch_size": 8, "folder": str(tmp_path / "lost")}
    assert triage_charts([lost]) == []
    assert "Losses of all trials" not in html(FOUND, [lost], "again")
    assert len(triage_charts([lost, trial(tmp_path, "failed", 64, steps=1)])) == 2


def test_an_exploding_trial_is_noted_and_does_not_flatten_the_others(tmp_path: Path) -> None:
    rows = [trial(tmp_path, "healthy", 64)]
    folder = tmp_path / "exploded"
    run(folder / "run", lambda s: usual(s) | {"g_loss": [1.0, 1e9, math.nan][max(s - 397, 0)]})
    rows.append({"name": "exploded", "says": "failed", "batch_size": 64, "folder": str(folder)})
    _, g_loss = triage_charts(rows)
    assert any(note.startswith("exploded rises to 1e+09") for note in g_loss.notes)
    assert any(note.startswith("exploded: NaN or infinite in") for note in g_loss.notes)
    assert max(float(label.replace(",", "")) for _, label in g_loss.y_ticks) < 10
