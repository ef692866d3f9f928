"""What all tests share: where the real data lies, and a working folder of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real drawings and logs, which are not part of this repository."""
    folder = os.environ.get("KERAS_COLLAPSE_DATA")
    if not folder:
        pytest.skip("KERAS_COLLAPSE_DATA is not set: no real drawings and logs here")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder, so that what it leaves there is seen and goes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
