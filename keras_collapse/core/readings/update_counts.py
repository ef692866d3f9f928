"""Counts the updates behind each network's running means, where not every step has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keras_collapse.core.readings.reading import SignalRow

EXACT = 1e-6
"""Largest relative rounding of numbers whose repetition shows that nothing was added."""
EVERY_STEP = 8
"""Rows in a row with an update from which a network counts as trained at every step."""


@dataclass(slots=True)
class UpdateCounts:
    """Counts how many numbers each network's means are over.

    A program that trains G at every fifth step only repeats G's means in between. A mean that
    moved before and now repeats exactly, for all signals of its network, had no update. Where it
    has not moved since the accumulator was reset, constant numbers look the same: then a network
    that was trained at every step before counts as trained.

    >>> counts = UpdateCounts()
    >>> [counts.add(SignalRow(s, {"g_loss": m}), s + 1)["g"] for s, m in enumerate((4, 4, 3, 3))]
    [1, 1, 2, 2]
    """

    _networks: dict[str, _Network] = field(default_factory=dict)

    def reset(self) -> None:
        """The accumulators begin anew, as at the start of an epoch."""
        for network in self._networks.values():
            network.updates = network.steps = 0
            network.last, network.moved = {}, False

    def add(self, row: SignalRow, steps: int) -> dict[str, int]:
        """Take the next row; return the updates since the reset, by network (``"d"``, ``"g"``).

        Args:
            row: the means as logged.
            steps: training steps since the reset, this one included.
        """
        parts: dict[str, dict[str, float]] = {}
        for signal, value in row.values.items():
            parts.setdefault(signal[0], {})[signal] = value
        for name, values in parts.items():
            if name not in self._networks:
                self._networks[name] = _Network()
            self._networks[name].add(values, steps, row)
        return {name: network.updates for name, network in self._networks.items()}


@dataclass(slots=True)
class _Network:
    updates: int = 0
    steps: int = 0
    last: Mapping[str, float] = field(default_factory=dict)
    moved: bool = False  # since the reset
    in_a_row: int = 0  # rows with an update

    def add(self, values: Mapping[str, float], steps: int, row: SignalRow) -> None:
        gap, self.steps = steps - self.steps, steps
        first, repeats = not self.last, self.last == values and _is_exact(row)
        self.last = values
        always = self.in_a_row >= EVERY_STEP
        if first:
            empty = not any(values.values()) and _is_exact(row)  # Keras' mean over nothing is 0
            self.updates = 0 if empty and not always else gap
        elif not repeats:
            self.updates += gap
            self.in_a_row += 1
            self.moved = True
        elif self.moved:
            self.in_a_row = 0
        elif always:
            self.updates += gap


def _is_exact(row: SignalRow) -> bool:
    """Whether a row's numbers were written in full."""
    return all(
        row.rounding.get(s, 0.0) <= EXACT * max(abs(v), EXACT) for s, v in row.values.items()
    )
