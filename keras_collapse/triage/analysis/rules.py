"""The guide's table as named rules: what the trials say together, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras_collapse.triage.analysis.candidates import Candidate, tried
from keras_collapse.triage.analysis.diagnosis import Diagnosis, of_wiring, wiring_in
from keras_collapse.triage.analysis.evidence import (
    Evidence,
    agreement,
    more_often,
)
from keras_collapse.triage.plans import Plan, Trial

NAMED = 0.8
"""How sure a cause must be to be named: three of five seeds failing at the large batch size and
none at the small one is 0.92, two of three against none just 0.8, one of three only 0.5."""
ENOUGH = 5
"""Seeds that must work at the batch size wanted, where a smaller one failed, to call that sound:
a GAN that fails with every other seed would have shown it in 0.97 of all cases."""
TOO_LITTLE = "too few trials tell anything"
"""The rule by which more trials of the same length would tell as little."""


def interpret(evidence: Evidence, plan: Plan, candidates: Sequence[Candidate] = ()) -> Diagnosis:
    """Apply the rules in order; the first that fits speaks.

    Args:
        evidence: of all trials so far.
        plan: with the batch sizes in question.
        candidates: changes that were, or could be, tried.
    """
    rules: Sequence[Callable[[_Case], Diagnosis | None]] = (
        _wiring,
        _nondeterminism,
        _too_little,
        _none,
        _changed,
        _batch_size,
        _seed,
        _both,
        _works_at_target,
    )
    case = _Case(evidence, plan, candidates)
    for rule in rules:
        found = rule(case)
        if found is not None:
            return found
    return _inconclusive(case)


class _Case:
    """What the rules look at."""

    def __init__(self, evidence: Evidence, plan: Plan, candidates: Sequence[Candidate]) -> None:
        self.all, self.plan, self.candidates = evidence, plan, candidates
        self.plain = evidence.as_it_is(plan)
        self.target, self.smallest = plan.target, plan.smallest
        self.large = self.plain.at(self.target)
        self.small = self.plain.at(self.smallest)

    def rates(self) -> dict[str, str]:
        """Collapse rates with exact intervals, by batch size."""
        return {str(size): str(self.plain.at(size).rate) for size in self.plain.batch_sizes}

    def known(self, *used: Evidence, **more: Any) -> dict[str, Any]:
        """Evidence as every rule gives it."""
        trials = [name for one in used for name in one.names()]
        return {"collapse_rates": self.rates(), **more, "trials": trials}


def _wiring(case: _Case) -> Diagnosis | None:
    for result in case.all.results:
        found = wiring_in(result.verdict.get("findings", ()))
        if found is not None:
            return of_wiring(found, result.trial.name)
    return None


def _nondeterminism(case: _Case) -> Diagnosis | None:
    for group in case.all.repeats():
        said = {result.failed for result in group} - {None}
        if len(said) > 1:
            return Diagnosis(
                "nondeterminism",
                1.0,
                "Plan A: the same trial ended differently",
                f"{group[0].trial.name} ended {' and '.join(r.says for r in group)}: chance that "
                "no seed controls decides.",
                case.known(Evidence(group), test="seen directly"),
                (
                    "See where two of the runs part: keras-collapse compare "
                    f"{group[0].folder}/run {group[1].folder}/run",
                    "Seed what is not: generators of your own, the order of the data.",
                ),
            )
    return None


def _too_little(case: _Case) -> Diagnosis | None:
    ended = case.plain.results
    if ended and 2 * len(case.plain.decided) <= len(ended):
        said = ", ".join(dict.fromkeys(r.reason or r.says for r in ended if r.failed is None))
        return Diagnosis(
            "inconclusive",
            None,
            TOO_LITTLE,
            f"{len(ended) - len(case.plain.decided)} of {len(ended)} trials tell nothing: {said}.",
            case.known(case.plain),
            ("Give the trials more --steps, or mend what ended them; their logs are kept.",),
        )
    return None


def _none(case: _Case) -> Diagnosis | None:
    rate = case.plain.rate
    failed = [result for result in case.plain.decided if result.failed]
    if failed or not case.plain.decided:
        return None
    count = rate.of
    return Diagnosis(
        "none",
        round(1 - 0.5**count, 3),
        "no trial failed",
        f"None of {len(case.plain.decided)} trials with {count} seeds failed.",
        case.known(case.plain, test="a GAN that fails with every other seed would have shown it"),
        ("Nothing needs curing. Working seeds are in known_good.toml.",),
    )


def _changed(case: _Case) -> Diagnosis | None:
    """One change cures what failed at the smallest batch size too: else the guide's rows speak."""
    before = case.large
    if case.small.rate.none and case.target != case.smallest:
        return None
    found = []
    for candidate in case.candidates:
        after = tried(case.all, candidate, case.target)
        seeds = after.by_seed.keys() & before.by_seed.keys()
        if not seeds or after.rate.failed:
            continue
        sure = more_often(before.rate, after.rate)
        if sure >= NAMED:
            found.append((sure, candidate.oddness, candidate, after))
    if not found:
        return None
    found.sort(key=lambda one: (-one[0], -one[1]))
    sure, _, candidate, after = found[0]
    others = [one[2] for one in found[1:]]
    return Diagnosis(
        candidate.cause,
        sure,
        "one change cures it",
        f"Failed with {before.rate} seeds; with {candidate.words} {after.rate}.",
        case.known(
            before, after, test="Fisher's exact, changed against unchanged",
            setting=candidate.why, also_cured_by=[other.words for other in others],
        ),
        (candidate.advice,),
        candidate=candidate,
        others=others,
    )  # fmt: skip


def _batch_size(case: _Case) -> Diagnosis | None:
    large, small = case.large.rate, case.small.rate
    if case.target == case.smallest or not large.all or not small.none:
        return None
    return _unless_unsure(
        case,
        Diagnosis(
            "batch_size",
            more_often(large, small),
            f"the guide's second row: {case.smallest} always works, {case.target} fails "
            "across seeds",
            f"At batch size {case.target} {large} seeds fail, at {case.smallest} {small}.",
            case.known(case.small, case.large, test="Fisher's exact, large against small"),
            (
                f"Train with a batch size of {cap(case.plain, case.plan)} at most.",
                "Or scale the learning rates with the batch size.",
            ),
        ),
    )


def _seed(case: _Case) -> Diagnosis | None:
    large, small = case.large, case.small
    if case.target == case.smallest or large.rate.all or large.rate.none:
        return None
    common = large.by_seed.keys() & small.by_seed.keys()
    if len(common) < 2 or any(large.by_seed[s] != small.by_seed[s] for s in common):
        return None
    if len({large.by_seed[s] for s in common}) < 2:
        return None
    good = [seed for seed, failed in large.by_seed.items() if not failed]
    return _unless_unsure(
        case,
        Diagnosis(
            "initialization",
            agreement(large.by_seed, small.by_seed),
            "the guide's first row: the seed decides, at every batch size",
            f"The same seeds fail at {case.smallest} and at {case.target}.",
            case.known(small, large, test="agreement of seeds across batch sizes, by counting"),
            (
                "Improve the weights' initialization.",
                f"Or use a known-good seed: {', '.join(map(str, good))}.",
            ),
        ),
    )


def _both(case: _Case) -> Diagnosis | None:
    large, small = case.large.rate, case.small.rate
    if (
        case.target == case.smallest
        or not small.of
        or large.failed * small.of <= (small.failed * large.of)
    ):
        return None
    if large.all and (small.all or small.none):
        return None
    return _unless_unsure(
        case,
        Diagnosis(
            "batch_size_and_initialization",
            more_often(large, small),
            "the guide's third row: smaller batches are more robust across seeds",
            f"At batch size {case.target} {large} seeds fail, at {case.smallest} {small}: a large "
            "batch amplifies a poor initialization.",
            case.known(case.small, case.large, test="Fisher's exact, large against small"),
            (
                f"Use a batch size of {cap(case.plain, case.plan)} at most, or a better start.",
                "Or use a known-good seed.",
            ),
        ),
    )


def _works_at_target(case: _Case) -> Diagnosis | None:
    rate = case.large.rate
    if not rate.none or rate.of < ENOUGH:
        return None
    smaller = [f"{said} at {size}" for size, said in case.rates().items() if said[0] != "0"]
    return Diagnosis(
        "none",
        round(1 - 0.5**rate.of, 3),
        "the batch size that is wanted works with every seed",
        f"At batch size {case.target} {rate} seeds fail. Smaller ones do: {', '.join(smaller)}.",
        case.known(case.large, test="a GAN that fails with every other seed would have shown it"),
        (f"Nothing needs curing at batch size {case.target}. Stay with it.",),
    )


def _unless_unsure(case: _Case, found: Diagnosis) -> Diagnosis:
    if (found.confidence or 0) >= NAMED:
        return found
    # The table reads so, but too few seeds have been tried for that.
    missing = deciding(case.plain, case.plan)
    return Diagnosis(
        "inconclusive",
        found.confidence,
        found.rule,
        f"{found.statement} That points to {found.root_cause.replace('_', ' ')}, but is too "
        f"little to tell ({found.confidence:.2f} of {NAMED}).{_confounded(case)}",
        {**found.evidence, "points_to": found.root_cause},
        ("Run the deciding trials: keras-collapse triage full adds them.",),
        deciding=missing,
    )


def _confounded(case: _Case) -> str:
    """What Plan B as printed cannot tell."""
    if len(case.small.by_seed) == 1 < len(case.large.by_seed):
        [seed] = case.small.by_seed
        return (
            f" {case.smallest} was tried with seed {seed} only, so whether it always works "
            "cannot be seen."
        )
    return ""


def _inconclusive(case: _Case) -> Diagnosis:
    after = {c.words: tried(case.all, c, case.target) for c in case.candidates}
    untried = [change for change, trials in after.items() if not trials.decided]
    failing = [change for change, trials in after.items() if trials.rate.failed]
    words = f"Failed: {', '.join(f'{rate} at {size}' for size, rate in case.rates().items())}."
    words += f" Not cured by {'; '.join(failing)}." if failing else ""
    words += _confounded(case)
    return Diagnosis(
        "inconclusive",
        None,
        "no row of the table fits",
        words,
        case.known(case.plain, not_tried=untried),
        (
            *_more_steps(case),
            "Look at what the failing trials have in common: their verdicts name what they see.",
        ),
        deciding=deciding(case.plain, case.plan),
    )


def _more_steps(case: _Case) -> list[str]:
    """Advice where samples were bad at the end, but might have got better."""
    open_ends = [r for r in case.plain.decided if r.failed and r.says != "failed"]
    if open_ends and not any(r.failed is False for r in case.plain.decided):
        return ["Give the trials more --steps: some were bad at their end and may get better."]
    return []


def deciding(plain: Evidence, plan: Plan) -> list[Trial]:
    """Trials of the unchanged GAN that would tell seeds from batch sizes: every seed at both ends.

    Args:
        plain: evidence of the unchanged GAN.
        plan: whose seeds and batch sizes are in question.
    """
    first = plan.trials[0]
    seeds = list(dict.fromkeys(r.trial.seed for r in plain.results)) or [first.seed]
    found = []
    for size in (plan.smallest, plan.target):
        known = {r.trial.seed for r in plain.at(size).results}
        found += [
            Trial(seed=seed, batch_size=size, params=first.params, purpose="would decide")
            for seed in seeds
            if seed not in known
        ]
    return found


def caps(plain: Evidence, plan: Plan) -> list[int]:
    """The batch sizes below the target at which nothing failed, largest first."""
    sizes = [s for s in plain.batch_sizes if s < plan.target and plain.at(s).rate.none]
    return sorted(sizes, reverse=True)


def cap(plain: Evidence, plan: Plan) -> int:
    """The first of them; the smallest batch size where there is none."""
    return next(iter(caps(plain, plan)), plan.smallest)
