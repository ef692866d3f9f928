"""Runs a triage: checks, the plan, trials that decide, fixes; all results go to one folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.process.heartbeat import at_work
from keras_collapse.core.samples.probe import APART
from keras_collapse.triage import preflight, results
from keras_collapse.triage.analysis import cures
from keras_collapse.triage.analysis.candidates import Candidate, candidates
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence, gan_facts
from keras_collapse.triage.analysis.next_trials import next_trials
from keras_collapse.triage.analysis.rules import interpret
from keras_collapse.triage.effort.budget import Budget, Spending
from keras_collapse.triage.effort.forecast import Forecast, announcement, most_informative
from keras_collapse.triage.executors.jobs import Executor, Job, View
from keras_collapse.triage.plans import TrialConfig, trial_id
from keras_collapse.triage.results import TrialResult, steps_done
from keras_collapse.triage.spec import TriageSpec
from keras_collapse.triage.triage_result import TriageResult
from keras_collapse.triage.trial.length import explained
from keras_collapse.triage.trial.outcome import longest


class Runner:
    """Runs a triage.

    Args:
        spec: what to run.
        executor: where to run the trials.
        view: receives the progress.
    """

    def __init__(self, spec: TriageSpec, executor: Executor, view: View) -> None:
        self.spec, self.executor, self.view = spec, executor, view
        self._provenance = spec.provenance()
        self._began = time.monotonic()
        self._checks: Sequence[TrialResult] = ()
        self._spending = Spending(Budget(), Forecast((), 1, False))
        self._results: dict[str, TrialResult] = {}

    def run(self) -> TriageResult:
        """Run the triage; trials that an earlier command finished are reused.

        Raises:
            InputError: the experiment does not run or ignores its trial.
        """
        self._began = time.monotonic()
        with at_work(self.spec.folder):
            notes, fault = self._check()
            if fault is None or self.spec.despite_wiring:
                self._announce()
                self._run_trials(most_informative(self.spec.plan))
            found, fixes = self._conclude(notes) if fault is None else (fault, [])
            if self._spending.left_out:
                notes.append(self._spending.note)
            return TriageResult(
                self.spec,
                self.executor.room,
                preflight.summary(self._checks),
                list(self._results.values()),
                found,
                fixes,
                notes,
                time.monotonic() - self._began,
            )

    def _check(self) -> tuple[list[str], Diagnosis | None]:
        """Run the checks; return notes for the report, and a fault of the wiring."""
        spec, notes = self.spec, []
        self.view.say(f"Checking {spec.experiment}: short runs and an audit")
        self._checks = self._run_all(
            preflight.check_trials(spec.plan), preflight.STEPS, is_check=True
        )
        preflight.validate(self._checks, spec.experiment, spec.plan)
        fault = preflight.wiring(self._checks)
        if shared := self.executor.settle(self._checks):
            self.view.say(shared)
        if preflight.summary(self._checks)["reproducible"] is False:
            notes.append(_not_reproducible(self._checks))
        if same_start := preflight.same_start(self._checks):
            notes.append(same_start)
        if fault is not None and spec.despite_wiring:
            notes.append(f"The plan was run despite a wiring fault: {fault.statement}")
        for note in notes:
            self.view.say(note)
        return notes, fault

    def _announce(self) -> None:
        """Say how long the plan takes, and what trials of its length can show."""
        spec, plan, parallel = self.spec, self.spec.plan, self.executor.parallel
        forecast = Forecast(self._checks, parallel, spec.go_on)
        self._spending = Spending(spec.budget, forecast)
        new = [
            t for t in plan.trials if results.finished(self._folder(t, plan.steps, False)) is None
        ]
        left = forecast.left([(trial, forecast.steps(plan.steps), 0) for trial in new])
        budget = str(spec.budget) if spec.budget != Budget() else ""
        self.view.say(announcement(len(new), left, parallel, spec.full, budget))
        samples = preflight.samples_per_epoch(self._checks[0])
        epoch = max(samples // plan.target, 1) if samples else None
        self.view.say(explained(plan.steps, self._longest(plan.steps), epoch))

    @property
    def _evidence(self) -> Evidence:
        return Evidence(self._results.values())

    def _candidates(self) -> list[Candidate]:
        facts = gan_facts([*self._results.values(), *self._checks])
        common = self._evidence.baseline(self.spec.plan).common_kinds()
        return candidates(facts, self.spec.stronger, common)

    def _interpret(self) -> Diagnosis:
        spec = self.spec
        return interpret(self._evidence, spec.plan, self._candidates(), spec.full)

    def _run_trials(self, trials: Sequence[TrialConfig]) -> None:
        steps = self.spec.plan.steps
        found = self._run_all(trials, steps)
        self._results |= {result.trial.key: result for result in found}
        # A loop of a person's own ends at its last step. What is undecided is run anew, longer.
        most = self._longest(steps)
        again = [
            r.trial for r in found if r.ended == "done" and r.failed is None and r.steps < most
        ]
        if again:
            self.view.say(f"{len(again)} undecided after {steps} steps: again with {most}")
            found = self._run_all(again, most)
            self._results |= {result.trial.key: result for result in found}

    def _longest(self, steps: int) -> int:
        return longest(steps) if self.spec.go_on else steps

    def _conclude(self, notes: list[str]) -> tuple[Diagnosis, list[dict[str, Any]]]:
        """Decide and test fixes, again as long as fixes that fail change the diagnosis."""
        if not self.spec.full:
            return self._interpret(), []
        fixes: list[dict[str, Any]] = []
        named: list[str] = []
        while True:
            found = self._decide()
            if found.name in named:
                return found, fixes
            named.append(found.name)
            tested = self._test_fixes(found)
            fixes += tested
            if any(fix["held"] for fix in tested) or self._interpret().name == found.name:
                return found, fixes
            notes.append(f"It looked like {found.name}, but no fix for that worked on new seeds.")
            self.view.say(notes[-1])

    def _decide(self) -> Diagnosis:
        """Add trials until the diagnosis is final."""
        while True:
            found = self._interpret()
            trials, why = next_trials(found, self._evidence, self.spec.plan, self._candidates())
            if not trials:
                return found
            self.view.say(f"{len(trials)} more: {why}")
            self._run_trials(trials)
            if self._spending.left_out:
                return self._interpret()

    def _test_fixes(self, found: Diagnosis) -> list[dict[str, Any]]:
        """Test fixes on new seeds, until one works."""
        outcomes: list[dict[str, Any]] = []
        for cure in cures.cures(found, self._evidence, self.spec.plan):
            if self._spending.left_out:
                break
            seeds = cures.seeds_for(self._evidence)
            self.view.say(f"Testing a fix on new seeds: {cure.words}")
            self._run_trials(cure.trials(self.spec.plan, seeds))
            outcomes.append(cures.outcome(cure, seeds, self._evidence))
            if outcomes[-1]["held"]:
                break
        return outcomes

    def _run_all(
        self, trials: Sequence[TrialConfig], steps: int, is_check: bool = False
    ) -> list[TrialResult]:
        """Return the trials' results, in their order; run only those without a result."""
        jobs = {job.trial.key: job for job in (self._job(t, steps, is_check) for t in trials)}
        done = {key: results.finished(job.folder, is_check) for key, job in jobs.items()}
        self.view.begin(list(jobs.values()))
        for key, result in done.items():
            if result is not None:
                self.view.ended(jobs[key], result, True)
        waiting = [job for key, job in jobs.items() if done[key] is None]
        if not is_check:
            allowed = self._spending.allowed([job.trial for job in waiting], steps)
            keys = {trial.key for trial in allowed}
            waiting = [job for job in waiting if job.trial.key in keys]
        open_jobs = {job.trial.key: job for job in waiting}

        now_running: list[Job] = []

        def progress(running: Sequence[Job]) -> None:
            now_running[:] = running
            self.view.progress(running)
            if not is_check:
                self.view.left(self._seconds_left(open_jobs.values(), running))

        running = self.executor.run(waiting, progress)
        with contextlib.closing(running) as ending:  # type: ignore[type-var]
            for result in ending:
                job = open_jobs.pop(result.trial.key)
                done[result.trial.key] = result
                if not is_check:
                    self._spending.ended(result)
                    left = [one for one in open_jobs.values() if one in now_running]
                    self.view.left(self._seconds_left(open_jobs.values(), left))
                self.view.ended(job, result, False)
                if is_check:  # one that does not run ends the others
                    preflight.require_done(result, self.spec.experiment, self.spec.plan)
        return [found for key in jobs if (found := done[key]) is not None]

    def _seconds_left(self, jobs: Iterable[Job], running: Sequence[Job] = ()) -> float:
        """Seconds until these have ended; only running ones have written how far they are."""
        forecast = self._spending.forecast
        done = {job.folder: steps_done(job.folder) for job in running}
        return forecast.left(
            [(j.trial, forecast.steps(j.steps), done.get(j.folder, 0)) for j in jobs]
        )

    def _folder(self, trial: TrialConfig, steps: int, is_check: bool) -> Path:
        name = trial_id(trial, steps, {**self._provenance, "check": is_check})
        return self.spec.folder.resolve() / ("checks" if is_check else "trials") / name

    def _job(self, trial: TrialConfig, steps: int, is_check: bool) -> Job:
        spec = self.spec
        folder = self._folder(trial, steps, is_check)
        first = self._checks[0] if self._checks else None
        samples = preflight.samples_per_epoch(first) if first else None
        most = steps if is_check or steps > spec.plan.steps else self._longest(steps)
        timeout = spec.timeout or (
            preflight.timeout_for(trial, most, first) if first else preflight.MIN_TIMEOUT
        )
        mlflow = {**spec.mlflow, "run_name": trial.name} if spec.mlflow else None
        configuration = {
            "experiment": spec.experiment,
            "trial": trial.model_dump(),
            "steps": steps,
            "longest": most,
            "epochs": preflight.epochs_for(trial, most, samples),
            "exact": samples is None or samples // trial.batch_size > APART,
            "stop_early": spec.stop_early and not is_check,
            # One audit is enough: the checks differ in nothing that it looks at.
            "audit": is_check and trial == preflight.check_trials(spec.plan)[0],
            "mlflow": None if is_check else mlflow,
        }
        write_json(folder / results.CONFIGURATION, configuration)
        return Job(trial, folder, steps, timeout, is_check)


def _not_reproducible(checks: Sequence[TrialResult]) -> str:
    from keras_collapse.reproducibility.compare import compare

    found = compare(f"{checks[0].folder}/run", f"{checks[1].folder}/run")
    return f"The same seed gave different runs. {found.message} Likeliest source: {found.source}."
