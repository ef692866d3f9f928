"""Runs the guide's notebook from start to end and keeps its outputs: `make notebook`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient

PATH = Path(__file__).parents[1] / "examples" / "04_01_gan_camel_train.ipynb"
MINUTES = 240
CHATTER = re.compile(
    r"((WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ |To enable the following).*\n?)+"
)
"""What TensorFlow writes when it is imported."""


def executed(
    folder: Path, changes: Mapping[str, str], environment: Mapping[str, str]
) -> nbformat.NotebookNode:
    """Return the notebook after a run of all its cells.

    Args:
        folder: the kernel's working directory.
        changes: text to replace in its cells, which must be there.
        environment: of the kernel.
    """
    notebook = nbformat.read(PATH, as_version=4)
    for old, new in changes.items():
        assert any(old in cell.source for cell in notebook.cells), old
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=60 * MINUTES, resources=place).execute(env=dict(environment))
    return notebook


def cleaned(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """Return an executed notebook as text, without what belongs to the machine.

    Args:
        notebook: see `executed`.
        folder: in which it ran.
    """
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
        outputs = cell.get("outputs", [])
        outputs[:] = [one for one in outputs if not CHATTER.fullmatch(one.get("text", ""))]
        for output in outputs:
            if "text/markdown" in output.get("data", {}):
                output["data"].pop("text/plain", None)  # the same, less readable
    return nbformat.writes(notebook).replace(f"{folder}/", "").rstrip() + "\n"


def main() -> None:
    notebook = executed(PATH.parent, {}, os.environ)
    PATH.write_text(cleaned(notebook, PATH.parent), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
