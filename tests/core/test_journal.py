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
from keras_collapse.core.journal import FILE_NAME, SCHEMA, Journal, read_journal


def start(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.write("run", schema=SCHEMA)
    return journal


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.write_logs(3, 0, {"d_loss": 0.123456789012, "g_loss": math.nan})
    journal.flush()
    *_, record = read_journal(tmp_path)
    assert record == {
        "record": "logs",
        "step": 3,
        "epoch": 0,
        "logs": {"d_loss": 0.123456789, "g_loss": "nan"},
    }


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.write("logs", step=0, logs={})
    journal.close()
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"record":"logs","st')
    assert [r["record"] for r in read_journal(tmp_path)] == ["run", "logs"]


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
        "from keras_collapse.core.journal import Journal, SCHEMA\n"
        f"journal = Journal({str(tmp_path)!r})\n"
        "journal.write('run', schema=SCHEMA)\n"
        "for step in range(10**9): journal.write('logs', step=step, logs={'d_loss': step / 7})\n"
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
    steps = [r["step"] for r in read_journal(tmp_path) if r["record"] == "logs"]
    assert steps == list(range(len(steps)))
    assert len(steps) > 1000


def test_a_folder_that_holds_a_run_is_not_written_into(tmp_path: Path) -> None:
    start(tmp_path).close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(InputError, match="already holds a run"):
        Journal(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
