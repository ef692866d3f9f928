"""The soak says what grew, and finds leaks that are put into it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from costs.soak import LEAKS, LIMITS, Sample, what_grew
from paths import TESTS
from tiny import once

FLAT = Sample(rss=1280, threads=6, files=13, processes=0, temporary=2, bytes_a_step=310)


@once
def test_what_swings_or_grows_in_the_first_tenth_is_flat() -> None:
    start = [replace(FLAT, rss=900 + 3 * i, threads=2) for i in range(9)]
    rest = [replace(FLAT, rss=1280 + 30 * (i % 2), files=13 + 4 * (i % 5 == 0)) for i in range(90)]
    assert what_grew(start + rest) == []


@once
@pytest.mark.parametrize("name", Sample.__slots__)
def test_what_grows_slowly_is_named(name: str) -> None:
    least = getattr(FLAT, name)
    total = 2 * getattr(LIMITS, name)
    samples = [replace(FLAT, **{name: least + total * i / 100}) for i in range(100)]
    (found,) = what_grew(samples)
    assert found.startswith(f"{name} grew from ")


@pytest.mark.backend("torch")
@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(tmp_path: Path, leak: str) -> None:
    command = [sys.executable, str(TESTS / "costs" / "soak.py"), "--minutes", "0.6",
               "--leak", leak, "--folder", str(tmp_path)]  # fmt: skip
    environment = os.environ | {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    name = {"memory": "rss", "folder": "bytes_a_step"}.get(leak, leak)
    assert f"long: {name} grew from" in done.stdout.splitlines()[-1]
