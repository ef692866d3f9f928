"""Measurements of one process, for `bench.py`: the bits of a training, and the cost of watching it.

    python tests/gpu/measure.py bits CONFIGURATION.json RESULT.json
    python tests/gpu/measure.py cost CONFIGURATION.json RESULT.json

The backend, the seed and what makes operations deterministic are in the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import keras
import mlflow
from camel_gan import build

import keras_collapse as kc
from keras_collapse.reproducibility.fingerprints import digest

Callbacks = Callable[[], list[Any]]


class Timer(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes the time between the ends of epochs, or from their beginning; nothing at each step.

    Args:
        at: called with ``"begin"`` or ``"end"`` and the time.
    """

    async_safe = True

    def __init__(self, at: Callable[[str, float], object]) -> None:
        super().__init__()
        self._at = at

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._at("begin", time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._at("end", time.perf_counter())


def everything(folder: Path) -> list[Any]:
    """All callbacks of ours that need no account, but `SeedControl`."""
    return [
        kc.CollapseMonitor(run_dir=_new(folder), verbose=0, keep_best=True),
        kc.MLflowLogger(tracking_uri=f"sqlite:///{folder}/mlflow.db"),
        kc.LiveMonitor(),
    ]


def bits(asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train with or without all callbacks; return the weights' hash and the time of a step."""
    callbacks: list[Any] = []
    if asked["deterministic"]:
        kc.seed_everything(42)
        callbacks = [kc.SeedControl(42, verbose=0)]  # seeds anew, so it is in both of a pair
    else:
        keras.utils.set_random_seed(42)
    gan, images = build(asked["preset"], asked["data"], 42)
    batch, epochs = asked["batch_size"], asked["epochs"]
    images = images[: batch * asked["steps_per_epoch"]]
    if asked["callbacks"]:
        callbacks += everything(folder)
        kc.audit(gan, images[:batch])
    times: list[float] = []
    timer = Timer(lambda _, now: times.append(now))
    gan.fit(images, batch_size=batch, epochs=epochs, verbose=0, callbacks=[*callbacks, timer])
    timed = (epochs - 1) * len(images) // batch  # the first epoch compiles
    return {
        "weights": digest(gan.variables),
        "step_ms": 1000 * (times[-1] - times[2]) / timed,
        **facts(gan),
    }


def cost(asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train in turn with each kind of callbacks; return milliseconds a step, a number a round."""
    kc.seed_everything(42)
    gan, images = build(asked["preset"], asked["data"], 42)
    batch = asked["batch_size"]
    images = images[: batch * asked["steps_per_epoch"]]
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    kinds: dict[str, Callbacks] = {
        "nothing": list,
        "monitor": lambda: [kc.CollapseMonitor(run_dir=_new(folder), verbose=0)],
        "everything": lambda: everything(folder),
        "keras": lambda: [
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.CSVLogger(str(folder / "log.csv")),
        ],
        "mlflow": lambda: [mlflow.keras.MlflowCallback(log_every_epoch=False, log_every_n_steps=1)],
    }
    found: dict[str, list[float]] = {name: [] for name in (*kinds, "readings")}
    for turn in range(asked["rounds"]):
        order = list(kinds)
        order = order[turn % len(order) :] + order[: turn % len(order)]
        for name in order:
            inner, outer = _step_ms(gan, images, batch, kinds[name], name == "mlflow")
            found[name].append(outer)
            if name == "monitor":  # the readings alone, without what is done at an epoch's end
                found["readings"].append(inner)
    return {"step_ms": found, **facts(gan)}


def _step_ms(
    gan: Any, images: Any, batch: int, callbacks: Callbacks, in_run: bool
) -> tuple[float, float]:
    """A step's milliseconds in the second of two epochs: without the epoch's end, and with it."""
    begins, firsts, lasts = [], [], []
    first = Timer(lambda what, now: (begins if what == "begin" else firsts).append(now))
    last = Timer(lambda what, now: lasts.append(now) if what == "end" else None)
    run = mlflow.start_run() if in_run else None
    gan.fit(images, batch_size=batch, epochs=2, verbose=0, callbacks=[first, *callbacks(), last])
    if run is not None:
        mlflow.end_run()
    steps = len(images) // batch
    return 1000 * (firsts[1] - begins[1]) / steps, 1000 * (lasts[1] - begins[1]) / steps


def facts(gan: Any) -> dict[str, Any]:
    """What it ran on."""
    trainable = sum(_count(v)
                    for network in (gan.generator, gan.discriminator)
                    for v in network.trainable_variables)  # fmt: skip
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        version, device = jax.__version__, jax.devices()[0].device_kind
    else:
        import torch

        version = torch.__version__
        device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return {
        "device": device,
        "on_gpu": device.lower() != "cpu",
        "version": f"{backend} {version}, Keras {keras.__version__}",
        "parameters": int(trainable),
    }


def _count(variable: Any) -> int:
    count = 1
    for size in variable.shape:
        count *= int(size)
    return count


def _new(folder: Path) -> Path:
    """A run's folder that does not exist yet."""
    return folder / f"run-{time.perf_counter_ns()}"


if __name__ == "__main__":
    what, given, target = sys.argv[1:]
    place = Path(target).with_suffix("")
    place.mkdir(parents=True, exist_ok=True)
    os.chdir(place)  # what callbacks leave behind
    result = {"bits": bits, "cost": cost}[what](json.loads(Path(given).read_text()), place)
    Path(target).write_text(json.dumps(result, indent=1))
