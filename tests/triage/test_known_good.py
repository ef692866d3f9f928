"""Every plan can start from the seed and the batch sizes that worked before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.reproducibility.known_good import read_known_good
from keras_collapse.triage.options import PLANS, Options
from keras_collapse.triage.spec import spec_of


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    Path("gan.py").write_text("def train(trial): ...\n")
    return tmp_path


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("cap", [8, 16, 32, 256, 5000])
@pytest.mark.parametrize("seed", [7, 42, 123, 456])
@pytest.mark.usefixtures("experiment")
def test_any_seed_and_cap_makes_a_plan(plan: str, cap: int, seed: int) -> None:
    known = Path("known_good.toml")
    known.write_text(f"seeds = [{seed}]\nbatch_size = 8\nbatch_size_cap = {cap}\n")
    found = spec_of(Options(plan, "gan.py:train", preset="small", known_good=known))
    trials = found.plan.trials
    assert max(trial.batch_size for trial in trials) == min(cap, 64)
    assert trials[0].seed == seed
    if plan != "plan-a":
        assert len({trial.seed for trial in trials}) == 3


@pytest.mark.parametrize("sizes", ["8", "8,16"])
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.usefixtures("experiment")
def test_one_or_two_batch_sizes_make_a_plan(plan: str, sizes: str) -> None:
    found = spec_of(Options(plan, "gan.py:train", batch_sizes=sizes, seed=123))
    assert {str(trial.batch_size) for trial in found.plan.trials} <= set(sizes.split(","))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seeds = " + b"[" * 100_000, "not valid TOML"),
        (b"seeds = [\xff]", "not valid TOML"),
        (b"seeds = [" + b"9" * 5000 + b"]", "not valid"),
        (b"", "seeds: Field required"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_known_good(tmp_path / "a.toml")
    assert "\n" not in str(caught.value)


def test_a_fifo_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(InputError, match="not a regular file"):
        read_known_good(tmp_path / "a.toml")
