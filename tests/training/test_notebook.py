"""In a notebook, run by a real kernel: the verdict is a table in the cell's output."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from mlflow import MlflowClient
from nbclient import NotebookClient
from paths import TESTS
from waiting import wait_until

pytestmark = pytest.mark.backend()

CELLS = [
    "import sys; sys.path.insert(0, {here!r})",
    "from tiny import ring, tiny_gan\nimport keras_collapse as kc",
    "monitor = kc.CollapseMonitor()\n"
    "gan = tiny_gan()\n"
    "history = gan.fit(ring(64), batch_size=32, epochs=3, verbose=0, callbacks=[monitor])",
    "try:\n"
    "    gan.fit(ring(64), batch_size=32, epochs=9, verbose=0,\n"
    "            callbacks=[monitor, kc.CollapseMonitor(on_failure='nonsense')])\n"
    "except kc.InputError as error:\n"
    "    print(error)",
    "gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=[monitor])\n"
    "print(monitor.verdict.steps)",
    "gan.fit(ring(64), batch_size=32, epochs=60, callbacks=[kc.LiveMonitor(), monitor])\n"
    "print('done')",
    "import keras\n"
    "class Fail(keras.callbacks.Callback):\n"
    "    def on_epoch_end(self, epoch, logs=None):\n"
    "        raise ValueError('mine')\n"
    "logger = kc.MLflowLogger()\n"
    "gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=[monitor, logger, Fail()])",
]


def text_of(cell: nbformat.NotebookNode) -> str:
    said = []
    for output in cell.outputs:
        said.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "".join(said)


@pytest.mark.backend("jax")
def test_a_notebook_shows_the_verdict_and_goes_on_after_a_mistake(
    tmp_path: Path, store: MlflowClient
) -> None:
    here = str(TESTS)
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(cell.replace("{here!r}", repr(here))) for cell in CELLS
    ]
    place = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=300, resources=place, allow_errors=True)
    client.execute(env=dict(os.environ))
    said = [text_of(cell) for cell in notebook.cells]
    assert "UNKNOWN" in said[2]
    assert "needs 250 usable steps" in said[2]
    assert "\x1b[31mTraceback" not in "".join(said)
    assert "Received: 'nonsense'" in said[3]
    assert said[4].strip().endswith("10")
    # One panel, drawn over and over in its place; no progress bar.
    panels = [o for o in notebook.cells[5].outputs if "D accuracy" in str(o.get("data", ""))]
    assert len(panels) == 1
    assert "step 130" in panels[0]["data"]["text/html"]
    assert "Epoch 1/" not in said[5]
    # The exception ended the cell, and with it the run.
    # A busy machine sends the last of it after the kernel's end.
    wait_until(lambda: [run.info.status for run in store.search_runs(["0"])] == ["FAILED"])
    (run,) = store.search_runs(["0"])
    assert run.data.tags["collapse.ended"] == "ValueError: mine"
