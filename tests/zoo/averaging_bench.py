"""Counts right and wrong answers to "how were these numbers averaged?" on logs of real trainings.

KERAS_BACKEND=jax python tests/zoo/averaging_bench.py record    # trains them, five minutes
python tests/zoo/averaging_bench.py                             # the table, three minutes
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from keras_collapse.core.readings.averaging import Unaverager
from keras_collapse.core.readings.reading import SignalRow

STEPS = Path(__file__).parent / "samples" / "steps"
"""Every step of every training; too large for the repository."""
LENGTH = 2000
PROGRAMS = (
    ("ring", "relu64", "bce", 64), ("grid", "leaky48", "bce", 128),
    ("uneven", "leaky48", "wasserstein_gp", 128), ("ring", "norm64", "bce", 128),
    ("ring", "tanh64", "least_squares", 128), ("uneven", "leaky48", "hinge", 128),
    ("ring", "dropout64", "bce", 32), ("ring", "relu64", "saturating", 128),
    ("grid", "strongd", "bce", 256), ("ring", "leaky48", "wasserstein_clip", 64),
    ("uneven", "tanh64", "bce", 64), ("grid", "relu64", "bce", 512),
)  # fmt: skip
SIGNALS = ("d_loss_real", "d_loss_fake", "d_acc_real", "d_acc_fake", "g_loss", "g_acc")
FORMS = (
    ("d_loss", "g_loss"),
    ("d_loss", "d_acc", "g_loss"),
    ("d_loss_real", "d_loss_fake", "g_loss"),
    ("d_loss", "d_loss_real", "d_loss_fake", "d_acc", "d_acc_real", "d_acc_fake", "g_loss",
     "g_acc"),
)  # fmt: skip
STRIDES = (1, 1, 5, 10, 50)
ROWS = (40, 500)
DECIMALS = (3, 4)
EPOCHS = (30, 118, 300, 700)
"""Steps in an epoch."""
KINDS = ("batch", "run", "epoch")
LARGEST = 1e4
"""Runs with a larger number have diverged and are left out: what is inferred ends there."""

Numbers = Mapping[str, np.ndarray]


def record() -> None:
    """Train each program's runs, and keep the numbers of every step: (runs, steps, signals)."""
    import train
    from make import name_of, recipes

    train.EVERY = 1
    STEPS.mkdir(parents=True, exist_ok=True)
    for data, network, objective, batch in PROGRAMS:
        program = train.Program(data, network, objective, batch, LENGTH)
        path = STEPS / f"{name_of(program)}.npy"
        if path.exists():
            continue
        began = time.monotonic()
        chosen = [replace(one, seed=one.seed + 500) for one in recipes()]
        looks = [look.readings for look in train.train(program, chosen)]
        np.save(path, np.concatenate(looks, axis=1).astype("float32"))
        print(f"{path.name} {time.monotonic() - began:.0f} s", flush=True)


def recorded() -> Iterator[Numbers]:
    """The numbers of every step of each training, by signal."""
    for path in sorted(STEPS.glob("*.npy")):
        for run in np.load(path).astype("float64"):
            if np.isfinite(run).all() and np.abs(run).max() < LARGEST:
                numbers = dict(zip(SIGNALS, run.T, strict=True))
                yield without_scores(numbers) if "wasserstein" in path.name else numbers


def without_scores(numbers: Numbers) -> Numbers:
    """The numbers of a critic, whose answers have no middle and so no accuracy."""
    return {name: values for name, values in numbers.items() if "acc" not in name}


def log_of(numbers: Numbers, kind: str, rng: np.random.Generator) -> list[SignalRow]:
    """A log as a program with this averaging prints it, of a random form, length and place."""
    share = rng.choice([0.5, 1.0])  # D's loss is the mean or the sum of its halves
    both = {"d_loss": share * (numbers["d_loss_real"] + numbers["d_loss_fake"])}
    if "d_acc_real" in numbers:
        both["d_acc"] = (numbers["d_acc_real"] + numbers["d_acc_fake"]) / 2
    every = {**numbers, **both}
    form = [name for name in FORMS[rng.integers(len(FORMS))] if name in every]
    stride, decimals, epoch = (int(rng.choice(x)) for x in (STRIDES, DECIMALS, EPOCHS))
    total = len(every["g_loss"])
    rows = int(min(np.exp(rng.uniform(*np.log(ROWS))), total // stride))
    steps = rows * stride
    start = 0 if kind == "run" else int(rng.integers(0, total - steps + 1))
    if kind == "epoch":
        start -= start % epoch
    values = {name: every[name][start : start + steps] for name in form}
    length = {"batch": 1, "run": steps, "epoch": epoch}[kind]
    means = {name: running(v, length) for name, v in values.items()}
    first = 0 if rng.random() < 0.7 else stride - 1
    counted = 0 if kind != "batch" or rng.random() < 0.5 else start
    knows_epochs = kind == "epoch" or rng.random() < 0.5
    rounding = dict.fromkeys(form, 0.5 * 10.0**-decimals)
    return [
        SignalRow(
            counted + step,
            {name: round(float(m[step]), decimals) for name, m in means.items()},
            rounding,
            step // epoch if knows_epochs else None,
        )
        for step in range(first, steps, stride)
    ]


def running(values: np.ndarray, length: int) -> np.ndarray:
    """Running means that begin anew every ``length`` numbers."""
    parts = [values[i : i + length] for i in range(0, len(values), length)]
    return np.concatenate([np.cumsum(part) / np.arange(1, len(part) + 1) for part in parts])


def answer(rows: list[SignalRow], kind: str) -> str:
    """``"right"``, ``"wrong"`` or ``"cannot tell"``.

    A log within its first epoch is a running mean since both began, and where each row is of an
    epoch of its own nothing was averaged that could be undone.
    """
    undo = Unaverager()
    for row in rows:
        undo.push(row)
    undo.close()
    if undo.averaging is None:
        return "cannot tell"
    alike = {kind}
    if kind == "epoch" and rows[0].epoch == rows[-1].epoch:
        alike.add("run")
    if kind == "epoch" and len({row.epoch for row in rows}) == len(rows):
        alike.add("batch")
    return "right" if str(undo.averaging) in alike else "wrong"


def count(runs: list[Numbers], kind: str, seed: int) -> Counter[str]:
    """The answers for one log of each run."""
    rng = np.random.default_rng(seed)
    return Counter(answer(log_of(run, kind, rng), kind) for run in runs)


def main() -> None:
    runs = list(recorded())
    columns = ("right", "cannot tell", "wrong")
    print(f"| logs of {len(runs)} trainings | {' | '.join(columns)} |\n|---|---|---|---|")
    names = {"batch": "single batches' numbers", "run": "running means since the run began",
             "epoch": "running means since the epoch began"}  # fmt: skip
    for kind in KINDS:
        found = sum((count(runs, kind, seed) for seed in (10, 11)), Counter())
        print(f"| {names[kind]} | {' | '.join(str(found[c]) for c in columns)} |", flush=True)


if __name__ == "__main__":
    record() if sys.argv[1:] == ["record"] else main()
