"""The journal is readable while it grows and whole after a kill."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME, Journal, read_journal
from keras_collapse.core.records import SCHEMA, RunStarted, StepLogs


def start(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.write(RunStarted(SCHEMA, 0.0))
    return journal


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.write(StepLogs(3, 0, {"d_loss": 0.123456789012, "g_loss": math.nan}))
    journal.flush()
    *_, record = read_journal(tmp_path)
    assert isinstance(record, StepLogs)
    assert (record.step, record.epoch, record.logs["d_loss"]) == (3, 0, 0.123456789)
    assert math.isnan(record.logs["g_loss"])


def test_a_disk_that_fills_leaves_no_broken_line_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = start(tmp_path)
    journal.flush()
    real, calls = os.write, []

    def short(file: int, content: bytes) -> int:
        """A disk with room for a few bytes, which is then full, and is emptied later."""
        calls.append(len(content))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(file, content[:7]) if len(calls) == 1 else real(file, content)

    monkeypatch.setattr(os, "write", short)
    journal.write(StepLogs(0, 0, {"d_loss": 0.7}))
    with pytest.raises(OSError, match="No space"):
        journal.flush()
    journal.write(StepLogs(1, 0, {"d_loss": 0.6}))
    journal.flush()
    steps = [record.step for record in read_journal(tmp_path) if isinstance(record, StepLogs)]
    assert steps == [0, 1]


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.write(StepLogs(0, 0, {}))
    journal.close()
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"record":"logs","st')
    assert [r.kind for r in read_journal(tmp_path)] == ["run", "logs"]


def test_a_broken_line_inside_is_named(tmp_path: Path) -> None:
    start(tmp_path).close()
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write("no json\n")
    with pytest.raises(InputError, match="line 2"):
        list(read_journal(tmp_path))


def test_a_journal_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"record":"run","schema":99}\n')
    with pytest.raises(InputError, match="schema 99"):
        list(read_journal(tmp_path))


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to the run folder"):
        Journal(tmp_path / "file" / "run")


def test_it_survives_kill_9_whole(tmp_path: Path) -> None:
    program = (
        "from keras_collapse.core.journal import Journal\n"
        "from keras_collapse.core.records import SCHEMA, RunStarted, StepLogs\n"
        f"journal = Journal({str(tmp_path)!r})\n"
        "journal.write(RunStarted(SCHEMA, 0.0))\n"
        "for step in range(10**9): journal.write(StepLogs(step, 0, {'d_loss': step / 7}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 30
    path = tmp_path / FILE_NAME
    while time.monotonic() < deadline and not (path.exists() and path.stat().st_size > 200_000):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # The kill may cut a write of megabytes: its last line at most, which is left out.
    whole = path.read_bytes().count(b"\n")
    assert len(list(read_journal(tmp_path))) == whole
    steps = [r.step for r in read_journal(tmp_path) if isinstance(r, StepLogs)]
    assert steps == list(range(len(steps)))
    assert len(steps) > 1000


def test_a_folder_that_holds_a_run_is_not_written_into(tmp_path: Path) -> None:
    start(tmp_path).close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(InputError, match="already holds a run"):
        Journal(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
