"""Measures the image zoo: what the monitor's sample checks and the oracle say of the kept samples.

KERAS_BACKEND=tensorflow python tests/zoo/images/record.py          # what is not measured yet
KERAS_BACKEND=tensorflow python tests/zoo/images/record.py --again  # checks anew, oracle as kept
KERAS_BACKEND=tensorflow python tests/zoo/images/record.py --judge  # both anew
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from data import load
from plan import plan
from trainings import RECORDS, SAMPLES, SIGNALS

from keras_collapse.core.samples.diversity import Diversity, RealSample
from keras_collapse.training.probe.prober import DRAWN, answers
from keras_collapse.training.probe.real_data import REAL

NUMBERS = (*(f.name for f in fields(Diversity)), "d_score_real", "d_score_fake", "separation",
           "d_acc_real", "d_acc_fake")  # fmt: skip
"""Of a check, as live."""
MIDDLE = {"least_squares": 0.5, "wasserstein_gp": None}
"""D's threshold; 0 for other objectives, None for scores that have none."""


@functools.cache
def real_sample(data: str, few: int) -> RealSample:
    """The data as the monitor knows it."""
    return RealSample(load(data).images[: few or None][:REAL])


def probes_of(about: Mapping[str, Any], kept: Mapping[str, np.ndarray], objective: str) -> Any:
    """The numbers (checks, numbers) of a run's sample checks; NaN where there is none."""
    real = real_sample(about["data"], about["fault"]["few"])
    rows = []
    for fakes, finite, scores in zip(kept["fakes"], kept["finite"], kept["scores"], strict=True):
        samples = fakes[:DRAWN].astype("float32") / 127.5 - 1
        samples[~finite[:DRAWN]] = np.nan
        found = real.compare(samples).to_dict()
        if np.isfinite(scores).all():
            found |= answers(*scores.astype("float64"), MIDDLE.get(objective, 0.0))
        rows.append([np.nan if found.get(n) is None else float(found[n]) for n in NUMBERS])
    return np.array(rows, "float32")


def judged_of(about: Mapping[str, Any], kept: Mapping[str, np.ndarray]) -> list[Any]:
    """What the oracle says of each check; None where too few samples are finite."""
    from judge import oracle

    judge = oracle(about["data"])
    rows: list[Any] = []
    for fakes, finite in zip(kept["fakes"], kept["finite"], strict=True):
        some = fakes[finite].astype("float32") / 127.5 - 1
        rows.append(asdict(judge.judge(some)) if len(some) >= DRAWN else None)
    return rows


def main(arguments: Sequence[str]) -> None:
    from gans import FAMILIES

    RECORDS.mkdir(exist_ok=True)
    for run in plan():
        source, path = SAMPLES / f"{run.name}.npz", RECORDS / f"{run.name}.npz"
        if not source.exists() or (path.exists() and not arguments):
            continue
        with np.load(source) as file:
            kept = {name: file[name] for name in file.files}
        about = json.loads(str(kept.pop("about")))
        objective = about["fault"]["objective"] or FAMILIES[run.family].objective
        judged = None
        if path.exists() and "--judge" not in arguments:
            with np.load(path) as file:
                judged = json.loads(str(file["judged"]))
        judged = judged or judged_of(about, kept)
        labels = load(run.data).labels
        about |= {"signals": SIGNALS, "numbers": NUMBERS, "objective": objective,
                  "shares": (np.bincount(labels) / len(labels)).tolist()}  # fmt: skip
        part = path.with_suffix(".part")
        with part.open("wb") as out:
            np.savez_compressed(
                out,
                about=np.array(json.dumps(about)),
                judged=np.array(json.dumps(judged)),
                readings=kept["readings"].astype("float32"),
                probes=probes_of(about, kept, objective),
                first_bad=kept["first_bad"],
            )
        part.replace(path)


if __name__ == "__main__":
    main(sys.argv[1:])
