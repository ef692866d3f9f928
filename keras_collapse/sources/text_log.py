"""Reads printed training logs: Keras' progress bars, and the lines of custom loops."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SignalNames, recognise_names
from keras_collapse.sources.csv_log import LARGEST_STEP, decimals_of
from keras_collapse.sources.past_run import LogRow, PastRun
from keras_collapse.sources.printed_lines import Line, named_lines

_ONLY_TIMES = re.compile(r"time for epoch", re.IGNORECASE)
KNOWN = (
    "Keras' progress bar, the lines of Keras-GAN, PyTorch-GAN, PyTorch's tutorial, Brownlee's and "
    "Foster's books, and 'step 5: d_loss: 0.69, g_loss: 0.70'"
)


def read_text(
    lines: Iterable[str], what: str, signals: Mapping[str, str] | None, notes: Sequence[str] = ()
) -> PastRun:
    """Read the lines with GAN losses, and skip the others.

    Args:
        lines: of the log; iterated more than once.
        what: its name in error messages.
        signals: canonical signal to name in the log, for names that are not recognised.
        notes: remarks to add to the run's.

    Raises:
        InputError: no line contains GAN losses.
    """
    return _run_of(_Printed(lines), _signals_of(lines, what, signals), notes)


def read_pattern(
    lines: Iterable[str], what: str, pattern: str, signals: Mapping[str, str] | None
) -> PastRun:
    """Read the lines that a regular expression matches, and skip the others.

    Args:
        lines: of the log; iterated more than once.
        what: its name in error messages.
        pattern: the expression. Its groups are named after signals, or as in ``signals``, besides
            ``step`` and ``epoch``.
        signals: canonical signal to group, for groups that are not recognised.

    Raises:
        InputError: the pattern is broken, names no signal, or matches no line.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"pattern: {error}. Received: {pattern!r}.") from None
    groups = [name for name in compiled.groupindex if name not in ("step", "epoch")]
    if not groups:
        raise InputError(
            "pattern: name its groups after signals, as in 'd=(?P<d_loss>[0-9.]+)'. "
            f"Received: {pattern!r}."
        )
    names = recognise_names(groups, signals)
    matched = _Matched(lines, compiled)
    if next(iter(matched), None) is None:
        raise InputError(f"pattern: no line of {what} matches. Received: {pattern!r}.")
    return _run_of(matched, names, ())


def has_signal(lines: Iterable[str]) -> bool:
    """Whether a line contains a GAN signal."""
    for line in named_lines(lines):
        try:
            recognise_names(line.texts)
        except InputError:
            continue
        return True
    return False


# -- lines -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Printed:
    """The lines of a log in a known form; recognised anew at each iteration."""

    raw: Iterable[str]

    def __iter__(self) -> Iterator[Line]:
        return named_lines(self.raw)


@dataclass(frozen=True, slots=True)
class _Matched:
    """The lines that a pattern matches; searched anew at each iteration."""

    raw: Iterable[str]
    pattern: re.Pattern[str]

    def __iter__(self) -> Iterator[Line]:
        last, run = (-1, -1), 0
        for line in self.raw:
            found = self.pattern.search(line.rstrip("\n"))
            if not found:
                continue
            values = {name: number for name, number in found.groupdict().items() if number}
            try:
                epoch, step = (int(values.pop(name, -1)) for name in ("epoch", "step"))
                if max(epoch, step) > LARGEST_STEP:
                    raise ValueError("no step or epoch")
                _values(values)
            except ValueError:
                raise InputError(
                    "pattern: its groups should match numbers. "
                    f"Received: {str(found.groupdict())[:200]}."
                ) from None
            place = (epoch, step) if step >= 0 else (-1, epoch)
            run, last = run + (place < last), place
            yield Line(run, *place, False, values)


def _signals_of(lines: Iterable[str], what: str, signals: Mapping[str, str] | None) -> SignalNames:
    """The signals among the names of all lines."""
    names = list(dict.fromkeys(name for line in named_lines(lines) for name in line.texts))
    try:
        return recognise_names(names, signals)
    except InputError as error:
        if signals or "several pairs" in str(error):
            raise
    if any(_ONLY_TIMES.match(line) for line in lines):
        raise InputError(
            f"no GAN losses found in {what}: it holds the epochs' times only. Print both losses in "
            "the loop, or pass them to CollapseMonitor.update."
        )
    first = next((line.strip() for line in lines if line.strip()), "")
    raise InputError(
        f"no GAN losses found in {what}. Received: {first[:80]!r}. Known formats are {KNOWN}; "
        "name others with --signal d_loss=my_loss."
    )


# -- rows ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Survey:
    """What must be known of a training's lines before its first row is made.

    Args:
        run: the training in the log, from 0; the last one is used.
        lines: the number of its lines.
        per_epoch: whether each line is an epoch.
        steps_go_on: whether steps go on over epochs; None without a second epoch.
        several: whether there are several trainings.
    """

    run: int = 0
    lines: int = 0
    per_epoch: bool = True
    steps_go_on: bool | None = None
    several: bool = False


def _wanted(lines: Iterable[Line], wanted: set[str]) -> Iterator[Line]:
    return (line for line in lines if wanted & line.texts.keys())


def _run_of(lines: Iterable[Line], names: SignalNames, notes: Sequence[str]) -> PastRun:
    """The last training in these lines."""
    wanted = set(names.keys.values())
    survey, last = _Survey(), None
    for line in _wanted(lines, wanted):
        if last is not None and line.run != last.run:
            survey, last = _Survey(line.run, several=True), None
        if last is not None and line.epoch != last.epoch:
            survey.steps_go_on = survey.steps_go_on is not False and last.step < line.step
        survey.run, survey.lines = line.run, survey.lines + 1
        survey.per_epoch &= line.ends
        last = line
    survey.per_epoch &= survey.lines > 1
    remarks = [*notes, *names.questions]
    if survey.several:
        remarks.append(
            f"the log contains several trainings; the last, {survey.lines} lines, is used"
        )
    rows, keys = _Rows(lines, wanted, survey), dict(names.keys)
    return PastRun(rows, list(keys.values()), survey.per_epoch, {"signals": keys}, notes=remarks)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of the last training in some lines, made anew at each iteration."""

    lines: Iterable[Line]
    wanted: set[str]
    survey: _Survey

    def __iter__(self) -> Iterator[LogRow]:
        survey, row, begin, last = self.survey, None, 0, None
        count = 0
        for line in _wanted(self.lines, self.wanted):
            if line.run != survey.run:
                continue
            count += 1
            if count > survey.lines:  # the file has grown
                break
            if last is not None and line.epoch != last.epoch and not survey.steps_go_on:
                after = begin + last.length * (line.epoch - last.epoch)
                begin = max(row.step + 1 if row else 0, after)
            last = line
            if survey.per_epoch:
                step = count - 1
            elif line.step < 0:
                step = row.step + 1 if row else 0
            else:
                step = line.step + (begin if line.epoch >= 0 else 0)
            if row is not None and step < row.step:  # lines without a step had been counted on
                step = row.step + 1
            texts = {name: line.texts[name] for name in self.wanted & line.texts.keys()}
            counted = None if survey.per_epoch or line.epoch < 0 else line.epoch
            new = LogRow(step, counted, _values(texts), _errors(texts))
            if row is not None and row.step == step:  # a progress bar prints its last state twice
                row = replace(new, logs={**row.logs, **new.logs})
                continue
            if row is not None:
                yield row
            row = new
        if row is not None:
            yield row


def _values(texts: Mapping[str, str]) -> dict[str, float]:
    """The printed numbers as floats, percentages as shares."""
    return {n: float(t.rstrip("% ")) / (100 if t.endswith("%") else 1) for n, t in texts.items()}


def _errors(texts: Mapping[str, str]) -> dict[str, float]:
    """Half a unit of each number's last printed decimal."""
    return {
        name: 0.5 * 10.0 ** -decimals_of(text.rstrip("%")) / (100 if text.endswith("%") else 1)
        for name, text in texts.items()
    }
