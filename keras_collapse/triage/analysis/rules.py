"""The rules that turn trials into a diagnosis, in the order in which they apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras_collapse.triage.analysis import guide_table
from keras_collapse.triage.analysis.candidates import Candidate, trials_with
from keras_collapse.triage.analysis.case import MOST_SEEDS, NAMED, Case, tie_breakers
from keras_collapse.triage.analysis.diagnosis import Diagnosis, wiring_diagnosis, wiring_fault
from keras_collapse.triage.analysis.evidence import Evidence, Rate, fisher_confidence
from keras_collapse.triage.plans import Plan
from keras_collapse.triage.trial.outcome import SETTLED

ENOUGH_SEEDS = 5
"""Seeds that must work at the target batch size to call it sound although a smaller one failed:
the chance of catching a 50 % failure rate is then 0.97."""
UNDECIDED = "too many trials were undecided"
TOO_SHORT = "the trials were too short to show every failure"
"""The rules after which more trials of the same length would show no more."""
CATCHES_HALF = "chance of catching a 50 % failure rate"


def interpret(
    evidence: Evidence, plan: Plan, candidates: Sequence[Candidate] = (), full: bool = False
) -> Diagnosis:
    """Return the diagnosis of the first rule that applies.

    Args:
        evidence: all trials so far.
        plan: the plan, with the batch sizes in question.
        candidates: changes that were, or could be, tested.
        full: whether trials are added until the diagnosis is final.
    """
    rules: Sequence[Callable[[Case], Diagnosis | None]] = (
        _wiring,
        _nondeterminism,
        _undecided,
        _none,
        _one_change,
        guide_table.batch_size,
        guide_table.initialization,
        guide_table.both,
        _works_at_target,
    )
    case = Case(evidence, plan, candidates, full)
    for rule in rules:
        found = rule(case)
        if found is not None:
            return found
    return _inconclusive(case)


def _wiring(case: Case) -> Diagnosis | None:
    for result in case.all.results:
        fault = wiring_fault(result.verdict.get("findings", ()))
        if fault is not None:
            return wiring_diagnosis(fault, result.trial.name)
    return None


def _nondeterminism(case: Case) -> Diagnosis | None:
    for group in case.all.repeats():
        if len({result.failed for result in group} - {None}) > 1:
            statuses = " and ".join(result.outcome for result in group)
            return Diagnosis(
                "nondeterminism",
                1.0,
                "Plan A: repeats of one trial ended differently",
                f"Repeats of {group[0].trial.name} ended {statuses}: the result depends on "
                "randomness that no seed controls.",
                case.evidence(Evidence(group), test="observed directly"),
                (
                    "Find the first difference: keras-collapse compare "
                    f"{group[0].folder}/run {group[1].folder}/run",
                    "Seed what is unseeded, such as your own generators or the order of the data.",
                ),
            )
    return None


def _undecided(case: Case) -> Diagnosis | None:
    ended = case.baseline.results
    undecided = [result for result in ended if result.failed is None]
    if not ended or 2 * len(undecided) < len(ended):
        return None
    reasons = {result.explanation.rstrip(".") or result.status for result in undecided}
    detail = f": {reasons.pop()}" if len(reasons) == 1 else ", for different reasons"
    stopped = [result for result in undecided if result.ended != "done"]
    return Diagnosis(
        "inconclusive",
        None,
        UNDECIDED,
        f"{len(undecided)} of {len(ended)} trials were undecided{detail}.",
        case.evidence(case.baseline),
        (
            *(["Fix what stopped the trials; their logs are kept."] if stopped else []),
            *(["Run more --steps per trial."] if len(stopped) < len(undecided) else []),
        ),
    )


def _none(case: Case) -> Diagnosis | None:
    if not case.baseline.rate.none:
        return None
    count, steps = case.baseline.rate.of, case.baseline.shortest
    trials = f"{len(case.baseline.decided)} trials with {count} seed{'s' * (count > 1)}"
    ran = f"None of {trials} failed in {steps} steps or more."
    if steps < SETTLED:
        return _too_short(case, case.baseline, ran)
    return Diagnosis(
        "none",
        _catches_half(count),
        "no trial failed",
        f"{ran}{case.distances(case.baseline)}",
        case.evidence(case.baseline, test=CATCHES_HALF),
        ("Nothing to fix. The seeds that worked are in known_good.toml.",),
    )


def _too_short(case: Case, trials: Evidence, ran: str) -> Diagnosis:
    return Diagnosis(
        "inconclusive",
        None,
        TOO_SHORT,
        f"{ran} That is too short: a failure may take {SETTLED} steps to show."
        f"{case.distances(trials)}",
        case.evidence(trials),
        (f"Run at least {SETTLED} --steps per trial, and without --no-continue.",),
    )


def _one_change(case: Case) -> Diagnosis | None:
    """One change fixes the GAN. If the smallest batch size works, the guide's rows apply."""
    before = case.large
    if case.small.rate.none and case.target != case.smallest:
        return None
    found = []
    for candidate in case.candidates:
        after = trials_with(case.all, candidate, case.target)
        seeds = after.by_seed.keys() & before.by_seed.keys()
        if not seeds or (after.rate.failed and not _fixes_most(after.rate)):
            continue
        confidence = fisher_confidence(before.rate, after.rate)
        if confidence >= NAMED:
            found.append((confidence, candidate.oddness, candidate, after))
    if not found:
        return None
    found.sort(key=lambda one: (-one[0], -one[1]))
    confidence, _, candidate, after = found[0]
    alternatives = [one[2] for one in found[1:]]
    return Diagnosis(
        candidate.cause,
        confidence,
        f"one change fixes {'most seeds' if after.rate.failed else 'the training'}",
        f"Seeds that failed: {before.rate} unchanged, {after.rate} with {candidate.words}.",
        case.evidence(
            before, after, test="Fisher's exact test, unchanged against changed",
            setting=candidate.why, also_cured_by=[other.words for other in alternatives],
        ),
        (candidate.advice,),
        candidate=candidate,
        alternatives=alternatives,
    )  # fmt: skip


def _fixes_most(rate: Rate) -> bool:
    """Return whether so many seeds were tried, and so few failed, that one may stand for chance."""
    return rate.of >= MOST_SEEDS and 2 * rate.failed < rate.of


def _works_at_target(case: Case) -> Diagnosis | None:
    rate = case.large.rate
    if not rate.none or rate.of < ENOUGH_SEEDS:
        return None
    if case.large.shortest < SETTLED:
        return _too_short(case, case.large, f"No seed failed at batch size {case.target}.")
    rates = {size: case.baseline.at(size).rate for size in case.baseline.batch_sizes}
    smaller = [f"{rate} at batch size {size}" for size, rate in rates.items() if rate.failed]
    return Diagnosis(
        "none",
        _catches_half(rate.of),
        "the target batch size works with every seed",
        f"Seeds that failed: {rate} at the target batch size {case.target}, but "
        f"{', '.join(smaller)}.",
        case.evidence(case.large, test=CATCHES_HALF),
        (f"Nothing to fix at batch size {case.target}. Keep it.",),
    )


def _catches_half(seeds: int) -> float:
    """Return the chance that a GAN that fails with half of all seeds fails with one of these."""
    return round(1 - 0.5**seeds, 3)


def _inconclusive(case: Case) -> Diagnosis:
    after = {c.words: trials_with(case.all, c, case.target) for c in case.candidates}
    untested = [one for one in case.candidates if not after[one.words].decided]
    failing = [
        change if trials.rate.all else f"{change} ({trials.rate} failed)"
        for change, trials in after.items()
        if trials.rate.failed
    ]
    rates = ", ".join(f"{rate} at batch size {size}" for size, rate in case.rates().items())
    words = f"Seeds that failed: {rates}."
    words += f" Not fixed by: {'; '.join(failing)}." if failing else ""
    words += case.shown() + case.confounded()
    return Diagnosis(
        "inconclusive",
        None,
        "no rule applies",
        words,
        case.evidence(
            case.baseline,
            not_tried=[one.words for one in untested],
            findings=case.baseline.kinds(),
        ),
        (
            *_more_steps(case),
            *_next_change(case, untested),
            *case.working_seed(),
            *case.finding_advice(),
        ),
        tie_breakers=tie_breakers(case.baseline, case.plan),
    )


def _next_change(case: Case, untested: Sequence[Candidate]) -> list[str]:
    """Return the likeliest change that was not tested, as advice."""
    if not untested or not any(result.failed for result in case.baseline.decided):
        return []
    one, how = untested[0], "" if case.full else "; keras-collapse triage full does"
    return [f"Likeliest next: {one.words}, since {one.why}. Test it in one trial{how}."]


def _more_steps(case: Case) -> list[str]:
    """Return advice if samples were bad at the end of trials that might still have improved."""
    unfinished = [r for r in case.baseline.decided if r.failed and r.status != "failed"]
    if unfinished and not any(r.failed is False for r in case.baseline.decided):
        return ["Run more --steps per trial: some had bad samples at the end and may improve."]
    return []
