"""Two runs held against each other: identical to the bit, or what differs first, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import Fingerprint, FitStarted, StepLogs

ROUNDING = 1e-4
"""Relative difference of two readings up to which it is the size of float32 operations in another
order (2^-23, grown over a network's sums); other data or other random draws differ by more."""
IGNORED = ("run_dir", "epochs", "initial_epoch", "model", "summary", "data.digest")
"""Facts that differ without any effect on a step (automatic names count up within a process), and
the data's digest: which step's data differ first is told by the hashes of batches."""
_RESUMED = {
    "initial weights": "the resumed run began from other weights than the first run had there",
    "data": "the resumed run began with the data, or the random generators, where a new run begins",
    "readings": "the resumed run began without the state of its optimizers, or with random "
    "generators where a new run begins",
}
"""What is likeliest where a run that was resumed differs in its first steps."""
_DATA = {"batch": "data", "real": "real samples", "latents": "latents"}
"""What of a step's data is hashed, in words."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs have in common.

    Args:
        identical: True, False, or None where the journals cannot tell.
        first_step: the first training step that differs; None where none does or none is known.
        first: the first thing that differs: ``initial weights``, ``data``, ``readings``,
            ``weights`` or ``length``; empty where none does.
        message: that in words.
        source: the likeliest cause, in words.
        settings: facts that differ, name to the two values.
        steps: how many training steps were compared.
    """

    identical: bool | None
    first_step: int | None = None
    first: str = ""
    message: str = ""
    source: str = ""
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    steps: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As ``compare --json`` prints it."""
        return {
            "schema": 1,
            "identical": self.identical,
            "first_step": self.first_step,
            "first": self.first,
            "message": self.message,
            "source": self.source,
            "settings": {name: list(pair) for name, pair in self.settings.items()},
            "steps": self.steps,
        }


@dataclass(slots=True)
class _Run:
    """What of a journal is compared."""

    facts: dict[str, Any] = field(default_factory=dict)
    logs: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    # Step to name and hash of what of its data was within reach.
    data: dict[int, Mapping[str, str]] = field(default_factory=dict)
    # Step to (path, digest) of each variable after it; -1 where a run begins.
    weights: dict[int, list[tuple[str, str]]] = field(default_factory=dict)


def compare(run_a: str | Path, run_b: str | Path) -> Comparison:
    """Say whether two runs were the same, to the bit, and if not where they part.

    A run that was resumed, and so begins later, is compared from its beginning on.

    Args:
        run_a, run_b: run folders or their journals.

    Raises:
        InputError: a journal is missing, broken, of another schema, or without any step.
    """
    a, b = _read(run_a), _read(run_b)
    settings = {
        name: (a.facts.get(name), b.facts.get(name))
        for name in sorted(a.facts.keys() | b.facts.keys())
        if name not in IGNORED and a.facts.get(name) != b.facts.get(name)
    }
    common = sorted(a.logs.keys() & b.logs.keys())
    if not common:
        raise InputError(
            "the two runs have no training step in common. "
            f"Received: {len(a.logs)} steps and {len(b.logs)} steps."
        )
    for step, kind, differing in _differences(a, b, common):
        # A run resumed without its optimizers' state still begins its first step as the other.
        resumed = min(a.logs) != min(b.logs) and step in common[:2]
        message, source = _words(kind, step, differing, resumed)
        return Comparison(False, step, kind, message, _blame(source, settings), settings,
                          len(common))  # fmt: skip
    if max(a.logs) != max(b.logs):
        last = common[-1]
        return Comparison(
            False,
            last + 1,
            "length",
            f"Identical up to step {last}, where the shorter run ends.",
            "one run was stopped, or was asked for fewer epochs",
            settings,
            len(common),
        )
    shared = [step for step in a.weights.keys() & b.weights.keys() if step >= common[0]]
    if not shared:
        return Comparison(
            None,
            message=f"All readings of {len(common)} steps are identical; no weights were "
            "fingerprinted in both runs, so whether these are cannot be told.",
            source="let both runs end an epoch with a model whose networks are found",
            settings=settings,
            steps=len(common),
        )
    return Comparison(
        True,
        message=f"Identical to the bit: readings of {len(common)} steps, weights at "
        f"{len(shared)} of them.",
        settings=settings,
        steps=len(common),
    )


def _read(source: str | Path) -> _Run:
    run = _Run()
    for record in read_journal(source):
        match record:
            case FitStarted() if not run.facts:
                run.facts = _flat(record.facts)
            case StepLogs():
                # As written, in words: a NaN in both runs is no difference.
                run.logs[record.step] = {k: f"{v:.9g}" for k, v in record.logs.items()}
                run.data[record.step] = dict(record.data or {})
            case Fingerprint():
                run.weights[record.step] = [(path, digest) for path, digest in record.weights]
    if not run.logs:
        raise InputError(f"the journal in {str(source)!r} holds no step yet. Look again later.")
    return run


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    seeding = facts.get("seeding") or {}
    plain = {name: value for name, value in facts.items() if name != "seeding"}
    return plain | {f"seeding.{name}": value for name, value in seeding.items()}


def _differences(a: _Run, b: _Run, common: Sequence[int]) -> Iterator[tuple[int, str, Any]]:
    """(step, kind, what differs), earliest first; weights after a step come after its reading."""
    begin = common[0] - 1
    found = _differing_weights(a, b, begin)
    if found:
        yield common[0], "initial weights", found
    for step in common:
        ours, theirs = a.data[step], b.data[step]
        other = [name for name in ours if ours[name] != theirs.get(name, ours[name])]
        if other:
            yield step, "data", other
        if a.logs[step] != b.logs[step]:
            seen = bool(ours) and bool(theirs)
            yield step, "readings", (a.logs[step], b.logs[step], seen, step == common[0])
        changed = _differing_weights(a, b, step)
        if changed:
            yield step, "weights", changed


def _differing_weights(a: _Run, b: _Run, step: int) -> tuple[list[str], int] | None:
    """Paths that differ, and of how many, where both runs were fingerprinted."""
    if step not in a.weights or step not in b.weights:
        return None
    ours, theirs = a.weights[step], b.weights[step]
    if len(ours) != len(theirs):
        return [f"{len(ours)} variables and {len(theirs)}"], max(len(ours), len(theirs))
    paths = [p for (p, mine), (_, other) in zip(ours, theirs, strict=True) if mine != other]
    return (paths, len(ours)) if paths else None


def _words(kind: str, step: int, differing: Any, resumed: bool) -> tuple[str, str]:
    """What differs, and the likeliest source.

    Args:
        kind: `Comparison.first`.
        step: the training step.
        differing: what `_differences` says of it.
        resumed: whether one of the runs was resumed there.
    """
    words: Mapping[str, Callable[[int, Any], tuple[str, str]]] = {
        "initial weights": _of_start,
        "weights": _of_weights,
        "data": _of_data,
        "readings": _of_readings,
    }
    message, source = words[kind](step, differing)
    generators = kind == "initial weights" and _only_generators(differing)
    return message, _RESUMED.get(kind, source) if resumed and not generators else source


def _only_generators(differing: tuple[list[str], int]) -> bool:
    return all("seed_generator" in path for path in differing[0])


def _of_start(step: int, differing: tuple[list[str], int]) -> tuple[str, str]:
    paths, count = differing
    if _only_generators(differing):
        return (
            f"The states of random generators differ before step {step}: {_list(paths)}.",
            "another seed, or draws before the training; in a resumed run, generators that "
            "began anew",
        )
    message = f"The weights differ before step {step}: {_list(paths)} ({len(paths)} of {count})."
    if len(paths) <= max(count // 4, 1):
        return message, f"an unseeded initializer, or changed weights, in {paths[0]}"
    return message, "the model was built with another seed, or before seed_everything was called"


def _of_weights(step: int, differing: tuple[list[str], int]) -> tuple[str, str]:
    paths, count = differing
    return (
        f"All readings agree, yet after step {step} weights differ: {_list(paths)} "
        f"({len(paths)} of {count}).",
        "something outside of the logged step changes weights, or operations run in another "
        "order by less than the readings show",
    )


def _of_data(step: int, differing: list[str]) -> tuple[str, str]:
    what = " and ".join(_DATA[name] for name in differing)
    if differing == ["latents"]:
        source = "latents drawn from a generator that is not seeded"
    elif "latents" in differing:
        source = "data and latents drawn from generators that are not seeded"
    else:
        source = "data shuffled or augmented without this seed, or other data"
    return f"The {what} of step {step} differ; until then all is identical.", source


def _of_readings(step: int, differing: Any) -> tuple[str, str]:
    ours, theirs, data_seen, begins = differing
    names = [n for n in sorted(ours.keys() | theirs.keys()) if ours.get(n) != theirs.get(n)]
    name = names[0]
    message = f"The readings differ first at step {step}: {name} {ours.get(name)} and "
    message += f"{theirs.get(name)}."
    if ours.keys() != theirs.keys():
        return message, "the two programs log different numbers"
    if max(_relative(ours[n], theirs[n]) for n in names) <= ROUNDING:
        return message, (
            "operations that add in another order from run to run (nondeterministic operations, "
            "another thread count or device)"
        )
    if data_seen:
        return f"{message} Its data are identical.", (
            "a random draw inside of the step (latents, noise or dropout from a generator that is "
            "not seeded), or weights changed from outside of it"
        )
    if begins:
        return message, (
            "the first batch or its random draws: data shuffled or augmented without this seed, "
            "or latents and dropout drawn from an unseeded generator"
        )
    return message, (
        "the data or random draws of this step: the order of the data, an augmentation, or a "
        "generator that is not seeded"
    )


def _relative(a: Any, b: Any) -> float:
    ours, theirs = float(a), float(b)
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return math.inf
    return abs(ours - theirs) / max(abs(ours), abs(theirs), 1e-3)


def _blame(source: str, settings: Mapping[str, tuple[Any, Any]]) -> str:
    """Settings that differ are likelier than anything that is not set."""
    if not settings:
        return source
    named = [f"{name} ({a} and {b})" for name, (a, b) in settings.items()]
    return f"settings that differ: {_list(named)}"


def _list(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
