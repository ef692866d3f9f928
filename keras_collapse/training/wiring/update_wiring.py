"""The wiring of a loop that reports with `update`: which optimizer changes which network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.findings import Finding
from keras_collapse.core.guard import guarded
from keras_collapse.reproducibility.fingerprints import digest
from keras_collapse.training.hooks.method_patch import MethodPatch, is_traced
from keras_collapse.training.hooks.optimizer_calls import D, G, Update
from keras_collapse.training.networks.keras_internals import optimizer_targets
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.fit_wiring import (
    constant_rate,
    frozen,
    judge_updates,
    updates_checked,
    weights_of,
)

WAIT = 10
"""Steps in which optimizer calls are observed: a loop may train G on every fifth step only."""
FROZEN_AFTER = 100
"""Steps after which a network that has not changed is frozen: some loops train D alone first."""
ADVICE: Mapping[str, tuple[str, ...]] = {
    "discriminator_leak": (
        "In G's step, take gradients with respect to generator.trainable_weights only, and give "
        "G's optimizer those only. In PyTorch, build it from generator.parameters() only.",
    ),
    "generator_leak": (
        "In D's step, take gradients with respect to discriminator.trainable_weights only, and "
        "give D's optimizer those only. In PyTorch, build it from discriminator.parameters() "
        "only, and score fakes.detach().",
    ),
    "discriminator_frozen": (
        "Set discriminator.trainable = True before its step is first run, and check that D's "
        "gradients reach an optimizer that changes discriminator.trainable_weights.",
    ),
    "generator_frozen": (
        "Compute G's loss from discriminator(generator(latents)) where gradients are recorded, "
        "without detaching the fakes, and check that its gradients reach an optimizer that changes "
        "generator.trainable_weights.",
    ),
    "shared_optimizer": ("Make two optimizers, and use one in D's step and the other in G's.",),
}


class UpdateWiring:
    """Observes the optimizers of a loop in its first steps, then whether both networks change.

    ``apply`` is patched on Keras' optimizer class: nobody names the optimizers of a loop. In a
    compiled step it runs while the step is traced, and what is seen then holds for every step. On
    JAX the gradients of a network may all be zero, which a traced step does not show: an optimizer
    that is given those of both networks is no leak there. PyTorch's own optimizers are observed by
    its hook for all of them.

    Args:
        generator, discriminator: the networks.
        observer: takes each fault at the step where it shows.
    """

    def __init__(self, generator: Any, discriminator: Any, observer: Observer) -> None:
        self._networks = {G: generator, D: discriminator}
        self._observer = observer
        self._owner: dict[int, str] = {}
        self._updates: list[Update] = []
        self._optimizers: list[Any] = []
        self._assigns = False  # an optimizer was seen to change the networks' own variables
        self._digests: dict[str, str] = {}
        self.checked: frozenset[str] = frozenset()
        self._unclear = False
        self._steps = 0
        self._reported: set[str] = set()
        self._patch: MethodPatch | None = None
        self._hook: Any = None

    def start(self) -> None:
        """Observe optimizer calls, until `stop` or for the first steps."""
        self._patch = MethodPatch(keras.optimizers.Optimizer, "apply", self._patched)
        if keras.backend.backend() == "torch":
            from torch.optim.optimizer import register_optimizer_step_pre_hook

            self._hook = register_optimizer_step_pre_hook(self._see_torch)

    def stop(self) -> None:
        """Stop observing optimizer calls; stopping twice has no effect."""
        if self._patch is not None:
            self._patch.remove()
            self._patch = None
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def after_step(self, step: int) -> None:
        """Report the faults that show after this step."""
        self._steps += 1
        if self._steps == 1:
            self._digests = self._digest()
        if self._patch is not None:
            groups = {update.networks for update in self._updates}
            both = frozenset().union(*groups) == {G, D} and groups != {frozenset({G, D})}
            if both or self._steps >= WAIT:
                self._report(judge_updates(self._updates, step))
                self.checked = updates_checked(() if self._unclear else self._updates)
            if self._steps >= WAIT:
                self.stop()
        if self._steps == FROZEN_AFTER:
            self._report(self._frozen(step))

    # -- optimizer calls -----------------------------------------------------------------------

    def _patched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
            grads = list(grads)
            if trainable_variables is not None:
                trainable_variables = list(trainable_variables)
            if self._patch is not None:
                guarded(self, self._see, optimizer, grads, trainable_variables, off=self._give_up)
            return original(optimizer, grads, trainable_variables)

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            unconverted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(apply)
            return unconverted
        return apply

    def _give_up(self, _: object) -> None:
        self._updates.clear()
        self.stop()

    def _see(self, optimizer: Any, grads: Sequence[Any], variables: Sequence[Any] | None) -> None:
        targets = optimizer_targets(optimizer) if variables is None else variables
        given = [(id(v), g) for v, g in zip(targets, grads, strict=False)]
        self._note(optimizer, given, variables is not None)

    def _see_torch(self, optimizer: Any, *_: Any) -> None:
        if self._hook is not None:
            given = [(id(p), p.grad) for group in optimizer.param_groups for p in group["params"]]
            guarded(self, self._note, optimizer, given, True, off=self._give_up)

    def _note(self, optimizer: Any, given: Sequence[tuple[int, Any]], assigns: bool) -> None:
        if not self._owner or any(target not in self._owner for target, _ in given):
            self._owner = {key: name for name in (G, D) for key in self._keys(name)}
        by_network: dict[str, list[Any]] = {}
        for target, gradient in given:
            if gradient is not None and target in self._owner:
                by_network.setdefault(self._owner[target], []).append(gradient)
        traced = any(is_traced(g) for found in by_network.values() for g in found)
        if traced and len(by_network) > 1 and keras.backend.backend() == "jax":
            self._unclear = True
            return  # the gradients of one of them may all be zero
        networks = frozenset(n for n, found in by_network.items() if traced or _any(found))
        if networks:
            known = [place for place, one in enumerate(self._optimizers) if one is optimizer]
            if not known:
                self._optimizers.append(optimizer)
            place = known[0] if known else len(self._optimizers) - 1
            self._updates.append(Update(place, networks, {}))
            self._assigns |= assigns and not traced

    def _keys(self, name: str) -> Iterator[int]:
        network = self._networks[name]
        yield from map(id, network.variables)
        if keras.backend.backend() == "torch":
            yield from map(id, network.parameters())

    # -- weights -------------------------------------------------------------------------------

    def _digest(self) -> dict[str, str]:
        return {name: digest(weights_of(one)) for name, one in self._networks.items() if one.built}

    def _frozen(self, step: int) -> list[Finding]:
        if keras.backend.backend() == "jax" and not self._assigns:
            return []  # the loop keeps the weights outside of the networks
        evidence = {"weights": f"bit-identical in {FROZEN_AFTER} steps"}
        now = self._digest()
        return [
            frozen(name, step, evidence, self._rate(name))
            for name, before in self._digests.items()
            if before == now.get(name)
        ]

    def _rate(self, name: str) -> float | None:
        """The highest constant rate of Keras' optimizers of a network; None if it is not known."""
        used = {update.optimizer for update in self._updates if name in update.networks}
        rates = [constant_rate(self._optimizers[place]) for place in used]
        return max((rate for rate in rates if rate is not None), default=None)

    def _report(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            by_weights = finding.kind.endswith("_frozen") and "weights" not in finding.evidence
            if finding.kind in self._reported or by_weights:  # weights tell who is frozen, later
                continue
            self._reported.add(finding.kind)
            named = "learning_rate" in finding.evidence
            advice = finding.advice if named else ADVICE[finding.kind]
            self._observer.report(replace(finding, advice=advice))


def _any(gradients: Sequence[Any]) -> bool:
    """Whether any number of these gradients is not zero; NaN is not zero."""
    return any(
        bool(np.any(np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(g)))))
        for g in gradients
    )
