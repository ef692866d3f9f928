"""Makes the zoo: trains every run of the plan and keeps its record. Goes on where it stopped.

KERAS_BACKEND=jax python tests/zoo/make.py        # about an hour on one core
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from train import SIGNALS, Program, Recipe, Record, train
from zoo import RECORDS

GOOD_RATES = ((2e-3, 5e-4), (1e-3, 3e-4), (1e-3, 1e-3), (5e-4, 2e-4), (2e-3, 1e-3))
"""Rates of D and G of the runs without a fault, each tried with two seeds."""
FAULTS = (
    Recipe("leak", leak=1.0),
    Recipe("leak", leak=1.0, d_rate=5e-4, g_rate=1e-3),
    Recipe("frozen_d", d_share=0.0),
    Recipe("frozen_g", g_share=0.0),
    Recipe("d_too_slow", d_rate=1e-5),
    Recipe("g_too_fast", g_rate=1e-2),
    Recipe("g_too_fast", g_rate=5e-3, d_rate=5e-4),
    Recipe("d_too_fast", d_rate=2e-2, g_rate=1e-4),
    Recipe("g_too_slow", g_rate=1e-6),
    Recipe("label_noise", label_noise=0.45),
    Recipe("range_mismatch", scale=10.0),
    Recipe("bad_initialization", init=5.0),
    Recipe("instance_noise", instance_noise=1.0),
    Recipe("nan_rate", d_rate=1e3, g_rate=1e3),
)

PROGRAMS = (
    # For choosing thresholds.
    Program("ring", "relu64", "bce"),
    Program("ring", "relu64", "wasserstein_gp"),
    Program("ring", "leaky48", "bce"),
    Program("ring", "relu64", "least_squares"),
    Program("ring", "dropout64", "bce"),
    Program("ring", "heavydropout64", "bce"),
    Program("ring", "weakd", "bce"),
    Program("ring", "strongd", "bce"),
    Program("ring", "relu64", "saturating"),
    Program("ring", "relu64", "bce", 32),
    Program("grid", "relu64", "bce"),
    Program("grid", "leaky48", "wasserstein_gp"),
    Program("grid", "leaky48", "least_squares"),
    Program("grid", "relu64", "bce", 512),
    Program("grid", "strongd", "bce"),
    # Held out: a data set, two architectures and two objectives that are nowhere above.
    Program("uneven", "relu64", "bce"),
    Program("ring", "norm64", "bce"),
    Program("uneven", "leaky48", "wasserstein_gp"),
    Program("ring", "relu64", "hinge"),
    Program("uneven", "tanh64", "bce"),
    Program("ring", "tanh64", "least_squares"),
    Program("grid", "tanh64", "bce"),
    Program("uneven", "leaky48", "hinge"),
    Program("ring", "leaky48", "wasserstein_clip"),
    Program("grid", "norm64", "hinge"),
)

HEALTHY_PROGRAMS = (
    # For choosing thresholds.
    Program("ring", "relu64", "least_squares", 64),
    Program("ring", "leaky48", "saturating"),
    Program("ring", "relu64", "bce", 256),
    Program("grid", "leaky48", "bce"),
    Program("ring", "leaky48", "least_squares"),
    # Held out.
    Program("uneven", "leaky48", "bce"),
    Program("uneven", "relu64", "least_squares"),
    Program("uneven", "relu64", "saturating"),
    Program("ring", "tanh64", "bce"),
    Program("uneven", "leaky48", "least_squares", 64),
)
"""More runs of settings that mostly do well, without any fault: false alarms need healthy runs."""
HEALTHY_RUNS = 24


def healthy_recipes() -> list[Recipe]:
    """Runs without a fault, at the two best pairs of rates."""
    return [Recipe("none", *GOOD_RATES[seed % 2], seed=1000 + seed) for seed in range(HEALTHY_RUNS)]


def recipes() -> list[Recipe]:
    """The runs of a program: ten without a fault, fourteen with one; no two share a seed."""
    good = [Recipe("none", d, g) for d, g in GOOD_RATES for _ in range(2)]
    return [replace(one, seed=seed) for seed, one in enumerate([*good, *FAULTS])]


def name_of(program: Program) -> str:
    return f"{program.toy}-{program.network}-{program.objective}-{program.batch}"


def keep(records: Sequence[Record]) -> None:
    """Write a program's records, whole or not at all."""
    path = RECORDS / f"{name_of(records[0].program)}.npz"
    part = path.with_suffix(".part")
    about = {
        "program": asdict(records[0].program),
        "signals": SIGNALS,
        "recipes": [asdict(record.recipe) for record in records],
    }
    arrays = ("readings", "fakes", "scores", "modes", "quality")
    kinds = ("float32", "float16", "float16", "uint8", "float16")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            about=np.array(json.dumps(about)),
            **{
                name: np.stack([getattr(r, name) for r in records]).astype(kind)
                for name, kind in zip(arrays, kinds, strict=True)
            },
        )
    part.replace(path)


def main() -> None:
    RECORDS.mkdir(exist_ok=True)
    plan = [(program, recipes()) for program in PROGRAMS]
    plan += [(program, healthy_recipes()) for program in HEALTHY_PROGRAMS]
    for place, (program, chosen) in enumerate(plan):
        if (RECORDS / f"{name_of(program)}.npz").exists():
            continue
        began = time.monotonic()
        found = train(program, [replace(r, seed=r.seed + 100 * place) for r in chosen])
        keep(found)
        ends = [f"{r.recipe.cause}:{r.modes[-1]}/{r.quality[-1]:.2f}" for r in found]
        print(f"{name_of(program)} {time.monotonic() - began:.0f} s  {' '.join(ends)}", flush=True)


if __name__ == "__main__":
    main()
