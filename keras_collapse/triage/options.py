"""The options of ``keras-collapse triage``, and the triage that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from keras_collapse.core.errors import InputError
from keras_collapse.keras_backend import choose_backend
from keras_collapse.triage.effort.budget import Budget, budget_of
from keras_collapse.triage.plans import NAMES, PRESETS, PlanSettings, Value, load
from keras_collapse.triage.spec import TriageSpec, file_of
from keras_collapse.user_program import require_function

FOLDER = "collapse_triage"
PARAMS = "Parameters of train are given as --param NAME=VALUE, or after --, as in -- --width 32."


@dataclass
class Options:
    """The command line's arguments and options, with their help; None means not given."""

    plan: Annotated[str, Argument(help=f"{', '.join(NAMES)}, or a YAML file.", metavar="PLAN")]
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


def spec_of(options: Options) -> TriageSpec:
    """Return the triage that the options describe.

    Raises:
        InputError: the options are invalid.
    """
    backend = choose_backend()
    settings, params = _settings(options)
    plan = load(options.plan, settings, params)
    if options.steps is not None:
        plan = plan.model_copy(update={"steps": options.steps})
    file = file_of(options.experiment)
    if not file.is_file():
        raise InputError(
            f"no such file: {str(file)!r}. Give FILE.py:train, FILE.py:build, a script or a "
            "notebook."
        )
    require_function(options.experiment, file)
    if options.timeout is not None and options.timeout <= 0:
        raise InputError(f"--timeout must be positive. Received: {options.timeout:g}.")
    return TriageSpec(
        options.experiment,
        plan,
        options.out or Path(FOLDER) / f"{file.stem}-{plan.name}",
        backend,
        full=plan.name == "full",
        stronger=_pairs(options.stronger_d or (), "--stronger-d"),
        stop_early=options.stop_early,
        go_on=options.go_on,
        budget=Budget() if options.budget is None else budget_of(options.budget),
        timeout=options.timeout,
        despite_wiring=options.despite_wiring,
    )


def _settings(options: Options) -> tuple[PlanSettings, dict[str, Value]]:
    """Return the plan's numbers and the experiment's parameters; later sources win.

    Sources: the preset, then ``known_good.toml``, then the options.
    """
    params = _pairs([*(options.param or ()), *_train_arguments(options.arguments or ())], "--param")
    if options.preset is not None:
        if options.preset not in PRESETS:
            raise InputError(
                f"--preset must be one of {', '.join(PRESETS)}. Received: {options.preset}."
            )
        params = {"preset": options.preset, **params}
    settings = PRESETS[options.preset or "full"]
    if options.known_good is not None:
        from keras_collapse.reproducibility.known_good import read_known_good

        known = read_known_good(options.known_good)
        cap = known.batch_size_cap or known.batch_size
        sizes = tuple(size for size in settings.batch_sizes if size <= cap) or (cap,)
        settings = replace(settings, seed=known.seeds[0], batch_sizes=sizes)
        params = {**known.params, **params}
    given: dict[str, Any] = {
        "seed": options.seed,
        "repeats": options.repeats,
        "steps": options.steps,
        "other_seeds": _integers(options.other_seeds, "--other-seeds"),
        "batch_sizes": _integers(options.batch_sizes, "--batch-sizes"),
    }
    default = settings.other_seeds
    settings = replace(settings, **{k: v for k, v in given.items() if v is not None})
    if options.other_seeds is None:  # one of the default seeds may be in use already
        others = tuple(PlanSettings.seed if s == settings.seed else s for s in default)
        settings = replace(settings, other_seeds=others)
    sizes = settings.batch_sizes
    if not sizes or list(sizes) != sorted(set(sizes)):
        raise InputError(
            "--batch-sizes must be in ascending order, as in 256,512,1024. "
            f"Received: {options.batch_sizes}."
        )
    return settings, params


def _train_arguments(words: Sequence[str]) -> list[str]:
    """Return ``--name value`` and ``--name=value`` as ``name=value``."""
    found, rest = [], list(words)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--") or len(name) < 3:
            raise InputError(f"unexpected argument {name!r}. {PARAMS}")
        name, equals, value = name[2:].partition("=")
        if not equals:
            if not rest:
                raise InputError(f"--{name} lacks a value. {PARAMS}")
            value = rest.pop(0)
        found.append(f"{name.replace('-', '_')}={value}")
    return found


def split_pair(pair: str, option: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``.

    Raises:
        InputError: it is not such a pair; the message names the option.
    """
    name, equals, value = pair.partition("=")
    if not equals or not value or not name.isidentifier():
        raise InputError(f"{option} must be NAME=VALUE. Received: {pair!r}.")
    return name, value


def _pairs(pairs: Sequence[str], option: str) -> dict[str, Value]:
    return {name: _typed(value) for name, value in (split_pair(pair, option) for pair in pairs)}


def _typed(text: str) -> Value:
    """Return a bool or a number if the text is one, else the text."""
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
            f"{option} must be comma-separated integers. Received: {text!r}."
        ) from None
