"""Scores ``triage full`` on causes injected into convolutional GANs, trained by real fits.

KERAS_BACKEND=tensorflow python tests/zoo/images/triage/score.py 0 2     # first of two, at once
KERAS_BACKEND=tensorflow python tests/zoo/images/triage/score.py --page  # only writes the page

It goes on where it stopped, and needs `KERAS_COLLAPSE_DATA`. The runner, its checks, the callbacks
and `fit` are the real ones; trials run in this process, since starting one for each takes as long
as training does. The oracle of the image zoo judges the GAN as it is: whether a fault did harm is
not for the monitor to say.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import keras
import numpy as np
from cases import BATCHES, STEPS, Case, cases
from data import load
from gans import FAMILIES, Fault, ImageGAN
from judge import oracle
from labels import check_label
from triage_page import page

import keras_collapse as kc
from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.samples.probe import APART
from keras_collapse.triage import plans, results
from keras_collapse.triage.executors.jobs import Job, View
from keras_collapse.triage.options import PlanSettings
from keras_collapse.triage.results import TrialResult
from keras_collapse.triage.runner import Runner
from keras_collapse.triage.spec import TriageSpec
from keras_collapse.triage.trial.callback import TrialCallback
from keras_collapse.triage.trial.interventions import Changes
from keras_collapse.triage.trial.worker import result_of

RECORDS = Path(__file__).parent / "records"
PAGE = Path(__file__).parents[4] / "docs" / "benchmarks" / "triage-images.md"
WIDTH, IMAGES, RATE = 16, 4096, 1e-3
DRAWN = 512
"""Samples that the oracle judges."""


def build(case: Case, batch_size: int, params: Mapping[str, Any]) -> ImageGAN:
    """The GAN as the case has it."""
    fault, known = case.fault, FAMILIES[case.family]
    if fault.dropout is not None:
        known = type(known)(**(asdict(known) | {"dropout": fault.dropout}))
    factor = batch_size / BATCHES[0] if fault.scaled else 1.0
    rates = (case.rate * fault.d_rate * factor, RATE * fault.g_rate * factor)
    latent = int(params.get("latent_dim", 32))
    shape = load(case.data).shape
    gan = ImageGAN(known, shape, WIDTH, latent, rates, shared=fault.leak)
    gan.compile(jit_compile=False)
    gan.apply(
        Fault(
            label_noise=float(params.get("label_noise", 0.0)),
            noise=float(params.get("noise", 0.0)),
        ),
        1.0,
    )
    for weight in (*gan.generator.trainable_variables, *gan.discriminator.trainable_variables):
        if len(weight.shape) > 1:
            weight.assign(weight * fault.init)
    return gan


class InProcess:
    """An executor whose trials run here, one after another, by real fits.

    Attributes:
        harm: for each trial of the GAN as it is at the target batch size, the oracle's label.
    """

    room, parallel = "this process", 1

    def __init__(self, case: Case) -> None:
        self.case = case
        self.harm: list[str] = []
        self.steps = 0

    def settle(self, checks: Sequence[TrialResult]) -> str:
        return ""

    def run(self, jobs: Sequence[Job], on_progress: object) -> Iterator[TrialResult]:
        for job in jobs:
            yield self._run(job)
            keras.backend.clear_session()

    def _run(self, job: Job) -> TrialResult:
        began, trial = time.monotonic(), job.trial
        asked = json.loads((job.folder / results.CONFIGURATION).read_text())
        kc.seed_everything(trial.seed)
        gan = build(self.case, trial.batch_size, trial.params)
        data = load(self.case.data)
        every = APART if asked["exact"] else "epoch"
        monitor = kc.CollapseMonitor(every=every, run_dir=job.folder / results.RUN, verbose=0)
        callback = TrialCallback(job.folder, job.steps, asked["longest"], monitor, True,
                                 bool(asked["exact"]))  # fmt: skip
        gan.fit(data.images[:IMAGES], data.labels[:IMAGES], batch_size=trial.batch_size,
                epochs=asked["epochs"], verbose=0,
                callbacks=[Changes(trial.changes, trial.seed), monitor, callback])  # fmt: skip
        facts = {**callback.facts, "offers": dict(trial.params)}
        found = result_of(trial, monitor, job.folder, str(job.folder), facts, job.steps,
                          time.monotonic() - began)  # fmt: skip
        write_json(job.folder / results.RESULT, found.to_dict())
        if not job.is_check:
            self.steps += found.steps
            as_it_is = not trial.changes and trial.params == dict(self.case.fault.params)
            if as_it_is and trial.batch_size == BATCHES[-1]:
                self.harm.append(self._label(gan))
        return found

    def _label(self, gan: ImageGAN) -> str:
        rng = np.random.default_rng(7)
        latents = rng.normal(size=(DRAWN, gan.latent_dim)).astype("float32")
        samples = np.asarray(gan.generator(latents, training=False))
        samples = samples[np.isfinite(samples).all(axis=(1, 2, 3))]
        if len(samples) < DRAWN // 2:
            return "nan"
        labels = load(self.case.data).labels
        shares = (np.bincount(labels) / len(labels)).tolist()
        return check_label(asdict(oracle(self.case.data).judge(samples)), shares)


class Clock(View):
    """Compares the time left that is shown after the plan's first trial with what it then took.

    Attributes:
        said: seconds that were shown; None before.
        took: seconds until the plan's last trial ended; None before.
    """

    def __init__(self) -> None:
        self.said: float | None = None
        self.took: float | None = None
        self._since = 0.0
        self._trials: int | None = None
        """Of the plan that have not ended; None before it began."""

    def begin(self, jobs: Sequence[Job]) -> None:
        if self._trials is None and not jobs[0].is_check:
            self._trials = len(jobs)

    def left(self, seconds: float) -> None:
        if self.said is None:
            self.said, self._since = seconds, time.monotonic()

    def ended(self, job: Job, result: TrialResult, reused: bool) -> None:
        if self._trials:
            self._trials -= 1
            if not self._trials:
                self.took = time.monotonic() - self._since


def triage(case: Case) -> dict[str, Any]:
    """One triage: what it said, and what it took."""
    executor, clock = InProcess(case), Clock()
    settings = PlanSettings(case.seed, (case.seed + 1, case.seed + 2), BATCHES, 1, STEPS)
    with tempfile.TemporaryDirectory() as folder:
        plan = plans.load("full", settings, dict(case.fault.params))
        spec = TriageSpec(f"{__file__}:train", plan, Path(folder), "tensorflow", full=True)
        found = Runner(spec, executor, clock).run()
        said = found.to_dict()
    return {
        "case": {"fault": case.fault.name, "data": case.data, "seed": case.seed},
        "named": said["root_cause"],
        "confidence": said["confidence"],
        "statement": said["statement"],
        "solution": said["solution"],
        "cure": [{k: c[k] for k in ("cure", "held", "failed")} for c in said["cure"]],
        "harm": executor.harm,
        "steps": executor.steps,
        "seconds": said["seconds"],
        "left": [clock.said, clock.took],
        "trials": [f"{t['name']}: {t['says']} ({t['why']}), {t['steps']}" for t in said["trials"]],
    }


def main(arguments: Sequence[str]) -> None:
    import tensorflow as tf

    RECORDS.mkdir(exist_ok=True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    part, parts = map(int, arguments or ("0", "1"))
    for case in cases()[part::parts]:
        path = RECORDS / f"{case.name}.json"
        if not path.exists():
            found = triage(case)
            write_json(path, found)
            print(case.name, "->", found["named"], f"{found['seconds']:.0f} s", flush=True)


def train(trial: Any) -> None:
    """The experiment's name; `InProcess` trains."""


if __name__ == "__main__":
    if sys.argv[1:] != ["--page"]:
        main(sys.argv[1:])
    records = [json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))]
    PAGE.write_text(page(records), encoding="utf-8")
