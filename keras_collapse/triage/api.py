"""``kc.triage``: a triage from Python, such as from a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_collapse.core.errors import InputError
from keras_collapse.core.process.redaction import redact
from keras_collapse.triage.command import run_triage
from keras_collapse.triage.options import FOLDER, Options, Value
from keras_collapse.triage.triage_result import TriageResult
from keras_collapse.user_program import target_of

OWN = ("plan", "experiment", "arguments", "param", "as_json")


def triage(
    plan: str,
    train: Callable[[Any], Any] | str,
    *,
    params: Mapping[str, Value] | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> TriageResult:
    """Run controlled experiments on a GAN, and return the root cause and the fix that was tested.

    Each trial is a training in a process of its own, as with ``keras-collapse triage``. A table
    shows them while they run. The same call goes on where an interrupted one stopped.

    Args:
        plan: ``"plan-a"``, ``"plan-b"``, ``"full"``, or a YAML file.
        train: a function of one argument, the trial, that trains with its ``batch_size``,
            ``epochs`` and ``callbacks``; or ``"FILE.py:train"``. A function that is defined in a
            notebook is passed to the trials with all that it uses of the notebook, so it must load
            its data and build its GAN itself.
        params: passed to it as ``trial.params``.
        out: folder for the results; by default ``collapse_triage/NAME-PLAN``.
        **options: those of ``keras-collapse triage``, by their names in Python: ``batch_sizes=(16,
            64)``, ``other_seeds=(7,)``, ``steps=400``, ``budget="30m"``, ``mlflow=False``, ...

    Returns:
        The results; a notebook shows their report.

    Raises:
        InputError: an option is unknown or invalid, or the triage could not be run.

    Example::

        found = kc.triage("plan-b", train, preset="small", budget="1h")
        found.diagnosis.root_cause
    """
    unknown = sorted(options.keys() - (Options.__dataclass_fields__.keys() - set(OWN)))
    if unknown:
        known = ", ".join(sorted(Options.__dataclass_fields__.keys() - {*OWN, "out"}))
        raise InputError(f"unknown option {unknown[0]!r}. Give one of: {known}.")
    name = train if isinstance(train, str) else train.__name__
    stem = Path(name.rpartition(":")[0] or name).stem
    folder = Path(out) if out is not None else Path(FOLDER) / f"{stem}-{Path(plan).stem}"
    if not isinstance(train, str):
        folder.mkdir(parents=True, exist_ok=True)
        train = target_of(train, folder)
    given = [f"{key}={value}" for key, value in (params or {}).items()]
    call = _call(plan, name, {"params": params, "out": out, **options})
    words = {key: _as_typed(value) for key, value in options.items()}
    asked = Options(plan, train, param=given, out=folder, **words)
    return run_triage(asked, Console(), call)[0]


def _call(plan: str, train: str, options: Mapping[str, Any]) -> str:
    """Return the call as Python, without secrets."""
    what = train if train.isidentifier() else repr(train)
    values = {name: str(v) if isinstance(v, Path) else v for name, v in options.items()}
    words = [f"{name}={v!r}" for name, v in values.items() if v is not None]
    return redact(f"kc.triage({', '.join([repr(plan), what, *words])})")


def _as_typed(value: Any) -> Any:
    """Return an option's value as the command line has it."""
    if isinstance(value, Mapping):
        return [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return value
