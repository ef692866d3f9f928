"""What a triage runs: the experiment, its plan and how its trials are run, from the options."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.keras_backend import choose_backend
from keras_collapse.triage.effort.budget import Budget, budget_of
from keras_collapse.triage.options import (
    FOLDER,
    PARAMS,
    PRESETS,
    Options,
    PlanSettings,
    Value,
    split_pair,
)
from keras_collapse.triage.plans import Plan, load
from keras_collapse.user_program import require_function

PACKAGES = ("keras-collapse", "keras", "numpy", "tensorflow", "tensorflow-cpu", "jax", "torch")


def file_of(experiment: str) -> Path:
    """Return the file of ``FILE.py:function``, or of a script.

    >>> file_of("my_gan.py:train").name, file_of("my_gan.ipynb").name
    ('my_gan.py', 'my_gan.ipynb')
    """
    script = experiment.endswith((".py", ".ipynb"))
    return Path(experiment if script else experiment.rpartition(":")[0])


@dataclass
class TriageSpec:
    """A triage to run.

    Args:
        experiment: ``FILE.py:train``.
        plan: the trials.
        folder: where all results are stored.
        backend: the Keras backend.
        full: whether to add trials until the diagnosis is final, and to test fixes.
        stronger: parameters that make the discriminator stronger.
        stop_early: whether to stop trials that have clearly failed.
        go_on: whether trials that are undecided at their last step go on.
        timeout: seconds per trial; None to derive it from the checks.
        budget: what the trials may spend.
        despite_wiring: whether to run the plan although the wiring has a fault.
        mlflow: arguments for each trial's `MLflowLogger`; None for none.
    """

    experiment: str
    plan: Plan
    folder: Path
    backend: str
    full: bool = False
    stronger: Mapping[str, Value] = field(default_factory=dict)
    stop_early: bool = True
    go_on: bool = True
    timeout: float | None = None
    budget: Budget = field(default_factory=Budget)
    despite_wiring: bool = False
    mlflow: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """The plan and the experiment, as in ``plan-b my_gan.py:train``."""
        return f"{self.plan.name} {self.experiment}"

    def provenance(self) -> dict[str, Any]:
        """Return what results depend on besides the configuration: code, backend, versions."""
        file = file_of(self.experiment)
        versions = {}
        for name in PACKAGES:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
        return {
            "code": hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest(),
            "function": self.experiment.rpartition(":")[2],
            "backend": self.backend,
            "stop_early": self.stop_early,
            "go_on": self.go_on,
            **versions,
        }


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
