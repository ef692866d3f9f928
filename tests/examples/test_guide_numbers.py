"""docs/guide-numbers.md: its commands run, and those that are quick still print what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import train_on_batch_loop

pytestmark = pytest.mark.backend()

GUIDE = (Path(__file__).parents[2] / "docs" / "guide-numbers.md").read_text(encoding="utf-8")


def test_the_guides_log_un_averaged_is_as_the_page_says(data: Path) -> None:
    (script,) = re.findall(r"python - <<'END'\n(.*?)\nEND\n", GUIDE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"KERAS_COLLAPSE_DATA": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("\n") == 6
    assert done.stdout in GUIDE


def test_the_loops_commands_are_accepted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the training left out: it takes minutes."""
    chosen: list[tuple[int, int, bool, int]] = []

    def train(images: Any, _monitor: Any, *arguments: Any) -> None:
        chosen.append((len(images), *arguments))

    monkeypatch.setenv("CATS", str(data / "quickdraw_cat_3000.npz"))
    monkeypatch.setattr(train_on_batch_loop, "train", train)
    monkeypatch.setattr(train_on_batch_loop, "table", lambda run_dir: "")
    commands = re.findall(r"python examples/train_on_batch_loop\.py([^\n#`]*)", GUIDE)
    for command in commands:
        arguments = shlex.split(os.path.expandvars(command))
        assert train_on_batch_loop.main(arguments) == 0
    assert any(images == 3000 for images, *_ in chosen)  # the file was read
