"""A person's own program: its backend, and the function FILE.py:name that a command runs."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError


def load_function(place: str) -> Callable[..., Any]:
    """The function at ``FILE.py:name``, its file imported as a script's neighbour would be.

    Raises:
        InputError: no such file or function, or the file fails while it is imported.
    """
    file, colon, name = place.rpartition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"give FILE.py:function. Received: {place!r}.")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"no such file: {file!r}. Give FILE.py:function.")
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{file!r} is no Python file. Give FILE.py:function.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    run(f"importing {file}", spec.loader.exec_module, module)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise InputError(
            f"{file!r} has no function {name!r}. It has: {', '.join(functions) or 'none'}."
        )
    found: Callable[..., Any] = function
    return found


def run(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a person's function; what it prints goes to stderr, its failure is one line.

    Raises:
        InputError: the function raised; where, and what.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return function(*arguments)
    except InputError:
        raise
    except Exception as error:
        frames = _frames_of(error)
        where = f" at {frames}" if frames else ""
        raise InputError(
            f"{what} failed{where} ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from None


def _frames_of(error: BaseException) -> str:
    """``file:line`` of the innermost frame that is a person's own."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "site-packages" not in file and file != __file__ and not file.startswith("<"):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
