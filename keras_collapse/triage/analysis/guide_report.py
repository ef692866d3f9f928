"""The guide's three tables with this triage's results: Plan A, Plan B, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_collapse.triage.analysis.case import Case, tie_breakers
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence, bit_identical
from keras_collapse.triage.plans import Plan
from keras_collapse.triage.results import TrialResult

MATCHES = "matches"


def guide_tables(evidence: Evidence, plan: Plan, found: Diagnosis) -> dict[str, Any]:
    """Return the guide's tables, as ``triage.json`` holds them.

    Args:
        evidence: all trials.
        plan: the plan.
        found: the diagnosis.

    Returns:
        ``plan_a`` and ``plan_b``: rows of ``seed``, ``batch_size``, ``expected`` or ``purpose``,
        and ``result``; ``step_3``: rows of ``evidence``, ``root_cause``, ``solution`` and
        ``match``, which is ``matches`` or why the row does not; ``tie_breakers``: names of trials
        that Plan B lacks; none for a wiring fault.
    """
    case = Case(evidence, plan, ())
    # No seed and no batch size tells more about a fault in the code.
    missing = tie_breakers(case.baseline, plan) if found.root_cause != "wiring" else []
    return {
        "plan_a": _plan_a(case),
        "plan_b": _plan_b(case),
        "step_3": _step_3(case, found),
        "tie_breakers": [trial.name for trial in missing],
    }


def _plan_a(case: Case) -> list[dict[str, Any]]:
    seed = case.plan.trials[0].seed
    runs = [r for r in case.large.results if r.trial.seed == seed]
    if len(runs) < 2:
        return []
    rows: list[dict[str, Any]] = []
    for result in sorted(runs, key=lambda one: one.trial.repeat):
        first = not rows
        expected = "record the result" if first else "should match run 1 exactly"
        rows.append(_row(result, expected=expected))
        if not first:
            same = {True: "bit-identical to run 1", False: "differs from run 1", None: ""}
            same_words = same[bit_identical((runs[0], result))]
            rows[-1]["result"] += f", {same_words}" if same_words else ""
    return rows


def _plan_b(case: Case) -> list[dict[str, Any]]:
    own = {trial.key for trial in case.plan.trials if not trial.repeat and not trial.changes}
    purposes = {trial.key: trial.purpose for trial in case.plan.trials}
    runs = {r.trial.key: r for r in case.baseline.results if r.trial.key in own}
    if len({result.trial.batch_size for result in runs.values()}) < 2:
        return []
    ordered = [runs[trial.key] for trial in case.plan.trials if trial.key in runs]
    ordered.sort(key=lambda r: (r.trial.seed != case.plan.trials[0].seed, r.trial.batch_size))
    names = {"reference": "target batch size"}  # Plan A's first run is Plan B's third
    return [
        _row(one, purpose=names.get(purposes[one.trial.key], purposes[one.trial.key]))
        for one in ordered
    ]


def _row(result: TrialResult, **more: str) -> dict[str, Any]:
    words = result.outcome.replace("_", " ")
    why = f" ({result.cause.replace('_', ' ')})" if result.cause else ""
    return {"seed": result.trial.seed, "batch_size": result.trial.batch_size, **more,
            "result": f"{words}{why}"}  # fmt: skip


def _step_3(case: Case, found: Diagnosis) -> list[dict[str, str]]:
    small, large, first = case.smallest, case.target, case.plan.trials[0].seed
    rows = (
        (
            "initialization",
            f"All batch sizes work with seed {first}, only some work with other seeds",
            "Use known-good seed, or improve weight initialization",
            _not_initialization(case),
        ),
        (
            "batch_size",
            f"{small} always works but {large} fails across seeds",
            "Reduce batch size, or scale LR with batch size",
            _not_batch_size(case),
        ),
        (
            "batch_size_and_initialization",
            "Smaller batch sizes more robust across seeds",
            "Large batch amplifies poor init; use smaller batch OR better init",
            _not_both(case),
        ),
    )
    return [
        {
            "evidence": words,
            "root_cause": cause.replace("_", " "),
            "solution": solution,
            "match": MATCHES if cause == found.root_cause else why or _weak(found, cause),
        }
        for cause, words, solution, why in rows
    ]


def _weak(found: Diagnosis, cause: str) -> str:
    if found.evidence.get("points_to") == cause:
        return "the trials point to it, but are too few"
    return f"another rule applies first: {found.rule}"


def _not_initialization(case: Case) -> str:
    seeds, large = case.large.by_seed, case.large.rate
    if large.none:
        return f"no seed fails at {case.target}"
    if large.all:
        return f"every seed fails at {case.target}"
    if not seeds:
        return "no trial was decided"
    common = seeds.keys() & case.small.by_seed.keys()
    differ = [seed for seed in sorted(common) if seeds[seed] != case.small.by_seed[seed]]
    if differ:
        return f"seed {differ[0]} ends differently at {case.smallest} and at {case.target}"
    if len(common) < 2:
        return f"only {_seeds(common)} was tried at {case.smallest}"
    return ""


def _not_batch_size(case: Case) -> str:
    if case.target == case.smallest:
        return "only one batch size was tried"
    if case.large.rate.none:
        return f"no seed fails at {case.target}"
    if not case.large.rate.all:
        return f"at {case.target} not every seed fails: {case.large.rate}"
    if case.small.rate.failed:
        return f"{case.smallest} fails too: {case.small.rate}"
    if len(case.small.by_seed) < len(case.large.by_seed):
        return f"only {_seeds(case.small.by_seed)} was tried at {case.smallest}"
    return ""


def _not_both(case: Case) -> str:
    small, large = case.small.rate, case.large.rate
    if case.target == case.smallest:
        return "only one batch size was tried"
    if not small.of or not large.of:
        return "too few trials were decided"
    if large.failed * small.of <= small.failed * large.of:
        return f"failures are no rarer at {case.smallest}: {small}, against {large}"
    return ""


def _seeds(seeds: Sequence[int] | Any) -> str:
    return f"seed {', '.join(map(str, sorted(seeds)))}" if seeds else "no seed"
