"""A run that is watched live, and read afterwards from whatever kept it, gets the same verdict."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import keras
import pytest
from mlflow import MlflowClient
from tiny import diverging_gan, once, ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.errors import InputError
from keras_collapse.outputs.subscriber import Subscriber

pytestmark = once

EPOCHS = 40


class Scalars(Subscriber):
    """Writes what people write in their own steps: TensorBoard's scalars and lines."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))
        self.lines: list[str] = []

    def on_reading(self, reading: Any) -> None:
        for name, value in reading.values.items():
            self.writer.add_scalar(f"train/{name}", value, reading.step)
        numbers = ", ".join(f"{k}: {v:.8g}" for k, v in reading.values.items())
        self.lines.append(f"step {reading.step}: {numbers}")

    def on_train_end(self, logs: Any = None) -> None:
        self.writer.close()


@pytest.fixture(params=[None, "diverging"])
def live(request: pytest.FixtureRequest, store: MlflowClient) -> Any:  # noqa: ARG001
    """One run in every form, and its live verdict."""
    kc.seed_everything(8)
    gan = diverging_gan() if request.param else tiny_gan()
    monitor, logger = kc.CollapseMonitor(run_dir="run", verbose=0), kc.MLflowLogger()
    scalars = Scalars(Path("tb"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        gan.fit(
            ring(256), batch_size=32, epochs=EPOCHS, verbose=1,
            callbacks=[keras.callbacks.CSVLogger("epochs.csv"), monitor, logger, scalars],
        )  # fmt: skip
    Path("bar.txt").write_text(printed.getvalue())
    Path("own.log").write_text("\n".join(scalars.lines) + "\n")
    cell = {"outputs": [{"output_type": "stream", "text": Path("own.log").read_text()}]}
    Path("own.ipynb").write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
    return monitor, logger.run_id


def test_every_source_says_what_the_monitor_said(live: Any) -> None:
    monitor, run_id = live
    wanted = monitor.verdict
    for source in ("run", f"mlflow:{run_id}"):  # the whole journal: the very same
        told = kc.diagnose(source)
        assert told.to_dict("") == wanted.to_dict(""), source
    for source in ("own.log", "own.ipynb", "tb"):  # every step's numbers, but no samples
        told = kc.diagnose(source)
        assert told.steps == wanted.steps, source
        found = {(f.kind, f.first_step) for f in told.findings}
        by_numbers = {
            (f.kind, f.first_step)
            for f in wanted.findings
            if f.kind in ("divergence", "discriminator_pinned", "non_convergence")
        }
        assert by_numbers <= found, source
    for source in ("bar.txt", "epochs.csv"):  # means, and not of every step
        told = kc.diagnose(source)
        if wanted.status == "healthy" or wanted.status == "unknown":
            assert told.status in ("healthy", "unknown"), (source, told)
        else:
            assert told.status in (wanted.status, "unknown"), (source, told)


def test_a_run_that_mlflow_does_not_know_is_one_line(store: MlflowClient) -> None:  # noqa: ARG001
    with pytest.raises(InputError, match="cannot read run 'nobody'"):
        kc.diagnose("mlflow:nobody")


def test_a_broken_event_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"not an event" * 9)
    with pytest.raises(InputError, match="no scalars in"):
        kc.diagnose(path)
