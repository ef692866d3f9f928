"""Programs that know nothing of trials: a `build`, a script, a notebook, trained as a trial."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import nbformat
import pytest
from paths import EXAMPLES
from tiny import once

from keras_collapse.core.errors import InputError
from keras_collapse.triage.trial import programs
from keras_collapse.triage.trial.parameters import Params, offers

pytestmark = pytest.mark.backend()

SCRIPT = f"""
import sys
sys.path.insert(0, {str(EXAMPLES)!r})
import ring_gan

gan, points = ring_gan.build()
gan.fit(points[:256], batch_size=256, epochs=99)
raise SystemExit("what comes after the fit is not run")
"""


class Seen(keras.callbacks.Callback):
    """Counts what a fit does."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = self.steps = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs += 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1


def trained(experiment: str, **params: Any) -> Seen:
    seen = Seen()
    trial = SimpleNamespace(batch_size=64, epochs=2, callbacks=[seen], params=params)
    programs.load(experiment)(trial)
    return seen


def test_a_script_is_given_batch_size_epochs_and_callbacks_and_stops_after_its_fit(
    tmp_path: Path,
) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    seen = trained(str(path))
    assert (seen.epochs, seen.steps) == (2, 8)


@once
def test_a_notebook_is_run_without_its_magic_lines(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    cells = ["%matplotlib inline\n!true", SCRIPT]
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, tmp_path / "gan.ipynb")
    assert trained(str(tmp_path / "gan.ipynb")).steps == 8


@once
def test_a_build_is_trained_and_its_parameters_are_offered(tmp_path: Path) -> None:
    path = tmp_path / "gan.py"
    path.write_text(SCRIPT.split("gan, points")[0] + (
        "def build(latent_dim=4, count=256):\n"
        "    gan, points = ring_gan.build()\n"
        "    return gan, points[:count]\n"
        "def odd():\n"
        "    return 3\n"
    ))  # fmt: skip
    assert trained(f"{path}:build", count=128).steps == 4
    assert offers(programs.load(f"{path}:build"), Params({})) == {"latent_dim": 4, "count": 256}
    with pytest.raises(InputError, match=r"or return a compiled GAN and its data\. Received: int"):
        trained(f"{path}:odd")


@once
def test_a_script_without_a_fit_of_a_gan_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    with pytest.raises(InputError, match="calls no fit of a GAN"):
        trained(str(path))
    with pytest.raises(InputError, match="no such file"):
        trained(str(tmp_path / "none.py"))


@once
def test_what_train_takes_and_looks_up_is_offered() -> None:
    def train(trial: Any, depth: int = 3, data: Any = None) -> None:
        assert (trial.params.get("latent_dim", 8), depth, data) == (8, 3, None)

    params = Params({"width": 2.0})
    train(SimpleNamespace(params=params))
    assert offers(train, params) == {"latent_dim": 8, "depth": 3, "width": 2.0}
