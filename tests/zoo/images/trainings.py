"""Trains the image zoo through Keras' `fit` with the callback. Goes on where it stopped.

KERAS_BACKEND=tensorflow python tests/zoo/images/trainings.py        # three hours on one core
KERAS_BACKEND=tensorflow python tests/zoo/images/trainings.py 0 2    # first of two, at once
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))

import keras
import numpy as np
import tensorflow as tf
from data import load
from gans import FAMILIES, ImageGAN
from plan import EVERY, LOOK, STEPS, Plan, plan

import keras_collapse as kc
from keras_collapse.core.readings.reading import Reading
from keras_collapse.outputs.subscriber import Subscriber

SAMPLES = Path(__file__).parent / "samples"
"""What was recorded of each run, with its samples: too large for the repository."""
RECORDS = Path(__file__).parent / "records"
"""What `record.py` measured in them: a run that is recorded is not trained again."""
DRAWN, SCORED = 512, 256
"""Samples that are kept of each check, and of each kind those whose scores by D are kept."""
SIGNALS = ("d_loss", "d_loss_real", "d_loss_fake", "d_acc_real", "d_acc_fake", "g_loss")


class Recorder(Subscriber):
    """Sets the fault in, and keeps the monitor's readings, G's samples and D's scores."""

    def __init__(self, run: Plan, gan: ImageGAN, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.run, self.gan, self.step = run, gan, 0
        self.readings = np.full((STEPS, len(SIGNALS)), np.nan, "float32")
        self.fakes: list[np.ndarray] = []
        self.finite: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        rng = np.random.default_rng(7)
        self.latents = rng.normal(size=(DRAWN, gan.latent_dim)).astype("float32")
        self.labels = np.resize(labels, DRAWN)
        self.real, self.real_labels = images[:SCORED], labels[:SCORED]

    def on_reading(self, reading: Reading) -> None:
        if reading.step < STEPS:
            self.readings[reading.step] = [reading.values.get(n, np.nan) for n in SIGNALS]

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        fault = self.run.fault
        if self.step == fault.since and fault.until <= fault.since:
            self.gan.apply(fault, 1.0)
        elif fault.since < self.step <= fault.until:
            self.gan.apply(fault, (self.step - fault.since) / (fault.until - fault.since))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step += 1
        if self.step % LOOK:
            return
        conditional = self.gan.family.conditional
        given = [self.latents, self.labels] if conditional else self.latents
        fakes = self.gan.generator(given, training=False).numpy()
        self.finite.append(np.isfinite(fakes).all(axis=(1, 2, 3)))
        small = np.nan_to_num(fakes, nan=0.0, posinf=1.0, neginf=-1.0)
        self.fakes.append(np.round((small + 1) * 127.5).astype("uint8"))
        pairs = ((self.real, self.real_labels), (fakes[:SCORED], self.labels[:SCORED]))
        scores = [
            self.gan.discriminator([x, y] if conditional else x, training=False).numpy()[:, 0]
            for x, y in pairs
        ]
        self.scores.append(np.stack(scores))


def train(run: Plan, every: int = 10**9) -> dict[str, Any]:
    """One real training under the monitor; what was recorded of it."""
    data, fault = load(run.data), run.fault
    images, labels = data.images, data.labels
    if fault.few:
        images, labels = images[: fault.few], labels[: fault.few]
    family = FAMILIES[run.family]
    changes = {"dropout": fault.dropout, "objective": fault.objective}
    family = type(family)(**(asdict(family) | {k: v for k, v in changes.items() if v}))
    kc.seed_everything(run.number)
    gan = ImageGAN(family, data.shape, run.width, fault.latent, run.rates, fault.leak > 0)
    gan.compile(jit_compile=False)
    recorder = Recorder(run, gan, images, labels)
    with tempfile.TemporaryDirectory() as folder:
        monitor = kc.CollapseMonitor(every=every, run_dir=f"{folder}/run", verbose=0)
        steps = -(-len(images) // run.batch)
        gan.fit(images, labels, batch_size=run.batch, epochs=-(-STEPS // steps), verbose=0,
                callbacks=[monitor, recorder, Stop(STEPS)])  # fmt: skip
        findings = [finding.to_dict() for finding in monitor.verdict.findings]
    return {
        "about": asdict(run) | {"findings": findings, "status": str(monitor.verdict.status)},
        "readings": recorder.readings.reshape(-1, EVERY, len(SIGNALS)).mean(axis=1),
        "first_bad": np.argmax(~np.isfinite(recorder.readings[:, 0])) if not np.isfinite(
            recorder.readings[:, 0]).all() else -1,
        "scores": np.stack(recorder.scores[: STEPS // LOOK]).astype("float32"),
        "fakes": np.stack(recorder.fakes[: STEPS // LOOK]),
        "finite": np.stack(recorder.finite[: STEPS // LOOK]),
        "labels": recorder.labels,
    }  # fmt: skip


class Stop(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the training after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps -= 1
        if self.steps <= 0:
            self.model.stop_training = True


def write(path: Path, about: Mapping[str, Any], **arrays: Any) -> None:
    """Arrays and what they are, whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
    part.replace(path)


def main(arguments: Sequence[str]) -> None:
    SAMPLES.mkdir(exist_ok=True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    part, parts = map(int, arguments or ("0", "1"))
    for run in plan()[part::parts]:
        path = SAMPLES / f"{run.name}.npz"
        if path.exists() or (RECORDS / path.name).exists():
            continue
        began = time.monotonic()
        recorded = train(run)
        write(path, recorded.pop("about"), **recorded)
        keras.backend.clear_session()
        print(f"{run.name} {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
