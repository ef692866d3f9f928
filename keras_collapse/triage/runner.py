"""Runs a plan: checks, trials, what would decide, the cure; and keeps all of it in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.triage import preflight as checks
from keras_collapse.triage import results
from keras_collapse.triage.analysis import cures
from keras_collapse.triage.analysis.candidates import Candidate, candidates
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence, facts_of, reproducible
from keras_collapse.triage.analysis.next_trials import next_trials
from keras_collapse.triage.analysis.rules import interpret
from keras_collapse.triage.executors.jobs import Executor, Job
from keras_collapse.triage.plans import Plan, Trial, Value, identity

SCHEMA = 1
PACKAGES = ("keras-collapse", "keras", "numpy", "tensorflow", "tensorflow-cpu", "jax", "torch")


class View:
    """What is told while a triage runs; every method does nothing until overridden."""

    def say(self, line: str) -> None:
        """A line for the person."""

    def begin(self, jobs: Sequence[Job]) -> None:
        """Trials join the plan."""

    def beat(self, running: Sequence[Job]) -> None:
        """Several times a second: the trials that are running."""

    def ended(self, job: Job, result: results.Result, again: bool) -> None:
        """A trial has ended; ``again`` if it had before this command began."""


@dataclass
class Order:
    """What a person asked for.

    Args:
        place: ``FILE.py:train``.
        plan: the trials.
        folder: where all is kept.
        backend: Keras', for the trials' identity.
        full: whether to add trials that would decide, and try the cure.
        stronger: parameters that make the discriminator stronger.
        stop_early: whether surely failed trials are stopped.
        limit: seconds a trial may take; None for one from the check.
        despite_wiring: run the plan although the wiring is at fault.
        mlflow: what each trial's `MLflowLogger` is given; None for none.
    """

    place: str
    plan: Plan
    folder: Path
    backend: str
    full: bool = False
    stronger: Mapping[str, Value] = field(default_factory=dict)
    stop_early: bool = True
    limit: float | None = None
    despite_wiring: bool = False
    mlflow: Mapping[str, Any] | None = None


@dataclass
class Triage:
    """How it came out.

    Args:
        order: what was asked.
        room: what it ran on.
        check: what the check said.
        results: of all trials, in the order in which they ended.
        diagnosis: what they say.
        cures: what was tried, as `cures.outcome` has it.
        notes: what the person should know besides.
        seconds: it took, this time.
    """

    order: Order
    room: str
    check: Mapping[str, Any]
    results: Sequence[results.Result]
    diagnosis: Diagnosis
    cures: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As ``triage.json`` holds it."""
        evidence = Evidence(self.results)
        saved = sum(max(r.asked - r.steps, 0) for r in self.results if r.facts.get("stopped"))
        return {
            "schema": SCHEMA,
            "plan": self.order.plan.name,
            "experiment": self.order.place,
            "backend": self.order.backend,
            "steps": self.order.plan.steps,
            "room": self.room,
            "check": dict(self.check),
            "trials": [
                {
                    **result.to_dict(),
                    "name": result.trial.name,
                    "says": result.says,
                    "why": result.why,
                }
                for result in self.results
            ],
            "reproducible": reproducible(evidence),
            **self.diagnosis.to_dict(),
            "cure": list(self.cures),
            "notes": list(self.notes),
            "steps_saved_by_early_stops": saved,
            "seconds": round(self.seconds, 1),
        }


class Runner:
    """Runs an order with an executor.

    Args:
        order: what was asked for.
        executor: where trials run.
        view: who is told.
    """

    def __init__(self, order: Order, executor: Executor, view: View) -> None:
        self.order, self.executor, self.view = order, executor, view
        self._surroundings = surroundings(order)
        self._check: Sequence[results.Result] = ()
        self._results: dict[str, results.Result] = {}

    def run(self) -> Triage:
        """Do it all; what has ended before is not repeated.

        Raises:
            InputError: the experiment does not run or heed its trial, or nothing can be written.
        """
        began = time.monotonic()
        plan, order = self.order.plan, self.order
        with _alone(order.folder):
            self.view.say(f"Checking {order.place}: three short runs and an audit")
            self._check = self._run_all(checks.trials(plan), checks.STEPS, audit=True)
            checks.obeyed(self._check, order.place, plan)
            check = checks.report(self._check)
            fault = checks.wiring(self._check)
            notes = [] if check["reproducible"] is not False else [_not_reproducible(self._check)]
            if fault is not None and not order.despite_wiring:
                return Triage(order, self.executor.room, check, (), fault, (), notes,
                              time.monotonic() - began)  # fmt: skip
            if fault is not None:
                notes.append(f"Run although its wiring is at fault: {fault.statement}")
            for note in notes:
                self.view.say(note)
            self._run_plan(plan.trials)
            found = self._decide() if order.full else interpret(self._evidence, plan)
            found = fault or found
            tried = self._cure(found) if order.full else []
            return Triage(order, self.executor.room, check, list(self._results.values()), found,
                          tried, notes, time.monotonic() - began)  # fmt: skip

    @property
    def _evidence(self) -> Evidence:
        return Evidence(self._results.values())

    def _candidates(self) -> list[Candidate]:
        return candidates(facts_of([*self._results.values(), *self._check]), self.order.stronger)

    def _run_plan(self, trials: Sequence[Trial]) -> None:
        found = self._run_all(trials, self.order.plan.steps)
        self._results |= {result.trial.key: result for result in found}

    def _decide(self) -> Diagnosis:
        """Add trials until the answer stands."""
        plan = self.order.plan
        while True:
            evidence, options = self._evidence, self._candidates()
            found = interpret(evidence, plan, options)
            trials, why = next_trials(found, evidence, plan, options)
            if not trials:
                return found
            self.view.say(f"{len(trials)} more: {why}")
            self._run_plan(trials)

    def _cure(self, found: Diagnosis) -> list[dict[str, Any]]:
        """Try what may cure it on new seeds, until one holds."""
        outcomes: list[dict[str, Any]] = []
        for cure in cures.cures(found, self._evidence, self.order.plan):
            seeds = cures.seeds_for(self._evidence)
            self.view.say(f"Trying the cure on seeds not used before: {cure.words}")
            self._run_plan(cure.trials(self.order.plan, seeds))
            outcomes.append(cures.outcome(cure, seeds, self._evidence))
            if outcomes[-1]["held"]:
                break
        return outcomes

    def _run_all(
        self, trials: Sequence[Trial], steps: int, audit: bool = False
    ) -> list[results.Result]:
        """The trials' results, in their order; those that ended before are read, not run."""
        jobs = {job.trial.key: job for job in (self._job(t, steps, audit) for t in trials)}
        done = {key: _kept(job) for key, job in jobs.items()}
        self.view.begin(list(jobs.values()))
        for key, result in done.items():
            if result is not None:
                self.view.ended(jobs[key], result, True)
        waiting = [job for key, job in jobs.items() if done[key] is None]
        running = self.executor.run(waiting, self.view.beat)
        with contextlib.closing(running) as ending:  # type: ignore[type-var]
            for result in ending:
                done[result.trial.key] = result
                self.view.ended(jobs[result.trial.key], result, False)
        return [found for key in jobs if (found := done[key]) is not None]

    def _job(self, trial: Trial, steps: int, audit: bool) -> Job:
        name = identity(trial, steps, {**self._surroundings, "check": audit})
        folder = self.order.folder.resolve() / ("checks" if audit else "trials") / name
        first = self._check[0] if self._check else None
        samples = checks.samples_of(first) if first else None
        limit = self.order.limit or (
            checks.limit_for(trial, steps, first) if first else checks.LEAST_SECONDS
        )
        mlflow = {**self.order.mlflow, "run_name": trial.name} if self.order.mlflow else None
        asked = {
            "place": self.order.place,
            "trial": trial.model_dump(),
            "steps": steps,
            "epochs": checks.epochs_for(trial, steps, samples),
            "exact": samples is None,
            "stop_early": self.order.stop_early and not audit,
            "audit": audit,
            "mlflow": None if audit else mlflow,
        }
        write_json(folder / results.CONFIGURATION, asked)
        return Job(trial, folder, steps, limit)


def _kept(job: Job) -> results.Result | None:
    """What has ended before; a trial that was killed did not, so it is run again."""
    found = results.read_result(job.folder)
    return found if found is not None and found.ended != "killed" else None


def surroundings(order: Order) -> dict[str, Any]:
    """What a trial's result depends on beside its configuration: the code file and versions."""
    file = Path(order.place.rpartition(":")[0])
    code = hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "code": code,
        "function": order.place.rpartition(":")[2],
        "backend": order.backend,
        "stop_early": order.stop_early,
        **versions,
    }


def _not_reproducible(check: Sequence[results.Result]) -> str:
    from keras_collapse.reproducibility.compare import compare

    found = compare(f"{check[0].folder}/run", f"{check[1].folder}/run")
    return f"Same seed, different run: {found.message} Likeliest source: {found.source}."


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder for this runner.

    Raises:
        InputError: another runner has it, or it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise InputError(
            f"cannot write to {str(folder)!r} ({error.strerror}). Give another --out."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"another triage is running in {str(folder)!r}. Wait for it, or give another --out."
            ) from None
        yield
