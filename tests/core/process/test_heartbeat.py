"""A process that cannot be seen from here is judged by its signs of life."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from waiting import wait_until

from keras_collapse.core.process import heartbeat
from keras_collapse.core.process.heartbeat import FILE_NAME, Heartbeat, seconds_since, works
from keras_collapse.core.process.identity import this_process

ELSEWHERE = {"pid": 1, "started": 5.0, "host": "elsewhere", "boot": "another"}


def test_the_file_is_touched_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    path = tmp_path / FILE_NAME

    def is_touched() -> bool:
        os.utime(path, (0, 0))
        until = time.monotonic() + 2
        while path.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        return path.stat().st_mtime > 0

    beat = Heartbeat(tmp_path)
    wait_until(path.exists)
    assert is_touched()
    beat.stop()
    time.sleep(0.1)
    assert not is_touched()


def test_a_file_that_was_removed_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    beat = Heartbeat(tmp_path)
    while not (tmp_path / FILE_NAME).exists():
        time.sleep(0.01)
    time.sleep(0.1)
    (tmp_path / FILE_NAME).unlink()
    time.sleep(0.2)
    assert not (tmp_path / FILE_NAME).exists()
    beat.stop()


def test_another_machines_process_works_while_its_signs_are_fresh(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    assert not works(ELSEWHERE, path)
    path.touch()
    assert works(ELSEWHERE, path)
    old = time.time() - heartbeat.STALE_SECONDS - 1
    os.utime(path, (old, old))
    assert not works(ELSEWHERE, path)
    assert works(this_process(), path)  # it can be seen
    age = seconds_since(path, tmp_path / "missing")
    assert age == pytest.approx(heartbeat.STALE_SECONDS + 1, abs=5)
