"""The part of the zoo that came through real ``fit`` with the callback, and its twins by `train`.

KERAS_BACKEND=jax python tests/zoo/fits.py          # a quarter of an hour on one core
KERAS_BACKEND=jax python tests/zoo/fits.py 0 2      # the first of two processes side by side
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from make import FAULTS, GOOD_RATES, NUMBERS, SEEN, balance_of, make, name_of, write
from ring_gan import Cause, build
from toys import TOYS
from train import LATENT, POOL, SIGNALS, Program, Recipe
from zoo import EVERY, LOOK, RECORDS

import keras_collapse as kc
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.subscriber import Subscriber

SEEDS = {"none": 12}
"""Runs of a recipe, each way: most of those that may end either way."""
USUAL_SEEDS = 4
PROGRAMS = {
    Program("ring", "relu64", "bce"): (
        "none", "leak", "frozen_d", "frozen_g", "d_too_slow", "g_too_fast", "label_noise",
        "range_mismatch", "bad_initialization", "instance_noise", "nan_rate",
    ),
    Program("ring", "relu64", "least_squares"): ("none", "leak"),
    Program("ring", "relu64", "hinge"): ("none", "leak"),
}  # fmt: skip


def recipes(causes: Sequence[str], first_seed: int) -> list[Recipe]:
    """As many runs of each cause as `SEEDS` says."""
    known = {r.cause: r for r in reversed(FAULTS) if not r.since}
    known["none"] = Recipe("none", *GOOD_RATES[0])
    chosen = [known[cause] for cause in causes for _ in range(SEEDS.get(cause, USUAL_SEEDS))]
    return [replace(recipe, seed=first_seed + place) for place, recipe in enumerate(chosen)]


def cause_of(program: Program, recipe: Recipe) -> Cause:
    """The recipe in the words of the example; its networks are those of ``relu64``."""
    return Cause(
        d_rate=recipe.d_rate * recipe.d_share,
        g_rate=recipe.g_rate * recipe.g_share,
        leak=bool(recipe.leak),
        label_noise=recipe.label_noise,
        instance_noise=recipe.instance_noise,
        scale=recipe.scale,
        init=recipe.init,
        objective=program.objective,
        batch_size=program.batch,
    )


class Recorder(Subscriber):
    """Keeps what the monitor reads and sees, and G's samples for the oracle."""

    def __init__(self, program: Program, recipe: Recipe) -> None:
        super().__init__()
        self.program, self.recipe = program, recipe
        self.step = 0
        self.readings = np.full((program.steps, len(SIGNALS)), np.nan)
        self.probes = np.full((program.steps // LOOK, len(NUMBERS)), np.nan, "float32")
        self.fakes: list[np.ndarray] = []
        toy = TOYS[program.data]
        self.latents = np.random.default_rng(7).normal(size=(toy.judged, LATENT))

    def on_reading(self, reading: Reading) -> None:
        if reading.step < self.program.steps:
            self.readings[reading.step] = [reading.values.get(n, np.nan) for n in SIGNALS]

    def on_probe(self, probe: Probe) -> None:
        self.probes[probe.step // LOOK] = [probe.values.get(name, np.nan) for name in NUMBERS]

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step += 1
        if self.step % LOOK == 0:
            drawn = self.model.generator(self.latents.astype("float32"), training=False)
            self.fakes.append(keras.ops.convert_to_numpy(drawn) / self.recipe.scale)
        if self.step == self.program.steps:
            self.model.stop_training = True


def fit(program: Program, recipe: Recipe) -> tuple[Recorder, str]:
    """One real training under the monitor; what was recorded, and the verdict as it stood live."""
    kc.seed_everything(recipe.seed)
    gan, _ = build(seed=recipe.seed, cause=cause_of(program, recipe))
    pool = TOYS[program.data].draw(POOL, np.random.default_rng(1)) * np.float32(recipe.scale)
    recorder = Recorder(program, recipe)
    with tempfile.TemporaryDirectory() as folder:
        monitor = kc.CollapseMonitor(every=LOOK, run_dir=f"{folder}/run", verbose=0)
        epochs = -(-program.steps * program.batch // POOL)
        gan.fit(pool, batch_size=program.batch, epochs=epochs, verbose=0,
                callbacks=[monitor, recorder])  # fmt: skip
        return recorder, str(monitor.verdict.status)


def make_fits(program: Program, chosen: Sequence[Recipe], path: Path) -> list[str]:
    """Train, judge and record them; how they ended."""
    toy = TOYS[program.data]
    done, live = zip(*(fit(program, recipe) for recipe in chosen), strict=True)
    judged = [[toy.judge(look) for look in one.fakes] for one in done]
    modes, quality = np.array(judged).transpose(2, 0, 1)
    seen = np.stack([[look[:SEEN] for look in one.fakes] for one in done])
    rows = np.stack([one.readings for one in done])
    means = rows.reshape(len(done), -1, EVERY, len(SIGNALS)).mean(axis=2)
    told = [asdict(r) | {"live": status} for r, status in zip(chosen, live, strict=True)]
    about = {"program": asdict(program), "recipes": told, "signals": SIGNALS, "numbers": NUMBERS,
             "way": "fit"}  # fmt: skip
    write(
        path,
        about,
        readings=means.astype("float32"),
        probes=np.stack([one.probes for one in done]),
        balance=balance_of(program, seen),
        modes=modes.astype("uint8"),
        quality=quality.astype("float16"),
    )
    ends = zip(chosen, modes, quality, live, strict=True)
    return [f"{r.cause}:{m[-1]}/{q[-1]:.2f}/{status}" for r, m, q, status in ends]


def main(arguments: Sequence[str]) -> None:
    part, parts = map(int, arguments or ("0", "1"))
    for place, (program, causes) in enumerate(PROGRAMS.items()):
        if place % parts != part:
            continue
        name = name_of(program)
        for way, seed in (("twin", 20_000), ("fit", 30_000)):
            path = RECORDS / f"{name}-{way}.npz"
            if path.exists():
                continue
            began, chosen = time.monotonic(), recipes(causes, seed + 100 * place)
            if way == "fit":
                ends = make_fits(program, chosen, path)
            else:
                ends = make(program, chosen, f"{name}-{way}")
            print(f"{path.name} {time.monotonic() - began:.0f} s  {' '.join(ends)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
