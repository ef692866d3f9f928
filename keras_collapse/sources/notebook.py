"""The outputs of a notebook's cells, as they were saved with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.sources.past_run import PastRun
from keras_collapse.sources.text_log import read_text, understood_lines


def read_notebook(path: Path, text: str, signals: Mapping[str, str] | None) -> PastRun:
    """The last cell that printed a training.

    Raises:
        InputError: it is no notebook, or no cell printed one.
    """
    try:
        cells = json.loads(text)["cells"]
        printed = [said for cell in cells if (said := "".join(_output(cell))).strip()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} is no notebook of nbformat 4 ({type(error).__name__}: {error}). Save "
            "it with its outputs, and try again."
        ) from None
    counts = [understood_lines(said) for said in printed]
    telling = [said for said, count in zip(printed, counts, strict=True) if count]
    if signals and not telling:
        telling = printed
    if not telling:
        raise InputError(
            f"no output of {str(path)!r} tells of a GAN's training. Received: {len(printed)} "
            "cells with outputs. Run it, save it with its outputs, and try again."
        )
    notes = [f"{len(telling)} cells printed trainings; the last one is judged"]
    return read_text(telling[-1], str(path), signals, notes if len(telling) > 1 else ())


def _output(cell: Mapping[str, Any]) -> Iterator[str]:
    """The text that a cell has printed."""
    for output in cell.get("outputs", ()):
        said = output.get("text") or output.get("data", {}).get("text/plain", "")
        yield said if isinstance(said, str) else "".join(said)
