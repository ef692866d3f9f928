"""Raw logs in, readings out: names recognised, averaging undone, one scale for every loss."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.averaging import Averaging, Row, Unaverager
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import SignalNames, recognise_names

FLOAT32_ROUNDING = 2.0**-22
"""Relative error of a running mean that Keras keeps in float32: two units in the last place."""
SUM_TOLERANCE = 0.02
"""Relative difference up to which a D loss counts as the sum of its two halves."""

_HALVES = (("d_acc_real", "d_acc_fake"), ("d_loss_real", "d_loss_fake"))


class Reader:
    """Turns the log dictionaries of any Keras GAN into readings, live or from a file.

    Args:
        signals: canonical signal to log key, where the names are not recognised.
        averaging: how the numbers had been averaged, if known; recognised otherwise.
        hint: what the caller expects of the averaging; the numbers may overrule it.
        origin: the first step of a running mean, if known.
        raw: log keys that hold their own batch's number although the others are running means
            since the epoch began, as where a ``train_step`` returns metrics and tensors mixed.
        relative_rounding: error of a number relative to its size, where none is given with it.

    Raises:
        InputError: at the first log in which no signal is recognised.

    >>> reader = Reader(averaging="batch")
    >>> [r.values for r in reader.read(0, {"disc_loss": 0.7, "gen_loss": 0.6})]
    [{'d_loss': 0.7, 'g_loss': 0.6}]
    """

    def __init__(
        self,
        signals: Mapping[str, str] | None = None,
        averaging: str | None = None,
        hint: str | None = None,
        origin: int | None = None,
        raw: Collection[str] = (),
        relative_rounding: float = 0.0,
    ) -> None:
        self.names: SignalNames | None = None
        self.shared_halves: list[str] = []
        self.summed = False
        self._given = signals
        self._raw = frozenset(raw)
        self._means = RunningMeans()
        self._relative_rounding = relative_rounding
        self._undo = Unaverager(averaging, hint, origin)
        self._opening: list[Row] = []  # the rows the averaging was recognised from
        self._form_known = False
        self._last_step = 0

    @property
    def averaging(self) -> str | None:
        """How the numbers had been averaged; None while it is too early to say."""
        return str(self._undo.averaging) if self._undo.averaging else None

    def read(
        self,
        step: int,
        logs: Mapping[str, float],
        epoch: int | None = None,
        rounding: Mapping[str, float] | None = None,
    ) -> list[Reading]:
        """The readings that this log completes; often one, none while numbers are weighed up.

        Args:
            step: the training step the log belongs to, 0-based, growing.
            logs: log key to number; keys that are no signal are passed over.
            epoch: the epoch of the step, where known.
            rounding: log key to the largest error of the number as it was written.
        """
        if self.names is None:
            self.names = recognise_names(logs, self._given)
        keys = self.names.keys
        if self._raw:
            logs = {**logs, **self._means.add(step, epoch, {k: logs[k] for k in self._raw})}
        values = {signal: float(logs[key]) for signal, key in keys.items() if key in logs}
        if rounding is None:
            errors = {k: abs(v) * self._relative_rounding for k, v in values.items()}
        else:
            errors = {signal: rounding[keys[signal]] for signal in values}
        row = Row(step, values, errors, epoch)
        if not self._form_known:
            self._opening.append(row)
        return self._finish(self._undo.push(row))

    def close(self) -> list[Reading]:
        """The readings still held back at the end of a log."""
        return self._finish(self._undo.close())

    def findings(self) -> list[Finding]:
        """What the numbers' form says: that they were running means over the whole run."""
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
                message="The numbers handed in are running means over the whole run: late "
                "failures hardly move them. They were un-averaged before anything was judged.",
                evidence=evidence,
                advice=(
                    "Call model.reset_metrics() before each train_on_batch, or use Keras 3.15 "
                    "or newer, where train_on_batch reports its own batch.",
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
        if not self._form_known:
            self._form_known = True
            self.shared_halves = self._find_shared_halves()
            self.summed = self._is_sum()
            self._opening = self._opening[:1]
        self._last_step = readings[-1].step
        if self.shared_halves or self.summed:
            return [self._in_form(reading) for reading in readings]
        return readings

    def _find_shared_halves(self) -> list[str]:
        """Halves that are one running mean, updated by the real and the fake batch in turn.

        Then the real column holds the mean of 2n + 1 batches and the fake column of 2n + 2. If
        they really were two means, reading them so would give accuracies outside [0, 1].
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

    def _is_sum(self) -> bool:
        """Is the D loss the sum of its halves, rather than their mean?"""
        known = [
            (row.values["d_loss"], row.values["d_loss_real"] + row.values["d_loss_fake"])
            for row in self._opening
            if {"d_loss", "d_loss_real", "d_loss_fake"} <= row.values.keys()
        ]
        return bool(known) and all(
            abs(loss - total) <= SUM_TOLERANCE * abs(total) + 1e-3 for loss, total in known
        )

    def _in_form(self, reading: Reading) -> Reading:
        values = {k: v for k, v in reading.values.items() if k not in self.shared_halves}
        if self.summed:
            values["d_loss"] /= 2
        return Reading(
            reading.step,
            reading.steps,
            values,
            reading.rounding,
            reading.before,
            reading.after,
            reading.inner,
        )


class RunningMeans:
    """Turns numbers of single batches into means since the epoch began, as Keras does."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._last = -1
        self._count = 0
        self._totals: dict[str, float] = {}

    def add(self, step: int, epoch: int | None, numbers: Mapping[str, float]) -> dict[str, float]:
        """The means up to and with this step."""
        if epoch != self._epoch:
            self._epoch, self._count, self._totals = epoch, 0, {}
        steps, self._last = step - self._last, step
        self._count += steps
        for key, number in numbers.items():
            self._totals[key] = self._totals.get(key, 0.0) + float(number) * steps
        return {key: total / self._count for key, total in self._totals.items()}
