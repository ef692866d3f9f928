"""Which process writes a run: the command that repeats it, and whether it is alive."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from keras_collapse.core.journal import Journal, read_journal
from keras_collapse.core.process.identity import lives, this_command, this_process
from keras_collapse.core.records import SCHEMA, RunStarted

SAY = "from keras_collapse.core.process.identity import this_command\nprint(this_command())\n"


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


def test_a_process_is_recognised_by_what_its_journal_holds(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run")
    journal.write(RunStarted(SCHEMA, time.time(), this_process()))
    journal.close()
    (record,) = read_journal(tmp_path / "run")
    assert isinstance(record, RunStarted)
    assert lives(record.process) is True


def test_only_the_very_same_process_is_alive() -> None:
    process = this_process()
    assert lives(process) is True
    assert lives({**process, "started": process["started"] - 3600}) is False  # a reused pid
    assert lives({**process, "pid": 4194305}) is False
    assert lives({**process, "host": "elsewhere"}) is None
    assert lives({**process, "boot": "of another machine with this name"}) is None
    assert lives({}) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no zombies")
def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time() - psutil.boot_time()
    process = {**this_process(), "pid": child.pid, "started": started}
    assert lives(process) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is not collected
    assert lives(process) is False
    child.wait()
    assert lives(process) is False
