"""Calls of ``compile`` during a training, which reset optimizers and metrics."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from keras_collapse.core.findings import Finding, Severity

HABIT = 2
"""Further calls from which they are a pattern, rather than one deliberate change of rates."""


class Compiles:
    """Notices when a model's optimizers are replaced.

    Attributes:
        count: how often they were replaced.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last: list[weakref.ReferenceType[Any]] = []

    def seen(self, optimizers: Sequence[Any], step: int) -> Finding | None:
        """Compare the optimizers before training step ``step``; a finding if they were replaced.

        It is ``info`` at first, since rates may be changed that way, and ``warning`` if it repeats.
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
            "compile() was called again during the training, which resets the optimizer's moments "
            "and step count, and the metrics.",
            {"compiles_since_the_first": self.count},
            (
                "Compile once, before the training. To change a rate, assign it: "
                "model.optimizer.learning_rate = 1e-4.",
            ),
        )
