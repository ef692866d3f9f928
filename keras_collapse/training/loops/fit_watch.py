"""What a ``fit`` shows besides its logs: its wiring, its batches, and calls of ``compile``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.guard import guarded
from keras_collapse.reproducibility.fingerprints import batch_digest
from keras_collapse.training.hooks.batches import BatchesSeen
from keras_collapse.training.hooks.recompilation import Compiles
from keras_collapse.training.networks.discovery import Networks, optimizers_of
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.first_step import (
    check_first_step,
    is_built,
    is_distributed,
    not_checked,
    parts_checked,
)
from keras_collapse.training.wiring.fit_wiring import (
    FitWiring,
    judge_updates,
    updates_checked,
    watch_fit,
    without_rate,
)

TRIES = 2
"""Executions of the step before which its check is tried: the first one builds all layers."""


class FitWatch:
    """Watches the fits of one model, one after another.

    Args:
        observer: takes what is found, and batches.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._compiles = Compiles()
        self._wiring: FitWiring | None = None
        self._batches: BatchesSeen | None = None
        self._digests: dict[int, str] = {}  # step to hash, until its log comes
        self._next_batch_step = 0
        self._wanted = False
        self._model: Any = None
        self._networks = Networks()
        self._step = 0
        self._tries = 0  # to check the wiring of this fit
        self._checked: Any = None  # the step function whose wiring was checked

    def begin(self, model: Any, networks: Networks, step: int) -> None:
        """Begin to watch a fit whose first training step is ``step``."""
        self.leave()
        self._model, self._networks, self._step, self._tries = model, networks, step, 0
        recompiled = self._compiles.seen(list(optimizers_of(model).values()), step)
        if recompiled is not None:
            self._observer.report(recompiled)
        self._wiring = guarded(FitWiring, watch_fit, model, networks)
        fresh = self._checked is None or self._checked is not model.train_function
        self._checked = model.train_function
        first = self._first if fresh else lambda *_: True
        if is_distributed(model):
            self._observer.report(not_checked("the wiring, since a step runs on several replicas"))
        self._batches = guarded(BatchesSeen, BatchesSeen, model, first, self._take)

    def begin_epoch(self, step: int) -> None:
        """Begin an epoch whose first training step is ``step``."""
        self._next_batch_step = step
        self._digests.clear()

    def after_step(self, step: int) -> None:
        """Report the wiring faults that show after training step ``step``."""
        if self._wiring is not None:
            for finding in self._wiring.after_step(step):
                self._observer.report(finding)
            self._observer.see_setting(Setting(Driver.FIT, self._wiring.checked))

    def end_epoch(self, step: int) -> None:
        """Report the wiring faults that the first epoch has shown; later ones show no more."""
        if self._wiring is not None:
            wiring, self._wiring = self._wiring, None
            for finding in wiring.after_epoch(step):
                self._observer.report(finding)

    def data(self, step: int) -> Mapping[str, str] | None:
        """The hash of a step's batch, once; None if the batch was not seen."""
        digest = self._digests.pop(step, None)
        return {"batch": digest} if digest else None

    def leave(self) -> None:
        """Remove all patches, also those of a fit that failed in its first step."""
        for watcher in (self._wiring, self._batches):
            if watcher is not None:
                watcher.stop()
        self._wiring = self._batches = None

    def _first(self, batch: Any, state: Any) -> bool:
        """Check the wiring with a batch of a fit, before its first or, once built, second step."""
        self._tries += 1
        if not is_built(self._model) and self._tries < TRIES:
            return False
        with self._wiring.paused() if self._wiring is not None else contextlib.nullcontext():
            result = guarded(
                "The check of the first step",
                check_first_step,
                self._model,
                self._networks,
                batch,
                state,
            )
        seen, found = result or (None, [])
        if seen is not None:
            self._observer.see_first_step(seen)
            checked = parts_checked(seen, found)
            if self._wiring is None:  # the networks were not built when the fit began
                updates = judge_updates(seen.updates, self._step)
                found += [one for one in updates if not one.kind.endswith("_frozen")]
                optimizers = list(optimizers_of(self._model).values())
                found += without_rate(seen.updates, optimizers, self._step)
                checked |= updates_checked(seen.updates)
            self._observer.see_setting(Setting(Driver.FIT, checked))
        for finding in found:
            self._observer.report(replace(finding, first_step=self._step, last_step=self._step))
        return True

    def _take(self, batches: Sequence[Any]) -> bool:
        self._wanted = False
        self._observer.guard(self._see, batches)
        return self._wanted

    def _see(self, batches: Sequence[Any]) -> None:
        self._next_batch_step += len(batches)
        for batch in batches:
            self._wanted = self._observer.see_batch(batch)
        digest = batch_digest(batches)
        if digest is not None:  # an execution of several steps logs its last one
            self._digests[self._next_batch_step - 1] = digest
