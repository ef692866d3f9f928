"""Plans: which trials to run. The guide's two, and plans that a person writes as YAML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keras_collapse.core.errors import InputError
from keras_collapse.reproducibility.seeded_process import LARGEST_SEED

Value = bool | int | float | str
"""A parameter's value."""


class Trial(BaseModel):
    """One training of a plan.

    Args:
        seed: of everything, in [0, 2**32 - 1].
        batch_size: samples in a training step.
        repeat: 0, 1, … tells trials apart that are the same on purpose.
        params: handed to the experiment as ``trial.params``.
        changes: made to the GAN as its fit begins, by name; see `training.changes`.
        purpose: what it is for, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, le=LARGEST_SEED)
    batch_size: int = Field(ge=1)
    repeat: int = Field(default=0, ge=0)
    params: dict[str, Value] = Field(default_factory=dict)
    changes: dict[str, Value] = Field(default_factory=dict)
    purpose: str = ""

    @property
    def key(self) -> str:
        """Its configuration in one line: equal for equal trials, whatever they are for."""
        return json.dumps(self.model_dump(exclude={"purpose"}), sort_keys=True)

    @property
    def name(self) -> str:
        """Its configuration in words."""
        words = [f"seed {self.seed}", f"batch {self.batch_size}"]
        words += [f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}"
                  for k, v in self.changes.items()]  # fmt: skip
        return ", ".join([*words, *([f"repeat {self.repeat + 1}"] if self.repeat else [])])


class Plan(BaseModel):
    """The trials to run, all of the same length.

    Args:
        name: of the plan.
        trials: in the order in which they begin.
        steps: training steps of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    steps: int = Field(default=1500, ge=1)
    trials: tuple[Trial, ...] = Field(min_length=1)

    @property
    def target(self) -> int:
        """The batch size that is wanted: the largest."""
        return max(trial.batch_size for trial in self.trials)

    @property
    def smallest(self) -> int:
        """The smallest batch size."""
        return min(trial.batch_size for trial in self.trials)


@dataclass(frozen=True)
class Numbers:
    """What the guide's plans leave open; the defaults are the guide's.

    Args:
        seed: of the first trials.
        other_seeds: what Plan B tries beside it.
        batch_sizes: of Plan B, ascending; the largest is the one that is wanted.
        repeats: of Plan A.
        steps: training steps of each trial.
    """

    seed: int = 42
    other_seeds: tuple[int, ...] = (123, 456)
    batch_sizes: tuple[int, ...] = (256, 512, 1024)
    repeats: int = 3
    steps: int = 1500


PRESETS = {
    "full": Numbers(),
    # A sixteenth of the guide's batches, and as many steps as the examples' small GAN needs.
    "small": Numbers(batch_sizes=(16, 32, 64), steps=400),
}
NAMES = ("plan-a", "plan-b", "full")


def plan_a(numbers: Numbers, params: Mapping[str, Value]) -> Plan:
    """Is it reproducible? One seed and batch size, several times."""
    target = numbers.batch_sizes[-1]
    said = ["record the result", *["should match the first exactly"] * (numbers.repeats - 1)]
    trials = [
        Trial(seed=numbers.seed, batch_size=target, repeat=place, params=dict(params), purpose=why)
        for place, why in enumerate(said[: numbers.repeats])
    ]
    return Plan(name="plan-a", steps=numbers.steps, trials=tuple(trials))


def plan_b(numbers: Numbers, params: Mapping[str, Value]) -> Plan:
    """Batch size or initialization? One seed at all batch sizes, the others at the largest."""
    target = numbers.batch_sizes[-1]
    cells = [(numbers.seed, size) for size in numbers.batch_sizes]
    cells += [(seed, target) for seed in numbers.other_seeds]
    purposes = ["known stable", *["mid-range"] * (len(numbers.batch_sizes) - 2), "target"]
    purposes += ["another seed"] * len(numbers.other_seeds)
    trials = [
        Trial(seed=seed, batch_size=size, params=dict(params), purpose=why)
        for (seed, size), why in zip(cells, purposes, strict=True)
    ]
    return Plan(name="plan-b", steps=numbers.steps, trials=tuple(trials))


def load(name: str, numbers: Numbers, params: Mapping[str, Value]) -> Plan:
    """The plan of that name, or in that YAML file.

    Raises:
        InputError: no such plan, or one that is broken or repeats a trial.
    """
    if name not in NAMES:
        return _from_file(Path(name), params)
    try:
        if name == "plan-a":
            return checked(plan_a(numbers, params))
        if name == "plan-b":
            return checked(plan_b(numbers, params))
        trials = (*plan_a(numbers, params).trials, *plan_b(numbers, params).trials)
        return Plan(name="full", steps=numbers.steps, trials=without_doubles(trials))
    except ValidationError as error:
        raise _impossible(name, error) from None


def without_doubles(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Each configuration once, in order: Plan A's first run is Plan B's third."""
    found: dict[str, Trial] = {}
    for trial in trials:
        found.setdefault(trial.key, trial)
    return tuple(found.values())


def checked(plan: Plan) -> Plan:
    """The plan, if no trial stands in it twice.

    Raises:
        InputError: one does.
    """
    seen: set[str] = set()
    for trial in plan.trials:
        if trial.key in seen:
            raise InputError(
                f"the plan repeats a trial: {trial.name}. Give each repeat its number "
                "(repeat: 1, 2, …), or leave it out."
            )
        seen.add(trial.key)
    return plan


def _impossible(name: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return InputError(
        f"the plan {name!r} is impossible at {where}: {first['msg']}. Received: {first['input']!r}."
    )


def _from_file(path: Path, params: Mapping[str, Value]) -> Plan:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"no such plan: {str(path)!r}. Give one of {', '.join(NAMES)}, or a YAML file."
        ) from None
    try:
        raw = yaml.safe_load(text)
        if not isinstance(raw, dict):
            raise InputError(f"{str(path)!r} is no plan: it needs name, steps and trials.")
        plan = Plan(**{"name": path.stem, **raw})
    except yaml.YAMLError as error:
        raise InputError(f"{str(path)!r} is no YAML ({' '.join(str(error).split())}).") from None
    except ValidationError as error:
        raise _impossible(str(path), error) from None
    given = [t.model_copy(update={"params": {**t.params, **params}}) for t in plan.trials]
    return checked(plan.model_copy(update={"trials": tuple(given)}))


def identity(trial: Trial, steps: int, surroundings: Mapping[str, Any]) -> str:
    """A hash of all that a trial's result depends on.

    Args:
        trial: its configuration.
        steps: how long it is.
        surroundings: the code's hash, the versions, the backend: each a plain value.
    """
    text = json.dumps([trial.key, steps, dict(surroundings)], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
