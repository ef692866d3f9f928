"""A few of the strangers' programs in the suite; ``make strangers`` runs them all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from oracle import opinion  # noqa: E402
from page import contradicts, is_named_first, wiring  # noqa: E402
from run import Server  # noqa: E402

RUNS = [
    ("documentation_dcgan", "none"),
    ("least_squares", "one_label"),
    ("pipeline_augmentation", "bytes"),
    ("collection_lsgan", "freeze_and_undo"),
    *(
        pytest.param(name, fault, marks=pytest.mark.slow)
        for name, fault in (
            ("documentation_dcgan", "g_label"),
            ("book_dcgan", "leak"),
            ("tutorial_cgan", "none"),
        )
    ),
]
STEPS = 30


@pytest.fixture(scope="module")
def server(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process that imports the frameworks for all runs."""
    patch = pytest.MonkeyPatch()
    patch.setenv("KERAS_COLLAPSE_DATA", str(data))
    started = Server("tensorflow", tmp_path_factory.mktemp("records"), "")
    yield started
    started.close()
    patch.undo()


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize(("name", "fault"), RUNS)
def test_a_stranger_gets_the_right_answer(name: str, fault: str, server: Server) -> None:
    run = server.run(name, fault, STEPS)
    assert "error" not in run, run.get("traceback")
    assert not any("switched itself off" in warning for warning in run["warnings"])
    if fault == "none":
        assert run["identical"], "the monitor changed the training"
        assert not wiring(run), run["findings"]
        assert not contradicts(run), (run["status"], run["oracle"])
    else:
        assert is_named_first(run), run["findings"]


def blobs(count: int, seed: int) -> np.ndarray:
    """Pictures of one bright disc at a place that varies."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:12, :12]
    centres = rng.uniform(3, 9, (count, 2, 1, 1))
    far = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2
    return np.exp(-far / 4)[..., None]


REAL = blobs(600, 0)
SAMPLES = {
    "other pictures of the same kind": (blobs(400, 1), "good"),
    "black frames": (np.zeros((400, 12, 12, 1)), "bad"),
    "one picture again and again": (np.repeat(blobs(1, 2), 400, 0), "bad"),
    "noise": (np.random.default_rng(3).uniform(0, 1, (400, 12, 12, 1)), "bad"),
    "not numbers": (np.full((400, 12, 12, 1), np.nan), "bad"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_oracle_tells_good_samples_from_bad_ones(name: str) -> None:
    samples, says = SAMPLES[name]
    assert opinion(samples, REAL)["says"] == says


def test_the_oracle_sees_that_labels_have_no_effect() -> None:
    labels = np.arange(600) % 2
    real = REAL + labels[:, None, None, None]
    told = opinion(real, real, labels, labels)
    assert told["says"] == "good"
    shuffled = np.random.default_rng(0).permutation(labels)
    assert "labels have no effect" in opinion(real, real, shuffled, labels)["why"]


def test_the_oracle_counts_the_modes_of_a_ring() -> None:
    rng = np.random.default_rng(0)
    angles = 2 * np.pi * rng.integers(8, size=800) / 8
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) + 0.05 * rng.standard_normal((800, 2))
    assert opinion(ring[:400], ring)["says"] == "good"
    assert opinion(ring[ring[:, 0] > 0.5], ring)["says"] == "bad"
