"""The result of a triage: ``triage.json`` and ``known_good.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from keras_collapse.reproducibility.known_good import KnownGood
from keras_collapse.triage.analysis.diagnosis import Diagnosis
from keras_collapse.triage.analysis.evidence import Evidence, reproducible
from keras_collapse.triage.analysis.guide_report import guide_tables
from keras_collapse.triage.results import TrialResult
from keras_collapse.triage.spec import TriageSpec
from keras_collapse.triage.trial.outcome import SETTLED

SCHEMA = 1


@dataclass(repr=False)
class TriageResult:
    """How a triage ended.

    Args:
        spec: what was run.
        room: what it ran on, in words.
        check: the checks before the first trial, as `preflight.summary` returns them.
        results: of all trials, in the order in which they ended.
        diagnosis: what they show.
        cures: the fixes that were tested, as `cures.outcome` returns them.
        notes: further remarks.
        seconds: the duration of this command.
    """

    spec: TriageSpec
    room: str
    check: Mapping[str, Any]
    results: Sequence[TrialResult]
    diagnosis: Diagnosis
    cures: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        found, folder = self.diagnosis, str(self.spec.folder)
        return (
            f"<TriageResult {found.root_cause!r}, confidence {found.confidence}, "
            f"{len(self.results)} trials in {folder!r}>"
        )

    def _repr_markdown_(self) -> str:
        """The report, for a notebook."""
        from keras_collapse.outputs.report.triage_report import as_markdown

        return as_markdown(self.to_dict(), self.spec.folder)

    @property
    def problem(self) -> bool:
        """Whether a trial failed or a root cause was found."""
        failed = any(result.failed for result in self.results)
        return failed or self.diagnosis.root_cause not in ("none", "inconclusive")

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``triage.json``."""
        stopped = [r for r in self.results if r.facts.get("stopped")]
        return {
            "schema": SCHEMA,
            "plan": self.spec.plan.name,
            "experiment": self.spec.experiment,
            "backend": self.spec.backend,
            "steps": self.spec.plan.steps,
            "room": self.room,
            "check": dict(self.check),
            "trials": [
                {
                    **result.to_dict(),
                    "name": result.trial.name,
                    "says": result.outcome,
                    "why": result.explanation,
                }
                for result in self.results
            ],
            "failed": sum(bool(result.failed) for result in self.results),
            "guide": guide_tables(Evidence(self.results), self.spec.plan, self.diagnosis),
            "reproducible": reproducible(Evidence(self.results)),
            **self.diagnosis.to_dict(),
            "cure": list(self.cures),
            "notes": list(self.notes),
            "seconds_per_trial": self._seconds_per_trial,
            "steps_saved_by_early_stops": sum(max(r.asked - r.steps, 0) for r in stopped),
            "seconds": round(self.seconds, 1),
        }

    @property
    def _seconds_per_trial(self) -> float | None:
        """What one more trial would take; None if none has ended."""
        took = [result.seconds for result in self.results if result.ended == "done"]
        return round(median(took), 1) if took else None

    def known_good(self) -> KnownGood | None:
        """Return the settings that worked: the fix's, else those of the largest sound batch size.

        Returns:
            None if no trial with these settings was healthy for as long as a failure may take.
        """
        plan = self.spec.plan
        evidence = Evidence(r for r in self.results if r.failed or r.steps >= SETTLED)
        baseline = evidence.baseline(plan)
        sizes = [size for size in baseline.batch_sizes if baseline.at(size).rate.none]
        held = next((cure for cure in self.cures if cure["held"]), None)
        if held is not None:
            batch_size, changes = held["batch_size"], held["changes"]
            params = {**plan.trials[0].params, **held["params"]}
        else:
            batch_size, changes = max(sizes, default=plan.target), {}
            params = plan.trials[0].params
        trials = evidence.at(batch_size, changes, params)
        working = [seed for seed, failed in trials.by_seed.items() if not failed]
        if not working:
            return None
        return KnownGood(
            seeds=working,
            batch_size=batch_size,
            batch_size_cap=max(sizes, default=batch_size if held else None),
            changes=dict(changes),
            params=dict(params),
            experiment=self.spec.experiment,
        )
