"""``keras-collapse triage``: run the triage, show its progress, write its report."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, get_type_hints

from keras_collapse.core.errors import InputError
from keras_collapse.triage.options import Options

if TYPE_CHECKING:
    from rich.console import Console

    from keras_collapse.triage.executors.jobs import Executor
    from keras_collapse.triage.spec import TriageSpec
    from keras_collapse.triage.triage_result import TriageResult

EXECUTORS = ("local", "ray")
DEVICES = ("auto", "gpu", "cpu")


def triage(**values: Any) -> int:
    """Find a failure's root cause by experiments; test a fix.

    The same command resumes an interrupted triage: finished trials are kept.
    """
    from rich.console import Console

    from keras_collapse.outputs.report.triage_report import show_diagnosis

    options = Options(**values)
    again = f"keras-collapse {shlex.join(sys.argv[1:])}"
    found, view = run_triage(options, Console(stderr=options.as_json), again)
    if options.as_json:
        print(json.dumps(found.to_dict(), indent=1, allow_nan=False, default=str))
    else:
        show_diagnosis(found.to_dict(), found.spec.folder)
        if view:
            print(f"MLflow:     {view}")
    return int(found.problem)


# Typer reads a command's options from its signature: they are the fields of Options.
triage.__signature__ = inspect.signature(Options, eval_str=True)  # type: ignore[attr-defined]
triage.__annotations__ = get_type_hints(Options, include_extras=True)


def run_triage(options: Options, console: Console, command: str) -> tuple[TriageResult, str]:
    """Run the triage that the options describe; all results are in its folder afterwards.

    Args:
        options: the command line.
        console: where progress is shown.
        command: what runs it again, and goes on if it was interrupted.

    Returns:
        The results, and how to view them in MLflow; empty if they were not logged.

    Raises:
        InputError: the options are invalid, or the triage could not be run.
    """
    # The runner needs SciPy and the report Matplotlib, which other commands do without.
    from keras_collapse.core.atomic_files import write, write_json
    from keras_collapse.core.process.folder_lock import locked
    from keras_collapse.outputs.mlflow import triage_run
    from keras_collapse.outputs.report.triage_report import write_report
    from keras_collapse.outputs.terminal.trials_table import TrialsTable
    from keras_collapse.reproducibility.known_good import FILE_NAME
    from keras_collapse.triage.display.progress import TableView
    from keras_collapse.triage.runner import Runner
    from keras_collapse.triage.spec import spec_of

    spec = spec_of(options)
    executor = executor_of(options, spec)
    parent: dict[str, str] = {}  # in MLflow
    with locked(spec.folder, "another triage"), TrialsTable(console) as table:
        if options.mlflow:
            parent = triage_run.open_run(spec.title, spec.folder, options.tracking_uri)
            uri, run_id = parent["tracking_uri"], parent["run_id"]
            spec.mlflow = {"tracking_uri": uri, "parent_run_id": run_id}
        table.say(f"Triage {spec.title} on {executor.room}, Keras with {spec.backend}")
        try:
            found = Runner(spec, executor, TableView(table)).run()
            report = found.to_dict()
            write_json(spec.folder / "triage.json", report)
            known_good = found.known_good()
            if known_good is not None:
                write(spec.folder / FILE_NAME, known_good.to_toml())
            write_report(spec.folder, report, command)
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            if interrupted:
                table.stop()
                table.say(f"Stopped; finished trials are kept. To go on: {command}")
            if parent:
                why = "" if interrupted else str(error) or type(error).__name__
                triage_run.stop_run(parent, why)
            raise
        if not parent:
            return found, ""
        triage_run.close_run(parent, spec.folder)
    return found, triage_run.how_to_view(parent)


def executor_of(options: Options, spec: TriageSpec) -> Executor:
    """Return the executor that the options ask for.

    Raises:
        InputError: there is no such executor or device, Ray is not available, or a node of its
            cluster does not reach the tracking server.
    """
    from keras_collapse.triage.executors.sharing import AUTO

    for name, value, known in (
        ("--executor", options.executor, EXECUTORS),
        ("--device", options.device, DEVICES),
    ):
        if value not in known:
            raise InputError(f"{name} must be one of {', '.join(known)}. Received: {value}.")
    if options.max_parallel is not None and options.max_parallel < 1:
        raise InputError(f"--max-parallel must be at least 1. Received: {options.max_parallel}.")
    sharing = str(options.trials_per_gpu)
    auto = sharing == AUTO
    if not auto and not (sharing.isdecimal() and int(sharing)):
        raise InputError(f"--trials-per-gpu must be at least 1, or {AUTO}. Received: {sharing}.")
    trials = 1 if auto else int(sharing)
    if options.executor == "ray":
        from keras_collapse.triage.executors.ray_cluster import RayCluster

        cluster = RayCluster(options.address, options.device, trials, options.max_parallel, auto)
        if options.mlflow:
            uri = options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
            cluster.require_reachable(uri)
        return cluster
    from keras_collapse.triage.executors.local import Local, slots

    room, left_out = slots(options.device, trials, options.max_parallel)
    cache = spec.folder.resolve() / "compiled"
    return Local(room, cache, left_out, auto, options.max_parallel)
