"""The guide's notebook runs from start to end on each backend."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import keras
import pytest
from guide_notebook import executed
from paths import EXAMPLES

pytestmark = [pytest.mark.backend(), pytest.mark.slow()]

QUICK = {
    'EPOCHS, STEPS = "small", BATCH_SIZE // 16, 20, 400': (
        'EPOCHS, STEPS = "small", BATCH_SIZE // 16, 1, 8'
    ),
    '"mlflow": False}': '"mlflow": False, "go_on": False, "device": "cpu"}',
    "    go_on=False,\n": "",
}


def test_the_notebook_runs_from_start_to_end(tmp_path: Path) -> None:
    for path in EXAMPLES.glob("*.py"):
        shutil.copy(path, tmp_path)
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "PATH": os.defpath}
    notebook = executed(tmp_path, QUICK, environment)
    said = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "No GPU: the small preset" in said
    assert "The guide's Plan A" in said
    assert "should match run 1 exactly" in said
    assert "despite a wiring fault" in said
    reports = list(tmp_path.glob("collapse_triage/*/report.html"))
    assert len(reports) == 2
