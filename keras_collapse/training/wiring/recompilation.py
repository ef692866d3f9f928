"""Models compiled anew in the middle of a training: their optimizers and metrics begin again."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from keras_collapse.core.findings import Finding, Severity

HABIT = 2
"""Compiles after the first from which it is a habit, not a change of rates made on purpose."""


class Compiles:
    """Notices that a model's optimizers are other objects than they were.

    Attributes:
        count: how often they changed.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last: list[weakref.ReferenceType[Any]] = []

    def seen(self, optimizers: Sequence[Any], step: int) -> Finding | None:
        """Look at them before the training step named; a finding where they have changed.

        ``info`` at first, since a person may change rates so; ``warning`` where it goes on.
        """
        last, self._last = self._last, [weakref.ref(optimizer) for optimizer in optimizers]
        same = len(last) == len(optimizers) and all(
            old() is new for old, new in zip(last, optimizers, strict=True)
        )
        if not last or same:
            return None
        self.count += 1
        if self.count > HABIT:
            return None
        return Finding(
            "recompiled",
            Severity.WARNING if self.count == HABIT else Severity.INFO,
            step,
            step,
            "compile() was called again during the training: the optimizer's moments and step "
            "count, and the metrics, began anew.",
            {"compiles_since_the_first": self.count},
            (
                "Compile once, before the loop. To change a rate, assign it: "
                "model.optimizer.learning_rate = 1e-4.",
            ),
        )
