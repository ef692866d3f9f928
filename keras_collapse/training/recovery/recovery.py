"""What a run keeps at its sample checks, to come back to: G's best weights, and a healthy state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_collapse.core.detectors.sample_quality import bad, quality
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, KeptGenerator, Severity, Status
from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.probe import Probe
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.recovery.generator_files import BEST, HEALTHY, GeneratorFiles
from keras_collapse.training.recovery.rollback import Rollback
from keras_collapse.training.run_journal import RunJournal


class Recovery:
    """Keeps G and the state of the training; an error switches off the part that it is in.

    Args:
        journal: of the run.
        examiner: of the run; a check with a standing failure is not healthy.
        keep_best: whether to save G's weights.
        rolls_back: whether a failure takes the training back to the last healthy check.
        verbose: 1 prints what is rolled back, 0 nothing.
    """

    def __init__(
        self,
        journal: RunJournal,
        examiner: Examiner,
        keep_best: bool,
        rolls_back: bool,
        verbose: int,
    ) -> None:
        self._examiner = examiner
        self._generator: Any = None
        self._files = GeneratorFiles(journal) if keep_best else None
        self._rollback = Rollback(verbose) if rolls_back else None

    @property
    def kept(self) -> tuple[KeptGenerator, ...]:
        """The saved weights of G, the best first."""
        return self._files.kept if self._files is not None else ()

    def begin(self, networks: Networks, owners: Sequence[Any]) -> None:
        """Begin a fit or loop; see `MonitorSession.begin`."""
        self._generator = networks.generator
        if self._rollback is not None:
            self._rollback.owners = [one for one in owners if one is not None]

    def note(self, finding: Finding) -> None:
        """Take a detector's finding that is new, more severe, or resolved."""
        if self._rollback is not None and finding.severity is Severity.FAILED:
            self._rollback.asked |= not finding.resolved

    def keep(self, probe: Probe) -> None:
        """Keep what is worth it after a sample check, once its findings are noted."""
        if self._files is None and self._rollback is None:
            return
        healthy = bad(probe) is False and self._examiner.verdict().status is not Status.FAILED
        if self._files is not None:
            worth = quality(probe)
            roles = [BEST] if worth is not None and self._files.is_better(worth) else []
            roles += [HEALTHY] if worth is not None and healthy else []
            if roles:
                save, generator = self._files.save, self._generator
                guarded(
                    "keep_best", save, generator, roles, probe.step, worth, off=self._keep_no_more
                )
        if self._rollback is not None and healthy:
            guarded("The rollback", self._rollback.remember, probe.step, off=self._warn_only)

    def roll_back(self, step: int) -> Finding | None:
        """Go back to the last healthy check if a failure asks for it.

        To be called where variables can be assigned and metrics reset: at the end of an epoch, or
        between the steps of a loop.

        Args:
            step: the latest training step.

        Returns:
            The finding that says so; None if nothing was rolled back.
        """
        if self._rollback is None or not self._rollback.asked:
            return None
        found: Finding | None = guarded(
            "The rollback", self._rollback.restore, step, off=self._warn_only
        )
        return found

    def _keep_no_more(self, _: object) -> None:
        assert self._files is not None
        self._files.stop()

    def _warn_only(self, _: object) -> None:
        self._rollback = None
