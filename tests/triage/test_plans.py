"""Plans: the guide's, to the number, and a person's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.triage.options import PlanSettings
from keras_collapse.triage.plans import TrialConfig, load, trial_id


def cells(name: str, numbers: PlanSettings | None = None) -> list[tuple[int, int, int]]:
    plan = load(name, numbers or PlanSettings(), {})
    return [(trial.seed, trial.batch_size, trial.repeat) for trial in plan.trials]


def test_plan_a_is_the_guides() -> None:
    assert cells("plan-a") == [(42, 1024, 0), (42, 1024, 1), (42, 1024, 2)]


def test_plan_b_is_the_guides() -> None:
    assert cells("plan-b") == [
        (42, 256, 0),
        (42, 512, 0),
        (42, 1024, 0),
        (123, 1024, 0),
        (456, 1024, 0),
    ]


def test_full_runs_what_both_share_once_and_in_order() -> None:
    found = cells("full")
    assert found == [*cells("plan-a"), (42, 256, 0), (42, 512, 0), (123, 1024, 0), (456, 1024, 0)]


def test_all_numbers_are_arguments() -> None:
    numbers = PlanSettings(7, (8, 9), (4, 16), 2, 50)
    assert cells("full", numbers) == [(7, 16, 0), (7, 16, 1), (7, 4, 0), (8, 16, 0), (9, 16, 0)]
    assert load("plan-b", numbers, {"width": 2}).trials[0].params == {"width": 2}


def test_plan_b_needs_no_smaller_batch_size() -> None:
    numbers = PlanSettings(batch_sizes=(64,), other_seeds=(7,))
    assert cells("plan-b", numbers) == [(42, 64, 0), (7, 64, 0)]


def test_a_plan_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("steps: 30\ntrials:\n  - {seed: 1, batch_size: 8, changes: {d_rate: 0.1}}\n")
    plan = load(str(path), PlanSettings(), {"width": 3})
    assert (plan.name, plan.steps) == ("mine", 30)
    assert plan.trials[0].changes == {"d_rate": 0.1}
    assert plan.trials[0].params == {"width": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trials: [{seed: 1, batch_size: 8}, {seed: 1, batch_size: 8}]", "repeats a trial"),
        ("trials: [{seed: -1, batch_size: 8}]", "invalid at trials.0.seed"),
        ("trials: [{seed: 1, batch_size: 0}]", "invalid at trials.0.batch_size"),
        ("trials: [{seed: 1}]", "invalid at trials.0.batch_size"),
        ("trials: []", "invalid at trials"),
        ("trials: [{seed: 1, batch_size: 8, sed: 2}]", "invalid at trials.0.sed"),
        ("trials: [", "not valid YAML"),
        ("- a", "not a plan"),
    ],
)
def test_a_broken_plan_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        load(str(path), PlanSettings(), {})
    assert "\n" not in str(error.value)


def test_a_plan_may_repeat_itself_by_aliases(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("trials:\n  - &one {seed: 1, batch_size: 8}\n  - {<<: *one, seed: 2}\n")
    assert [trial.seed for trial in load(str(path), PlanSettings(), {}).trials] == [1, 2]


def test_a_plan_that_grows_without_end_is_refused_at_once(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    path = tmp_path / "mine.yaml"
    for text in (bomb, "trials: &a [*a]", "a: &a {<<: *a}"):
        path.write_text(text)
        with pytest.raises(InputError, match="more than 100,000 values"):
            load(str(path), PlanSettings(), {})
    path.write_text("[" * 5000)
    with pytest.raises(InputError, match="not valid YAML"):
        load(str(path), PlanSettings(), {})
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="more than 1,000,000 bytes"):
        load(str(path), PlanSettings(), {})


def test_a_plan_that_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.yaml")
    for path in (tmp_path / "mine.yaml", Path("/dev/zero")):
        with pytest.raises(InputError, match="not a regular file"):
            load(str(path), PlanSettings(), {})


def test_a_name_that_is_no_plan_lists_them() -> None:
    with pytest.raises(InputError, match="plan-a, plan-b, full, or a YAML file"):
        load("plan-c", PlanSettings(), {})


def test_a_trials_identity_is_all_that_its_result_depends_on() -> None:
    trial, around = TrialConfig(seed=1, batch_size=8, purpose="a"), {"code": "x", "keras": "3"}
    same = trial_id(trial, 100, around)
    assert trial_id(trial.model_copy(update={"purpose": "b"}), 100, around) == same
    for other in (
        trial_id(trial.model_copy(update={"seed": 2}), 100, around),
        trial_id(trial.model_copy(update={"repeat": 1}), 100, around),
        trial_id(trial, 101, around),
        trial_id(trial, 100, {**around, "code": "y"}),
    ):
        assert other != same
