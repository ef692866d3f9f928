"""``keras-collapse triage``: from what a person typed to the report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_collapse.core.atomic_files import write, write_json
from keras_collapse.core.errors import InputError
from keras_collapse.keras_backend import choose_backend
from keras_collapse.outputs.mlflow import triage_run as mlflow_runs
from keras_collapse.outputs.report.triage_report import write_report
from keras_collapse.outputs.terminal.trials_table import TrialsTable
from keras_collapse.reproducibility.known_good import FILE_NAME, read_known_good
from keras_collapse.triage.executors.jobs import Executor, Job
from keras_collapse.triage.executors.local import Local, slots
from keras_collapse.triage.known_good import known_good
from keras_collapse.triage.plans import PRESETS, Value, load
from keras_collapse.triage.results import Result, read_progress
from keras_collapse.triage.runner import Order, Runner, Triage, View

FOLDER = "collapse_triage"
EXECUTORS = ("local", "ray")


@dataclass
class Asked:
    """What stands on the command line; None where it was left out."""

    plan: str
    place: str
    preset: str | None = None
    seed: int | None = None
    other_seeds: str | None = None
    batch_sizes: str | None = None
    repeats: int | None = None
    steps: int | None = None
    params: Sequence[str] = ()
    stronger: Sequence[str] = ()
    known_good: Path | None = None
    executor: str = "local"
    address: str | None = None
    device: str = "auto"
    per_gpu: int = 1
    at_once: int | None = None
    limit: float | None = None
    out: Path | None = None
    mlflow: bool = True
    tracking_uri: str | None = None
    stop_early: bool = True
    despite_wiring: bool = False
    extra: Sequence[str] = field(default_factory=tuple)


def run_triage(asked: Asked, console: Console) -> Triage:
    """Run what was asked for; everything is in its folder afterwards.

    Args:
        asked: what stands on the command line.
        console: where progress goes.

    Raises:
        InputError: what was asked for is impossible, or could not be done.
    """
    order = order_of(asked)
    executor = executor_of(asked, order)
    if asked.mlflow:
        parent = mlflow_runs.open_run(_title(order), order.folder, asked.tracking_uri)
        order.mlflow = {"tracking_uri": parent["tracking_uri"], "parent_run_id": parent["run_id"]}
    with TrialsTable(console) as table:
        table.say(f"Triage {_title(order)}, on {executor.room}, Keras with {order.backend}")
        found = Runner(order, executor, _Shown(table, order)).run()
    write_json(order.folder / "triage.json", found.to_dict())
    good = known_good(found)
    if good is not None:
        write(order.folder / FILE_NAME, good.to_toml())
    write_report(order.folder, found.to_dict(), _command())
    if asked.mlflow:
        mlflow_runs.close_run(parent, order.folder)
    return found


def order_of(asked: Asked) -> Order:
    """What a person typed as an order.

    Raises:
        InputError: it is impossible.
    """
    backend = choose_backend()
    params = _pairs([*asked.params, *_extra(asked.extra)], "--param")
    if asked.preset is not None:
        if asked.preset not in PRESETS:
            raise InputError(
                f"--preset must be one of {', '.join(PRESETS)}. Received: {asked.preset}."
            )
        params = {"preset": asked.preset, **params}
    numbers = PRESETS[asked.preset or "full"]
    if asked.known_good is not None:
        good = read_known_good(asked.known_good)
        cap = good.batch_size_cap or good.batch_size
        sizes = tuple(size for size in numbers.batch_sizes if size <= cap) or (cap,)
        numbers = replace(numbers, seed=good.seeds[0], batch_sizes=sizes)
        params = {**good.params, **params}
    given: dict[str, Any] = {"seed": asked.seed, "repeats": asked.repeats, "steps": asked.steps}
    given["other_seeds"] = _integers(asked.other_seeds, "--other-seeds")
    given["batch_sizes"] = _integers(asked.batch_sizes, "--batch-sizes")
    numbers = replace(numbers, **{k: v for k, v in given.items() if v is not None})
    if not numbers.batch_sizes or list(numbers.batch_sizes) != sorted(set(numbers.batch_sizes)):
        raise InputError(
            f"--batch-sizes must grow, as in 256,512,1024. Received: {asked.batch_sizes}."
        )
    plan = load(asked.plan, numbers, params)
    if asked.steps is not None:
        plan = plan.model_copy(update={"steps": asked.steps})
    file = Path(asked.place.rpartition(":")[0])
    if not file.is_file():
        raise InputError(f"no such file: {str(file)!r}. Give FILE.py:train.")
    folder = asked.out or Path(FOLDER) / f"{file.stem}-{plan.name}"
    return Order(
        asked.place,
        plan,
        folder,
        backend,
        full=plan.name == "full",
        stronger=_pairs(asked.stronger, "--stronger-d"),
        stop_early=asked.stop_early,
        limit=asked.limit,
        despite_wiring=asked.despite_wiring,
    )


def executor_of(asked: Asked, order: Order) -> Executor:
    """Where the trials run.

    Raises:
        InputError: no such executor, no GPU where one was demanded, no Ray.
    """
    if asked.executor not in EXECUTORS:
        raise InputError(
            f"--executor must be one of {', '.join(EXECUTORS)}. Received: {asked.executor}."
        )
    if asked.device not in ("auto", "cpu", "gpu"):
        raise InputError(f"--device must be auto, cpu or gpu. Received: {asked.device}.")
    if asked.per_gpu < 1 or (asked.at_once is not None and asked.at_once < 1):
        raise InputError("--per-gpu and --at-once must be at least 1.")
    if asked.executor == "ray":
        from keras_collapse.triage.executors.ray_cluster import RayCluster

        return RayCluster(asked.address, asked.device, asked.per_gpu, asked.at_once)
    room = slots(asked.device, asked.per_gpu, asked.at_once)
    return Local(room, order.folder.resolve() / "compiled")


class _Shown(View):
    """The runner's news in the table."""

    def __init__(self, table: TrialsTable, order: Order) -> None:
        self.table, self.order = table, order

    def say(self, line: str) -> None:
        self.table.say(line)

    def begin(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            check = "check: " if job.trial.purpose == "check" else ""
            self.table.add(job.folder.name, check + job.trial.name, job.asked)

    def beat(self, running: Sequence[Job]) -> None:
        self.table.progress({job.folder.name: read_progress(job.folder) for job in running})

    def ended(self, job: Job, result: Result, again: bool) -> None:
        words = [result.cause.replace("_", " "), result.reason]
        if result.well is not None and result.says not in ("healthy", "failed"):
            words.append(f"samples {'good' if result.well else 'bad'} at its end")
        if result.ended == "done" and result.failed and result.steps < result.asked:
            words.append(f"stopped early, {result.asked - result.steps} steps saved")
        if again:
            words.append("ended before")
        note = "; ".join(word for word in words if word)
        says = "done" if job.trial.purpose == "check" and result.ended == "done" else result.says
        self.table.end(job.folder.name, says, result.steps, result.seconds, note)


def _title(order: Order) -> str:
    return f"{order.plan.name} {order.place}"


def _command() -> str:
    """The command that does all this again."""
    return f"keras-collapse {shlex.join(sys.argv[1:])}"


def _extra(words: Sequence[str]) -> list[str]:
    """``--name value`` pairs that are none of ours, for ``train``."""
    found, rest = [], list(words)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--") or len(name) < 3:
            raise InputError(
                f"{name!r} is not understood. Give parameters of train as --name value."
            )
        name, equals, value = name[2:].partition("=")
        if not equals:
            if not rest:
                raise InputError(f"--{name} lacks a value.")
            value = rest.pop(0)
        found.append(f"{name.replace('-', '_')}={value}")
    return found


def _pairs(pairs: Sequence[str], option: str) -> dict[str, Value]:
    named: dict[str, Value] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"{option} wants NAME=VALUE. Received: {pair!r}.")
        named[name] = _typed(value)
    return named


def _typed(text: str) -> Value:
    """What the text says: a truth, a number, or itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _integers(text: str | None, option: str) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(
            f"{option} wants whole numbers with commas between. Received: {text!r}."
        ) from None
