"""Choose the Keras backend and load it without start-up messages."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from keras_collapse.core.errors import InputError

BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend() -> str:
    """Return the backend that Keras will use: the configured one, else the first installed.

    Raises:
        InputError: the configured one is not installed, or none is.
    """
    wanted = os.environ.get("KERAS_BACKEND") or _configured_backend()
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if wanted and wanted not in installed:
        raise InputError(
            f"the Keras backend {wanted!r} (from KERAS_BACKEND or keras.json) is not installed. "
            f"Installed: {', '.join(installed) or 'none'}. "
            f"Run: pip install {wanted}"
        )
    if not installed:
        raise InputError(
            "no Keras backend is installed. Run: pip install tensorflow (or jax, or torch)"
        )
    os.environ["KERAS_BACKEND"] = wanted or installed[0]
    return os.environ["KERAS_BACKEND"]


def _configured_backend() -> str | None:
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        wanted = json.loads((home / "keras.json").read_text()).get("backend")
    except (OSError, ValueError):
        return None
    # Keras writes its default there by itself, so a backend that is not installed is no choice.
    return wanted if wanted and importlib.util.find_spec(wanted) else None


def quieten() -> None:
    """Set the log levels of Keras' backends and of MLflow so that only errors are printed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    importlib.import_module("mlflow")  # sets its own levels when it is imported
    for name in ("alembic", "mlflow", "tensorflow", "absl", "jax"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Keep the start-up messages of Keras, its backend and MLflow off the screen.

    Import them, and run the first operation, inside. Some messages come from C++ code that writes
    to file descriptor 2, whatever ``TF_CPP_MIN_LOG_LEVEL`` is. If an import fails, what was written
    there is shown.
    """
    with _held_stderr():
        quieten()
        yield


@contextlib.contextmanager
def _held_stderr() -> Iterator[None]:
    """Redirect file descriptor 2 to a file; show what is in it if an import fails.

    >>> with _held_stderr():
    ...     _ = os.write(2, b"from C++")
    """
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = False
        try:
            yield
        except ImportError:
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            if failed:
                held.seek(0)
                os.write(2, held.read())
