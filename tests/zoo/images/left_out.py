"""What sample checks say of real images without one category, as a perfect G would miss it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from data import Images, load

from keras_collapse.core.samples.diversity import RealSample
from keras_collapse.core.samples.memorisation import share_above
from keras_collapse.training.probe.prober import DRAWN
from keras_collapse.training.probe.real_data import REAL

DATA = ("drawings16", "digits16", "photos16")
TIMES = 3
"""Draws without each of the categories."""

HEAD = """## Real images without one category

How much can be seen at all? Here the samples are real images that were held back, all categories
but one: what a perfect generator would draw that misses it. Each cell has the mean of
`missing_share`, the share of the data that truly is missing, and the AUC against real images of all
categories.
"""


def left_out(candidates: Mapping[str, Callable[..., Any] | None]) -> list[str]:
    """Return the lines of that part of the page; its table has a row for each description."""
    names = [f"`{name}`" for name in DATA]
    rows = [f"| description | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for title, describe in candidates.items():
        rows.append(f"| {title} | {' | '.join(_cell(load(name), describe) for name in DATA)} |")
    return [HEAD, *rows]


def _cell(data: Images, describe: Callable[..., Any] | None) -> str:
    known = data.images[:REAL]
    sample = RealSample(known, features=describe and describe(known, data))
    held_back, rng = np.arange(REAL, len(data.images)), np.random.default_rng(0)

    def found(drawn_from: np.ndarray) -> float:
        drawn = data.images[rng.choice(drawn_from, DRAWN, replace=False)]
        return float(sample.compare(drawn).missing_share or 0.0)

    kinds = [k for k in range(len(data.names)) for _ in range(TIMES)]
    without = np.array([found(held_back[data.labels[held_back] != kind]) for kind in kinds])
    with_all = np.array([found(held_back) for _ in kinds])
    area = share_above(without, with_all)
    return f"{without.mean():.2f} of {1 / len(data.names):.2f}, {area:.2f}"
