"""The real samples of a loop: what D is shown and G did not draw."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from keras_collapse.core.guard import guarded
from keras_collapse.training.hooks.method_patch import MethodPatch, is_traced, sample_among, spy
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.step_seen import drawn_rows

PATIENCE = 20
"""Steps without a sample that is certainly real, from which on none is looked for."""
MOST_CALLS = 20
"""Calls of each network that are kept in a step."""


class ShownSamples:
    """Collects real samples from D's inputs in a loop whose steps are not compiled.

    In each step D must be shown samples of G's and, besides these, one batch only: with more, some
    may be noisy, augmented or interpolated samples, and none of them is taken.

    Args:
        generator, discriminator: the networks.
        observer: takes the batches.
    """

    def __init__(self, generator: Any, discriminator: Any, observer: Observer) -> None:
        self._generator, self._discriminator = generator, discriminator
        self._observer = observer
        self._drawn: list[np.ndarray] = []
        self._shown: list[tuple[np.ndarray, list[np.ndarray]]] = []
        self._without = 0
        self._patches: list[MethodPatch] = []

    def start(self) -> None:
        """Observe both networks' calls, until `stop` or until there are enough samples."""
        for network, see in (
            (self._generator, self._see_drawn),
            (self._discriminator, self._see_shown),
        ):
            safe = functools.partial(guarded, self, see, off=self._give_up)
            self._patches.append(spy(network, "call", safe))

    def stop(self) -> None:
        """Restore both networks; stopping twice has no effect."""
        while self._patches:
            self._patches.pop().remove()

    def after_step(self) -> None:
        """Hand over the real samples of the step that has just ended, if they are certain."""
        if not self._patches:
            return
        drawn, shown = self._drawn, self._shown
        self._drawn, self._shown = [], []
        fake = [drawn_rows(x, drawn) for x, _ in shown]
        real = {
            x[~rows].tobytes(): [part[~rows] for part in (x, *others)]
            for (x, others), rows in zip(shown, fake, strict=True)
            if not rows.all()
        }
        certain = len(real) == 1 and any(rows.any() for rows in fake)
        self._without = 0 if certain else self._without + 1
        wanted = not certain or self._observer.see_batch(next(iter(real.values())))
        if not wanted or self._without >= PATIENCE:
            self.stop()

    def _give_up(self, _: object) -> None:
        self.stop()

    def _see_drawn(self, _: Any, outputs: Any) -> None:
        values = _values(outputs) if self._patches and len(self._drawn) < MOST_CALLS else None
        if values is not None:
            self._drawn.append(values)

    def _see_shown(self, inputs: Any, _: Any) -> None:
        if not self._patches or len(self._shown) >= MOST_CALLS:
            return
        sample = sample_among(inputs, self._generator)
        values = _values(sample)
        others = [_values(part) for part in keras.tree.flatten(inputs) if part is not sample]
        if values is not None:
            fitting = [part for part in others if part is not None and len(part) == len(values)]
            self._shown.append((values, fitting))


def _values(tensor: Any) -> np.ndarray | None:
    """A copy of a tensor's values; None if it is symbolic, or no batch."""
    if not len(getattr(tensor, "shape", ())) or is_traced(tensor):
        return None
    return np.array(keras.ops.convert_to_numpy(tensor))
