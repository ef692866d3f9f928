"""The guide's table, row by row, and where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from simulated import result_of

from keras_collapse.triage.analysis.candidates import candidates
from keras_collapse.triage.analysis.cures import cures
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import (
    Evidence,
    Rate,
    agreement,
    bit_identical,
    fisher_confidence,
    reproducible,
)
from keras_collapse.triage.analysis.next_trials import new_seeds, next_trials
from keras_collapse.triage.analysis.rules import interpret
from keras_collapse.triage.options import PlanSettings
from keras_collapse.triage.plans import Plan, TrialConfig, load

PLAN = load("plan-b", PlanSettings(), {})
Table = Mapping[tuple[int, int], str]


def said(table: Table, plan: Plan = PLAN) -> Diagnosis:
    words = {"x": "failed", "o": "healthy", "?": "unknown"}
    return interpret(
        Evidence(
            result_of(TrialConfig(seed=seed, batch_size=size), words[word])
            for (seed, size), word in table.items()
        ),
        plan,
    )


def row(size: int, words: str) -> dict[tuple[int, int], str]:
    return {(seed, size): word for seed, word in zip((42, 123, 456, 7, 8), words, strict=False)}


def test_one_seed_is_singular() -> None:
    assert "with 1 seed failed" in said(row(1024, "o")).statement


def test_nothing_failed() -> None:
    found = said({**row(256, "o"), **row(512, "o"), **row(1024, "ooo")})
    assert (found.root_cause, found.confidence) == ("none", 0.875)


def test_the_large_batch_fails_with_every_seed_and_the_small_with_none() -> None:
    found = said({**row(256, "ooo"), **row(512, "o"), **row(1024, "xxx")})
    assert (found.root_cause, found.confidence) == ("batch_size", 0.95)
    assert "at most 512" in found.solution[0]


def test_plan_b_as_printed_cannot_tell_that() -> None:
    found = said({**row(256, "o"), **row(512, "x"), **row(1024, "xxx")})
    assert found.root_cause == "inconclusive"
    assert found.evidence["points_to"] == "batch_size"
    assert "256 was tested with seed 42 only" in found.statement
    assert [(t.seed, t.batch_size) for t in found.tie_breakers] == [(123, 256), (456, 256)]


def test_the_same_seeds_fail_at_every_batch_size() -> None:
    found = said({**row(256, "oxoxx"), **row(1024, "oxoxx")})
    assert (found.root_cause, found.confidence) == ("initialization", 0.9)
    assert "42, 456" in found.solution[1]


def test_one_seed_that_works_may_be_luck() -> None:
    found = said({**row(256, "xxoxx"), **row(1024, "xxoxx")})
    assert (found.root_cause, found.evidence["points_to"]) == ("inconclusive", "initialization")
    assert "only seed 456 works, which may be luck" in found.statement


def test_smaller_batches_are_more_robust() -> None:
    found = said({**row(256, "ooooo"), **row(1024, "oxxxo")})
    assert found.root_cause == "batch_size_and_initialization"
    assert found.confidence == pytest.approx(0.917, abs=1e-3)


def test_one_failure_of_three_is_too_little() -> None:
    found = said({**row(256, "ooo"), **row(1024, "oxo")})
    assert found.root_cause == "inconclusive"
    assert found.evidence["points_to"] == "batch_size_and_initialization"
    assert found.confidence == 0.5


def test_without_a_cause_a_seed_that_works_is_named() -> None:
    advice = (
        "Until the cause is known, train with a seed that works, such as 42: at batch size 1024 "
        "4 of 5 seeds do."
    )
    assert advice in said({**row(256, "oxxoo"), **row(1024, "oxooo")}).solution  # no rule applies
    assert advice in said({**row(256, "ooooo"), **row(1024, "oxooo")}).solution  # too weak
    assert not any("Until" in line for line in said(row(1024, "xxxxx")).solution)


def test_a_target_that_works_needs_no_cure_though_smaller_batches_fail() -> None:
    found = said({**row(256, "ooxoo"), **row(1024, "ooooo")})
    assert (found.root_cause, found.confidence) == ("none", 0.969)
    assert "0 of 5 (0% to 52%) at the target batch size 1024, but 1 of 5" in found.statement
    assert said({**row(256, "oox"), **row(1024, "ooo")}).root_cause == "inconclusive"


def test_trials_that_tell_nothing_decide_nothing() -> None:
    found = said({**row(256, "?"), **row(1024, "??x")})
    assert found.root_cause == "inconclusive"
    assert "3 of 4 trials were undecided" in found.statement


def test_repeats_that_end_differently_are_nondeterminism() -> None:
    pair = [
        result_of(TrialConfig(seed=42, batch_size=8, repeat=place), says)
        for place, says in enumerate(("failed", "healthy"))
    ]
    found = interpret(Evidence(pair), PLAN)
    assert (found.root_cause, found.confidence) == ("nondeterminism", 1.0)


def test_a_fault_of_the_wiring_comes_first() -> None:
    fault = {"kind": "discriminator_leak", "severity": "failed", "message": "G's step moves D.",
             "evidence": {}, "advice": ["Freeze D."]}  # fmt: skip
    leaking = result_of(TrialConfig(seed=1, batch_size=8), "failed",
                        verdict={"verdict": "failed", "findings": [fault]})  # fmt: skip
    found = interpret(Evidence([leaking]), PLAN)
    assert (found.root_cause, found.kind) == ("wiring", "discriminator_leak")


def test_a_change_that_cures_names_its_cause() -> None:
    options = candidates({"d_rate": 1e-5, "g_rate": 1e-3, "d_dropout": 0.4}, {})
    [faster] = [c for c in options if c.changes.keys() == {"d_rate"}]
    base = TrialConfig(seed=42, batch_size=1024)
    found = interpret(
        Evidence(
            [result_of(base.model_copy(update={"seed": s}), "failed") for s in (42, 123, 456)]
            + [result_of(faster.trial(base, s, 1024), "healthy") for s in (42, 123, 456)]
        ),
        PLAN,
        options,
    )
    assert (found.root_cause, found.confidence) == ("learning_rate_ratio", 0.95)
    assert found.candidate == faster


def test_every_change_that_cures_is_tried_as_a_cure_the_likeliest_first() -> None:
    options = candidates({"d_rate": 1e-5, "g_rate": 1e-3}, {})
    base = TrialConfig(seed=42, batch_size=1024)
    evidence = Evidence(
        [result_of(base.model_copy(update={"seed": s}), "failed") for s in (42, 123, 456)]
        + [
            result_of(option.trial(base, s, 1024), "healthy")
            for option in options
            for s in (42, 123, 456)
        ]
    )
    found = interpret(evidence, PLAN, options)
    assert found.evidence["also_cured_by"] == [option.words for option in options[1:]]
    assert [c.words for c in cures(found, evidence, PLAN)] == [o.words for o in options]


def test_a_change_is_tried_on_more_seeds_where_three_prove_nothing() -> None:
    """Four of six seeds fail at the target; one trial with the change stays undecided."""
    options = candidates({"d_rate": 1e-5, "g_rate": 1e-3}, {})
    base = TrialConfig(seed=1, batch_size=1024)
    outcomes = ("failed", "healthy", "failed", "healthy", "failed", "failed")
    seeds = range(1, 7)
    unchanged = [
        result_of(base.model_copy(update={"seed": seed, "batch_size": size}),
                  says if size == 1024 else "failed")
        for size in (256, 1024)
        for seed, says in zip(seeds, outcomes, strict=True)
    ]  # fmt: skip
    change = options[0]
    first = [
        result_of(change.trial(base, seed, 1024), says)
        for seed, says in ((1, "healthy"), (3, "healthy"), (5, "unknown"))
    ]
    others = [result_of(one.trial(base, 1, 1024), "failed") for one in options[1:]]
    evidence = Evidence([*unchanged, *first, *others])
    found = interpret(evidence, PLAN, options)
    assert found.root_cause == "inconclusive"
    trials, _ = next_trials(found, evidence, PLAN, options)
    assert [trial.seed for trial in trials] == [6, 7, 8]
    assert all(trial.changes == change.changes for trial in trials)
    decided = Evidence([*evidence.results, *(result_of(trial, "healthy") for trial in trials)])
    assert interpret(decided, PLAN, options).root_cause == "learning_rate_ratio"


def test_a_trial_with_another_parameter_says_so_in_its_name() -> None:
    base = TrialConfig(seed=42, batch_size=8, params={"noise": 1.5, "width": 4})
    offers = {"d_rate": 1e-3, "g_rate": 1e-3, "offers": dict(base.params)}
    [quiet] = [one for one in candidates(offers, {}) if one.params]
    trial = quiet.trial(base, 43, 8)
    assert trial.params == {"noise": 0.0, "width": 4}
    assert trial.name == "seed 43, batch 8, noise=0"
    assert trial.key == trial.model_copy(update={"altered": (), "purpose": "fix"}).key


def test_of_odd_rates_each_may_be_wrong_or_both() -> None:
    odd = candidates({"d_rate": 2e-2, "g_rate": 1e-4}, {})
    assert [one.changes for one in odd] == [
        {"d_rate": 2e-4},
        {"g_rate": 1e-2},
        {"d_rate": 2e-3, "g_rate": 1e-3},
    ]
    assert odd[2].words == "D's learning rate 0.02 → 0.002 and G's learning rate 0.0001 → 0.001"


def test_new_seeds_come_after_the_largest_and_stay_in_range() -> None:
    used = Evidence(result_of(TrialConfig(seed=s, batch_size=8), "healthy") for s in (0, 42, 123))
    assert new_seeds(used, 3) == [124, 125, 126]
    last = Evidence(result_of(TrialConfig(seed=s, batch_size=8), "healthy") for s in (0, 2**32 - 1))
    assert new_seeds(last, 2) == [1, 2]


def test_odd_settings_are_tried_first() -> None:
    odd = candidates({"d_rate": 1e-5, "g_rate": 1e-3, "d_dropout": 0.4}, {"width": 2})
    assert odd[0].cause == "learning_rate_ratio"
    odd = candidates({"d_rate": 2e-3, "g_rate": 1e-3, "d_dropout": 0.8, "init_scale": 1.1}, {})
    assert [c.cause for c in odd] == ["dropout", "learning_rate_ratio", "learning_rate_ratio"]


def test_plan_as_question_is_answered_by_bits_and_by_verdicts() -> None:
    trials = [TrialConfig(seed=42, batch_size=8, repeat=place) for place in range(2)]
    same = [result_of(trial, "healthy") for trial in trials]
    assert reproducible(Evidence(same))["to_the_bit"] is True
    other = result_of(trials[1], "healthy", fingerprints={"begin": "a", "end": "b"})
    found = reproducible(Evidence([same[0], other]))
    assert (found["to_the_bit"], found["in_verdicts"]) == (False, True)
    assert reproducible(Evidence(same[:1]))["to_the_bit"] is None


@pytest.mark.parametrize(
    ("first", "second", "identical"),
    [
        ({"begin": "a", "end": "b"}, {"begin": "a", "end": "b"}, True),
        ({"begin": "a", "end": "b"}, {"begin": "a", "end": "c"}, False),
        ({"begin": "a", "end": "b"}, {"begin": "c", "end": "b"}, False),
        # The start alone proves nothing about the end, but a different start is a difference.
        ({"begin": "a"}, {"begin": "a"}, None),
        ({"begin": "a"}, {"begin": "b"}, False),
        ({"begin": "a", "end": "b"}, {"begin": "a"}, None),
        ({"end": "b"}, {"end": "b"}, None),
        ({}, {}, None),
    ],
)
def test_only_a_fingerprint_at_either_end_shows_bit_identity(
    first: dict[str, str], second: dict[str, str], identical: bool | None
) -> None:
    trials = [TrialConfig(seed=42, batch_size=8, repeat=repeat) for repeat in range(2)]
    prints = (first, second)
    pair = [result_of(t, "healthy", fingerprints=p) for t, p in zip(trials, prints, strict=True)]
    assert bit_identical(pair) is identical


def test_a_repeat_that_was_stopped_earlier_is_no_difference() -> None:
    trials = [TrialConfig(seed=42, batch_size=8, repeat=repeat) for repeat in range(2)]
    prints = {"begin": "a", "end": "b"}, {"begin": "a", "end": "c"}
    early = [
        result_of(trial, "failed", steps=steps, fingerprints=known)
        for trial, steps, known in zip(trials, (100, 80), prints, strict=True)
    ]
    assert bit_identical(early) is None


def test_intervals_are_exact() -> None:
    # Clopper and Pearson's: the upper end of 0 of 3 is 1 - 0.025 ** (1 / 3).
    assert Rate(0, 3).interval == (0.0, round(1 - 0.025 ** (1 / 3), 3))
    assert Rate(0, 0).interval == (0.0, 1.0)
    assert str(Rate(0, 0)) == "no decided trials"
    assert fisher_confidence(Rate(3, 3), Rate(0, 3)) == 0.95
    assert agreement({1: True, 2: False}, {1: False, 2: True}) == 0
