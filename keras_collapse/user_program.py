"""A user's program: load and call the function FILE.py:name that a command is given."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from keras_collapse import keras_backend
from keras_collapse.core.errors import InputError


def load_function(target: str) -> Callable[..., Any]:
    """Import a file, with its folder on ``sys.path``, and return its function.

    Args:
        target: ``FILE.py:name``.

    Raises:
        InputError: there is no such file or function, or the import fails.
    """
    file, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"give FILE.py:function. Received: {target!r}.")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"no such file: {file!r}. Give FILE.py:function.")
    if path.suffix == ".pkl":
        pickled: Callable[..., Any] = run(f"loading {file}", _unpickled, path)
        return pickled
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{file!r} is not a Python file. Give FILE.py:function.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    run(f"importing {file}", spec.loader.exec_module, module)
    function = getattr(module, name, None)
    if not callable(function):
        raise _missing(file, name, [k for k, v in vars(module).items() if callable(v)])
    found: Callable[..., Any] = function
    return found


def require_function(target: str, path: Path) -> None:
    """Require that a file can be parsed and may define a function, without importing it.

    Args:
        target: ``FILE.py:name``, or ``FILE.py`` for the whole file.
        path: the file.

    Raises:
        InputError: it does not, in one line.
    """
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{str(path)!r} is not a Python program ({error}).") from None
    name = "" if target.endswith(".py") else target.rpartition(":")[2]
    bound = {name for node in tree.body for name in _bound(node)}
    if name and not {name, "*"} & bound:
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        raise _missing(str(path), name, functions)


def _missing(file: str, name: str, functions: Sequence[str]) -> InputError:
    """The error for a function that a file does not have; private ones are not offered."""
    public = [one for one in functions if not one.startswith("_")]
    return InputError(f"{file!r} has no function {name!r}. It has: {', '.join(public) or 'none'}.")


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module binds, also within ``if`` and ``try``."""
    for one in ast.walk(node):
        if isinstance(one, ast.FunctionDef | ast.ClassDef):
            yield one.name
        elif isinstance(one, ast.alias):
            yield one.asname or one.name
        elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            yield one.id


def target_of(function: Callable[..., Any], folder: Path) -> str:
    """Return what `load_function` loads a function by, in another process.

    Args:
        function: to be loaded. One of a notebook, or one that was made within another, is written
            to the folder with all that it uses of the notebook.
        folder: an existing folder.

    Raises:
        InputError: the function uses something that cannot be written, such as a compiled model.
    """
    module, name = sys.modules.get(function.__module__), function.__qualname__
    file = getattr(module, "__file__", None)
    if file and function.__module__ != "__main__" and name.isidentifier():
        return f"{file}:{name}"
    path = folder / f"{name.rpartition('.')[2]}.pkl"
    try:
        path.write_bytes(cloudpickle.dumps(function))
    except Exception as error:
        raise InputError(
            f"{name}() uses something that cannot be passed to another process "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}). Build the GAN and "
            "load its data within the function."
        ) from None
    return f"{path}:{path.stem}"


def _unpickled(path: Path) -> Any:
    """A function that `target_of` wrote."""
    return cloudpickle.loads(path.read_bytes())


def build_gan(target: str) -> tuple[Any, Any]:
    """Call the user's ``FILE.py:build`` with a Keras backend chosen.

    Returns:
        The compiled GAN and its data.

    Raises:
        InputError: there is no backend or no such function, or it returns something else.
    """
    keras_backend.choose_backend()
    with keras_backend.quiet_start():
        import keras  # noqa: F401
    built = run(f"{target}()", load_function(target))
    if not isinstance(built, tuple) or len(built) != 2:
        raise InputError(
            f"{target} must return a compiled GAN and its data. Received: {type(built).__name__}."
        )
    return built


def run(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a user's function; its output goes to stderr.

    Args:
        what: the call, in words, for an error message.
        function: the function.
        *arguments: its arguments.

    Raises:
        InputError: the function raised an error; the message names the error and its line.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return function(*arguments)
    except InputError:
        raise
    except Exception as error:
        place = _user_line(error)
        where = f" at {place}" if place else ""
        raise InputError(
            f"{what} failed{where} ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from None


def _user_line(error: BaseException) -> str:
    """Return ``file:line`` of the innermost frame in the user's own code."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "site-packages" not in file and file != __file__ and not file.startswith("<"):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
