"""The options of ``keras-collapse triage``; loads nothing that its ``--help`` does not need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from keras_collapse.core.errors import InputError

FOLDER = "collapse_triage"
PARAMS = "Parameters of train are given as --param NAME=VALUE, or after --, as in -- --width 32."
Value = bool | int | float | str
"""The value of a parameter or of a change."""


@dataclass(frozen=True)
class PlanSettings:
    """The numbers of the guide's plans; the defaults are the guide's own.

    Args:
        seed: seed of Plan A and of Plan B's first trials.
        other_seeds: Plan B's further seeds.
        batch_sizes: Plan B's batch sizes, ascending; the largest is the target.
        repeats: how often Plan A repeats its trial.
        steps: training steps per trial.
    """

    seed: int = 42
    other_seeds: tuple[int, ...] = (123, 456)
    batch_sizes: tuple[int, ...] = (256, 512, 1024)
    repeats: int = 3
    steps: int = 1500


PRESETS = {
    "full": PlanSettings(),
    # A sixteenth of the guide's batch sizes, and the steps that the examples' small GAN needs.
    "small": PlanSettings(batch_sizes=(16, 32, 64), steps=400),
}
PLANS = ("plan-a", "plan-b", "full")


@dataclass
class Options:
    """The command line's arguments and options, with their help; None means not given."""

    plan: Annotated[str, Argument(help=f"{', '.join(PLANS)}, or a YAML file.", metavar="PLAN")]
    experiment: Annotated[
        str,
        Argument(
            help="A function that trains with a trial's settings; or FILE.py:build, which returns "
            "a compiled GAN and its data, or a script or notebook that calls fit.",
            metavar="FILE.py:train",
        ),
    ]
    arguments: Annotated[
        list[str] | None,
        Argument(help="Parameters of train, passed as trial.params.", metavar="-- --NAME VALUE"),
    ] = None
    param: Annotated[
        list[str] | None,
        Option(
            help="A parameter of train, passed in trial.params. Repeatable.", metavar="NAME=VALUE"
        ),
    ] = None
    preset: Annotated[
        str | None,
        Option(
            help="full: the triage guide's batch sizes (default); small: a sixteenth of them, for "
            "CPUs. Also passed to train as the parameter preset.",
            metavar="|".join(PRESETS),
        ),
    ] = None
    seed: Annotated[int | None, Option(help="Seed of the first trials (default 42).")] = None
    other_seeds: Annotated[
        str | None,
        Option(help="Plan B's other seeds, comma-separated (default 123,456).", metavar="SEEDS"),
    ] = None
    batch_sizes: Annotated[
        str | None,
        Option(
            help="Comma-separated, ascending; the largest is the target (default 256,512,1024; "
            "16,32,64 with --preset small).",
            metavar="SIZES",
        ),
    ] = None
    repeats: Annotated[int | None, Option(help="Trials of Plan A, all alike (default 3).")] = None
    steps: Annotated[
        int | None,
        Option(help="Training steps per trial (default 1500; 400 with --preset small)."),
    ] = None
    budget: Annotated[
        str | None,
        Option(
            help="What the triage may spend: a time, or a number of trials or steps, as in 2h, "
            "30m, '12 trials'. The most informative trials come first.",
            metavar="BUDGET",
        ),
    ] = None
    stronger_d: Annotated[
        list[str] | None,
        Option(
            help="A parameter of train that makes D stronger, for the plan full to test. "
            "Repeatable.",
            metavar="NAME=VALUE",
        ),
    ] = None
    known_good: Annotated[
        Path | None,
        Option(
            help="The known_good.toml of an earlier triage: start with its seed, its batch-size "
            "cap and its parameters.",
            metavar="FILE",
        ),
    ] = None
    executor: Annotated[
        str, Option(help="Where trials run: this machine, or a Ray cluster.", metavar="local|ray")
    ] = "local"
    address: Annotated[
        str | None, Option(help="Address of the Ray cluster (default: found by Ray).")
    ] = None
    device: Annotated[str, Option(help="auto: GPUs if there are any.", metavar="auto|gpu|cpu")] = (
        "auto"
    )
    trials_per_gpu: Annotated[
        str,
        Option(
            help="Trials that share one GPU and its memory; auto: as many as its memory and the "
            "step times of the first checks allow.",
            metavar="N|auto",
        ),
    ] = "1"
    max_parallel: Annotated[
        int | None,
        Option(
            help="Most trials in parallel (default: one per core, or --trials-per-gpu per GPU)."
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Option(help="Timeout per trial in seconds (default: derived from the first checks)."),
    ] = None
    out: Annotated[
        Path | None,
        Option(help=f"Folder for the results (default {FOLDER}/FILE-PLAN).", metavar="FOLDER"),
    ] = None
    mlflow: Annotated[
        bool, Option(help="Log a parent run and one child run per trial to MLflow.")
    ] = True
    tracking_uri: Annotated[
        str | None, Option(help="MLflow tracking server or store (default: MLflow's own).")
    ] = None
    stop_early: Annotated[
        bool, Option(help="Stop trials that have failed for long, or for ever.")
    ] = True
    go_on: Annotated[
        bool,
        Option(
            "--continue/--no-continue",
            help="Continue trials that are undecided after --steps, up to twice as many or 1600.",
        ),
    ] = True
    despite_wiring: Annotated[
        bool, Option("--despite-wiring", help="Run the plan even if the wiring has a fault.")
    ] = False
    as_json: Annotated[
        bool, Option("--json", help="Print triage.json; progress goes to stderr.")
    ] = False


def split_pair(pair: str, option: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``.

    Raises:
        InputError: it is not such a pair; the message names the option.
    """
    name, equals, value = pair.partition("=")
    if not equals or not value or not name.isidentifier():
        raise InputError(f"{option} must be NAME=VALUE. Received: {pair!r}.")
    return name, value
