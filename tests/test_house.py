"""The house rules that no linter checks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from paths import ROOT

PACKAGE = ROOT / "keras_collapse"
MOST_LINES = 300
MOST_ENTRIES = 14
PRIVATE = ("keras.src", "tensorflow.python", "._flatten_layers", "._learning_rate", "._tensors",
           "._input_dataset", "mlflow.utils", "mlflow.store")  # fmt: skip
INTERNALS = ("keras_internals.py", "mlflow_internals.py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_a_file_is_short_and_opens_with_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert text.startswith('"""')
    if path.name not in INTERNALS:
        assert not [name for name in PRIVATE if name in text]


def test_a_room_has_few_entries() -> None:
    rooms = [path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]
    entries = {
        room.relative_to(ROOT).as_posix(): len(
            [one for one in room.iterdir() if not one.name.startswith("__")]
        )
        for room in rooms
    }
    assert not {room: count for room, count in entries.items() if count > MOST_ENTRIES}


def test_no_tracked_file_names_a_machine_or_is_large() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    assert not [str(path) for path in files if path.exists() and path.stat().st_size > 2_000_000]
