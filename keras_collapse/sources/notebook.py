"""Reads the training logs saved in a notebook's cell outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.atomic_files import open_regular
from keras_collapse.core.errors import InputError
from keras_collapse.sources.past_run import PastRun
from keras_collapse.sources.text_log import has_signal, read_text

LARGEST = 500_000_000
"""Bytes of the largest notebook that is read: all of it is held in memory."""


def read_notebook(path: Path, signals: Mapping[str, str] | None) -> PastRun:
    """Read the last cell output that contains GAN losses.

    Args:
        path: the notebook.
        signals: canonical signal to name in the output, for names that are not recognised.

    Raises:
        InputError: it is not a notebook, or no output contains GAN losses.
    """
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        cells = json.loads(content)["cells"]
        printed = [out for cell in cells if (out := "".join(_output(cell))).strip()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{str(path)!r} is not a notebook of nbformat 4 ({type(error).__name__}: "
            f"{str(error)[:200]}). Save it with its outputs, and try again."
        ) from None
    logs = [lines for output in printed if has_signal(lines := output.split("\n"))]
    if signals and not logs:
        logs = [output.split("\n") for output in printed]
    if not logs:
        raise InputError(
            f"no GAN losses found in the outputs of {str(path)!r}. Received: {len(printed)} "
            "cells with outputs. Run it, save it with its outputs, and try again."
        )
    notes = [f"{len(logs)} cells contain training logs; the last one is used"]
    return read_text(logs[-1], str(path), signals, notes if len(logs) > 1 else ())


def _output(cell: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a cell's outputs."""
    for output in cell.get("outputs", ()):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        yield text if isinstance(text, str) else "".join(text)
