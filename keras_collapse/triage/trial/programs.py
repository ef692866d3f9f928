"""A person's program as a function of a trial: ``train``, ``build``, a script or a notebook."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import keras

from keras_collapse import user_program
from keras_collapse.core.errors import InputError
from keras_collapse.training.networks.discovery import find_networks

Train = Callable[..., Any]


def load(experiment: str) -> Train:
    """Return a function of a trial that trains the experiment.

    Args:
        experiment: ``FILE.py:train``, a function of the trial; ``FILE.py:build``, a function
            without arguments that returns a compiled GAN and its data; ``FILE.py`` or a notebook,
            whose first ``fit`` of a GAN is given the trial's batch size, epochs and callbacks.

    Raises:
        InputError: there is no such file or function, or it cannot be imported.
    """
    if not experiment.endswith((".py", ".ipynb")):
        function = user_program.load_function(experiment)
        return function if _takes_trial(function) else _Built(function, experiment)
    path = Path(experiment)
    if not path.is_file():
        raise InputError(f"no such file: {experiment!r}. Give FILE.py:train, or a script.")
    return _Script(path)


def _takes_trial(function: Train) -> bool:
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(one.default is one.empty and one.kind is not one.VAR_KEYWORD for one in known)


class _Built:
    """Trains what a ``build`` returns."""

    def __init__(self, build: Train, name: str) -> None:
        self._build, self._name = build, name
        self.__signature__ = inspect.signature(build)

    def __call__(self, trial: Any, **params: Any) -> None:
        built = self._build(**{**trial.params, **params})
        if not isinstance(built, tuple) or len(built) != 2:
            raise InputError(
                f"{self._name} must take the trial, or return a compiled GAN and its data. "
                f"Received: {type(built).__name__}."
            )
        gan, data = built
        gan.fit(data, epochs=trial.epochs, callbacks=list(trial.callbacks), verbose=0,
                **_batches(data, trial.batch_size))  # fmt: skip


class _Script:
    """Runs a script or notebook up to the end of its first ``fit`` of a GAN."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, trial: Any) -> None:
        own = keras.Model.fit
        code = _code_of(self._path)
        name = {"__name__": "__main__", "__file__": str(self._path)}
        sys.path.insert(0, str(self._path.parent.resolve()))

        def fit(model: Any, *arguments: Any, **options: Any) -> Any:
            networks = find_networks(model)
            if networks.generator is None or networks.discriminator is None:
                return own(model, *arguments, **options)
            given = inspect.signature(own).bind(model, *arguments, **options).arguments
            given.pop("self", None)
            more = [*(given.get("callbacks") or []), *trial.callbacks]
            given |= {"epochs": trial.epochs, "callbacks": more, "verbose": 0}
            own(model, **(given | _batches(given.get("x"), trial.batch_size)))
            raise _Done

        with mock.patch.object(keras.Model, "fit", fit):
            try:
                exec(compile(code, str(self._path), "exec"), name)
            except _Done:
                return
        raise InputError(
            f"{self._path} calls no fit of a GAN. Give FILE.py:train, a function of the trial that "
            "trains."
        )


class _Done(BaseException):
    """The script's ``fit`` has ended: what follows is not run."""


def _batches(data: Any, batch_size: int) -> dict[str, Any]:
    """The arguments of ``fit`` that set its batch size, or the data in batches of that size."""
    if hasattr(data, "unbatch"):  # a tf.data pipeline, whose batches are its last stage
        return {"x": data.unbatch().batch(batch_size, drop_remainder=True)}
    return {"batch_size": batch_size} if hasattr(data, "shape") else {}


def _code_of(path: Path) -> str:
    """The program's text; of a notebook the code cells, without IPython's own commands."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join("".join(cell["source"]) for cell in cells).split("\n")
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
