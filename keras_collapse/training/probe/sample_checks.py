"""The sample checks of a run: when they are possible, what they cost, and the pictures kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding
from keras_collapse.core.guard import guarded
from keras_collapse.core.process.printable import printable
from keras_collapse.core.records import SamplesChecked, SamplesUnavailable
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.probe.held_out import Data
from keras_collapse.training.probe.pictures import PicturesKept
from keras_collapse.training.probe.prober import Prober, SampleCheck
from keras_collapse.training.run_journal import RunJournal
from keras_collapse.training.wiring.step_seen import StepSeen


class SampleChecks:
    """Checks the samples of whichever networks a run trains now; an error costs the checks only.

    Args:
        journal: of the run.
        examiner: gets the reason why samples are not compared with the data, if they are not.
        verbose: 1 prints that as well, each reason once.
    """

    def __init__(self, journal: RunJournal, examiner: Examiner, verbose: int) -> None:
        self._journal, self._examiner, self._verbose = journal, examiner, verbose
        self._networks = Networks()
        self._prober: Prober | None = None
        self._data = Data()
        self._pictures = PicturesKept(journal)
        self._printed = ""

    def begin(self, networks: Networks, find_data: Callable[[], Data], sees_batches: bool) -> None:
        """Begin a fit or loop; see `MonitorSession.begin`."""
        if networks != self._networks or self._examiner.unavailable_reason:
            self._prober = None
        self._networks = networks
        if self._prober is None and networks.latent_shape is not None:
            self._data = data = guarded(Prober, find_data) or Data()
            self._prober = guarded(Prober, Prober, networks, data.real, sees_batches, data)
        self._note_availability()

    def see_first_step(self, seen: StepSeen) -> None:
        """Take one training step as seen, before its first batch is taken."""
        if self._prober is None and self._networks.generator is not None:
            self._prober = guarded(Prober, Prober, self._networks, None, True, self._data)
        if self._prober is not None:
            guarded("The sample check", self._prober.learn, seen, off=self._switch_off)

    def see_batch(self, batch: Any) -> bool:
        """Take a batch of real data, nested arrays or tensors; return whether more are wanted."""
        return self._prober is not None and self._prober.show(batch)

    def check(self, step: int) -> SampleCheck | None:
        """Check the samples after this training step; None if nothing can be drawn."""
        if self._prober is None:
            return None
        check: SampleCheck | None = guarded(
            "The sample check", self._prober.check, step, off=self._switch_off
        )
        self._note_availability()
        if check is not None:
            self._journal.write(SamplesChecked(step, check.probe.values))
        return check

    def note(self, finding: Finding) -> None:
        """Take a finding: the next picture may have to be kept because of it."""
        self._pictures.note(finding)

    def keep(self, check: SampleCheck, step: int) -> None:
        """Keep the picture of a check, once its findings are noted."""
        if check.picture is not None:
            self._pictures.keep(check.picture, step)

    def settle(self) -> None:
        """Stop collecting real samples: the training has ended."""
        if self._prober is not None:
            guarded("The sample check", self._prober.settle, off=self._switch_off)
            self._note_availability()

    def _note_availability(self) -> None:
        """Record why samples are not compared with the data, if that has changed."""
        without = self._networks.missing or "an error has switched the sample checks off"
        why = self._prober.unavailable_reason if self._prober is not None else without
        if why == self._examiner.unavailable_reason:
            return
        self._examiner.unavailable_reason = why
        self._journal.write(SamplesUnavailable(why))
        if self._verbose and why not in ("", self._printed):
            self._printed = why
            what = f"cannot compare samples with the training data: {printable(why)}."
            print(f"keras-collapse: {what}", flush=True)

    def _switch_off(self, _: object) -> None:
        self._prober = None
        self._note_availability()
