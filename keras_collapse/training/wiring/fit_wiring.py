"""The wiring of a ``fit``: which step updates which network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import UPDATES, Driver
from keras_collapse.core.findings import Finding
from keras_collapse.reproducibility.fingerprints import digest
from keras_collapse.training.hooks.optimizer_calls import D, G, Update, UpdatesSeen
from keras_collapse.training.networks.discovery import Networks, optimizers_of
from keras_collapse.training.networks.keras_internals import has_rate_schedule
from keras_collapse.training.wiring.faults import FAULTS, IN_A_LOOP

# Variables that a forward pass changes, or that count: no optimizer trains them.
_STATES = (
    "moving_mean",
    "moving_variance",
    "seed_generator_state",
    "vector_u",
    "mean",
    "variance",
    "count",
)


def weights_of(network: Any) -> list[Any]:
    """The variables that an optimizer could train, whatever ``trainable`` is now."""
    return [v for v in network.variables if v.trainable or _is_weight(v)]


def _is_weight(variable: Any) -> bool:
    return "float" in str(variable.dtype) and variable.name not in _STATES


def values_of(variables: Iterable[Any]) -> list[np.ndarray]:
    """Copies of the variables' values."""
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


def moved(variables: Sequence[Any], before: Sequence[np.ndarray]) -> list[str]:
    """The paths of the variables whose values differ from these in any bit."""
    return [
        variable.path
        for variable, old in zip(variables, before, strict=True)
        if np.array(keras.ops.convert_to_numpy(variable.value)).tobytes() != old.tobytes()
    ]


def judge_updates(updates: Sequence[Update], step: int = 0) -> list[Finding]:
    """Find wiring faults in the optimizer calls of one complete D+G step.

    Args:
        updates: the calls in order; if empty, there is no evidence and no finding.
        step: the training step they belong to.
    """
    if not updates:
        return []
    by = {
        kind: {u.optimizer for u in updates if u.networks == networks}
        for kind, networks in {D: {D}, G: {G}, "both": {D, G}}.items()
    }
    kinds = []
    if not by[G] and not by["both"]:
        kinds.append("generator_frozen")
    if not by[D] and not by["both"]:
        kinds.append("discriminator_frozen")
    # An optimizer that updates both belongs to the network it updates alone elsewhere; if it never
    # does, to the network that no other optimizer updates alone.
    for optimizer in by["both"]:
        of_d = optimizer in by[D] or (bool(by[G]) and optimizer not in by[G])
        of_g = optimizer in by[G] or (bool(by[D]) and optimizer not in by[D])
        kinds += ["generator_leak"] * of_d + ["discriminator_leak"] * of_g
    if len(by["both"]) > 1 and not by[D] and not by[G]:
        kinds += ["discriminator_leak", "generator_leak"]
    if len(by[D]) > 1 and not by[G]:
        kinds.append("discriminator_leak")
    if len(by[G]) > 1 and not by[D]:
        kinds.append("generator_leak")
    if by[D] & by[G] or (len(by["both"]) == 1 and not by[D] and not by[G]):
        kinds.append("shared_optimizer")
    evidence = {
        "updates": [" and ".join(sorted(u.networks)) for u in updates],
        "optimizers": [u.optimizer for u in updates],
    }
    return [fault(kind, step, evidence) for kind in dict.fromkeys(kinds)]


def updates_checked(updates: Sequence[Update]) -> frozenset[str]:
    """`UPDATES` if these are updates of both networks."""
    networks = {network for update in updates for network in update.networks}
    return frozenset({UPDATES} if networks == {G, D} else ())


EAGER_STEPS = 10
"""Steps to wait for an update of each network if the step is not compiled: it may train G on every
fifth call only. A compiled step contains all its updates when it is traced."""


class FitWiring:
    """Checks the wiring of a ``fit``: the optimizer calls in its first step, then the weights.

    Args:
        model: the GAN.
        generator, discriminator: its networks.
        optimizers: the optimizers that may train them.
    """

    def __init__(
        self, model: Any, generator: Any, discriminator: Any, optimizers: Sequence[Any]
    ) -> None:
        self._compiled = keras.backend.backend() != "torch" and not model.run_eagerly
        self._networks = {G: generator, D: discriminator}
        self._digests = {name: digest(weights_of(n)) for name, n in self._networks.items()}
        self._optimizers = optimizers
        self._seen = UpdatesSeen(optimizers, generator, discriminator)
        self._reported: set[str] = set()
        self._seen.start()

    def after_step(self, step: int) -> list[Finding]:
        """The faults that show after this step; to be called until the first epoch has ended."""
        if not self._seen.watching:
            return []
        found = judge_updates(self._seen.updates, step)
        networks = {network for update in self._seen.updates for network in update.networks}
        if self._compiled or networks == {G, D} or step >= EAGER_STEPS:
            self.stop()
            found += without_rate(self._seen.updates, self._optimizers, step)
        else:
            found = [f for f in found if not f.kind.endswith("_frozen")]
        return self._new(found)

    def after_epoch(self, step: int) -> list[Finding]:
        """The networks that no step of the epoch has changed, although they got gradients."""
        self.stop()
        found = [
            frozen(
                name,
                step,
                {"weights": "bit-identical since the run began"},
                rate_of(name, self._seen.updates, self._optimizers),
            )
            for name, network in self._networks.items()
            if digest(weights_of(network)) == self._digests[name]
        ]
        return self._new(found)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Take no notice of what happens inside of the block."""
        watching = self._seen.watching
        self._seen.stop()
        try:
            yield
        finally:
            if watching:
                self._seen.start()

    @property
    def checked(self) -> frozenset[str]:
        """`UPDATES` once the updates of both networks were seen."""
        if self._seen.watching:
            return frozenset()
        return updates_checked(self._seen.updates)

    def stop(self) -> None:
        """Restore the optimizers."""
        self._seen.stop()

    def _new(self, findings: Sequence[Finding]) -> list[Finding]:
        new = [f for f in findings if f.kind not in self._reported]
        self._reported |= {f.kind for f in new}
        return new


def watch_fit(model: Any, networks: Networks) -> FitWiring | None:
    """Begin to check a fit's wiring; None if its networks or optimizers were not found."""
    g, d, optimizers = networks.generator, networks.discriminator, optimizers_of(model)
    if g is None or d is None or not (g.built and d.built and optimizers):
        return None
    return FitWiring(model, g, d, list(optimizers.values()))


def rate_of(name: str, updates: Sequence[Update], optimizers: Sequence[Any]) -> float | None:
    """The highest rate of the optimizers that update a network; None if it is not constant."""
    used = {update.optimizer for update in updates if name in update.networks}
    rates = [constant_rate(optimizers[place]) for place in used]
    known = [rate for rate in rates if rate is not None]
    return max(known) if known and len(known) == len(rates) else None


def without_rate(updates: Sequence[Update], optimizers: Sequence[Any], step: int) -> list[Finding]:
    """The networks that these updates cannot change, since their learning rate is 0."""
    networks = sorted({network for update in updates for network in update.networks})
    idle = [name for name in networks if rate_of(name, updates, optimizers) == 0]
    return [frozen(name, step, {}, 0.0) for name in idle]


def constant_rate(optimizer: Any) -> float | None:
    """An optimizer's learning rate; None if it follows a schedule, or is out of reach on JAX."""
    if has_rate_schedule(optimizer):
        return None
    try:
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    except (TypeError, ValueError, AttributeError):  # during an epoch JAX' variables have no value
        return None


def frozen(name: str, step: int, evidence: Mapping[str, Any], rate: float | None) -> Finding:
    """The finding that no step changes a network, with its cause if that is its learning rate."""
    finding = fault(f"{name}_frozen", step, evidence)
    if rate != 0:
        return finding
    return replace(
        finding,
        message=f"{finding.message} The learning rate of its optimizer is 0.",
        evidence={**evidence, "learning_rate": 0.0},
        advice=(f"Give the {name}'s optimizer a learning rate above 0, such as 2e-4.",),
    )


def fault(
    kind: str, step: int, evidence: Mapping[str, Any], driver: Driver = Driver.FIT
) -> Finding:
    """The finding of a wiring fault of this kind, with advice for what trains the networks."""
    severity, message, advice = FAULTS[kind]
    if driver is Driver.TRAIN_ON_BATCH:
        advice = IN_A_LOOP[kind]
    return Finding(kind, severity, step, step, message, evidence, advice)
