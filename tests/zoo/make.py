"""Makes the zoo: trains every run of the plan and keeps its record. Goes on where it stopped.

KERAS_BACKEND=jax python tests/zoo/make.py          # about two hours on one core
KERAS_BACKEND=jax python tests/zoo/make.py 0 2      # the first of two processes side by side
KERAS_BACKEND=jax python tests/zoo/make.py --look   # looks again at samples that were kept
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from ring_gan import middle
from toys import DUE
from train import SIGNALS, Program, Recipe, train
from zoo import DATA, RECORDS, real_sample

from keras_collapse.core.samples.diversity import Diversity
from keras_collapse.training.probe.prober import answers

SAMPLES = Path(__file__).parent / "samples"
"""What the looks were taken from, so that they can be taken again; too large for the repository."""
SEEN = 256
"""Samples of a look, as live."""
NUMBERS = (*(f.name for f in fields(Diversity)), "d_score_real", "d_score_fake", "separation",
           "d_acc_real", "d_acc_fake")  # fmt: skip
"""Of a look, as live; accuracies only where scores have a threshold."""

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
    # Good runs that a fault meets half-way.
    Recipe("leak", leak=1.0, since=1500),
    Recipe("frozen_d", d_share=0.0, since=1500),
    Recipe("g_too_fast", g_rate=1e-2, since=1500),
    Recipe("nan_rate", d_rate=1e3, g_rate=1e3, since=1500),
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
HEALTHY_RUNS = 32

DRAWING_PROGRAMS = (
    # For choosing thresholds.
    Program("camels", "drawer", "bce", 64),
    Program("camels", "plaindrawer", "least_squares", 64),
    # Held out.
    Program("quickdraw", "drawer", "bce", 64),
    Program("camels", "drawer", "hinge", 64),
)
DRAWING_RATES = ((4e-4, 2e-4), (1e-3, 3e-4), (2e-4, 2e-4))
DRAWING_CAUSES = ("leak", "frozen_d", "frozen_g", "d_too_slow", "g_too_fast", "label_noise",
                  "nan_rate")  # fmt: skip


def healthy_recipes() -> list[Recipe]:
    """Runs without a fault, at the two best pairs of rates."""
    return [Recipe("none", *GOOD_RATES[seed % 2], seed=1000 + seed) for seed in range(HEALTHY_RUNS)]


def recipes() -> list[Recipe]:
    """The runs of a program: ten without a fault, eighteen with one; no two share a seed."""
    good = [Recipe("none", d, g) for d, g in GOOD_RATES for _ in range(2)]
    return [replace(one, seed=seed) for seed, one in enumerate([*good, *FAULTS])]


def drawing_recipes() -> list[Recipe]:
    """Two runs at each of the good rates, then one of each of some faults."""
    good = [Recipe("none", d, g) for d, g in DRAWING_RATES for _ in range(2)]
    faults = {(r.cause, r.since): r for r in reversed(FAULTS) if r.cause in DRAWING_CAUSES}
    usual = {1e-3: 4e-4}  # of D and of G, where the fault is another
    bad = [
        replace(
            r,
            d_rate=usual.get(r.d_rate, r.d_rate),
            g_rate=usual.get(r.g_rate, r.g_rate),
            before=DRAWING_RATES[0],
        )
        for r in faults.values()
    ]
    return [replace(one, seed=seed) for seed, one in enumerate([*good, *bad])]


def name_of(program: Program) -> str:
    return f"{program.data}-{program.network}-{program.objective}-{program.batch}"


def look_at(program: Program, fakes: np.ndarray, scores: np.ndarray) -> list[float]:
    """The numbers of one look: samples (n, size) and D's scores (2, n); NaN where not told."""
    found = real_sample(program.data).compare(fakes.astype("float64")).to_dict()
    real, fake = scores.astype("float64")
    critic = program.objective.startswith("wasserstein")  # whose scores have no middle
    found |= answers(real, fake, None if critic else middle(program.objective))
    values = [found.get(name) for name in NUMBERS]
    return [float("nan") if value is None else float(value) for value in values]


def write(path: Path, about: dict[str, Any], **arrays: np.ndarray) -> None:
    """Arrays and what they are, whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
    part.replace(path)


def make(program: Program, recipes: Sequence[Recipe], name: str) -> list[str]:
    """Train, judge and record the runs of a program under that name; how they ended."""
    data = DATA[program.data]
    readings, fakes, scores, judged = [], [], [], []
    for look in train(program, recipes):
        readings.append(look.readings)
        fakes.append(look.fakes[:, :SEEN].astype("float16"))
        scores.append(look.scores)
        judged.append([data.judge(one) for one in look.fakes])
    modes, quality = np.array(judged).transpose(2, 1, 0)
    about = {"program": asdict(program), "recipes": [asdict(r) for r in recipes],
             "signals": SIGNALS, "numbers": NUMBERS}  # fmt: skip
    kept = {"fakes": np.stack(fakes, axis=1), "scores": np.stack(scores, axis=1)}
    write(SAMPLES / f"{name}.npz", about, **kept)
    write(
        RECORDS / f"{name}.npz",
        about,
        readings=np.concatenate(readings, axis=1).astype("float32"),
        probes=probes_of(program, **kept),
        balance=balance_of(program, kept["fakes"]),
        modes=modes.astype("uint8"),
        quality=quality.astype("float16"),
    )
    ends = zip(recipes, modes, quality, strict=True)
    return [f"{recipe.cause}:{int(m[-1])}/{q[-1]:.2f}" for recipe, m, q in ends]


def probes_of(program: Program, fakes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The looks (runs, looks, numbers) at samples (runs, looks, n, size) and scores."""
    return np.array(
        [
            [look_at(program, *look) for look in zip(*run, strict=True)]
            for run in zip(fakes, scores, strict=True)
        ],
        dtype="float32",
    )


def balance_of(program: Program, fakes: np.ndarray) -> np.ndarray:
    """Share of the modes that have their part of the good samples: (runs, looks), in [0, 1]."""
    data = DATA[program.data]

    def of(samples: np.ndarray) -> float:
        modes, good = data.modes_of(samples.astype("float64"))
        counts = np.bincount(modes[good], minlength=data.modes)
        return float((counts >= DUE * max(good.sum(), 1) / data.modes).mean())

    return np.array([[of(look) for look in run] for run in fakes], dtype="float16")


def look_again() -> None:
    """Take all looks again, as after a change of what a look says."""
    for path in sorted(SAMPLES.glob("*.npz")):
        with np.load(RECORDS / path.name) as arrays:
            kept = {name: arrays[name] for name in arrays}
        with np.load(path) as samples:
            about = json.loads(str(kept.pop("about")))
            program = Program(**about["program"])
            kept["probes"] = probes_of(program, samples["fakes"], samples["scores"])
            kept["balance"] = balance_of(program, samples["fakes"])
        write(RECORDS / path.name, about | {"numbers": NUMBERS}, **kept)


def main(arguments: Sequence[str]) -> None:
    RECORDS.mkdir(exist_ok=True)
    SAMPLES.mkdir(exist_ok=True)
    if arguments and arguments[0] == "--look":
        return look_again()
    part, parts = map(int, arguments or ("0", "1"))
    plan = [(program, recipes()) for program in PROGRAMS]
    plan += [(program, healthy_recipes()) for program in HEALTHY_PROGRAMS]
    plan += [(program, drawing_recipes()) for program in DRAWING_PROGRAMS]
    for place, (program, chosen) in enumerate(plan):
        if place % parts != part or (RECORDS / f"{name_of(program)}.npz").exists():
            continue
        began = time.monotonic()
        ends = make(
            program, [replace(r, seed=r.seed + 100 * place) for r in chosen], name_of(program)
        )
        took = time.monotonic() - began
        print(f"{name_of(program)} {took:.0f} s  {' '.join(ends)}", flush=True)
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
