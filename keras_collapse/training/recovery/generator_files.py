"""G's weights at the best sample check and at the last healthy one, in the run's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_collapse.core.findings import KeptGenerator
from keras_collapse.core.records import GeneratorKept
from keras_collapse.training.run_journal import RunJournal

BEST, HEALTHY = "best", "healthy"


class GeneratorFiles:
    """Saves G's weights in at most two files, each of which is whole at any time.

    Args:
        journal: of the run; its folder gets the files.
    """

    def __init__(self, journal: RunJournal) -> None:
        self._journal = journal
        self._kept: dict[str, KeptGenerator] = {}
        self._off = False

    @property
    def kept(self) -> tuple[KeptGenerator, ...]:
        """What was saved, the best first."""
        return tuple(self._kept[which] for which in (BEST, HEALTHY) if which in self._kept)

    def is_better(self, quality: float) -> bool:
        """Whether this quality is above that of the best weights so far."""
        return BEST not in self._kept or quality > self._kept[BEST].quality

    def stop(self) -> None:
        """Save nothing from now on; what was saved stays."""
        self._off = True

    def save(self, generator: Any, roles: Sequence[str], step: int, quality: float) -> None:
        """Save G's weights as they are; each file is replaced at once, or stays unchanged.

        Args:
            generator: a Keras model.
            roles: `BEST`, `HEALTHY` or both.
            step: the latest training step.
            quality: of the samples.

        Raises:
            AttributeError: G is no model that can save its weights.
            OSError: the disk is full, or the folder is gone.
        """
        folder = self._journal.folder
        if self._off or folder is None or not self._journal.is_open:
            return
        # Keras asks for this ending.
        part = folder / f"{os.getpid()}.part.weights.h5"
        try:
            generator.save_weights(part)
            for role in roles[1:]:
                copy = part.with_suffix(".copy")
                shutil.copyfile(part, copy)
                self._put(copy, role, step, quality)
            self._put(part, roles[0], step, quality)
        finally:
            for rest in (part, part.with_suffix(".copy")):
                rest.unlink(missing_ok=True)

    def _put(self, part: Path, which: str, step: int, quality: float) -> None:
        target = part.with_name(f"{which}_generator.weights.h5")
        os.replace(part, target)
        self._kept[which] = KeptGenerator(which, step, quality, str(target))
        self._journal.write(GeneratorKept(which, step, quality, target.name), flush=True)
