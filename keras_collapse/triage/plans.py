"""Plans: which trials to run. Two are from the GAN Training Triage Guide; others are YAML files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keras_collapse.core.atomic_files import open_regular
from keras_collapse.core.errors import InputError
from keras_collapse.reproducibility.seeded_process import LARGEST_SEED
from keras_collapse.triage.options import PLANS, PlanSettings, Value

MOST_BYTES, MOST_VALUES = 1_000_000, 100_000
"""Bytes, and values, of the largest plan file that is read."""


class TrialConfig(BaseModel):
    """The configuration of one training.

    Args:
        seed: seed of all random generators, in [0, 2**32 - 1].
        batch_size: samples per training step.
        repeat: 0, 1, …; distinguishes trials that repeat the same configuration.
        params: passed to the experiment as ``trial.params``.
        changes: changes made to the GAN when its fit begins; see ``trial.interventions``.
        purpose: why the trial is run, in words.
        altered: the parameters that differ from those of the plan; they are part of the name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, le=LARGEST_SEED)
    batch_size: int = Field(ge=1)
    repeat: int = Field(default=0, ge=0)
    params: dict[str, Value] = Field(default_factory=dict)
    changes: dict[str, Value] = Field(default_factory=dict)
    purpose: str = ""
    altered: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The configuration in one line; trials that differ only in purpose share it."""
        return json.dumps(self.model_dump(exclude={"purpose", "altered"}), sort_keys=True)

    @property
    def name(self) -> str:
        """A short description, such as ``seed 42, batch 64, repeat 2``."""
        words = [f"seed {self.seed}", f"batch {self.batch_size}"]
        altered = {name: self.params[name] for name in self.altered if name in self.params}
        words += [f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}"
                  for k, v in (self.changes | altered).items()]  # fmt: skip
        return ", ".join([*words, *([f"repeat {self.repeat + 1}"] if self.repeat else [])])


class Plan(BaseModel):
    """The trials to run, all of the same length.

    Args:
        name: name of the plan.
        trials: in the order in which they start.
        steps: training steps per trial.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    steps: int = Field(default=1500, ge=1)
    trials: tuple[TrialConfig, ...] = Field(min_length=1)

    @property
    def target(self) -> int:
        """The target batch size: the largest of the plan."""
        return max(trial.batch_size for trial in self.trials)

    @property
    def smallest(self) -> int:
        """The smallest batch size of the plan."""
        return min(trial.batch_size for trial in self.trials)


def plan_a(settings: PlanSettings, params: Mapping[str, Value]) -> Plan:
    """Return Plan A, which tests reproducibility: one configuration, repeated."""
    target = settings.batch_sizes[-1]
    purposes = ["reference", *["should match the first exactly"] * (settings.repeats - 1)]
    trials = [
        TrialConfig(
            seed=settings.seed, batch_size=target, repeat=repeat, params=dict(params), purpose=why
        )
        for repeat, why in enumerate(purposes[: settings.repeats])
    ]
    return Plan(name="plan-a", steps=settings.steps, trials=tuple(trials))


def plan_b(settings: PlanSettings, params: Mapping[str, Value]) -> Plan:
    """Return Plan B, which separates batch size from initialization.

    One seed at all batch sizes, the other seeds at the largest.
    """
    target = settings.batch_sizes[-1]
    cells = [(settings.seed, size) for size in settings.batch_sizes]
    cells += [(seed, target) for seed in settings.other_seeds]
    between = len(settings.batch_sizes) - 2
    purposes = ["smallest batch size", *["medium batch size"] * between, "target batch size"]
    purposes += ["another seed"] * len(settings.other_seeds)
    trials = [
        TrialConfig(seed=seed, batch_size=size, params=dict(params), purpose=why)
        for (seed, size), why in zip(cells, purposes[-len(cells) :], strict=True)
    ]
    return Plan(name="plan-b", steps=settings.steps, trials=tuple(trials))


def load(name: str, settings: PlanSettings, params: Mapping[str, Value]) -> Plan:
    """Return the plan of that name, or the one in that YAML file.

    Raises:
        InputError: there is no such plan, it is invalid, or it repeats a trial.
    """
    if name not in PLANS:
        return _from_file(Path(name), params)
    try:
        if name == "plan-a":
            return require_distinct(plan_a(settings, params))
        if name == "plan-b":
            return require_distinct(plan_b(settings, params))
        trials = (*plan_a(settings, params).trials, *plan_b(settings, params).trials)
        return Plan(name="full", steps=settings.steps, trials=distinct(trials))
    except ValidationError as error:
        raise _invalid(name, error) from None


def distinct(trials: Sequence[TrialConfig]) -> tuple[TrialConfig, ...]:
    """Return each configuration once, in order: Plan A's first trial is also Plan B's target."""
    found: dict[str, TrialConfig] = {}
    for trial in trials:
        found.setdefault(trial.key, trial)
    return tuple(found.values())


def require_distinct(plan: Plan) -> Plan:
    """Return the plan unchanged.

    Raises:
        InputError: two of its trials have the same configuration.
    """
    seen: set[str] = set()
    for trial in plan.trials:
        if trial.key in seen:
            raise InputError(
                f"the plan repeats a trial: {trial.name}. Number the repeats "
                "(repeat: 1, 2, …), or remove the duplicate."
            )
        seen.add(trial.key)
    return plan


def _invalid(name: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return InputError(
        f"the plan {name!r} is invalid at {where}: {first['msg']}. Received: {first['input']!r}."
    )


def _from_file(path: Path, params: Mapping[str, Value]) -> Plan:
    try:
        with open_regular(path) as file:
            encoded = file.read(MOST_BYTES + 1)
        if len(encoded) > MOST_BYTES:
            raise InputError(f"{str(path)!r} has more than {MOST_BYTES:,} bytes: this is no plan.")
        text = encoded.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"no such plan: {str(path)!r}. Give one of {', '.join(PLANS)}, or a YAML file."
        ) from None
    try:
        raw = _plain(text, path)
        if not isinstance(raw, dict):
            raise InputError(f"{str(path)!r} is not a plan: it needs steps and trials.")
        plan = Plan(**{"name": path.stem, **raw})
    except (yaml.YAMLError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise InputError(f"{str(path)!r} is not valid YAML ({words}).") from None
    except ValidationError as error:
        raise _invalid(str(path), error) from None
    trials = [t.model_copy(update={"params": {**t.params, **params}}) for t in plan.trials]
    return require_distinct(plan.model_copy(update={"trials": tuple(trials)}))


def _plain(text: str, path: Path) -> Any:
    """Return what a YAML text holds.

    Raises:
        InputError: its aliases repeat so much that it has more than `MOST_VALUES`.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values_in(node, {}) > MOST_VALUES:
            raise InputError(
                f"{str(path)!r} has more than {MOST_VALUES:,} values, once its aliases are "
                "replaced by what they stand for: this is no plan."
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _values_in(node: yaml.Node, known: dict[int, float]) -> float:
    """Count the values of a node; those of one that contains itself are infinitely many."""
    if id(node) not in known:
        known[id(node)] = inf
        inside = node.value if isinstance(node, yaml.CollectionNode) else []
        children = [child for one in inside for child in (one if isinstance(one, tuple) else [one])]
        known[id(node)] = 1 + sum(_values_in(child, known) for child in children)
    return known[id(node)]


def trial_id(trial: TrialConfig, steps: int, provenance: Mapping[str, Any]) -> str:
    """Return a hash of everything that a trial's result depends on.

    Args:
        trial: its configuration.
        steps: its training steps.
        provenance: the code's hash, package versions and backend, as plain values.
    """
    text = json.dumps([trial.key, steps, dict(provenance)], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
