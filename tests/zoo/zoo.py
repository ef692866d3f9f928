"""The zoo's records as runs: readings and samples over time, and what the oracle says of them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from drawings import DRAWINGS, Drawings
from toys import TOYS, Toy

from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.diversity import RealSample
from keras_collapse.core.samples.probe import Probe

RECORDS = Path(__file__).parent / "records"
EVERY = 10
"""Steps whose readings are kept as one mean."""
LOOK = 100
"""Steps between looks at the samples."""
REAL = 1024
GOOD_MODES, BAD_MODES = 0.9, 0.65
"""Share of the modes from which a look is good, and below which it is bad."""
GOOD_QUALITY, BAD_QUALITY = 0.4, 0.1
"""Share of samples of high quality, likewise. A perfect generator has 0.99: 3 sigma in a plane."""
LAST = 5
"""Looks at the end that decide."""
RISING = 1.25
"""Factor on the modes or the quality, from the `LAST` looks before them to these, from which a bad
run is not over: it still gets better, and is not scored."""
USUAL = 0.5
"""Share of the healthy runs on some data that have been good once by the step from which a run that
never is counts as failed: until then the two look alike."""
HELD_OUT = {"data": {"uneven", "quickdraw"}, "network": {"norm64", "tanh64"},
            "objective": {"hinge", "wasserstein_clip"}}  # fmt: skip
"""Whole data sets, architectures and objectives on which no threshold was chosen."""


DATA: dict[str, Toy | Drawings] = {**TOYS, **DRAWINGS}


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the zoo.

    Args:
        program, recipe: what was trained, and how; ``recipe["cause"]`` is what was injected.
        signals, numbers: the names of the columns of readings and probes.
        readings: float32 (n, signals), means over `EVERY` steps each.
        probes: float32 (looks, numbers), one look every `LOOK` steps; NaN where not told.
        modes, quality, balance: (looks,), the oracle's.
        way: "together", many runs in one compiled program, or "fit", Keras' own with the callback.
    """

    program: dict[str, Any]
    recipe: dict[str, Any]
    signals: tuple[str, ...]
    numbers: tuple[str, ...]
    readings: np.ndarray
    probes: np.ndarray
    modes: np.ndarray
    quality: np.ndarray
    balance: np.ndarray
    way: str = "together"

    @property
    def held_out(self) -> bool:
        return any(self.program[name] in values for name, values in HELD_OUT.items())

    @cached_property
    def looks(self) -> list[str]:
        """Each look: "good", "bad" or "between", by the oracle."""
        share = self.modes / DATA[self.program["data"]].modes
        # One stray sample in 2500 covers a mode, but is no diversity: most must have their part.
        good = (share >= GOOD_MODES) & (self.quality >= GOOD_QUALITY) & (self.balance >= BAD_MODES)
        bad = (share < BAD_MODES) | (self.quality < BAD_QUALITY)
        return ["good" if g else "bad" if b else "between" for g, b in zip(good, bad, strict=True)]

    @cached_property
    def label(self) -> str:
        """Healthy if most of the last looks are good and none is bad; failed if most are bad and
        they are no better than those before; else between.
        """  # fmt: skip
        last = self.looks[-LAST:]
        if "bad" not in last and last.count("good") > LAST // 2:
            return "healthy"
        return "failed" if last.count("bad") > LAST // 2 and not self._rising else "between"

    @property
    def _rising(self) -> bool:
        before, after = slice(-2 * LAST, -LAST), slice(-LAST, None)
        return any(
            part[after].mean() > RISING * part[before].mean() > 0
            for part in (self.modes.astype("float64"), self.quality.astype("float64"))
        )

    @property
    def first_good(self) -> int | None:
        """The step of the first good look; None where there is none."""
        return (self.looks.index("good") + 1) * LOOK if "good" in self.looks else None

    @property
    def last_good(self) -> int | None:
        """The step of the last good look; None where there is none."""
        if "good" not in self.looks:
            return None
        return (len(self.looks) - self.looks[::-1].index("good")) * LOOK

    def read(self) -> Iterator[Reading]:
        for place, row in enumerate(self.readings):
            values = dict(zip(self.signals, map(float, row), strict=True))
            values["d_loss"] = (values["d_loss_real"] + values["d_loss_fake"]) / 2
            values["d_acc"] = (values["d_acc_real"] + values["d_acc_fake"]) / 2
            if self.program["objective"].startswith("wasserstein"):  # a critic has no threshold
                values = {k: v for k, v in values.items() if "acc" not in k}
            yield Reading((place + 1) * EVERY - 1, EVERY, values)

    def probe(self) -> Iterator[Probe]:
        for place, row in enumerate(self.probes):
            known = zip(self.numbers, map(float, row), strict=True)
            yield Probe((place + 1) * LOOK - 1, {n: v for n, v in known if not np.isnan(v)})

    def seen(self, apart: int = 1) -> Iterator[tuple[Reading, Probe | None]]:
        """Each reading, and the look that came after it, if one did.

        Args:
            apart: of the zoo's looks, each that was kept.
        """
        probes = self.probe()
        for reading in self.read():
            due = (reading.step + 1) % (LOOK * apart) == 0
            probe = next(probes, None) if due else None
            yield reading, None if probe is None else replace(probe, step=reading.step)


@functools.cache
def real_sample(data: str) -> RealSample:
    """A fixed sample of the data, prepared once."""
    return RealSample(DATA[data].draw(REAL, np.random.default_rng(0)))


@functools.cache
def load() -> list[Run]:
    """All runs that were made."""
    runs = []
    for path in sorted(RECORDS.glob("*.npz")):
        with np.load(path) as arrays:
            about = json.loads(str(arrays["about"]))
            columns = [
                arrays[name] for name in ("readings", "probes", "modes", "quality", "balance")
            ]
        names = (tuple(about["signals"]), tuple(about["numbers"]))
        for place, recipe in enumerate(about["recipes"]):
            own = (column[place] for column in columns)
            way = about.get("way", "together")
            runs.append(Run(about["program"], recipe, *names, *own, way=way))
    return runs


@functools.cache
def time_to_good() -> dict[str, int]:
    """By when healthy runs are good for the first time: data set to step, see `USUAL`."""
    firsts: dict[str, list[int]] = {}
    for run in load():
        if run.label == "healthy" and run.first_good is not None:
            firsts.setdefault(run.program["data"], []).append(run.first_good)
    return {name: int(np.quantile(steps, USUAL)) for name, steps in firsts.items()}


def onset(run: Run) -> int | None:
    """The step from which a failed run has failed, by the oracle; None for others.

    That of its last good look; where there is none, the step by which healthy runs on the same
    data are good: until then a run that will fail looks like one that will not.
    """
    if run.label != "failed":
        return None
    return run.last_good or time_to_good().get(run.program["data"], 0)
