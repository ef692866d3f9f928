"""Reading stays linear in time, small in memory, and refuses what is no regular file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.sources import diagnose, examine, read

KILOBYTE = 1 if sys.platform == "linux" else 1 / 1024
"""The unit of ``ru_maxrss``: bytes on macOS."""


def diagnosed(source: Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keras_collapse.cli", "diagnose", str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


# -- no regular file -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.csv", "log.txt", "cells.ipynb", "a.tfevents.1", "a.jsonl"])
def test_a_fifo_is_refused_instead_of_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "not a regular file" in refused(diagnosed(tmp_path / name, 20))


@pytest.mark.parametrize("name", ["journal.jsonl", "events.out.tfevents.1"])
def test_a_fifo_inside_a_folder_is_refused_too(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "not a regular file" in refused(diagnosed(tmp_path, 20))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    assert "not a regular file" in refused(diagnosed(Path(device), 20))


def test_a_folder_named_like_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "run.csv").mkdir()
    (tmp_path / "run" / "journal.jsonl").mkdir(parents=True)
    (tmp_path / "logs" / "events.out.tfevents.1").mkdir(parents=True)
    for folder in ("run.csv", "run", "logs"):
        with pytest.raises(InputError) as caught:
            diagnose(tmp_path / folder)
        assert "\n" not in str(caught.value)


# -- time ------------------------------------------------------------------------------------

EVIL: dict[str, Callable[[int], str]] = {
    "a long word": lambda n: "a" * n,
    "words": lambda n: "a " * (n // 2),
    "spaces after a name": lambda n: "d_loss" + " " * n,
    "spaces after a separator": lambda n: "d_loss:" + " " * n + "x",
    "spaces after epoch": lambda n: "epoch" + " " * n + "x",
    "spaces after step": lambda n: "step 1" + " " * n + "x",
    "digits after a bar": lambda n: "1/2 " + "9" * n,
    "a long number": lambda n: "d_loss: " + "9" * n,
    "a long step": lambda n: "step " + "9" * n + " d_loss: 0.5",
    "epochs": lambda n: "epoch " * (n // 6),
    "percent": lambda n: "d_loss: 1" + " " * n + "(R 1" + " " * n,
    "escapes": lambda n: "\x1b[" * (n // 2),
    "dots": lambda n: "a." * (n // 2) + ":",
    "bars": lambda n: "a - " * (n // 4) + ": 1",
    "carriage returns": lambda n: "d_loss: 1\r" * (n // 100),
}


@pytest.mark.parametrize("name", EVIL)
def test_no_line_takes_more_than_linear_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log.txt"
    path.write_text("step 0: d_loss: 0.7, g_loss: 0.6\n" + EVIL[name](200_000) + "\n")
    began, said = time.process_time(), ""
    try:
        diagnose(path)
    except InputError as error:
        said = str(error)
    assert len(said) < 2_000
    assert time.process_time() - began < 10  # quadratic ones took more than 22


def test_a_line_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.truncate(2**33)  # a sparse file: 8 GB that take no room
    assert "longer than" in refused(diagnosed(path))


def test_thousands_of_names_are_not_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text(",".join(f"column{i}" for i in range(10_000)) + "\n")
    assert len(refused(diagnosed(path))) < 2_000


# -- memory ----------------------------------------------------------------------------------

LONG = 20_000


def csv(path: Path, steps: int) -> Path:
    rows = (f"{i},0.{600 + i % 77},0.{650 + i % 97}\n" for i in range(steps))
    path.write_text("step,d_loss,g_loss\n" + "".join(rows))
    return path


def text(path: Path, steps: int) -> Path:
    path.write_text("".join(f"step {i}: d_loss: 0.{600 + i % 77}\n" for i in range(steps)))
    return path


def journal(path: Path, steps: int) -> Path:
    run = '{"record":"run","schema":1,"time":0}\n'
    logs = ({"record": "logs", "step": i, "epoch": 0, "logs": {"d_loss": 0.6 + i % 77 / 1000}}
            for i in range(steps))  # fmt: skip
    path.write_text(run + "".join(json.dumps(one) + "\n" for one in logs))
    return path


def peak(source: Path) -> float:
    """Megabytes of a process that diagnoses the source."""
    program = (
        "import resource, sys\n"
        "from keras_collapse import sources\n"
        f"sources.diagnose({str(source)!r})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    return int(done.stdout) * KILOBYTE / 1024


@pytest.mark.parametrize(("name", "write"), [("a.csv", csv), ("a.txt", text), ("a.jsonl", journal)])
def test_memory_does_not_grow_with_the_log(
    tmp_path: Path, name: str, write: Callable[[Path, int], Path]
) -> None:
    small, large = write(tmp_path / f"1{name}", 2_000), write(tmp_path / f"2{name}", LONG)
    assert peak(large) < peak(small) + 6


def test_rows_can_be_read_more_than_once_and_do_not_follow_a_growing_file(tmp_path: Path) -> None:
    run = read(csv(tmp_path / "a.csv", 300))
    with (tmp_path / "a.csv").open("a") as file:
        file.write("300,0.6,0.7\n")
    assert [len(list(run.rows)) for _ in range(2)] == [300, 300]
    assert examine(run).verdict.steps == 300
