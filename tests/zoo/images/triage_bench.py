"""Scores ``triage full`` on causes injected into convolutional GANs, trained by real fits.

KERAS_BACKEND=tensorflow python tests/zoo/images/triage_bench.py 0 2     # first of two, at once
KERAS_BACKEND=tensorflow python tests/zoo/images/triage_bench.py --page  # only writes the page

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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))

import keras
import numpy as np
from bench import interval
from data import load
from gans import FAMILIES, Fault, ImageGAN
from judge import oracle
from labels import KINDS, check_label

import keras_collapse as kc
from keras_collapse.core.atomic_files import write_json
from keras_collapse.triage import plans, results
from keras_collapse.triage.executors.jobs import Job
from keras_collapse.triage.results import TrialResult
from keras_collapse.triage.runner import Runner, View
from keras_collapse.triage.spec import TriageSpec
from keras_collapse.triage.trial.callback import TrialCallback
from keras_collapse.triage.trial.interventions import Changes
from keras_collapse.triage.trial.worker import result_of

RECORDS = Path(__file__).parent / "triages"
PAGE = Path(__file__).parents[3] / "docs" / "benchmarks" / "triage-images.md"
PROGRAMS = (
    ("drawings16", "keras_docs"),
    ("scenery16", "batch_norm"),
    ("digits16", "least_squares"),
)
"""Data sets and families: drawings, photographs and digits."""
BATCHES = (8, 16, 32)
STEPS, WIDTH, IMAGES, RATE = 400, 16, 4096, 1e-3
DRAWN = 512


@dataclass(frozen=True)
class Injected:
    """What is wrong with a GAN, and the cause that should be named.

    Args:
        name: of the fault.
        causes: root causes that are right.
        d_rate, g_rate: what the learning rates are multiplied with.
        params: of the experiment; triage can change them.
        objective, dropout: in place of the family's.
        init: what the initial kernels are multiplied with.
        scaled: whether rates grow with the batch size.
        leak: whether G's step also trains D.
    """

    name: str
    causes: tuple[str, ...]
    d_rate: float = 1.0
    g_rate: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)
    dropout: float | None = None
    init: float = 1.0
    scaled: bool = False
    leak: bool = False


FAULTS = (
    Injected("none", ("none",)),
    Injected("d_too_slow", ("learning_rate_ratio",), d_rate=0.004),
    Injected("g_too_fast", ("learning_rate_ratio",), g_rate=20.0),
    Injected("d_too_fast", ("learning_rate_ratio",), d_rate=20.0, g_rate=0.1),
    Injected("g_too_slow", ("learning_rate_ratio",), g_rate=0.003),
    Injected("dropout", ("dropout", "weak_discriminator"), dropout=0.95),
    Injected("label_noise", ("label_noise",), params={"label_noise": 0.48}),
    Injected("noise", ("instance_noise",), params={"noise": 1.5}),
    Injected("small_latent", ("latent_size",), params={"latent_dim": 1}),
    Injected("initialization", ("initialization",), init=5.0),
    Injected("rates_grow_with_batch", ("batch_size",), d_rate=2.0, g_rate=8.0, scaled=True),
    Injected("leak", ("wiring",), leak=True),
)
SOUND = 4
"""Triages of each program without a fault; of each fault there are two."""


@dataclass(frozen=True)
class Case:
    """One triage: a program, a fault and its first seed."""

    fault: Injected
    data: str
    family: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.fault.name}-{self.data}-{self.seed}"


def cases() -> list[Case]:
    """All triages; any beginning of the list is a fair part of the whole."""
    found: list[Case] = []
    for _ in range(2):
        for fault in FAULTS:
            for data, family in PROGRAMS * (SOUND // 2 if fault.name == "none" else 1):
                found.append(Case(fault, data, family, 1000 * (len(found) + 1)))
    return found


def build(case: Case, batch_size: int, params: Mapping[str, Any]) -> ImageGAN:
    """The GAN as the case has it."""
    fault, known = case.fault, FAMILIES[case.family]
    if fault.dropout is not None:
        known = type(known)(**(asdict(known) | {"dropout": fault.dropout}))
    factor = batch_size / BATCHES[0] if fault.scaled else 1.0
    rates = (RATE * fault.d_rate * factor, RATE * fault.g_rate * factor)
    latent = int(params.get("latent_dim", 32))
    gan = ImageGAN(known, load(case.data).shape, WIDTH, latent, rates, fault.leak)
    gan.compile(jit_compile=False)
    gan.apply(
        Fault(
            label_noise=float(params.get("label_noise", 0.0)),
            noise=float(params.get("noise", 0.0)),
            leak=1.0 if fault.leak else 0.0,
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
        monitor = kc.CollapseMonitor(run_dir=job.folder / results.RUN, verbose=0)
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


def triage(case: Case) -> dict[str, Any]:
    """One triage: what it said, and what it took."""
    executor = InProcess(case)
    settings = plans.PlanSettings(case.seed, (case.seed + 1, case.seed + 2), BATCHES, 1, STEPS)
    with tempfile.TemporaryDirectory() as folder:
        plan = plans.load("full", settings, dict(case.fault.params))
        spec = TriageSpec(f"{__file__}:train", plan, Path(folder), "tensorflow", full=True)
        found = Runner(spec, executor, View()).run()
        said = found.to_dict()
    return {
        "case": {"fault": case.fault.name, "data": case.data, "seed": case.seed},
        "causes": case.fault.causes,
        "named": said["root_cause"],
        "confidence": said["confidence"],
        "statement": said["statement"],
        "solution": said["solution"],
        "cure": [{k: c[k] for k in ("cure", "held", "failed")} for c in said["cure"]],
        "harm": executor.harm,
        "steps": executor.steps,
        "seconds": said["seconds"],
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


def harmful(one: Mapping[str, Any]) -> bool:
    """Whether the oracle calls most trials of the GAN as it is bad; a leak is always a fault."""
    bad = sum(label in KINDS for label in one["harm"])
    return one["case"]["fault"] == "leak" or 2 * bad > len(one["harm"])


def page(done: Sequence[Mapping[str, Any]]) -> str:
    """What was reached, as Markdown."""
    sound = [one for one in done if one["case"]["fault"] == "none" and not harmful(one)]
    faulty = [one for one in done if one["case"]["fault"] != "none" and harmful(one)]
    right = [one for one in faulty if one["named"] in one["causes"]]
    open_ = [one for one in faulty if one["named"] == "inconclusive"]
    wrong = len(faulty) - len(right) - len(open_)
    cured = [one for one in right if one["cure"]]
    held = sum(any(cure["held"] for cure in one["cure"]) for one in cured)
    alarms = sum(one["named"] != "none" for one in sound)
    rows = (
        ("the injected cause is named first", len(right), len(faulty)),
        ("inconclusive, where a fault did harm", len(open_), len(faulty)),
        ("named wrongly, or `none`, where a fault did harm", wrong, len(faulty)),
        ("sound GANs called anything but no failure", alarms, len(sound)),
        ("a fix held on three new seeds", held, len(cured)),
    )
    lines = [
        "# Triage of convolutional GANs, scored on injected causes",
        "",
        "Made by `make bench-triage-images` "
        "([`triage_bench.py`](../../tests/zoo/images/triage_bench.py)):",
        f"{len(done)} of {len(cases())} planned runs of `triage full`, on",
        f"{', '.join(f'{family} on {data}' for data, family in PROGRAMS)}, with batch sizes of",
        f"{', '.join(map(str, BATCHES))} and `--steps {STEPS}`, which are too few: trials go on "
        "until they are decided.",
        "Trials are real fits. A fault counts as harmful if the image zoo's oracle, which the",
        "monitor does not know, calls the samples of most unchanged trials at the target batch",
        "size bad. Brackets are 95 % intervals (Wilson, 1927).",
        "",
        "| | | |",
        "|---|---|---|",
        *(f"| {what} | {count} of {of} | {interval(count, of)} |" for what, count, of in rows),
        "",
        "| fault | triages | did harm | named |",
        "|---|---|---|---|",
    ]
    for fault in FAULTS:
        mine = [one for one in done if one["case"]["fault"] == fault.name]
        harm = [one for one in mine if harmful(one)]
        names = [one["named"] for one in (mine if fault.name == "none" else harm)]
        told = ", ".join(f"{names.count(n)} {n.replace('_', ' ')}" for n in dict.fromkeys(names))
        lines.append(f"| `{fault.name}` | {len(mine)} | {len(harm)} | {told} |")
    return "\n".join(lines) + "\n"


def train(trial: Any) -> None:
    """The experiment's name; `InProcess` trains."""


if __name__ == "__main__":
    if sys.argv[1:] != ["--page"]:
        main(sys.argv[1:])
    records = [json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))]
    PAGE.write_text(page(records), encoding="utf-8")
