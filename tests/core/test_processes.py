"""What started a process is said so that it can be repeated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from keras_collapse.core.processes import this_command

SAY = "from keras_collapse.core.processes import this_command\nprint(this_command())\n"


def said(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_scripts_command_is_the_one_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "my train.py").write_text(SAY)
    command = said("my train.py", "--seed", "1")
    assert command.endswith("'my train.py' --seed 1")
    assert command == subprocess.run(
        command, shell=True, capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip


def test_a_notebook_and_a_console_have_none(tmp_path: Path) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text(SAY)
    assert said("ipykernel_launcher.py", "-f", "a.json") == ""
    done = subprocess.run([sys.executable], input=SAY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert this_command() != ""
