"""The command line: ``keras-collapse demo | diagnose | watch | report | …``.

Exit status: 0 if nothing was found, 1 if a problem was found, 2 if the command could not run (one
line on stderr, no traceback).
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import verdict_of
from keras_collapse.outputs.terminal.exit_status import NOT_DONE, PROBLEM, exit_status, status_of
from keras_collapse.outputs.terminal.standard_output import print_json, say, whole_output
from keras_collapse.triage.command import triage
from keras_collapse.triage.options import PARAMS, split_pair

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
MLflowRun = Annotated[
    str | None, typer.Option("--mlflow", help="Read this MLflow run instead.", metavar="RUN_ID")
]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow tracking server or store (default: MLflow's own).")
]
Signals = Annotated[
    list[str] | None,
    typer.Option(help="The column of a signal, as in d_loss=my_loss.", metavar="NAME=COLUMN"),
]
Averaging = Annotated[
    str | None, typer.Option(help="The numbers are means over: batch, epoch, run.", metavar="KIND")
]
Pattern = Annotated[
    str | None, typer.Option(help="For text logs, as 'd=(?P<d_loss>[0-9.]+)'.", metavar="REGEX")
]
Runs = Annotated[Path, typer.Argument(help="A run folder, or a folder of runs.")]
Force = Annotated[bool, typer.Option("--force", help="Send even if another machine may do so.")]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Find out whether a Keras GAN is failing, since when, and why.",
    epilog="Exit status: 0 nothing found, 1 a problem was found, 2 the command could not run.",
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
            help="A run folder, a CSV file, a text log, a notebook, a TensorBoard event file or "
            "folder, or mlflow:RUN_ID.",
            metavar="SOURCE",
        ),
    ] = None,
    as_json: AsJson = False,
    signal: Signals = None,
    averaging: Averaging = None,
    pattern: Pattern = None,
    mlflow: MLflowRun = None,
    tracking_uri: TrackingUri = None,
) -> int:
    """Diagnose a finished run: did it fail, since when, and why?"""
    from keras_collapse import sources

    if (source is None) == (mlflow is None):
        raise InputError("give exactly one of SOURCE and --mlflow RUN_ID.")
    source = f"mlflow:{mlflow}" if source is None else source
    names = dict(split_pair(pair, "--signal") for pair in signal or ()) or None
    run = sources.read(source, names, tracking_uri, averaging, pattern)
    verdict = sources.examine(run, keep_readings=False).verdict
    with whole_output():
        if as_json:
            notes = {"notes": list(run.notes)} if run.notes else {}
            print_json(verdict.to_dict(source) | notes)
        else:
            from keras_collapse.outputs.terminal.summary import show

            follow = f"Report: keras-collapse report {shlex.quote(source)}"
            show(verdict, source, run.notes, follow=follow)
    return status_of(verdict)


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="A .npy or .npz file of 28x28 drawings to train on.", metavar="FILE"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random generators.")] = 42,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs (default 9).")] = None,
    fault: Annotated[
        str | None,
        typer.Option(
            help="Train with a known fault: leak (camel GAN), or one of the ring GAN, such as "
            "g_too_fast, which takes half a minute. An unknown name lists them all."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder (default: a new one in collapse_runs).", metavar="FOLDER"),
    ] = None,
    ui: Annotated[
        int | None,
        typer.Option(help="Serve the MLflow UI on this port afterwards.", metavar="PORT"),
    ] = None,
) -> int:
    """Train a small camel GAN with the monitor (4 minutes)."""
    from keras_collapse.demo import run_demo

    return status_of(run_demo(data, seed, epochs, fault, out, ui))


@app.command()
def audit(
    target: Annotated[
        str,
        typer.Argument(
            help="A function without arguments that returns a compiled GAN and its data.",
            metavar="FILE.py:build",
        ),
    ],
    as_json: AsJson = False,
) -> int:
    """Check the wiring of a GAN in one real training step."""
    from keras_collapse import user_program

    gan, data = user_program.build_gan(target)
    from keras_collapse.training.wiring.audit import audit as take_step
    from keras_collapse.training.wiring.audit import one_batch

    verdict = verdict_of(user_program.run("the audit", take_step, gan, one_batch(data)))
    with whole_output():
        if as_json:
            report = verdict.to_dict(target)
            del report["steps"], report["averaging"]
            print_json(report)
        else:
            from keras_collapse.outputs.terminal.summary import show

            follow = f"As JSON: keras-collapse audit {shlex.quote(target)} --json"
            show(verdict, target, follow=follow)
    return status_of(verdict)


app.command(name="triage")(triage)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder or its journal.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="The other one.", metavar="RUN_B")],
    as_json: AsJson = False,
) -> int:
    """Compare two runs bit by bit. Exit status: 0 identical, 1 different, 2 undecided."""
    from keras_collapse.reproducibility import compare as comparison

    found = comparison.compare(run_a, run_b)
    with whole_output():
        if as_json:
            print_json(found.to_dict())
        else:
            word = {True: "IDENTICAL", False: "DIFFERENT", None: "UNDECIDED"}[found.identical]
            say(f"keras-collapse: {word}: {found.message}")
            if found.source:
                label = "likeliest source" if found.identical is False else "what to do"
                say(f"  {label}: {found.source}")
    return {True: 0, False: PROBLEM, None: NOT_DONE}[found.identical]


@app.command()
def report(
    source: Annotated[
        str, typer.Argument(help="A run folder, or any source of diagnose.", metavar="SOURCE")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output file (default: report.html in the run folder, or collapse_report.html "
            "in the current folder for other sources).",
            metavar="FILE",
        ),
    ] = None,
) -> int:
    """Write an HTML report of a run, with its findings, curves and samples."""
    from keras_collapse.outputs.report.run_report import write_run_report

    written = write_run_report(source, out)
    with whole_output():
        say(f"Report: {written}")
    return 0


@app.command()
def watch(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="A run folder, a folder of runs (the latest is shown), or a triage's folder "
            "(default collapse_runs).",
            metavar="RUN_DIR",
        ),
    ] = None,
    mlflow: MLflowRun = None,
    tracking_uri: TrackingUri = None,
) -> int:
    """Show a running training or triage of another process. Ctrl-C does not stop it."""
    from keras_collapse.outputs.terminal import watch as terminal

    if mlflow is not None:
        found: terminal.Watched = terminal.watched_mlflow_run(mlflow, tracking_uri)
    elif folder is not None and any((folder / part).is_dir() for part in ("checks", "trials")):
        from keras_collapse.triage.display.watch import WatchedTriage

        found = WatchedTriage(folder)
    else:
        found = terminal.watched_run(folder or Path("collapse_runs"))
    return PROBLEM if terminal.watch(found) else 0


@app.command()
def sync(folder: Runs = Path("collapse_runs"), force: Force = False) -> int:
    """Send MLflow the data that it has not received yet."""
    from keras_collapse.outputs.mlflow.sync import sync as send

    for line in send(folder, force):
        say(line)
    return 0


@app.command(
    name="run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def run_seeded(
    context: typer.Context,
    script: Annotated[
        Path, typer.Argument(help="A Python script; its arguments follow.", metavar="SCRIPT")
    ],
    seed: Annotated[int, typer.Option(help="Seed of all random generators.")] = 42,
) -> int:
    """Run a script in a new process with all randomness seeded."""
    from keras_collapse.reproducibility.seeded_process import run_script

    return run_script(script, seed, context.args)


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(exit_status(app, "keras-collapse", hints={"triage": PARAMS}))


if __name__ == "__main__":
    main()
