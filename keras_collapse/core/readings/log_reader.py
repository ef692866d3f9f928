"""Turns logs into readings: recognises names, undoes averaging, puts D's losses on one scale."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.averaging import Unaverager
from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.inference import Averaging
from keras_collapse.core.readings.reading import Reading, SignalRow
from keras_collapse.core.readings.signals import SignalNames, recognise_names

FLOAT32_ROUNDING = 2.0**-22
"""Relative error of a running mean that Keras keeps in float32: two units in the last place."""
SUM_TOLERANCE = 0.02
"""Relative difference up to which D's loss counts as the sum of its real and fake losses."""

MOST_KEYS = 1000
"""Log keys after which no new one is searched for signals: only a broken log has so many."""

_HALVES = (("d_acc_real", "d_acc_fake"), ("d_loss_real", "d_loss_fake"))


class Reader:
    """Turns the logs of a Keras GAN into readings, live or from a file.

    A signal may be missing from some logs, and may first appear in a later one.

    Args:
        signals: canonical signal to log key, for names that are not recognised.
        averaging: how the numbers were averaged, an `Averaging` value; None to infer it.
        origin: the step at which the running means began; None to infer it.
        means: log keys that hold running means since the epoch began, if others hold their batch's
            own number, as when a ``train_step`` returns both metrics and tensors; None if all keys
            are of one kind.
        relative_rounding: relative error of a number that is logged without its own.

    Attributes:
        names: the signals found so far; None before the first log.
        shared_halves: signals dropped since real and fake batches update the same running mean.
        summed: whether D's loss is the sum of its real and fake losses, and is halved; None while
            that is unknown.

    Raises:
        InputError: the first log contains no known signal.

    >>> reader = Reader(averaging="batch")
    >>> [r.values for r in reader.read(0, {"disc_loss": 0.7, "gen_loss": 0.6})]
    [{'d_loss': 0.7, 'g_loss': 0.6}]
    """

    def __init__(
        self,
        signals: Mapping[str, str] | None = None,
        averaging: str | None = None,
        origin: int | None = None,
        means: Collection[str] | None = None,
        relative_rounding: float = 0.0,
    ) -> None:
        self.names: SignalNames | None = None
        self.shared_halves: list[str] = []
        self.summed: bool | None = None
        self._given = dict(signals or {})
        self._known: dict[str, None] = {}  # all log keys so far, in order
        self._means = frozenset(means) if means is not None else None
        self._own: deque[tuple[int, dict[str, float]]] = deque()  # batches' own numbers, by step
        self._relative_rounding = relative_rounding
        self._rounding: Mapping[str, float] | None = None
        self._rounding_errors: Mapping[str, float] = {}
        self._undo = Unaverager(averaging, origin)
        self._opening: list[SignalRow] = []  # the rows the averaging was recognised from
        self._form_known = False
        self._last_step = 0

    @property
    def averaging(self) -> str | None:
        """How the numbers were averaged; None while, or where, that is unknown."""
        return str(self._undo.averaging) if self._undo.averaging else None

    @property
    def absent(self) -> list[str]:
        """Log keys given in ``signals`` that no log has contained yet."""
        return [name for name in self._given.values() if name not in self._known]

    @property
    def received(self) -> list[str]:
        """All log keys so far."""
        return list(self._known)

    def read(
        self,
        step: int,
        logs: Mapping[str, float],
        epoch: int | None = None,
        rounding: Mapping[str, float] | None = None,
    ) -> list[Reading]:
        """Take a log; return the readings that it completes.

        Args:
            step: the training step of the log, 0-based, strictly increasing.
            logs: log key to number; keys that are no signal are ignored.
            epoch: the epoch of the step; None if unknown.
            rounding: log key to the largest error of the number as written; None to use
                ``relative_rounding``.

        Returns:
            Usually one reading; none while the averaging is undecided.

        Raises:
            InputError: it is the first log and contains no known signal.
        """
        if not logs.keys() <= self._known.keys() and len(self._known) < MOST_KEYS:
            self._learn_names(logs)
        if self.names is None:  # a row of empty cells
            return []
        keys = self.names.keys
        values = {signal: float(logs[key]) for signal, key in keys.items() if key in logs}
        if self._means is not None:
            own = {s: values.pop(s) for s in list(values) if keys[s] not in self._means}
            if own:
                self._own.append((step, own))
        row = SignalRow(step, values, self._errors(values, rounding), epoch)
        if not self._form_known:
            self._opening.append(row)
        return self._finish(self._undo.push(row))

    def read_columns(
        self,
        first_step: int,
        logs: Mapping[str, Sequence[float]],
        rounding: Mapping[str, float] | None = None,
    ) -> Columns | None:
        """Take the logs of steps without a gap at once, if each of them is its own reading.

        Args:
            first_step: the training step of the first one.
            logs: log key to the numbers, one for each step.
            rounding: see `read`.

        Returns:
            The readings; None if they depend on each other, or any is odd: then nothing has been
            taken, and each log is to be given to `read`.
        """
        if self.names is None or self._means is not None or not logs.keys() <= self._known.keys():
            return None
        values = {signal: logs[key] for signal, key in self.names.keys.items() if key in logs}
        has_form = not self._form_known or self.shared_halves or self.summed
        if has_form or (self.summed is None and _HALVES[1][0] in values):
            return None
        if not values or not all(math.isfinite(sum(numbers)) for numbers in values.values()):
            return None
        last_step = first_step + len(next(iter(values.values()))) - 1
        if not self._undo.pass_over(first_step, last_step):
            return None
        self._last_step = last_step
        errors = None if rounding is None else self._errors({}, rounding)
        return Columns(first_step, values, errors, self._relative_rounding)

    def _errors(
        self, values: Mapping[str, float], rounding: Mapping[str, float] | None
    ) -> Mapping[str, float]:
        """The largest error of each of a row's numbers."""
        if rounding is None:
            relative = self._relative_rounding
            return {signal: abs(number) * relative for signal, number in values.items()}
        if rounding is not self._rounding:  # a file has one for all rows
            assert self.names is not None
            self._rounding = rounding
            self._rounding_errors = {s: rounding.get(k, 0.0) for s, k in self.names.keys.items()}
        return self._rounding_errors

    def _learn_names(self, logs: Mapping[str, float]) -> None:
        """Search new log keys for signals; a signal that is known keeps its key."""
        self._known |= dict.fromkeys(logs)
        given = {signal: name for signal, name in self._given.items() if name in self._known}
        found = recognise_names(self._known, given)
        if self.names is not None:
            found = SignalNames({**found.keys, **self.names.keys}, found.objective, found.questions)
        self.names = found
        self._rounding = None

    def _add_own(self, reading: Reading) -> Reading:
        """Add the means of the signals that were logged per batch, over the reading's steps."""
        values, rounding = dict(reading.values), dict(reading.rounding)
        within: dict[str, list[float]] = {}
        while self._own and self._own[0][0] <= reading.step:
            for signal, number in self._own.popleft()[1].items():
                within.setdefault(signal, []).append(number)
        counts = max(reading.before + reading.inner + reading.after, 1)
        for signal, numbers in within.items():
            values[signal] = sum(numbers) / len(numbers)
            error = abs(values[signal]) * self._relative_rounding
            rounding[signal] = error * reading.steps / counts  # as `Reading.uncertainty` undoes it
        return replace(reading, values=values, rounding=rounding)

    def close(self) -> list[Reading]:
        """Return the readings still held back at the end of a log."""
        return self._finish(self._undo.close())

    def findings(self) -> list[Finding]:
        """Return ``cumulative_metrics`` if the numbers are running means over the whole run."""
        if self._undo.averaging is not Averaging.RUN or not self._form_known:
            return []
        evidence: dict[str, object] = {"averaging": "run"}
        if self.shared_halves:
            evidence["shared_by_real_and_fake"] = list(self.shared_halves)
        return [
            Finding(
                kind="cumulative_metrics",
                severity=Severity.INFO,
                first_step=self._opening[0].step,
                last_step=self._last_step,
                message="The logged numbers are running means over the whole run, which late "
                "failures hardly change. The averaging was undone before the diagnosis.",
                evidence=evidence,
                advice=(
                    "In a train_on_batch loop: call model.reset_metrics() before each call, or use "
                    "Keras 3.15 or newer, where train_on_batch reports its own batch.",
                    "Log real and fake batches into separate metrics."
                    if self.shared_halves
                    else "Plot the un-averaged numbers, not these.",
                ),
            )
        ]

    # -- form ----------------------------------------------------------------------------

    def _finish(self, readings: list[Reading]) -> list[Reading]:
        if not readings:
            return readings
        if self._own:
            readings = [self._add_own(reading) for reading in readings]
        if not self._form_known:
            self._form_known = True
            self.shared_halves = self._find_shared_halves()
            self._opening = self._opening[:1]
        if self.summed is None and _HALVES[1][0] in readings[-1].values:
            self.summed = self._is_sum(readings)
        self._last_step = readings[-1].step
        if self.shared_halves or self.summed:
            return [self._in_form(reading) for reading in readings]
        return readings

    def _find_shared_halves(self) -> list[str]:
        """Real and fake signals that are one running mean, updated by both batches in turn.

        At step n (from 0) the real column is then a mean over 2n + 1 batches and the fake column
        one over 2n + 2. Two separate means, un-averaged so, give accuracies outside [0, 1].
        """
        if self._undo.averaging is not Averaging.RUN or len(self._opening) < 4:
            return []
        real, fake = _HALVES[0] if _HALVES[0][0] in self._opening[0].values else _HALVES[1]
        upper = 1.0 if "acc" in real else math.inf
        for n, (last, row) in enumerate(zip(self._opening, self._opening[1:], strict=False), 1):
            if not all(key in r.values for key in (real, fake) for r in (last, row)):
                return []
            error = (4 * n + 3) * row.rounding.get(real, 0.0) + 1e-3
            now = (2 * n + 1) * row.values[real] - 2 * n * last.values[fake]
            then = (2 * n + 2) * row.values[fake] - (2 * n + 1) * row.values[real]
            if not all(-error <= x <= upper + error for x in (now, then)):
                return []
        return [half for pair in _HALVES for half in pair if half in self._opening[0].values]

    def _is_sum(self, readings: Sequence[Reading]) -> bool | None:
        """Whether D's loss is the sum of its real and fake losses, rather than their mean.

        None if no reading holds all three, or they are too near 0 to differ.
        """
        answer = None
        for reading in readings:
            loss = reading.get("d_loss")
            real, fake = (reading.get(name) for name in _HALVES[1])
            if loss is None or real is None or fake is None:
                continue
            error = sum(reading.uncertainty(name) for name in ("d_loss", *_HALVES[1])) + 1e-3
            if abs(real + fake) <= 4 * error:
                continue
            answer = abs(loss - real - fake) <= SUM_TOLERANCE * abs(real + fake) + error
            if not answer:
                return False
        return answer

    def _in_form(self, reading: Reading) -> Reading:
        """Drop shared halves, and halve D's loss if it is a sum."""
        values = {k: v for k, v in reading.values.items() if k not in self.shared_halves}
        if self.summed and "d_loss" in values:
            values["d_loss"] /= 2
        return replace(reading, values=values)
