"""What all tests share: where things lie, a working folder of their own, real MLflow stores."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import mlflow

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE),
    str(HERE / "core"),
    str(HERE / "wiring"),
    str(HERE / "triage"),
    str(HERE.parent / "examples"),
]


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


@pytest.fixture(scope="session")
def prepared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One SQLite database, made once: MLflow takes seconds for it."""
    import mlflow

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(
    prepared_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[mlflow.MlflowClient]:
    """A client of a fresh store that MLflow uses by default."""
    import mlflow

    path = tmp_path / "mlflow.db"
    shutil.copy(prepared_store, path)
    uri = f"sqlite:///{path}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    yield mlflow.MlflowClient(uri)
    mlflow.set_tracking_uri(before)
