"""A file is written whole, beside what is there, and never over what is no regular file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_collapse.core import atomic_files
from keras_collapse.core.atomic_files import LineFile, write
from keras_collapse.core.errors import InputError


@pytest.mark.parametrize("name", ["fifo", "device", "link", "dangling"])
def test_only_a_regular_file_is_replaced(tmp_path: Path, name: str) -> None:
    """Devices through links only: where this fails, that of the machine must not be replaced."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/full")
    (tmp_path / "other").write_text("mine")
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "dangling").symlink_to("new")
    target = tmp_path / name
    before = os.lstat(target)
    with pytest.raises(InputError, match="not a regular file"):
        write(target, "report")
    after = os.lstat(target)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a regular file"):
        write(tmp_path, "report")
    assert not list(tmp_path.iterdir())


def test_the_command_refuses_a_fifo_as_its_output(tmp_path: Path) -> None:
    log = tmp_path / "run.csv"
    log.write_text("step,d_loss\n0,0.5\n")
    out = tmp_path / "fifo"
    os.mkfifo(out)
    command = [sys.executable, "-m", "keras_collapse.cli", "report", str(log), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "not a regular file" in done.stderr
    assert out.is_fifo()


def test_no_temporary_name_can_be_guessed(tmp_path: Path) -> None:
    """In a process that sees each file as it is made."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "made = set()\n"
        "def hook(event, arguments):\n"
        "    if event == 'open' and 'a.json' in str(arguments[0]): made.add(str(arguments[0]))\n"
        "sys.addaudithook(hook)\n"
        "from keras_collapse.core.atomic_files import write\n"
        "for _ in range(9): write(Path('a.json'), 'x')\n"
        "print(len(made))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "new" / "a.json", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "a.json").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """In a process whose files may have 100 bytes at most, as on a full disk."""
    program = (
        "import resource\n"
        "from pathlib import Path\n"
        "from keras_collapse.core.atomic_files import write_json\n"
        "from keras_collapse.core.errors import InputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: write_json(Path('a.json'), ['a' * 1000])\n"
        "except InputError as error: print(error)\n"
    )
    (tmp_path / "a.json").write_text("before")
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write 'a.json' (File too large).")
    assert "already written are kept" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "before"


def test_lines_that_are_more_than_is_kept_for_a_full_disk_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "MOST_UNWRITTEN", 8)
    file = LineFile(tmp_path / "lines")
    file.append(b"a line of twenty-two\n")
    file.append(b"another\n")
    assert (tmp_path / "lines").read_bytes() == b"a line of twenty-two\nanother\n"


def test_on_a_full_disk_no_more_than_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "MOST_UNWRITTEN", 8)
    file = LineFile(tmp_path / "lines")
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        for line in (b"first\n", b"second\n"):
            with pytest.raises(OSError, match="full"):
                file.append(line)
    file.append(b"3\n")
    assert (tmp_path / "lines").read_bytes() == b"first\n3\n"
