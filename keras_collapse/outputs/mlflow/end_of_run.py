"""What a run in MLflow is given at its end: the verdict, the files, how it ended."""

from __future__ import annotations

import time
from pathlib import Path

from keras_collapse.core.findings import Verdict
from keras_collapse.core.journal import FILE_NAME
from keras_collapse.outputs.markdown import cause_tags, description
from keras_collapse.outputs.mlflow.outbox import Outbox
from keras_collapse.outputs.style import SEVERITY, SYMBOL


def put_verdict(outbox: Outbox, verdict: Verdict) -> None:
    """Tags, the description, numbers to sort by; and a name, if the run is ours.

    A name that a person gave gets a symbol before it where something was found: a run table shows
    names first, and neither tags nor metrics without scrolling.
    """
    cause = verdict.cause
    tags = {"collapse.verdict": str(verdict.status), **cause_tags(cause)}
    outbox.put("tags", values={**tags, "mlflow.note.content": description(verdict)})
    numbers = {"collapse.severity": SEVERITY[verdict.status]}
    if cause is not None:
        numbers["collapse.first_step"] = cause.first_step
    outbox.put("metrics", step=max(verdict.steps - 1, 0), values=numbers)
    if outbox.target["own"]:
        began = time.strftime("%m-%d %H:%M", time.localtime(outbox.target["began"] / 1000))
        said = cause.kind.replace("_", " ") if cause else str(verdict.status)
        outbox.put("rename", symbol=SYMBOL[verdict.status], name=f"{said} {began}")


def put_end(outbox: Outbox, run_dir: str, status: str | None, said: str = "") -> None:
    """The files, and how the run ended.

    Args:
        outbox: of the run.
        run_dir: its folder.
        status: MLflow's word; None where somebody else ends the run.
        said: why it did not end well.
    """
    if said:
        outbox.put("tags", values={"collapse.ended": said})
    for name in ("samples.png", FILE_NAME):
        path = Path(run_dir) / name
        if path.exists():
            outbox.put("file", path=str(path.resolve()))
    if status:
        outbox.put("status", status=status)
