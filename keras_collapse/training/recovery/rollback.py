"""Going back to the networks and optimizers of the last healthy sample check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.findings import ROLLED_BACK, Finding, Severity
from keras_collapse.core.process.printable import printable

ROLLBACKS = 3
"""Rollbacks of a run. Each goes on with fresh noise and other batches; a failure that returns after
three does not depend on them."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The values of variables after training step ``step``, in the main memory."""

    step: int
    variables: Sequence[Any]
    values: Sequence[np.ndarray]


class Rollback:
    """Remembers the last healthy state of a training, and restores it when a failure asks for it.

    Random generators, metrics and the data's order are not restored: the same noise would lead to
    the same failure.

    Args:
        verbose: 1 prints what is done, 0 nothing.

    Attributes:
        owners: the models and optimizers whose variables are restored.
        asked: whether a failure asks for it.
    """

    def __init__(self, verbose: int) -> None:
        self.owners: Sequence[Any] = ()
        self.asked = False
        self._verbose = verbose
        self._healthy: Snapshot | None = None
        self._unavailable = "no sample check was healthy so far"
        self._steps: list[tuple[int, int]] = []  # from which to which step it went back
        self._printed: set[str] = set()

    def remember(self, step: int) -> None:
        """Copy all variables, unless one is not finite or no optimizer of theirs is known."""
        optimizers = [one for one in self.owners if isinstance(one, keras.optimizers.Optimizer)]
        if not any(int(keras.ops.convert_to_numpy(one.iterations)) for one in optimizers):
            self._unavailable = "the optimizers are known only in fit and in a train_on_batch loop"
            return
        variables = variables_of(self.owners)
        values = [np.array(keras.ops.convert_to_numpy(one.value)) for one in variables]
        if all(np.isfinite(value).all() for value in values):
            self._healthy = Snapshot(step, variables, values)

    def restore(self, step: int) -> Finding | None:
        """Assign the values of the last healthy check, at most `ROLLBACKS` times.

        Args:
            step: the latest training step.

        Returns:
            What was done; None if there is nothing to go back to, or no rollback left.
        """
        self.asked = False
        healthy = self._healthy
        if len(self._steps) == ROLLBACKS:
            self._print(
                f"not rolled back: this was done {ROLLBACKS} times, without lasting success"
            )
            return None
        if healthy is None or not _same(healthy.variables, variables_of(self.owners)):
            self._print(f"not rolled back: {self._unavailable}")
            return None
        for variable, value in zip(healthy.variables, healthy.values, strict=True):
            variable.assign(value)
        for model in self.owners:
            if isinstance(model, keras.Model):  # a running mean that has a NaN would keep it
                model.reset_metrics()
        self._steps.append((step, healthy.step))
        count = len(self._steps)
        done = f"from step {step} to step {healthy.step}"
        self._print(f"rolled back {done} ({count} of at most {ROLLBACKS}); the training goes on")
        times = ", ".join(f"from step {late} to step {early}" for late, early in self._steps)
        return Finding(
            ROLLED_BACK,
            Severity.INFO,
            self._steps[0][0],
            step,
            f"G, D and their optimizers went back to the last healthy sample check: {times}.",
            {"rollbacks": count, "from_step": step, "to_step": healthy.step},
        )

    def _print(self, message: str) -> None:
        if self._verbose and message not in self._printed:
            self._printed.add(message)
            print(f"keras-collapse: {printable(message)}.", flush=True)


def trained(*models: Any) -> list[Any]:
    """Those of these that are Keras models, and the optimizers that they were compiled with."""
    known = [one for one in models if isinstance(one, keras.Model)]
    optimizers = [getattr(one, "optimizer", None) for one in known]
    return known + [one for one in optimizers if isinstance(one, keras.optimizers.Optimizer)]


def variables_of(owners: Iterable[Any]) -> list[Any]:
    """The weights of models and all variables of optimizers, each once."""
    found: dict[int, Any] = {}
    for owner in owners:
        is_optimizer = isinstance(owner, keras.optimizers.Optimizer)
        for variable in owner.variables if is_optimizer else owner.weights:
            found[id(variable)] = variable
    return list(found.values())


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return {id(variable) for variable in one} == {id(variable) for variable in other}
