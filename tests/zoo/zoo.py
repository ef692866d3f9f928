"""The zoo's records as runs: readings and samples over time, and what the oracle says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from toys import TOYS

from keras_collapse.core.diversity import RealSample
from keras_collapse.core.probes import Probe
from keras_collapse.core.readings import Reading

RECORDS = Path(__file__).parent / "records"
EVERY = 5
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
HELD_OUT = {"toy": {"uneven"}, "network": {"norm64", "tanh64"},
            "objective": {"hinge", "wasserstein_clip"}}  # fmt: skip
"""Whole data sets, architectures and objectives on which no threshold was chosen."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the zoo.

    Args:
        program, recipe: what was trained, and how; ``recipe["cause"]`` is what was injected.
        readings: float32 (n, 6), means over 5 steps each.
        fakes: (looks, 128, 2), one look every 100 steps.
        scores: (looks, 2), D's share of "real" on real samples and on fakes.
        modes, quality: (looks,), the oracle's count over 2500 samples.
    """

    program: dict[str, Any]
    recipe: dict[str, Any]
    signals: tuple[str, ...]
    readings: np.ndarray
    fakes: np.ndarray
    scores: np.ndarray
    modes: np.ndarray
    quality: np.ndarray

    @property
    def held_out(self) -> bool:
        return any(self.program[name] in values for name, values in HELD_OUT.items())

    @cached_property
    def looks(self) -> list[str]:
        """Each look: "good", "bad" or "between", by the oracle."""
        share = self.modes / len(TOYS[self.program["toy"]].centres)
        good = (share >= GOOD_MODES) & (self.quality >= GOOD_QUALITY)
        bad = (share < BAD_MODES) | (self.quality < BAD_QUALITY)
        return ["good" if g else "bad" if b else "between" for g, b in zip(good, bad, strict=True)]

    @property
    def label(self) -> str:
        """Healthy if most of the last looks are good and none is bad; failed if most are bad."""
        last = self.looks[-LAST:]
        if "bad" not in last and last.count("good") > LAST // 2:
            return "healthy"
        return "failed" if last.count("bad") > LAST // 2 else "between"

    @property
    def onset(self) -> int | None:
        """The step from which no look is good any more, of a run that failed."""
        if self.label != "failed":
            return None
        good = [i for i, look in enumerate(self.looks) if look == "good"]
        return (good[-1] + 1) * LOOK if good else 0

    def read(self) -> Iterator[Reading]:
        for place, row in enumerate(self.readings):
            values = dict(zip(self.signals, map(float, row), strict=True))
            values["d_loss"] = (values["d_loss_real"] + values["d_loss_fake"]) / 2
            values["d_acc"] = (values["d_acc_real"] + values["d_acc_fake"]) / 2
            if self.program["objective"].startswith("wasserstein"):  # a critic has no threshold
                values = {k: v for k, v in values.items() if "acc" not in k}
            yield Reading((place + 1) * EVERY - 1, EVERY, values)

    def probe(self) -> Iterator[Probe]:
        sample = real_sample(self.program["toy"])
        for place, fakes in enumerate(self.fakes):
            values = sample.compare(fakes.astype("float64")).to_dict()
            yield Probe(
                (place + 1) * LOOK - 1, {k: float(v) for k, v in values.items() if v is not None}
            )


_samples: dict[str, RealSample] = {}


def real_sample(toy: str) -> RealSample:
    """A fixed sample of the data, prepared once."""
    if toy not in _samples:
        _samples[toy] = RealSample(TOYS[toy].draw(REAL, np.random.default_rng(0)))
    return _samples[toy]


def load() -> list[Run]:
    """All runs that were made."""
    runs = []
    for path in sorted(RECORDS.glob("*.npz")):
        with np.load(path) as arrays:
            about = json.loads(str(arrays["about"]))
            names = ("readings", "fakes", "scores", "modes", "quality")
            columns = [arrays[name] for name in names]
        for place, recipe in enumerate(about["recipes"]):
            own = (column[place] for column in columns)
            runs.append(Run(about["program"], recipe, tuple(about["signals"]), *own))
    return runs
