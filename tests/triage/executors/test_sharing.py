"""How many trials share a GPU is chosen from the memory and the step times of the checks."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_machine import Machine, machine
from simulated import Simulated, result_of

from keras_collapse.core.errors import InputError
from keras_collapse.triage.command import executor_of
from keras_collapse.triage.executors.jobs import View
from keras_collapse.triage.executors.local import Local, slots
from keras_collapse.triage.executors.sharing import busy_share, trials_per_gpu
from keras_collapse.triage.options import Options, PlanSettings
from keras_collapse.triage.plans import TrialConfig, load
from keras_collapse.triage.results import TrialResult
from keras_collapse.triage.runner import Runner
from keras_collapse.triage.spec import TriageSpec

__all__ = ["machine"]  # a fixture


def checks(
    small: float = 0.008, large: float = 0.012, peak: float = 3000.0, mib: float = 36000.0
) -> list[TrialResult]:
    """The checks at batch size 256, twice, and at 1024."""
    measured = ((256, small, peak / 2), (256, 9.0, peak / 2), (1024, large, peak))
    return [
        result_of(TrialConfig(seed=1, batch_size=size), "unknown",
                  facts={"step_seconds": seconds, "gpu_peak_mib": used, "gpu_mib": mib})
        for size, seconds, used in measured
    ]  # fmt: skip


def test_the_part_of_a_step_that_grows_with_the_batch_keeps_the_gpu_busy() -> None:
    # 8 ms at 256 and 12 ms at 1024: 6.7 ms are the same for every batch, 5.3 ms of 12 grow.
    assert busy_share(checks()) == pytest.approx(5.333 / 12, rel=0.01)
    assert busy_share(checks(0.012, 0.012)) == 0
    assert busy_share(checks(0.014, 0.012)) == 0
    assert busy_share(checks(0.003, 0.012)) == 1
    assert busy_share(checks()[:2]) is None


@pytest.mark.parametrize(
    ("found", "cores", "count", "why"),
    [
        (checks(), 16, 2, "one needs 4.7 of 35.2 GiB and keeps it busy for 44% of a step"),
        (checks(0.012, 0.012), 16, 7, "7 trials on each GPU"),  # memory: 36000 by 4774 MiB
        (checks(0.012, 0.012, 100.0), 16, 8, "8 trials on each GPU"),  # as many as there may be
        (checks(0.012, 0.012), 3, 3, "3 cores for each GPU"),
        (checks(0.003, 0.012), 16, 1, "One trial on each GPU: one needs"),  # it is busy
        (checks(peak=30000.0), 16, 1, "One trial on each GPU: one needs"),
        (checks()[:2], 16, 1, "one batch size does not show how busy it is"),
        ([result_of(TrialConfig(seed=1, batch_size=8), "unknown")], 16, 1, "could not measure"),
    ],
)
def test_memory_time_and_cores_limit_how_many(
    found: list[TrialResult], cores: int, count: int, why: str
) -> None:
    chosen, said = trials_per_gpu(found, cores)
    assert chosen == count
    assert why in said


def test_the_checks_have_the_gpu_for_themselves_and_the_trials_share_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras_collapse.triage.executors.local._cores", lambda: 16)
    machine.has((40000, 0))
    executor = Local(slots("gpu")[0], auto=True)
    assert executor.parallel == 1
    assert executor.settle(checks()).startswith("2 trials on each GPU")
    assert executor.parallel == 2
    assert executor.room == "2 x GPU 0"
    fixed = Local(slots("gpu")[0])
    assert fixed.settle(checks()) == ""
    assert fixed.parallel == 1


@pytest.mark.usefixtures("machine")
def test_auto_without_a_gpu_is_one_trial_on_each_core() -> None:
    executor = Local(slots("auto")[0], auto=True)
    before = executor.slots
    assert executor.settle(checks()) == ""
    assert executor.slots == before


def test_the_choice_is_said_before_the_first_trial(tmp_path: Path) -> None:
    class Settling(Simulated):
        def settle(self, checks: object) -> str:
            assert not self.ran
            return "3 trials on each GPU: why"

    lines: list[str] = []

    class Seen(View):
        def say(self, line: str) -> None:
            lines.append(line)

    (tmp_path / "gan.py").write_text("def train(trial): ...\n")
    plan = load("plan-a", PlanSettings(batch_sizes=(16,), steps=100), {})
    spec = TriageSpec(f"{tmp_path}/gan.py:train", plan, tmp_path / "out", "jax")
    Runner(spec, Settling(lambda trial: False), Seen()).run()
    assert "3 trials on each GPU: why" in lines


@pytest.mark.usefixtures("machine")
def test_the_option_is_a_number_or_auto(tmp_path: Path) -> None:
    plan = load("plan-a", PlanSettings(), {})
    spec = TriageSpec("gan.py:train", plan, tmp_path, "jax")
    for word in ("0", "-1", "two", "1.5"):
        with pytest.raises(InputError, match="--trials-per-gpu must be at least 1, or auto"):
            executor_of(Options("plan-a", "gan.py:train", trials_per_gpu=word), spec)
    for given in ("auto", "3", 3):  # kc.triage passes numbers
        executor_of(Options("plan-a", "gan.py:train", trials_per_gpu=given), spec)  # type: ignore[arg-type]
