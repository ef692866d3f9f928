"""The Keras backend: which one is used, and without start-up messages."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import warnings
from pathlib import Path

from keras_collapse.core.errors import InputError

BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend() -> str:
    """The backend Keras will use, or the first one installed if none was asked for.

    Raises:
        InputError: the one asked for is not installed, or none is.
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
    # Keras writes its default here unasked; it binds only where it can be had.
    return wanted if wanted and importlib.util.find_spec(wanted) else None


def quieten() -> None:
    """Leave the screen to the command: no start-up chatter of the libraries."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    importlib.import_module("mlflow")  # sets its own levels when it is imported
    for name in ("alembic", "mlflow", "tensorflow", "absl", "jax"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
