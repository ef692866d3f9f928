"""docs/benchmarks/overhead.md, from the records of ``overhead.py``: ``make bench-overhead``.

Within a round each fit is compared with the fit without callbacks of the same length. Two lengths
give the cost of a step and that of a fit; the page has the medians over rounds, with 95 % intervals
from resampled rounds (percentile bootstrap; Efron, 1979).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Record = dict[str, Any]
EPOCH_STEPS = 100
LENGTHS = (1, 5)
"""Epochs of the short and of the long fit."""
FIRST = "a new monitor"
"""The monitor in its first fit, in which it checks the first step; others have had theirs."""
WAIT, LONGER_WAIT = "a wait of 1 ms", "a wait of 2 ms"
BUSY = 1e-3
"""Seconds that the self-test's second callback waits at each step more than the first. (A wait also
slows what comes after it, whose caches are cold then; that cancels out between two waits.)"""
TOLERANCE = 0.02
"""Share of `BUSY` by which its interval may miss it: one in twenty intervals of 95 % does."""
RECORDS = Path(__file__).parent / "overhead"
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "overhead.md"
RESAMPLES = 2000
BACKENDS = ("jax", "tensorflow", "torch")
CLOCKS = ("wall", "main", "all")
TITLES = {
    "an empty callback": "an empty callback",
    "monitor, readings": "`CollapseMonitor`, without its sample checks",
    "monitor": "`CollapseMonitor`",
    "monitor, panel": "`CollapseMonitor` and `LiveMonitor`",
    "monitor, MLflow": "`CollapseMonitor` and `MLflowLogger`",
    "CSVLogger": "Keras' `CSVLogger`",
    "TensorBoard": "Keras' `TensorBoard(update_freq=1)`",
    "MlflowCallback": "MLflow's `MlflowCallback`, every step",
    "MlflowCallback, async": "the same, logging asynchronously",
    "WandbMetricsLogger": "Weights & Biases' `WandbMetricsLogger(log_freq=1)`, offline",
}
SHARES = ("nothing", "monitor", "monitor, panel", "monitor, MLflow")
"""Variants that are measured on GANs with convolutions."""
GANS = {
    "camel": "the small camel GAN (28 x 28 drawings, batches of 64)",
    "dcgan64": "a DCGAN of 64 x 64 x 3 images, in batches of 32",
}
LEAST_ROUNDS = 5
"""Rounds from which on they stand on the page."""
Estimate = tuple[float, float, float]
"""Median, and the bounds of its interval."""


def costs(
    rounds: Sequence[Sequence[Record]], variant: str, clock: str, against: str = "nothing"
) -> tuple[Estimate, Estimate]:
    """Return what a variant adds to each step and to each fit, in seconds.

    Args:
        rounds: each with one record of each variant and length.
        variant, against: what is compared with what.
        clock: one of `CLOCKS`.
    """
    per_step, per_fit = [], []
    for took in _rounds_with(rounds, variant, clock):
        short, long = (took[variant, n] - took[against, n] for n in LENGTHS)
        steps = [n * EPOCH_STEPS for n in LENGTHS]
        per_step.append((long - short) / (steps[1] - steps[0]))
        per_fit.append(short - steps[0] * per_step[-1])
    return _interval(per_step), _interval(per_fit)


def _interval(numbers: Sequence[float]) -> Estimate:
    values = np.array(numbers)
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[drawn], axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)


def finds_the_wait(rounds: Sequence[Sequence[Record]]) -> tuple[bool, Estimate]:
    """Return whether a longer wait in each step is found to be longer, and by what."""
    found = costs(rounds, LONGER_WAIT, "main", WAIT)[0]
    slack = TOLERANCE * BUSY
    return found[1] - slack <= BUSY <= found[2] + slack, found


def step_seconds(rounds: Sequence[Sequence[Record]], clock: str) -> float:
    """Return the median seconds of a step without callbacks."""
    took = [
        r[clock] / (r["epochs"] * EPOCH_STEPS)
        for records in rounds
        for r in records
        if r["variant"] == "nothing" and r["epochs"] == LENGTHS[-1]
    ]
    return float(np.median(took))


def _cell(estimate: Estimate, unit: float) -> str:
    middle, low, high = (f"{number / unit:,.0f}".replace("-", "−") for number in estimate)
    return f"{middle} ({low} to {high})"


def section(backend: str, rounds: Sequence[Sequence[Record]]) -> list[str]:
    """Return the lines of a backend's part of the page."""
    found, wait = finds_the_wait(rounds)
    assert found, f"{backend}: a wait of 1 ms was measured as {wait}"
    step = " / ".join(f"{step_seconds(rounds, clock) * 1e6:,.0f}" for clock in CLOCKS)
    lines = [
        f"## {backend}",
        "",
        f"{len(rounds)} rounds. A step without callbacks takes {step} µs (wall / main thread / all "
        f"threads). A wait in each step of one fit that is 1,000 µs longer than in another's is "
        f"measured as {_cell(wait, 1e-6)} µs.",
        "",
        "| callbacks | a step, wall, µs | main thread, µs | all threads, µs "
        "| a fit, wall, ms | main thread, ms | all threads, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    there = {record["variant"] for record in rounds[0]} - {FIRST}
    for variant, title in TITLES.items():
        if variant in there:
            both = [costs(rounds, variant, clock) for clock in CLOCKS]
            cells = [_cell(one[0], 1e-6) for one in both] + [_cell(one[1], 1e-3) for one in both]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    first = " / ".join(_cell(_first_fit(rounds, clock), 1e-3) for clock in CLOCKS)
    lines += [
        "",
        f"The first fit of a `CollapseMonitor` takes {first} ms more than a later one: it checks "
        "the wiring in its first step.",
    ]
    return [*lines, ""]


def shares(rounds: Sequence[Sequence[Record]], variant: str, clock: str) -> Estimate:
    """Return what a variant adds to a fit, as a share of the fit without callbacks.

    What it adds to the main thread, which mostly waits, is a share of that fit's wall time.
    """
    paired = []
    for records in rounds:
        took = {record["variant"]: record for record in records}
        whole = took["nothing"]["wall" if clock == "main" else clock]
        paired.append((took[variant][clock] - took["nothing"][clock]) / whole)
    return _interval(paired)


def share_section(backend: str, gan: str, rounds: Sequence[Sequence[Record]]) -> list[str]:
    """Return the lines of a GAN with convolutions."""
    if len(rounds) < LEAST_ROUNDS:
        return []
    nothing = [r for records in rounds for r in records if r["variant"] == "nothing"]
    step = float(np.median([r["wall"] / r["steps"] for r in nothing]))
    first = [
        r["main"] - next(o["main"] for o in records if o["variant"] == "monitor")
        for records in rounds
        for r in records
        if r["variant"] == FIRST
    ]
    lines = [
        f"## {backend}: {GANS[gan]}",
        "",
        "What a fit with callbacks takes more, as a share of the same fit without. "
        f"{len(rounds)} rounds of fits of {nothing[0]['steps']} steps. A step takes "
        f"{step * 1e3:.1f} ms. A monitor's first fit takes {np.median(first):.1f} s more of the "
        "main thread than a later one (median). The main thread's work is a share of the wall "
        "time.",
        "",
        "| callbacks | wall | main thread | all threads |",
        "|---|---|---|---|",
    ]
    for variant in SHARES[1:]:
        cells = [
            "{:.1%} ({:.1%} to {:.1%})".format(*shares(rounds, variant, clock)).replace("-", "−")
            for clock in CLOCKS
        ]
        lines.append(f"| {TITLES[variant]} | {' | '.join(cells)} |")
    return [*lines, ""]


def _first_fit(rounds: Sequence[Sequence[Record]], clock: str) -> Estimate:
    """Return what the first fit of a monitor takes more than a later one."""
    return _interval(
        [
            took[FIRST, LENGTHS[0]] - took["monitor", LENGTHS[0]]
            for took in _rounds_with(rounds, FIRST, clock)
        ]
    )


def _rounds_with(
    rounds: Sequence[Sequence[Record]], variant: str, clock: str
) -> Iterator[dict[tuple[str, int], float]]:
    """Seconds by variant and epochs, of each round in which this variant was measured."""
    for records in rounds:
        took = {(r["variant"], r["epochs"]): r[clock] for r in records}
        if any(name == variant for name, _ in took):
            yield took


def page(records: dict[str, Sequence[Sequence[Record]]]) -> str:
    """Return the page, given the rounds by backend, or by backend and GAN."""
    lines = [
        "# What callbacks cost",
        "",
        "What each set of callbacks adds to a `fit` of a small dense GAN on points in the plane: "
        "the worst case, since its step takes less than a millisecond. Made by "
        "`make bench-overhead`.",
        "",
        f"The same `fit` runs with each set in turn, in random order, in one process, with "
        f"{LENGTHS[0] * EPOCH_STEPS} and with {LENGTHS[-1] * EPOCH_STEPS} steps. Each is compared "
        "with the fit without callbacks of the same round and length; from both lengths follow the "
        "cost of a step and the cost of a fit, whatever its length. Medians over the rounds, with "
        "their 95 % intervals.",
        "",
        f"Samples are checked after each epoch, of {EPOCH_STEPS} steps: the most that is ever "
        "compared with data. The CPU time of all threads includes what is sent to MLflow (a SQLite "
        "file) after the fit has ended. `MLflowLogger` may take 2 % of the training's time, and "
        "that of half a minute at once; this grant is left out here, or it would pay for these "
        "short fits. What is left is the start of a run in MLflow, and what belongs to an epoch. "
        "`CSVLogger` writes a line an epoch only. MLflow's own callback, and the first fit of a "
        "monitor, take seconds and are measured in one round of four. PyTorch runs with one "
        "thread: with two, each waits for the other, and a step varies by more than a callback "
        "costs. TensorFlow's batches come from a pipeline that is not tuned while it runs: after "
        "others it [pauses now and then](../reliability.md#pauses-of-tensorflow).",
        "",
    ]
    for name, rounds in records.items():
        backend, _, gan = name.partition("-")
        lines += share_section(backend, gan, rounds) if gan else section(backend, rounds)
    return "\n".join(lines)


def main() -> int:
    names = [backend + of for of in ("", *(f"-{gan}" for gan in GANS)) for backend in BACKENDS]
    records = {
        name: json.loads((RECORDS / f"{name}.json").read_text())
        for name in names
        if (RECORDS / f"{name}.json").exists()
    }
    PAGE.write_text(page(records), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
