"""The recorded runs of the image zoo, for benches: readings and probes in order, and labels."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from labels import KINDS, check_label, run_label
from plan import EVERY, LOOK, plan

from keras_collapse.core.detectors import Detector, ProbeDetector
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

RECORDS = Path(__file__).parent / "records"
COLOUR = ("landscapes", "petals", "photos", "scenery")
"""What the names of data sets with colours begin with."""
OTHER = ("least_squares", "hinge", "wasserstein_gp")
"""Objectives that are no cross-entropy."""
OF_LABEL = {"collapse": ("mode_collapse",), "missing": ("mode_collapse",),
            "garbage": ("stalled",)}  # fmt: skip
"""Kinds that name what is wrong with the samples, by the oracle's kind."""
OF_CAUSE = {
    "leak": ("discriminator_pinned",),
    "late_leak": ("discriminator_pinned",),
    "frozen_d": ("discriminator_fooled", "discriminator_pinned"),
    "d_too_slow": ("discriminator_fooled", "discriminator_pinned"),
    "label_noise": ("discriminator_fooled", "discriminator_pinned"),
    "noise": ("discriminator_fooled", "discriminator_pinned"),
    "g_too_fast": ("discriminator_fooled",),
    "late_g_too_fast": ("discriminator_fooled",),
    "frozen_g": ("discriminator_dominates", "stalled"),
    "g_too_slow": ("discriminator_dominates", "stalled"),
    "d_too_fast": ("discriminator_dominates", "stalled"),
    "range": ("discriminator_dominates", "stalled"),
    "nan_rate": ("divergence",),
}
"""Kinds that name its cause."""


@dataclass(frozen=True, eq=False)
class Run:
    """One recorded run."""

    about: dict[str, Any]
    judged: Sequence[dict[str, Any] | None]
    readings: np.ndarray
    probes: np.ndarray
    first_bad: int
    held_out: bool

    @property
    def shares(self) -> list[float]:
        return [1.0] if self.about["data"] == "cats16" else self.about["shares"]

    @property
    def dropped_share(self) -> float:
        """The share of the data that D is not shown, in the end."""
        return sum(self.shares[k] for k in self.about["fault"]["dropped"])

    @property
    def colour(self) -> bool:
        return bool(self.about["data"].startswith(COLOUR))

    @functools.cached_property
    def label(self) -> str:
        return "nan" if self.first_bad >= 0 else run_label(self.judged, self.shares)

    @functools.cached_property
    def checks(self) -> list[str]:
        return [check_label(row, self.shares) for row in self.judged]

    @property
    def right_kinds(self) -> tuple[str, ...]:
        """The kinds that name this failure correctly."""
        return OF_LABEL.get(self.label, ()) + OF_CAUSE.get(self.about["fault"]["name"], ())

    @property
    def objective(self) -> str:
        """As the first step of a monitored training shows it."""
        names = {
            "bce": "cross_entropy",
            "saturating": "cross_entropy",
            "wasserstein_gp": "wasserstein",
        }
        return names.get(self.about["objective"], self.about["objective"])

    @property
    def failed(self) -> bool:
        return self.label in KINDS

    def seen(self) -> Iterator[tuple[Reading, Probe | None]]:
        """Each reading, and the check that came after it, if one did."""
        for place, row in enumerate(self.readings):
            known = zip(self.about["signals"], map(float, row), strict=True)
            values = {n: v for n, v in known if not np.isnan(v) or n in ("d_loss", "g_loss")}
            step = (place + 1) * EVERY - 1
            probe = None
            if (step + 1) % LOOK == 0:
                numbers = zip(self.about["numbers"], map(float, self.probes[step // LOOK]),
                              strict=True)  # fmt: skip
                probe = Probe(step, {n: v for n, v in numbers if not np.isnan(v)})
            yield Reading(step, EVERY, values), probe

    def examine(
        self, detectors: Sequence[Detector | ProbeDetector] | None = None
    ) -> tuple[Finding | None, int | None, Verdict]:
        """Replay the run: the first failure, the step at which it was reported, the verdict."""
        examiner = Examiner(detectors)
        examiner.know_objective(self.objective)
        first, at = None, None
        for reading, probe in self.seen():
            changed = examiner.update(reading)
            changed += examiner.update_probe(probe) if probe else []
            failed = [f for f in changed if f.severity is Severity.FAILED and not f.resolved]
            if failed and first is None:
                first, at = failed[0], reading.step + 1
        return first, at, examiner.verdict()


@functools.cache
def load_runs() -> list[Run]:
    """All runs that are recorded, in the plan's order."""
    runs = []
    for one in plan():
        path = RECORDS / f"{one.name}.npz"
        if path.exists():
            with np.load(path) as file:
                about, judged = (json.loads(str(file[name])) for name in ("about", "judged"))
                runs.append(Run(about, judged, file["readings"], file["probes"],
                                int(file["first_bad"]), one.held_out))  # fmt: skip
    return runs


@functools.cache
def time_to_good() -> dict[str, int]:
    """By when half of the healthy runs were good for the first time: data set to step."""
    firsts: dict[str, list[int]] = {}
    for run in load_runs():
        if run.label == "healthy":
            firsts.setdefault(run.about["data"], []).append((run.checks.index("good") + 1) * LOOK)
    return {name: int(np.median(steps)) for name, steps in firsts.items()}


def onset(run: Run) -> int:
    """The step from which a failed run has failed, by the oracle.

    That of its last good check; of a run that never was good, the step by which healthy runs on the
    same data are (on any data, where there is none); of NaN, the step that first had it.
    """
    if run.label == "nan":
        return run.first_bad
    if "good" in run.checks:
        return (len(run.checks) - run.checks[::-1].index("good")) * LOOK
    known = time_to_good()
    return known.get(run.about["data"]) or int(np.median(list(known.values())))


__all__ = ["Run", "load_runs", "onset"]
