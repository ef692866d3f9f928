"""Trials without training: a GAN that fails where a rule says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_collapse.core.atomic_files import write_json
from keras_collapse.triage.executors.jobs import Job
from keras_collapse.triage.plans import Trial
from keras_collapse.triage.results import RESULT, Result

FACTS = {"d_rate": 1e-5, "g_rate": 1e-3, "d_dropout": 0.4, "init_scale": 1.0, "steps": 64}


def result_of(trial: Trial, says: str, **more: Any) -> Result:
    """A trial that ended with this verdict."""
    findings = []
    if says == "failed":
        findings = [{"kind": "mode_collapse", "severity": "failed", "message": "", "advice": []}]
    verdict = {"verdict": says, "findings": findings}
    prints = {"begin": str(trial.seed), "end": trial.model_copy(update={"repeat": 0}).key}
    well = {"failed": False, "healthy": True}.get(says)
    known = {"well": well, "ended": "done", "verdict": verdict, "fingerprints": prints,
             "steps": 100, "asked": 100, "facts": FACTS}  # fmt: skip
    return Result(trial, **(known | more))


class Simulated:
    """An executor whose trials fail where ``fails`` says so.

    Attributes:
        ran: the trials that were run, checks left out.
    """

    room = "a simulation"

    def __init__(self, fails: Callable[[Trial], bool | None], **more: Any) -> None:
        self.fails, self.more = fails, more
        self.ran: list[Trial] = []

    def run(self, jobs: Sequence[Job], beat: object) -> Iterator[Result]:
        for job in jobs:
            check = job.trial.purpose == "check"
            fails = self.fails(job.trial)
            says = {True: "failed", False: "healthy", None: "unknown"}[None if check else fails]
            if not check:
                self.ran.append(job.trial)
            found = result_of(job.trial, says, folder=str(job.folder), **self.more)
            write_json(job.folder / RESULT, found.to_dict())
            yield found
