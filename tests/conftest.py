"""What all tests share: which process runs which test, folders, and real MLflow stores.

A test without a marker needs no Keras backend and runs once. The markers of the others:

``backend(*names)``: runs on each named backend; on all three where none is named.
``oldest_keras``: runs on the oldest supported Keras as well.
``first_step``: its fits check their first step, which else only those of `CHECKED` do.
``slow(*names)``: on the named backends (all where none is named) it is left to ``make test-slow``.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    import mlflow

BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"
SUITES = ("plain", "backend", "oldest", "slow")
# Doctests of these folders touch Keras.
KERAS_DOCTESTS = ("keras_collapse/training", "keras_collapse/reproducibility")

# Whose fits check their first step, as all fits of a user do. On JAX it takes longer than the rest
# of a short fit, so it is left out where a test is about other things.
CHECKED = (
    "tests/training/wiring",
    "tests/training/test_replicas.py",
    "tests/training/probe/test_g_inputs.py",  # which the first step shows
    "tests/examples",
    "tests/reproducibility",
    "tests/test_replay.py",
)

# What a file with tests of a suite has in it; for "plain", what one without any has.
MARKED = {
    "plain": r"^pytestmark = (\[\s*)?(pytest\.mark\.backend|once)",
    "backend": r"mark\.backend|once",
    "oldest": r"mark\.oldest_keras",
    "slow": r"slow",
}

# The suite's examples are the same on every machine, a slow one included; `make fuzz` draws others.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,  # a folder that examples write over
    ],
)
hypothesis.settings.load_profile("suite")

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE),
    str(HERE / "core"),
    str(HERE / "training" / "wiring"),
    str(HERE / "triage"),
    str(HERE.parent / "examples"),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--suite",
        choices=SUITES,
        help="run only what tests/run.py gives to one process; without it, everything that the "
        "backend in KERAS_BACKEND can run",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of this folder only tests: --doctest-modules would import every program in it.

    A file without a test of this suite is left out too: importing them all takes half a minute.
    """
    if collection_path.suffix != ".py":
        return None
    suite = config.getoption("--suite")
    if not collection_path.is_relative_to(HERE):
        of_keras = any(folder in collection_path.as_posix() for folder in KERAS_DOCTESTS)
        wanted = suite is None or suite == ("backend" if of_keras else "plain")
    elif not collection_path.name.startswith("test_"):
        wanted = False
    else:
        text = collection_path.read_text(encoding="utf-8")
        found = suite is None or re.search(MARKED[suite], text, re.MULTILINE) is not None
        wanted = found != (suite == "plain")
    return None if wanted else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    suite = config.getoption("--suite")
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.nodeid.startswith(KERAS_DOCTESTS):
            item.add_marker(pytest.mark.backend())
    kept = [item for item in items if _belongs(item, suite)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _belongs(item: pytest.Item, suite: str | None) -> bool:
    backend, slow = item.get_closest_marker("backend"), item.get_closest_marker("slow")
    if backend is not None and not _names(backend):
        return False
    if suite is None:
        return True
    is_slow = slow is not None and _names(slow)
    if is_slow or suite == "slow":
        return is_slow and suite == "slow"
    if suite == "oldest":
        return item.get_closest_marker("oldest_keras") is not None
    return (backend is not None) == (suite == "backend")


def _names(marker: pytest.Mark) -> bool:
    """Whether the marker names this process' backend, or none, which means all."""
    return not marker.args or BACKEND in marker.args


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


@pytest.fixture(autouse=True)
def shifted_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With SEED_SHIFT set, every training of a test gets another seed than it asks for."""
    shift = int(os.environ.get("SEED_SHIFT", "0"))
    if shift:
        import keras

        original = keras.utils.set_random_seed
        monkeypatch.setattr(keras.utils, "set_random_seed", lambda seed: original(seed + shift))


@pytest.fixture(autouse=True)
def quick_fits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the check of a fit's first step, see `CHECKED`."""
    marker = request.node.get_closest_marker
    if (
        marker("backend")
        and not marker("first_step")
        and not request.node.nodeid.startswith(CHECKED)
    ):
        name = "keras_collapse.training.loops.fit_watch.check_first_step"
        monkeypatch.setattr(name, lambda *_: (None, []))


@pytest.fixture
def as_users_compile() -> Iterator[None]:
    """Optimize as JAX does by default, which tests/run.py switches off, where bits are compared."""
    if BACKEND != "jax":
        yield
        return
    import jax

    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, False)
    yield
    jax.config.update(name, before)


@pytest.fixture
def offline_wandb(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Weights & Biases without a server; it remembers a test's folder until it is torn down."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield
    import wandb

    wandb.teardown()


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
    # A busy machine may take longer than a fit waits, and most tests look at the store at once.
    monkeypatch.setattr("keras_collapse.outputs.mlflow.sender_thread.WAIT_SECONDS", 60.0)
    # There sending costs more, so that means of several steps would be sent: see test_budget.py.
    monkeypatch.setattr("keras_collapse.outputs.mlflow.budget.LEAST_SECONDS", 1e6)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # first: setting it in MLflow sets it here too
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient(uri)
    mlflow.set_tracking_uri(before)
