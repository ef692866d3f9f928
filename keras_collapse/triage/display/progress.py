"""A triage's progress in the table of trials."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.outputs.terminal.trials_table import TrialsTable
from keras_collapse.triage.executors.jobs import Job, View
from keras_collapse.triage.results import TrialResult, read_progress


class TableView(View):
    """Shows a runner's progress in a table.

    Args:
        table: the table.
    """

    def __init__(self, table: TrialsTable) -> None:
        self.table = table

    def say(self, line: str) -> None:
        self.table.say(line)

    def begin(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            prefix = "check: " if job.is_check else ""
            self.table.add(job.folder.name, prefix + job.trial.name, job.steps)

    def progress(self, running: Sequence[Job]) -> None:
        self.table.progress({job.folder.name: read_progress(job.folder) for job in running})

    def left(self, seconds: float) -> None:
        self.table.left = seconds

    def ended(self, job: Job, result: TrialResult, reused: bool) -> None:
        words = [result.cause.replace("_", " "), result.reason, result.samples]
        if result.ended == "done" and result.failed and result.steps < result.asked:
            words.append(f"stopped early, {result.asked - result.steps} steps saved")
        words.append(str(result.facts.get("tried_alone", "")))
        if reused:
            words.append("from an earlier run")
        note = "; ".join(word for word in words if word)
        status = "done" if job.is_check and result.ended == "done" else result.outcome
        key, detail = job.folder.name, "" if job.is_check else result.samples
        self.table.end(key, status, result.steps, result.seconds, detail, note)
