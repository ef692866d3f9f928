"""Seeding: set what can be set, verify what can only be verified, and report which is which."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.events import events_of
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.guard import guarded
from keras_collapse.reproducibility.determinism import (
    NONDETERMINISTIC,
    hash_seed,
    make_deterministic,
)
from keras_collapse.reproducibility.known_good import read_known_good

LARGEST_SEED = 2**32 - 1
"""NumPy's global generator takes no larger one."""


@dataclass(frozen=True, slots=True)
class SeedReport:
    """The sources of randomness, grouped by what could be done about them.

    Args:
        seed: the seed.
        enforced: sources that were seeded or made deterministic by the call.
        verified: sources found to be under control already.
        unknown: sources that cannot be controlled or checked; runs may differ because of them.
        findings: ``seeded_too_late`` and ``nondeterministic``, where they apply.
    """

    seed: int
    enforced: Sequence[str] = ()
    verified: Sequence[str] = ()
    unknown: Sequence[str] = ()
    findings: Sequence[Finding] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """The seed and the three groups, by name."""
        return {
            "seed": self.seed,
            "enforced": list(self.enforced),
            "verified": list(self.verified),
            "unknown": list(self.unknown),
        }

    def __str__(self) -> str:
        lists = (
            ("enforced", self.enforced),
            ("verified", self.verified),
            ("unknown", self.unknown),
        )
        lines = [f"  {name + ':':<10}{'; '.join(items) or 'nothing'}" for name, items in lists]
        return "\n".join([f"Seed {self.seed}", *lines])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show it in a notebook's cell as `print` does."""
        printer.text(str(self))


@dataclass(slots=True)
class _LastSeeding:
    seed: int | None = None
    # Weights that existed before, by identity, since variables compare elementwise.
    older: dict[int, weakref.ReferenceType[Any]] = field(default_factory=dict)


_last = _LastSeeding()


def seed_everything(seed: int) -> SeedReport:
    """Seed Python, NumPy, Keras and the backend, and make its operations deterministic.

    Call it before building: initial weights are drawn when layers are built.

    Args:
        seed: in [0, 2**32 - 1].

    Returns:
        What was enforced, what was verified, and what stays unknown.

    Raises:
        InputError: the seed is not a whole number in that range.

    >>> report = seed_everything(42)
    >>> "NumPy's global generator" in report.enforced
    True
    """
    _check(seed)
    enforced = _seed_generators(seed)
    operations = make_deterministic(seeded_too_late=False)
    _last.seed = seed
    _last.older = {id(o): weakref.ref(o) for o in gc.get_objects() if _is_variable(o)}
    verified, unknown = hash_seed()
    unknown += ["the order of data that you shuffle yourself", "random generators of your own"]
    return SeedReport(
        seed,
        enforced + operations.get("enforced", []),
        verified + operations.get("verified", []),
        unknown + operations.get("unknown", []),
    )


class SeedControl(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no type hints
    """Seeds a training from within the callbacks list, and reports what was seeded too late.

    At the first ``fit`` of a model it seeds all global generators, makes the backend's operations
    deterministic (not TensorFlow's: only `seed_everything` can, since TensorFlow would refuse
    pipelines that were built before a seed, as that of this ``fit``) and resets the state of every
    ``SeedGenerator`` in the model (dropout masks, latents). Existing weights can only be checked:
    they are reproducible if `seed_everything` with the same seed ran before the model was built.
    Later ``fit`` calls continue where the first one stopped.

    Args:
        seed: in [0, 2**32 - 1], or the path of a triage's ``known_good.toml``: its first seed.
        verbose: 1 prints the report, 0 is silent.

    Attributes:
        report: the `SeedReport`, once training has begun.

    Raises:
        InputError: the seed is not a whole number in that range, or the file names none.

    Example::

        kc.seed_everything(42)
        gan = build()
        gan.fit(data, callbacks=[kc.SeedControl(42), kc.CollapseMonitor()])
    """

    def __init__(self, seed: int | str | Path, verbose: int = 1) -> None:
        super().__init__()
        if isinstance(seed, str | Path) and Path(seed).suffix == ".toml":
            seed = read_known_good(seed).seeds[0]
        _check(seed)
        self.seed = int(seed)  # type: ignore[arg-type]  # a path was read above
        self.verbose = verbose
        self.report: SeedReport | None = None
        self._seeded: weakref.ReferenceType[Any] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        model = self.model
        if self._seeded is not None and self._seeded() is model:
            return
        self._seeded = weakref.ref(model)
        guarded(self, self._control, model)

    def _control(self, model: Any) -> None:
        too_late = self._weights_too_late(model)
        enforced = _seed_generators(self.seed)
        operations = make_deterministic(seeded_too_late=_last.seed is None)
        generators = _reset_seed_generators(model, self.seed)
        if generators:
            enforced.append(f"{generators} SeedGenerators of the model (dropout, latents)")
        verified, unknown = hash_seed()
        if too_late:
            unknown.append(f"initial weights ({too_late})")
        else:
            verified.append(f"initial weights, built after seed_everything({self.seed})")
        unknown.append("the order of data already shuffled before fit")
        findings = [_seeded_too_late(self.seed, too_late)] if too_late else []
        unknown += operations.get("unknown", [])
        risks = [source for source in unknown if source in NONDETERMINISTIC]
        if risks:
            findings.append(_nondeterministic(risks))
        self.report = SeedReport(
            self.seed,
            enforced + operations.get("enforced", []),
            verified + operations.get("verified", []),
            unknown,
            tuple(findings),
        )
        events = events_of(self.params)
        events.facts["seeding"] = self.report.to_dict()
        for finding in findings:
            events.post(finding)
        if self.verbose:
            print(self.report)

    def _weights_too_late(self, model: Any) -> str:
        """Why the initial weights cannot come from this seed; empty if they can."""
        if _last.seed is None:
            return f"built before any seed; call seed_everything({self.seed}) before building"
        if _last.seed != self.seed:
            return f"built after seed_everything({_last.seed}), not {self.seed}"
        # A loop without networks has the monitor itself for its model.
        before = (_last.older.get(id(v)) for v in getattr(model, "trainable_variables", ()))
        if any(reference is not None and reference() is not None for reference in before):
            return f"built before seed_everything({self.seed}) was called"
        return ""


def _check(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"seed must be a whole number in [0, {LARGEST_SEED}]. Received: {seed!r}")


def _is_variable(candidate: object) -> bool:
    # type(), since isinstance() asks proxies of other libraries, which may answer with an error.
    return issubclass(type(candidate), keras.Variable)


def _seed_generators(seed: int) -> list[str]:
    keras.utils.set_random_seed(seed)
    return [
        "Python's random",
        "NumPy's global generator",
        "Keras' global SeedGenerator",
        f"{keras.backend.backend()}'s generator",
    ]


def _reset_seed_generators(model: Any, seed: int) -> int:
    """Set every SeedGenerator of the model to a state derived from the seed and its position."""
    others = getattr(model, "non_trainable_variables", ())
    states = [v for v in others if v.name == "seed_generator_state"]
    for place, state in enumerate(states):
        numbers = np.random.SeedSequence([seed, place]).generate_state(2)
        state.assign((numbers >> 1).astype("uint32"))  # below 2**31: fits an int32 as well
    return len(states)


def _seeded_too_late(seed: int, why: str) -> Finding:
    return Finding(
        "seeded_too_late",
        Severity.INFO,
        0,
        0,
        f"The seed does not reach the initial weights: {why}.",
        {"seed": seed},
        (f"Call keras_collapse.seed_everything({seed}) before the model is built.",),
    )


def _nondeterministic(sources: Sequence[str]) -> Finding:
    return Finding(
        "nondeterministic",
        Severity.INFO,
        0,
        0,
        f"Two runs with the same seed may differ: {'; '.join(sources)}.",
        {"sources": list(sources)},
        ("keras-collapse run --seed N script.py sets everything before Python starts.",),
    )
