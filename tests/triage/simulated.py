"""Trials without training: a GAN that fails where a function says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.triage.executors.jobs import Job
from keras_collapse.triage.plans import TrialConfig
from keras_collapse.triage.results import RESULT, TrialResult

FACTS = {"d_rate": 1e-5, "g_rate": 1e-3, "d_dropout": 0.4, "init_scale": 1.0, "steps": 64}


def result_of(trial: TrialConfig, says: str, **more: Any) -> TrialResult:
    """A trial that ended with this verdict."""
    findings = []
    if says == "failed":
        findings = [{"kind": "mode_collapse", "severity": "failed", "message": "", "advice": []}]
    verdict = {"verdict": says, "findings": findings}
    prints = {"begin": str(trial.seed), "end": trial.model_copy(update={"repeat": 0}).key}
    well = {"failed": False, "healthy": True}.get(says)
    known = {"well": well, "ended": "done", "verdict": verdict, "fingerprints": prints,
             "steps": 2000, "asked": 2000, "facts": FACTS}  # fmt: skip
    return TrialResult(trial, **(known | more))


class Simulated:
    """An executor whose trials fail where ``fails`` says so.

    Attributes:
        ran: the trials that were run, checks left out.
        checked: the checks that were run.
    """

    room, parallel = "a simulation", 2

    def __init__(self, fails: Callable[[TrialConfig], bool | None], **more: Any) -> None:
        self.fails, self.more = fails, more
        self.ran: list[TrialConfig] = []
        self.checked: list[TrialConfig] = []

    def settle(self, checks: Sequence[TrialResult]) -> str:
        return ""

    def run(self, jobs: Sequence[Job], on_progress: object) -> Iterator[TrialResult]:
        for job in jobs:
            check = job.is_check
            fails = self.fails(job.trial)
            says = {True: "failed", False: "healthy", None: "unknown"}[None if check else fails]
            (self.checked if check else self.ran).append(job.trial)
            own = {**FACTS, "steps": 1024 // job.trial.batch_size}
            more = {"facts": own, **self.more}
            found = result_of(job.trial, says, folder=str(job.folder), **more)
            write_json(job.folder / RESULT, found.to_dict())
            yield found
