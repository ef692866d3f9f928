"""The runs of the image zoo: which data, family, width, rates and fault each has."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from data import kind_and_side
from gans import FAMILIES, Fault

STEPS, LOOK, EVERY = 1600, 80, 20
"""Steps of a run, between checks of its samples, and that a reading stands for."""
LATE = 640
"""Step at which late faults set in."""


@dataclass(frozen=True)
class Plan:
    """One run.

    Args:
        number: its place in the plan, also its seed.
        data, family: by name.
        width: see `gans.filters_of`.
        rates: learning rates of D and G.
        batch: images in a batch.
        fault: what is wrong with it.
    """

    number: int
    data: str
    family: str
    width: int
    rates: tuple[float, float]
    batch: int
    fault: Fault

    @property
    def name(self) -> str:
        return f"{self.number:03d}-{self.data}-{self.family}-{self.fault.name}"

    @property
    def held_out(self) -> bool:
        """Whether its data set, family or cause was not used to choose anything."""
        return (
            self.data in HELD_DATA or self.family in HELD_FAMILIES or self.fault.name in HELD_CAUSES
        )


LARGER = (
    ("photos32", "batch_norm"),
    ("petals64", "batch_norm"),
    ("petals32", "spectral_hinge"),
    ("landscapes64", "residual"),
    ("landscapes32", "least_squares"),
    ("scenery64", "batch_norm"),
    ("scenery32", "keras_docs"),
)
"""Data set and family of larger images; all are held out."""
HELD_DATA = ("petals16", "uneven16", "photos16", "cats16", "fewdigits28",
             *sorted({data for data, _ in LARGER}))  # fmt: skip
HELD_FAMILIES = ("residual", "wgan_gp", "norm_both", "kernel5")
HELD_CAUSES = ("d_too_fast", "dropped_half", "range", "frozen_g", "late_leak", "dropout", "few")

PROGRAMS = (
    # For choosing thresholds.
    ("digits16", "batch_norm"),
    ("drawings16", "keras_docs"),
    ("landscapes16", "batch_norm"),
    ("scenery16", "least_squares"),
    ("drawings16", "spectral_hinge"),
    ("digits16", "conditional"),
    ("landscapes16", "conditional"),
    ("scenery16", "batch_norm"),
    ("drawings16", "batch_norm"),
    ("digits16", "least_squares"),
    ("scenery16", "spectral_hinge"),
    ("landscapes16", "least_squares"),
    # Held out: five data sets and four families that are nowhere above.
    ("petals16", "batch_norm"),
    ("uneven16", "batch_norm"),
    ("drawings16", "residual"),
    ("photos16", "batch_norm"),
    ("cats16", "least_squares"),
    ("digits16", "wgan_gp"),
    ("petals16", "conditional"),
    ("landscapes16", "norm_both"),
    ("scenery16", "kernel5"),
    ("uneven16", "residual"),
    ("photos16", "least_squares"),
    ("petals16", "kernel5"),
    ("cats16", "batch_norm"),
    ("scenery16", "residual"),
    ("petals16", "residual"),
    ("fewdigits28", "batch_norm"),
)
"""Data set and family."""

SOUND = ((1e-3, 1e-3), (2e-3, 1e-3), (1e-3, 5e-4), (5e-4, 5e-4), (2e-3, 2e-3), (1e-3, 2e-3))
"""Rates of D and G of runs without a fault."""
FAULTS = (
    Fault("dropped"),
    Fault("leak", leak=1.0),
    Fault("g_too_fast", g_rate=20.0),
    Fault("frozen_d", d_rate=0.0),
    Fault("slowly_dropped", since=LATE - 240, until=LATE + 160),
    Fault("frozen_g", g_rate=0.0),
    Fault("dropped_half"),
    Fault("late_leak", since=LATE, leak=1.0),
    Fault("dropped"),
    Fault("small_latent", latent=1),
    Fault("slowly_dropped", since=LATE - 240, until=LATE + 160),
    Fault("d_too_slow", d_rate=0.005),
    Fault("range", scale=0.3),
    Fault("late_g_too_fast", since=LATE, g_rate=20.0),
    Fault("label_noise", label_noise=0.48),
    Fault("d_too_fast", d_rate=20.0, g_rate=0.1),
    Fault("g_too_slow", g_rate=0.003),
    Fault("saturating", objective="saturating", d_rate=4.0),
    Fault("noise", noise=1.5),
    Fault("nan_rate", d_rate=1e6, g_rate=1e6, since=LATE),
    Fault("dropout", dropout=0.9),
    Fault("few", few=256),
)
CATEGORIES = {"digits": 10, "fewdigits": 5, "landscapes": 5, "photos": 6, "scenery": 2, "cats": 1}
"""Of data sets that have not four."""
ROUNDS = 15
"""Runs of each program: two of five are sound."""
SOUND_ROUNDS = 2
"""Further runs of each program, all sound."""
LAST_SOUND_ROUNDS = 2
"""As many again, behind the larger images, since a run keeps its number."""
LARGER_ROUNDS = 4
"""Runs of each program of larger images: every other one is sound."""
WIDTHS = (24, 32, 20)
WIDTH_BY_SIDE = {28: 16, 32: 20, 64: 16}


def plan() -> list[Plan]:
    """All runs, in an order in which any beginning of the list is a fair part of the whole."""
    runs: list[Plan] = []
    faults = {PROGRAMS: itertools.cycle(FAULTS), LARGER: itertools.cycle(FAULTS)}
    rounds = [(PROGRAMS, turn, turn % 5 in (0, 2)) for turn in range(ROUNDS)]
    rounds += [(PROGRAMS, ROUNDS + turn, True) for turn in range(SOUND_ROUNDS)]
    rounds += [(LARGER, turn, turn % 2 == 0) for turn in range(LARGER_ROUNDS)]
    sound_so_far = ROUNDS + SOUND_ROUNDS
    rounds += [(PROGRAMS, sound_so_far + turn, True) for turn in range(LAST_SOUND_ROUNDS)]
    for programs, turn, sound in rounds:
        for data, family in programs:
            number = len(runs)
            width = WIDTH_BY_SIDE.get(kind_and_side(data)[1], WIDTHS[number % 3])
            one = Plan(number, data, family, width, SOUND[turn % 6], 32, Fault())
            if not sound:
                chosen = _possible(next(faults[programs]), data, family, number)
                one = replace(one, rates=SOUND[0], fault=chosen)
            runs.append(one)
    return runs


def _possible(fault: Fault, data: str, family: str, number: int) -> Fault:
    """The fault, or another one where data and family do not allow it."""
    categories = CATEGORIES.get(kind_and_side(data)[0], 4)
    if "dropped" in fault.name:
        if categories < 4:
            return FAULTS[2] if fault.since else FAULTS[1]
        first, count = number % categories, 1
        if fault.name == "dropped_half":
            count = categories // 2
        return replace(fault, dropped=tuple((first + k) % categories for k in range(count)))
    if fault.name == "saturating" and FAMILIES[family].objective != "bce":
        return FAULTS[2]
    if fault.name == "small_latent" and FAMILIES[family].conditional:
        return replace(FAULTS[1], leak=2.0)
    return fault
