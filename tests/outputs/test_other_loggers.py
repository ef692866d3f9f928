"""TensorBoard and Weights & Biases get the same readings and findings as MLflow; offline."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny import diverging_gan, once, ring, tiny_gan

import keras_collapse as kc
from keras_collapse.sources import examine, read

pytestmark = once


def fit(logger: Any, gan: Any) -> kc.CollapseMonitor:
    monitor = kc.CollapseMonitor(run_dir="run", verbose=0)
    gan.fit(ring(128), batch_size=32, epochs=30, verbose=0, callbacks=[logger, monitor])
    return monitor


def test_tensorboard_holds_the_very_readings_and_the_verdict() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monitor = fit(kc.TensorBoardLogger("tb"), diverging_gan())
    kept = [r.values for r in examine(read("run")).readings]
    logged = [r.values for r in examine(read("tb")).readings]
    assert len(logged) == len(kept) > 30
    for a, b in zip(kept, logged, strict=True):
        assert b == pytest.approx(a, rel=1e-6, nan_ok=True)
    events = EventAccumulator("tb")
    events.Reload()
    said = events.Tensors("verdict")[-1].tensor_proto.string_val[0].decode()
    assert monitor.verdict.cause is not None
    assert monitor.verdict.cause.message in said
    assert events.Images("samples")
    assert "samples/not_finite" in events.Tags()["scalars"]
    assert events.Scalars("rates/d_optimizer.learning_rate")[0].step == 3


def test_tensorboards_files_and_threads_go_with_their_logger() -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        writers = [one for one in threading.enumerate() if "AsyncWriter" in type(one).__name__]
        events = [one for one in psutil.Process().open_files() if "tfevents" in one.path]
        return len(writers), len(events)

    logger = kc.TensorBoardLogger("tb")
    fit(logger, tiny_gan())
    assert held() == (1, 1)
    del logger
    assert held() == (0, 0)


@pytest.mark.usefixtures("offline_wandb")
def test_wandb_gets_readings_and_the_verdict() -> None:
    import wandb

    with wandb.init(project="mine") as run:
        monitor = fit(kc.WandbLogger(), tiny_gan())
        assert wandb.run is run  # a person's own run is left open
        summary = dict(run.summary)
        assert run.config["discriminator.dropout"] == "0.3"
    last = examine(read("run")).readings[-1]
    assert summary["readings/d_loss"] == pytest.approx(last.values["d_loss"], rel=1e-6)
    assert summary["training_step"] == last.step
    assert summary["collapse.verdict"] == str(monitor.verdict.status)
    assert list(Path("wandb").glob("offline-run-*/*.wandb"))
