"""What a ``fit`` shows besides its logs: who trains whom, its batches, new compiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras_collapse.core.findings import Finding
from keras_collapse.core.guard import guarded
from keras_collapse.training.hooks.batches import BatchesSeen
from keras_collapse.training.networks.discovery import Networks, optimizers_of
from keras_collapse.training.wiring.fit_wiring import FitWiring, watch_fit
from keras_collapse.training.wiring.recompilation import Compiles


class FitWatch:
    """Watches the fits of one model, one after another.

    Args:
        tell: called with each finding.
        show: called with each batch, on JAX and PyTorch.
        guard: runs our part of a step so that its fault never reaches the training.
    """

    def __init__(
        self,
        tell: Callable[[Finding], None],
        show: Callable[[Any], None],
        guard: Callable[..., None],
    ) -> None:
        self._tell, self._show, self._guard = tell, show, guard
        self._compiles = Compiles()
        self._wiring: FitWiring | None = None
        self._batches: BatchesSeen | None = None
        self._digests: dict[int, str] = {}  # step to hash, until its log comes
        self._epoch_start = 0

    def begin(self, model: Any, networks: Networks, step: int) -> None:
        """A fit begins, with the training step named."""
        self.leave()
        compiled = self._compiles.seen(list(optimizers_of(model).values()), step)
        if compiled is not None:
            self._tell(compiled)
        self._wiring = guarded(FitWiring, watch_fit, model, networks)
        self._batches = guarded(
            BatchesSeen, BatchesSeen, model, self._keep, self._show, self._guard
        )

    def begin_epoch(self, step: int) -> None:
        """An epoch begins, with the training step named."""
        self._epoch_start = step
        self._digests.clear()
        if self._batches is not None:
            self._batches.begin_epoch()

    def after_step(self, step: int) -> None:
        if self._wiring is not None:
            for finding in self._wiring.after_step(step):
                self._tell(finding)

    def end_epoch(self, step: int) -> None:
        """The first epoch's end is the last look at the wiring."""
        if self._wiring is not None:
            wiring, self._wiring = self._wiring, None
            for finding in wiring.after_epoch(step):
                self._tell(finding)

    def data(self, step: int) -> Mapping[str, str] | None:
        """The hash of a step's batch, once; None where it could not be seen."""
        digest = self._digests.pop(step, None)
        return {"batch": digest} if digest else None

    def leave(self) -> None:
        """Stand in for nothing any more, as after a fit that failed in its first step."""
        for standing in (self._wiring, self._batches):
            if standing is not None:
                standing.stop()
        self._wiring = self._batches = None

    def _keep(self, batch: int, digest: str) -> None:
        self._digests[self._epoch_start + batch] = digest
