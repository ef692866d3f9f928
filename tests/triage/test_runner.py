"""``full`` on simulated GANs: the right cause, few trials, nothing repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from simulated import FACTS, Simulated, result_of

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.triage.effort.budget import Budget, budget_of
from keras_collapse.triage.executors.jobs import View
from keras_collapse.triage.options import PlanSettings
from keras_collapse.triage.plans import TrialConfig, load
from keras_collapse.triage.results import RESULT
from keras_collapse.triage.runner import Runner
from keras_collapse.triage.spec import TriageSpec
from keras_collapse.triage.triage_result import TriageResult

NUMBERS = PlanSettings(42, (123, 456), (16, 32, 64), 3, 100)


def run(
    folder: Path,
    executor: Simulated,
    name: str = "full",
    stronger: dict[str, bool] | None = None,
    budget: Budget = Budget(),  # noqa: B008  # it is frozen
    view: View = View(),  # noqa: B008  # it does nothing
) -> TriageResult:
    folder.mkdir(exist_ok=True)
    code = folder / "gan.py"
    code.write_text("def train(trial): ...\n")
    plan = load(name, NUMBERS, {})
    spec = TriageSpec(f"{code}:train", plan, folder / "out", "jax", name == "full", stronger or {},
                      budget=budget)  # fmt: skip
    return Runner(spec, executor, view).run()


def rates_ratio(trial: TrialConfig) -> bool:
    d = float(trial.changes.get("d_rate", 1e-5))
    return d / float(trial.changes.get("g_rate", 1e-3)) < 1


CAUSES: list[tuple[str, Callable[[TrialConfig], bool | None]]] = [
    ("none", lambda t: False),
    ("batch_size", lambda t: t.batch_size > 16 and "rates_factor" not in t.changes),
    ("initialization", lambda t: t.seed in (123, 1001, 1002) and "init" not in t.changes),
    ("batch_size_and_initialization", lambda t: t.batch_size > 16 and t.seed != 42),
    ("learning_rate_ratio", rates_ratio),
    ("dropout", lambda t: "d_dropout" not in t.changes),
    ("weak_discriminator", lambda t: "stronger" not in t.params),
    ("inconclusive", lambda t: True),
]


@pytest.mark.parametrize(("cause", "fails"), CAUSES)
def test_the_cause_is_named_and_its_cure_tried(
    tmp_path: Path, cause: str, fails: Callable[[TrialConfig], bool | None]
) -> None:
    executor = Simulated(fails)
    found = run(tmp_path, executor, stronger={"stronger": True})
    assert found.diagnosis.root_cause == cause, found.diagnosis.statement
    keys = [trial.key for trial in executor.ran]
    assert len(keys) == len(set(keys))
    assert len(keys) <= 30
    if cause in ("none", "inconclusive"):
        assert not found.cures
    else:
        assert found.cures[-1]["held"] is True
        used = {t.seed for t in executor.ran if not t.purpose.startswith("fix")}
        cured = {t.seed for t in executor.ran if t.purpose.startswith("fix")}
        assert not used & cured


def test_a_change_that_fixes_most_seeds_is_tried_with_six(tmp_path: Path) -> None:
    """A GAN may fail with some seeds after its fault is gone."""
    executor = Simulated(lambda t: "d_rate" not in t.changes or t.seed == 123)
    found = run(tmp_path, executor)
    assert found.diagnosis.root_cause == "learning_rate_ratio"
    assert found.diagnosis.rule == "one change fixes most seeds"
    assert "3 of 3 (29% to 100%) unchanged, 1 of 6" in found.diagnosis.statement
    assert found.diagnosis.confidence == pytest.approx(0.952)


def test_a_change_that_failed_with_the_first_seed_gets_two_more(tmp_path: Path) -> None:
    """The first seed may be one with which the GAN fails anyway."""
    executor = Simulated(lambda t: "d_rate" not in t.changes or t.seed == 42)
    found = run(tmp_path, executor)
    assert found.diagnosis.root_cause == "learning_rate_ratio"
    assert "3 of 3 (29% to 100%) unchanged, 1 of 6" in found.diagnosis.statement
    assert found.cures[-1]["held"] is True


def test_where_one_seed_works_by_luck_changes_are_tested(tmp_path: Path) -> None:
    executor = Simulated(lambda t: t.seed != 456 and "d_rate" not in t.changes)
    found = run(tmp_path, executor)
    assert found.diagnosis.root_cause == "learning_rate_ratio"
    assert "5 of 6" in found.diagnosis.statement
    assert found.cures[-1]["held"] is True


def test_a_change_that_fixes_half_of_the_seeds_is_no_cause(tmp_path: Path) -> None:
    executor = Simulated(lambda t: "d_rate" not in t.changes or t.seed % 2 == 1)
    found = run(tmp_path, executor)
    assert found.diagnosis.root_cause == "inconclusive"
    [said] = [part for part in found.diagnosis.statement.split(". ") if "Not fixed by" in part]
    assert "D's learning rate 1e-05 → 0.002 (3 of 6 (12% to 88%) failed)" in said
    keys = [trial.key for trial in executor.ran]
    assert len(keys) == len(set(keys)) <= 30


def test_the_announcement_counts_only_trials_that_are_left(tmp_path: Path) -> None:
    said: list[str] = []

    class Lines(View):
        def say(self, line: str) -> None:
            said.append(line)

    executor = Simulated(lambda t: False)
    run(tmp_path, executor, "plan-a")
    run(tmp_path, executor, "plan-b", view=Lines())
    assert any(line.startswith("About 4 trials, ") for line in said), said


def test_what_a_loop_leaves_undecided_is_run_anew_and_longer(tmp_path: Path) -> None:
    asked: list[int] = []

    class Slow(Simulated):
        def run(self, jobs, on_progress):  # type: ignore[no-untyped-def]
            asked.extend(job.steps for job in jobs if not job.is_check)
            enough = jobs and jobs[0].steps > NUMBERS.steps
            self.fails = lambda t: False if enough else None
            self.more = {"steps": 1600 if enough else NUMBERS.steps}
            return super().run(jobs, on_progress)

    found = run(tmp_path, Slow(lambda t: None), "plan-a")
    assert repr(found) == f"<TriageResult 'none', confidence 0.5, 3 trials in '{tmp_path}/out'>"
    assert asked == [100, 100, 100, 1600, 1600, 1600]
    assert found.diagnosis.root_cause == "none"
    assert "1600 steps or more" in found.diagnosis.statement


def test_short_trials_without_a_failure_are_inconclusive(tmp_path: Path) -> None:
    found = run(tmp_path, Simulated(lambda t: False, steps=400, distance=1.2))
    assert found.diagnosis.root_cause == "inconclusive"
    assert "too short: a failure may take 1100 steps" in found.diagnosis.statement
    assert "1.2 times as far from the data" in found.diagnosis.statement
    assert found.known_good() is None


def test_a_budget_runs_what_says_most_and_names_the_rest(tmp_path: Path) -> None:
    executor = Simulated(lambda t: True)
    found = run(tmp_path, executor, "plan-b", budget=budget_of("3 trials"))
    assert [(t.seed, t.batch_size) for t in executor.ran] == [(42, 64), (42, 16), (123, 64)]
    [note] = found.notes
    assert note.startswith("The budget of 3 trials left out 2 trials: seed 456, batch 64")


def test_a_budget_in_time_counts_what_trials_will_take(tmp_path: Path) -> None:
    slow = Simulated(lambda t: False, facts={**FACTS, "steps": None, "step_seconds": 1.0})
    found = run(tmp_path, slow, "plan-b", budget=budget_of("1h"))
    # Trials go on until step 1100, two at once, a second for each step: six fit into an hour.
    assert len(slow.ran) == 5
    slow.ran.clear()
    found = run(tmp_path / "other", slow, "plan-b", budget=budget_of("30m"))
    assert len(slow.ran) == 2
    assert "3 trials" in found.notes[0]


def test_a_cure_that_does_not_hold_is_said(tmp_path: Path) -> None:
    def fails(trial: TrialConfig) -> bool:
        return trial.seed in (123, 1001, 1002) or trial.purpose.startswith("fix")

    found = run(tmp_path, Simulated(fails))
    assert found.diagnosis.root_cause == "initialization"
    assert {cure["held"] for cure in found.cures} == {False}


def test_where_the_fixes_contradict_the_cause_it_is_given_up(tmp_path: Path) -> None:
    """The smallest batch size works with the plan's seeds, by luck, and D is too slow."""

    def fails(trial: TrialConfig) -> bool:
        return rates_ratio(trial) and (trial.batch_size > 16 or trial.seed > 456)

    executor = Simulated(fails)
    found = run(tmp_path, executor)
    assert found.diagnosis.root_cause == "learning_rate_ratio"
    assert [cure["held"] for cure in found.cures] == [False, False, True]
    assert found.notes == ["It looked like batch size, but no fix for that worked on new seeds."]
    assert len(executor.ran) <= 30


def test_the_same_command_repeats_nothing(tmp_path: Path) -> None:
    first, second = Simulated(rates_ratio), Simulated(rates_ratio)
    a, b = run(tmp_path, first), run(tmp_path, second)
    assert first.ran
    assert not second.ran
    assert a.diagnosis == b.diagnosis


def test_a_changed_file_is_another_experiment(tmp_path: Path) -> None:
    run(tmp_path, Simulated(lambda t: False), "plan-a")
    again = Simulated(lambda t: False)
    (tmp_path / "gan.py").write_text("")
    code = tmp_path / "gan.py"
    code.write_text("def train(trial): pass  # another\n")
    spec = TriageSpec(f"{code}:train", load("plan-a", NUMBERS, {}), tmp_path / "out", "jax")
    Runner(spec, again, View()).run()
    assert len(again.ran) == 3


def test_a_wiring_fault_ends_it_before_any_trial(tmp_path: Path) -> None:
    fault = {"kind": "discriminator_leak", "severity": "failed", "message": "G's step moves D.",
             "evidence": {}, "advice": ["Freeze D."]}  # fmt: skip
    executor = Simulated(lambda t: False, verdict={"verdict": "failed", "findings": [fault]})
    found = run(tmp_path, executor)
    assert found.diagnosis.root_cause == "wiring"
    assert not executor.ran


def test_what_the_audit_finds_counts_too(tmp_path: Path) -> None:
    fault = {"kind": "range_mismatch", "severity": "failed", "message": "Out of reach.",
             "evidence": {}, "advice": []}  # fmt: skip
    executor = Simulated(
        lambda t: False, facts={**FACTS, "steps": None, "audit": {"findings": [fault]}}
    )
    assert run(tmp_path, executor).diagnosis.kind == "range_mismatch"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"fingerprints": {"begin": "a", "end": "b"}}, "ignores trial.seed"),
        ({"steps": 0}, "does not use trial.callbacks"),
        ({"facts": {"steps": 1}}, "exceeds the data"),
        ({"facts": {"steps": 50}}, "ignores trial.batch_size"),
        (
            {"ended": "crashed", "reason": "no train."},
            r"does not run: it crashed \(no train\)\. Its",
        ),
        ({"ended": "hung", "reason": "too long"}, "does not run: it hung"),
    ],
)
def test_an_experiment_that_ignores_its_trial_is_one_line(
    tmp_path: Path, more: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said) as error:
        run(tmp_path, Simulated(lambda t: False, **more))
    assert "\n" not in str(error.value)


def test_a_program_that_seeds_itself_begins_with_the_same_weights_which_is_noted(
    tmp_path: Path,
) -> None:
    class SeedsItself(Simulated):
        def run(self, jobs, on_progress):  # type: ignore[no-untyped-def]
            for one in super().run(jobs, on_progress):
                yield replace(one, fingerprints={**one.fingerprints, "begin": "the same"})

    [note] = run(tmp_path, SeedsItself(lambda t: False), "plan-b").notes
    assert note.startswith("Seeds 42 and 43 begin with the same weights")


def test_a_check_that_does_not_run_ends_the_others_and_is_run_again(tmp_path: Path) -> None:
    broken = Simulated(lambda t: False, ended="crashed", reason="no module named x")
    with pytest.raises(InputError, match="no module named x"):
        run(tmp_path, broken)
    assert len(broken.checked) == 1
    mended = Simulated(lambda t: False)
    run(tmp_path, mended)
    assert len(mended.checked) == 4


def test_a_triage_is_written_as_the_design_says(tmp_path: Path) -> None:
    found = run(tmp_path, Simulated(rates_ratio)).to_dict()
    assert found["schema"] == 1
    assert {"plan", "trials", "reproducible", "root_cause", "confidence", "evidence", "solution",
            "cure"} <= found.keys()  # fmt: skip
    trial = found["trials"][0]
    assert trial["trial"]["seed"] == 42
    assert {"verdict", "fingerprints", "seconds"} <= trial.keys()


def test_a_trial_that_was_killed_is_run_again(tmp_path: Path) -> None:
    class Killing(Simulated):
        def run(self, jobs, on_progress):  # type: ignore[no-untyped-def]
            for found in super().run(jobs, on_progress):
                if found.trial.repeat != 1 or found.trial.purpose == "check":
                    yield found
                    continue
                killed = result_of(found.trial, "unknown", ended="killed", reason="by SIGKILL",
                                   folder=found.folder)  # fmt: skip
                write_json(Path(killed.folder) / RESULT, killed.to_dict())
                yield killed

    first = run(tmp_path, Killing(lambda t: False), "plan-a")
    assert [result.status for result in first.results] == ["healthy", "killed", "healthy"]
    again = Simulated(lambda t: False)
    run(tmp_path, again, "plan-a")
    assert [trial.repeat for trial in again.ran] == [1]
