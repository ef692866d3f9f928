"""The measurements on a GPU with pretended ones: what is recorded stays, and the page says it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT, TESTS

sys.path.insert(0, str(TESTS / "gpu"))

import gpu_bench as bench
from gpu_page import interval, page

WHERE = {"device": "H200", "on_gpu": True, "version": "jax 0.10, Keras 3.15", "parameters": 1564994}
STEP_MS = {"nothing": 10.0, "readings": 10.1, "monitor": 10.4, "everything": 10.8, "keras": 12.0,
           "mlflow": 40.0}  # fmt: skip


def trial(seed: int, size: int, repeat: int = 0, end: str = "e") -> dict[str, Any]:
    return {"trial": {"seed": seed, "batch_size": size, "repeat": repeat, "changes": {}},
            "name": f"seed {seed}, batch {size}", "says": "healthy", "why": "", "steps": 1500,
            "seconds": 60.0, "device": "GPU 0", "fingerprints": {"end": end},
            "folder": ""}  # fmt: skip


class Pretended:
    """Stands for the processes of the bench.

    Attributes:
        ran: what was measured, in order.
        on_gpu: what they say of their device.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.on_gpu = True
        self.repeats = ("e", "e", "e")

    def process(self, what: str, backend: str, exact: bool, **more: Any) -> Any:
        self.ran.append(f"{what} {backend}")
        where = WHERE | {"on_gpu": self.on_gpu}
        if what == "cost":
            return {"step_ms": {kind: [ms] * 4 for kind, ms in STEP_MS.items()}, **where}
        free = 0 if exact else len(self.ran)
        return {"weights": f"w{free}", "step_ms": 12.0 if exact else 10.0, **where}

    def triage(self, backend: str, kind: str) -> Mapping[str, Any]:
        self.ran.append(f"triage {backend} {kind}")
        trials = [trial(42, 1024, place, end) for place, end in enumerate(self.repeats)]
        step_3 = [{"evidence": "all fail", "root_cause": "initialization", "match": "matches"}]
        return {"wall": 400.0, "in_parts": False, "use": {"percent": 61.0, "mib": 20480.0},
                "trials": [*trials, trial(42, 256)], "room": "1 x GPU 0", "root_cause": "none",
                "steps": 1500, "guide": {"step_3": step_3}}  # fmt: skip


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    found = Pretended()
    monkeypatch.setattr(bench.Bench, "_process", found.process)
    monkeypatch.setattr(bench.Bench, "_triage", found.triage)
    monkeypatch.setattr(bench, "drawings", lambda *a: (tmp_path / "drawings.npy", "real camels"))
    monkeypatch.setattr(bench, "PAGE", tmp_path / "gpu.md")
    return found


def run(tmp_path: Path, *arguments: str) -> int:
    return bench.main(["--records", str(tmp_path / "records"), *arguments])


def test_all_parts_make_the_page_and_what_is_recorded_is_not_measured_again(
    tmp_path: Path, pretended: Pretended
) -> None:
    assert run(tmp_path) == 0
    assert len(pretended.ran) == 2 * (7 + 3 + 2 + 1)
    text = (tmp_path / "gpu.md").read_text()
    assert "1,564,994 trainable parameters, trained on\nreal camels" in text
    assert "Devices: H200." in text
    assert "| jax | identical | identical (3 runs) | DIFFERENT (3 runs) |" in text
    assert "12.00 ms against 10.00 ms, +20.0%" in text
    assert "| 40.00 | 4.000 (4.000 to 4.000) | 12 |" in text
    assert "| one after another | 1 x GPU 0 | 400 s | 61 %, 20.0 GiB at most |" in text
    assert "identical to the bit (3 runs)" in text
    assert "| all fail | initialization | matches |" in text
    pretended.ran.clear()
    (tmp_path / "gpu.md").unlink()
    assert run(tmp_path) == 0
    assert pretended.ran == []
    assert (tmp_path / "gpu.md").read_text() == text


def test_a_part_alone_goes_on_where_its_limit_has_ended_it(
    tmp_path: Path, pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []  # what was measured when each command began
    left = property(lambda self: 3 - len(pretended.ran) + begun[-1])
    monkeypatch.setattr(bench.Bench, "left", left)

    def again() -> int:
        begun.append(len(pretended.ran))
        return run(tmp_path, "--part", "a")

    assert again() == bench.NOT_DONE
    assert len(pretended.ran) == 3
    assert [again() for _ in range(4)] == [bench.NOT_DONE] * 3 + [0]
    assert len(pretended.ran) == 14  # nothing twice
    assert not (tmp_path / "gpu.md").exists()  # a part of the page is no page


def test_a_rehearsal_and_figures_of_a_cpu_do_not_reach_the_page(
    tmp_path: Path, pretended: Pretended
) -> None:
    assert run(tmp_path, "--rehearse") == 0
    assert (tmp_path / "records" / "rehearsal" / "page.md").exists()
    pretended.on_gpu = False
    with pytest.raises(SystemExit, match="not from a GPU"):
        run(tmp_path)
    assert not (tmp_path / "gpu.md").exists()


def test_repeats_that_differ_are_said(tmp_path: Path, pretended: Pretended) -> None:
    pretended.repeats = ("e", "e", "other")
    run(tmp_path)
    assert "DIFFERENT to the bit (3 runs)" in (tmp_path / "gpu.md").read_text()


def test_the_use_of_the_gpu_is_the_mean_and_the_most(tmp_path: Path) -> None:
    (tmp_path / "use").write_text("50, 1000\n100, 3000\n[N/A], [N/A]\n90")
    assert bench.use_of(tmp_path / "use") == {"percent": 75.0, "mib": 3000.0}
    (tmp_path / "use").write_text("")
    assert bench.use_of(tmp_path / "use") == {}


def test_the_interval_holds_the_mean() -> None:
    low, mean, high = interval([1.0, 1.1, 1.2, 1.3])
    assert mean == pytest.approx(1.15)
    assert low < mean < high


def test_the_page_without_a_record_is_its_head() -> None:
    assert page({}, "nothing", 7).startswith("# On a GPU")


def test_the_full_size_is_the_guides_own() -> None:
    from keras_collapse.triage.options import PlanSettings
    from keras_collapse.triage.plans import load

    assert len(load("full", PlanSettings(), {}).trials) == bench.FULL.trials
    assert bench.FULL.batch_size == PlanSettings().batch_sizes[-1]
    assert bench.FULL.triage == ()
    assert (ROOT / "examples" / "camel_gan.py").exists()
