"""From the logs of a training to readings, whatever names and averaging they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding
from keras_collapse.core.guard import warn
from keras_collapse.core.readings.inference import Averaging
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.core.records import ReaderSettings
from keras_collapse.training.run_journal import RunJournal

PATIENCE = 10
"""Logs without a GAN signal that are passed over before that is reported: some programs report
nothing until their generator is trained for the first time."""


class StepReader:
    """Reads the logs of a run, and warns of names that are missing.

    Args:
        signals: canonical signal to log key, for names that are not recognised.
        journal: gets the settings of the `Reader`, which `diagnose` needs.

    Attributes:
        objective: the objective that names such as a critic's tell; None if they tell none.
    """

    def __init__(self, signals: Mapping[str, str] | None, journal: RunJournal) -> None:
        self._signals = signals
        self._journal = journal
        self._reader: Reader | None = None
        self._nameless = 0  # logs without a signal, before the first with one
        self._no_signal = ""  # what the latest of them held
        self.objective: str | None = None
        self._absent: list[str] = []  # names of signals that were reported as missing

    @property
    def averaging(self) -> str | None:
        """How the numbers had been averaged; None while that is undecided."""
        return self._reader.averaging if self._reader is not None else None

    def knows(self, logs: Mapping[str, float], means: Collection[str], origin: int) -> bool:
        """Whether this log can be read: False while no log has held a signal.

        Args:
            logs: log key to number.
            means: keys that hold Keras' means since the epoch began; others hold their batch's own.
            origin: the step at which the first of these means began.
        """
        if self._reader is not None:
            return True
        given = {s: name for s, name in (self._signals or {}).items() if name in logs}
        try:
            names = recognise_names(logs, given)
        except InputError as error:
            self._nameless += 1
            self._no_signal = str(error)
            if self._nameless == PATIENCE:
                self.warn_of_missing_names()
            return False
        for question in names.questions:
            warn(f"CollapseMonitor: {question}", stacklevel=2)
        self.objective = names.objective
        of_metrics = set(names.keys.values()) & set(means)
        settings = ReaderSettings(
            dict(self._signals) if self._signals else None,
            str(Averaging.EPOCH if of_metrics else Averaging.BATCH),
            origin,
            sorted(means) if of_metrics else None,
        )
        self._journal.write(settings)
        self._reader = Reader(**settings.arguments(), relative_rounding=FLOAT32_ROUNDING)
        return True

    def read(
        self,
        step: int,
        logs: Mapping[str, float],
        epoch: int,
        rounding: Mapping[str, float] | None,
    ) -> list[Reading]:
        """Take a log that is known; return the readings that it completes."""
        assert self._reader is not None, "knows() comes first"
        return self._reader.read(step, logs, epoch, rounding)

    def close(self) -> tuple[list[Reading], list[Finding]]:
        """Return the readings held back, and findings about the form of the numbers."""
        if self._reader is None:
            return [], []
        return self._reader.close(), self._reader.findings()

    def warn_of_missing_names(self) -> None:
        """Warn, once each, if no log has held a signal, or none has held a name of ``signals``."""
        if self._reader is None:
            if self._no_signal and self._nameless <= PATIENCE:
                self._nameless = PATIENCE + 1
                warn(f"CollapseMonitor has nothing to assess: {self._no_signal}", stacklevel=2)
            return
        absent = self._reader.absent
        if absent and absent != self._absent:
            self._absent = absent
            warn(
                f"signals: no log has held {', '.join(map(repr, absent))} so far. "
                f"Received: {', '.join(self._reader.received)}.",
                stacklevel=2,
            )
