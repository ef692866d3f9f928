"""The command line: ``keras-collapse demo | diagnose | watch | report | …``.

Exit status: 0 healthy or nothing found, 1 a problem was found, 2 the command could not do its
work (one line on stderr, no traceback).
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from keras_collapse.core.errors import InputError
from keras_collapse.core.examiner import verdict_of
from keras_collapse.core.findings import Status, Verdict

PROBLEM = 1
NOT_DONE = 2

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Says whether a Keras GAN is failing, since when, and why.",
    epilog="Exit status: 0 healthy or nothing found, 1 a problem was found, 2 could not work.",
)


@app.callback(invoke_without_command=True)
def _bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def diagnose(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A run folder, a CSV file, a text log, a notebook, TensorBoard's event files or "
            "their folder, or mlflow:RUN_ID.",
            metavar="SOURCE",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    signal: Annotated[
        list[str] | None,
        typer.Option(help="Name a column, as in --signal d_loss=my_loss. Repeatable."),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(help="A run on a tracking server.", metavar="RUN_ID")
    ] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="The server; MLflow's default.")] = None,
) -> int:
    """Say of a run that has ended whether it failed, since when, and why."""
    from keras_collapse import sources

    if (source is None) == (mlflow is None):
        raise InputError("give a SOURCE, or --mlflow RUN_ID. Received: neither, or both.")
    source = source or f"mlflow:{mlflow}"
    run = sources.read(source, _signals(signal), tracking_uri)
    verdict = sources.examine(run).verdict
    if as_json:
        report = verdict.to_dict(source)
        if run.notes:
            report["notes"] = list(run.notes)
        print(json.dumps(report, indent=1, allow_nan=False))
    else:
        from keras_collapse.outputs.terminal.summary import show

        follow = f"Report: keras-collapse report {shlex.quote(source)}"
        show(verdict, source, run.notes, follow=follow)
    return status_of(verdict)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="A .npy or .npz file of 28x28 drawings.", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the whole run.")] = 42,
    epochs: Annotated[int | None, typer.Option(help="Epochs, by default 9.")] = None,
    fault: Annotated[
        str | None,
        typer.Option(
            help='Train with a fault to see it found: "leak", or one of the zoo\'s, such as '
            '"g_too_fast" (a wrong name lists them), on points in the plane, in half a minute.'
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; by default one in collapse_runs.")
    ] = None,
    ui: Annotated[
        int | None, typer.Option(help="Afterwards show the run in MLflow's UI at this port.")
    ] = None,
) -> int:
    """Train a small camel GAN under the monitor: four minutes on two cores."""
    from keras_collapse.demo import run_demo

    return status_of(run_demo(data, seed, epochs, fault, out, ui))


@app.command()
def audit(
    place: Annotated[
        str,
        typer.Argument(
            help="A function without arguments that returns a compiled GAN and its data.",
            metavar="FILE.py:build",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> int:
    """Take one real training step and say whether the GAN is wired as its author believes."""
    from keras_collapse import keras_backend, user_program

    keras_backend.choose_backend()
    keras_backend.quieten()
    built = user_program.run(f"{place}()", user_program.load_function(place))
    if not isinstance(built, tuple) or len(built) != 2:
        raise InputError(
            f"{place} must return a compiled GAN and its data. Received: {type(built).__name__}."
        )
    from keras_collapse.training.wiring.audit import audit as take_step
    from keras_collapse.training.wiring.audit import one_batch

    findings = user_program.run("the audit", take_step, built[0], one_batch(built[1]))
    verdict = verdict_of(findings)
    if as_json:
        report = {
            k: v for k, v in verdict.to_dict(place).items() if k not in ("steps", "averaging")
        }
        print(json.dumps(report, indent=1, allow_nan=False))
    else:
        from keras_collapse.outputs.terminal.summary import show

        show(verdict, place, follow=f"As JSON: keras-collapse audit {shlex.quote(place)} --json")
    return status_of(verdict)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def triage(
    context: typer.Context,
    plan: Annotated[
        str, typer.Argument(help="plan-a, plan-b, full, or a YAML file.", metavar="PLAN")
    ],
    place: Annotated[
        str, typer.Argument(help="A function that takes a trial.", metavar="FILE.py:train")
    ],
    preset: Annotated[
        str | None,
        typer.Option(help="full: the guide's numbers; small: for CPUs. Also a param of train."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed, by default 42.")] = None,
    other_seeds: Annotated[
        str | None, typer.Option(help="Plan B's others, by default 123,456.")
    ] = None,
    batch_sizes: Annotated[
        str | None, typer.Option(help="Growing; the last is the one wanted: 256,512,1024.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Of Plan A, by default 3.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of a trial; 1500, with small 400.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE for trial.params; --name value does the same."),
    ] = None,
    stronger_d: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, a param that makes D stronger, for full to try."),
    ] = None,
    known_good: Annotated[
        Path | None, typer.Option(help="A known_good.toml: begin with its seed, cap, params.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster.")] = None,
    device: Annotated[str, typer.Option(help="auto, gpu or cpu.")] = "auto",
    per_gpu: Annotated[int, typer.Option(help="Trials that share a GPU.")] = 1,
    at_once: Annotated[int | None, typer.Option(help="Trials side by side, at most.")] = None,
    limit: Annotated[
        float | None, typer.Option(help="Seconds after which a trial is taken to hang.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder, by default one in collapse_triage.")
    ] = None,
    mlflow: Annotated[bool, typer.Option(help="Log a parent run and a child per trial.")] = True,
    tracking_uri: Annotated[str | None, typer.Option(help="Where to; MLflow's default.")] = None,
    stop_early: Annotated[bool, typer.Option(help="Stop trials that surely have failed.")] = True,
    despite_wiring: Annotated[
        bool, typer.Option("--despite-wiring", help="Run the plan although the wiring is at fault.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print triage.json at the end.")] = False,
) -> int:
    """Run controlled experiments, name the cause, and try its cure. Goes on where it stopped."""
    from rich.console import Console

    from keras_collapse.triage.command import Asked, run_triage

    asked = Asked(
        plan=plan, place=place, preset=preset, seed=seed, other_seeds=other_seeds,
        batch_sizes=batch_sizes, repeats=repeats, steps=steps, params=param or (),
        stronger=stronger_d or (), known_good=known_good, executor=executor, address=address,
        device=device, per_gpu=per_gpu, at_once=at_once, limit=limit, out=out, mlflow=mlflow,
        tracking_uri=tracking_uri, stop_early=stop_early, despite_wiring=despite_wiring,
        extra=context.args,
    )  # fmt: skip
    found = run_triage(asked, Console(stderr=as_json))
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, allow_nan=False, default=str))
    else:
        from keras_collapse.outputs.report.triage_report import show_diagnosis

        show_diagnosis(found.to_dict(), found.order.folder)
    nothing = not any(result.failed for result in found.results)
    return 0 if nothing and found.diagnosis.root_cause in ("none", "inconclusive") else PROBLEM


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder or its journal.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="Another.", metavar="RUN_B")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> int:
    """Say whether two runs were the same to the bit: 0 identical, 1 different, 2 cannot tell."""
    from keras_collapse.reproducibility import compare as comparison

    found = comparison.compare(run_a, run_b)
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, allow_nan=False, default=str))
    else:
        word = {True: "IDENTICAL", False: "DIFFERENT", None: "CANNOT TELL"}[found.identical]
        print(f"keras-collapse: {word}: {found.message}")
        if found.source:
            print(f"  likeliest source: {found.source}")
    return {True: 0, False: PROBLEM, None: NOT_DONE}[found.identical]


@app.command()
def report(
    source: Annotated[
        str, typer.Argument(help="A run's folder, or what diagnose reads.", metavar="RUN_DIR")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file; report.html in the run's folder, else collapse_report.html here."
        ),
    ] = None,
) -> int:
    """Write a run's report: one HTML file with its findings, curves and samples."""
    from keras_collapse.outputs.report.run_report import write_run_report

    print(f"Report: {write_run_report(source, out)}")
    return 0


@app.command()
def watch(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="A run's folder, a folder of runs (its latest), or a triage's. By default "
            "collapse_runs.",
            metavar="[RUN_DIR]",
        ),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(help="A run on a tracking server instead.", metavar="RUN_ID")
    ] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="The server; MLflow's default.")] = None,
) -> int:
    """Show a run in this terminal while another process trains it. Ctrl-C leaves it alone."""
    from keras_collapse.outputs.terminal import watch as watching

    if mlflow is not None:
        found: watching.Watched = watching.watched_mlflow_run(mlflow, tracking_uri)
    elif folder is not None and (folder / "trials").is_dir():
        from keras_collapse.triage.watch import WatchedTriage

        found = WatchedTriage(folder)
    else:
        found = watching.watched_run(folder or Path("collapse_runs"))
    return PROBLEM if watching.watch(found) else 0


@app.command()
def sync(
    folder: Annotated[
        Path, typer.Argument(help="A run's folder, or a folder of runs.", metavar="[FOLDER]")
    ] = Path("collapse_runs"),
) -> int:
    """Send to MLflow what its server had not taken when a training ended, or was killed."""
    from keras_collapse.outputs.mlflow.sync import sync as send

    for line in send(folder):
        print(line)
    return 0


@app.command(
    name="run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def run_seeded(
    context: typer.Context,
    script: Annotated[Path, typer.Argument(help="Your script; its arguments follow.")],
    seed: Annotated[int, typer.Option(help="Seed of everything, set before Python starts.")] = 42,
) -> int:
    """Run a script in a fresh process whose every source of randomness is seeded."""
    from keras_collapse.reproducibility.seeded_process import run_script

    return run_script(script, seed, context.args)


def status_of(verdict: Verdict) -> int:
    """0 where nothing was found, 1 where a problem was."""
    return PROBLEM if verdict.status in (Status.FAILED, Status.WARNING) else 0


def _signals(pairs: list[str] | None) -> dict[str, str] | None:
    if not pairs:
        return None
    named = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not column:
            raise InputError(f"--signal wants NAME=COLUMN. Received: {pair!r}.")
        named[name] = column
    return named


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        status = app(standalone_mode=False)
    except InputError as error:
        status = _complain(str(error))
    except TyperException as error:
        received = shlex.join(sys.argv[1:])
        status = _complain(
            f"{error.format_message().rstrip('.')}. Received: {received}. "
            "See keras-collapse --help."
        )
    except KeyboardInterrupt:
        status = _complain("interrupted.", 130)
    except BrokenPipeError:
        sys.stderr.close()
        status = 0
    sys.exit(status)


def _complain(message: str, status: int = NOT_DONE) -> int:
    print(f"keras-collapse: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
