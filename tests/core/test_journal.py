"""The journal is readable while it grows and whole after a kill."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import FILE_NAME, BrokenLine, Journal, read_journal
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


FULL = """
import resource, sys, warnings
from keras_collapse.core import journal
from keras_collapse.core.records import StepLogs
from keras_collapse.training.run_journal import RunJournal

journal.FLUSH_SECONDS = 0.0
log = RunJournal(sys.argv[1])
log.open()
log.write(StepLogs(0, 0, {"d_loss": 0.7}), flush=True)
room = log._journal.path.stat().st_size + 20
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))  # as a full disk: a part is written
    for step in range(1, 50):
        log.write(StepLogs(step, 0, {"d_loss": 0.7}))
    assert log._journal.path.stat().st_size == room
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    log.write(StepLogs(50, 0, {"d_loss": 0.7}))
print(*[one.message for one in caught], sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_is_full_for_a_while_costs_nothing_and_is_reported_once(
    tmp_path: Path,
) -> None:
    run = str(tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-c", FULL, run], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert "the journal in" in line
    assert "File too large" in line
    records = list(read_journal(run))
    assert [r.step for r in records if isinstance(r, StepLogs)] == list(range(51))
    assert [r.kind for r in records] == ["run"] + 51 * ["logs"]


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.write(StepLogs(0, 0, {}))
    journal.close()
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"record":"logs","st')
    assert [r.kind for r in read_journal(tmp_path)] == ["run", "logs"]


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b'{"record":"logs","st{"record":"logs","step":1,"epoch":0,"logs":{}}',  # a short write
        b"\x00" * 4096 + b'{"record":"logs","step":1,"epoch":0,"logs":{}}',  # a power cut
        b'{"record":"of a newer version"}',
        b'{"record":"logs","step":1e999,"epoch":0,"logs":{}}',
        b'{"record":"logs","step":1,"epoch":0,"logs":7}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"",
    ],
)
def test_a_broken_line_inside_costs_that_line_only(tmp_path: Path, line: bytes) -> None:
    journal = start(tmp_path)
    journal.write(StepLogs(0, 0, {}))
    journal.close()
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(line + b'\n{"record":"logs","step":2,"epoch":0,"logs":{}}\n')
    *_, before, broken, after = read_journal(tmp_path)
    assert isinstance(before, StepLogs)
    assert isinstance(after, StepLogs)
    assert (before.step, after.step) == (0, 2)
    assert isinstance(broken, BrokenLine)
    assert broken.number == 3
    assert 0 < len(broken.reason) <= 200


def test_a_file_without_any_record_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("epoch 1\nepoch 2\n")
    with pytest.raises(InputError, match="none of its lines is a record"):
        list(read_journal(tmp_path))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_forked_child_writes_nothing_of_its_parents(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from keras_collapse.core.records import StepLogs\n"
        "from keras_collapse.training.run_journal import RunJournal\n"
        f"journal = RunJournal({str(tmp_path / 'run')!r})\n"
        "journal.open()\n"
        "for step in range(3): journal.write(StepLogs(step, 0, {}))\n"
        "if os.fork() == 0: sys.exit()\n"
        "os.wait()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert [r.kind for r in read_journal(tmp_path / "run")] == ["run", "logs", "logs", "logs"]


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
    path = tmp_path / FILE_NAME
    wait_until(lambda: path.exists() and path.stat().st_size > 200_000)
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
