"""Reads printed training logs: Keras' progress bars, and the lines of custom loops."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SignalNames, recognise_names
from keras_collapse.sources.csv_log import decimals_of
from keras_collapse.sources.past_run import LogRow, PastRun

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08")
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)"
_PAIR = re.compile(
    rf"(?P<name>[A-Za-z][\w ./()-]*?)\s*[:=]\s*\(?(?P<value>{_NUMBER})\)?(?P<percent>\s*%)?"
    # As in Foster, "Generative Deep Learning" (2019): "D loss: (0.687)(R 0.682, F 0.692)".
    rf"(?:\s*\((?:R\s*)?(?P<real>{_NUMBER})\s*%?,\s*(?:F\s*)?(?P<fake>{_NUMBER})\s*%?\))?",
    re.IGNORECASE,
)
_BAR = re.compile(r"\s*(\d+)/(\d+|Unknown)\s.*(?:\d+s\b|step\b)")
_NEW_EPOCH = re.compile(r"\s*Epoch (\d+)/\d+\s*$")
_EPOCH = re.compile(r"\bepoch\b\s*[:=#]?\s*(\d+)", re.IGNORECASE)
_STEP = re.compile(
    r"\b(?:step|iter|iteration|batch)\b\s*[:=#]?\s*(\d+)(?:\s*/\s*(\d+))?", re.IGNORECASE
)
_BRACKETS = re.compile(r"\s*\[(\d+)/\d+\]\s*\[(\d+)/(\d+)\]")  # as PyTorch's DCGAN tutorial
_ARROW = re.compile(r"\s*>(\d+)(?:,\s*(\d+)/(\d+))?,")  # as J. Brownlee's loops
_ARROW_NAMES = {
    "d": "D loss", "d1": "D loss real", "d2": "D loss fake", "g": "G loss",
    "c1": "critic loss real", "c2": "critic loss fake",
    "a1": "D acc real", "a2": "D acc fake",
}  # fmt: skip
_AT_STEP = re.compile(r"\s+(?:at|in)\s+(?:step|iteration|batch|epoch)\s+\d+$", re.IGNORECASE)
_ONLY_TIMES = re.compile(r"^time for epoch", re.IGNORECASE | re.MULTILINE)
_LEADING = re.compile(r"\s*\[?(\d+)\b(?!\.)")
_NETWORK = re.compile(r"\b([dg])(?:is(?:c(?:riminator)?)?|en(?:erator)?|ritic)?\b", re.IGNORECASE)
KNOWN = (
    "Keras' progress bar, the lines of Keras-GAN, PyTorch-GAN, PyTorch's tutorial, Brownlee's and "
    "Foster's books, and 'step 5: d_loss: 0.69, g_loss: 0.70'"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that contains named numbers.

    Args:
        run: the training in the text that it belongs to, from 0.
        epoch, step: -1 if unknown; if both are known, the step counts from the start of the epoch.
        ends: whether it is the last of its epoch.
        texts: name to the number as printed, with its percent sign.
        length: the steps of its epoch; 0 if unknown.
    """

    run: int
    epoch: int
    step: int
    ends: bool
    texts: Mapping[str, str]
    length: int = 0


def read_text(
    text: str, what: str, signals: Mapping[str, str] | None, notes: Sequence[str] = ()
) -> PastRun:
    """Read the lines with GAN losses, and skip the others.

    Args:
        text: the content of the log.
        what: its name in error messages.
        signals: canonical signal to name in the log, for names that are not recognised.
        notes: remarks to add to the run's.

    Raises:
        InputError: no line contains GAN losses.
    """
    lines = list(_lines(text.splitlines()))
    return _run_of(lines, _signals_of(lines, what, text, signals), notes)


def read_pattern(text: str, what: str, pattern: str, signals: Mapping[str, str] | None) -> PastRun:
    """Read the lines that a regular expression matches, and skip the others.

    Args:
        text: the content of the log.
        what: its name in error messages.
        pattern: the expression. Its groups are named after signals, or as in ``signals``, besides
            ``step`` and ``epoch``.
        signals: canonical signal to group, for groups that are not recognised.

    Raises:
        InputError: the pattern is broken, names no signal, or matches no line.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"pattern: {error}. Received: {pattern!r}.") from None
    groups = [name for name in compiled.groupindex if name not in ("step", "epoch")]
    if not groups:
        raise InputError(
            "pattern: name its groups after signals, as in 'd=(?P<d_loss>[0-9.]+)'. "
            f"Received: {pattern!r}."
        )
    names = recognise_names(groups, signals)
    lines, last, run = [], (-1, -1), 0
    for line in text.splitlines():
        found = compiled.search(line)
        if not found:
            continue
        values = {name: number for name, number in found.groupdict().items() if number}
        try:
            epoch, step = (int(values.pop(name, -1)) for name in ("epoch", "step"))
            [float(number.rstrip("% ")) for number in values.values()]
        except ValueError:
            raise InputError(
                f"pattern: its groups should match numbers. Received: {found.groupdict()}."
            ) from None
        place = (epoch, step) if step >= 0 else (-1, epoch)
        run, last = run + (place < last), place
        lines.append(_Line(run, *place, False, values))
    if not lines:
        raise InputError(f"pattern: no line of {what} matches. Received: {pattern!r}.")
    return _run_of(lines, names, ())


def _run_of(lines: Sequence[_Line], names: SignalNames, notes: Sequence[str]) -> PastRun:
    """The last training in these lines."""
    wanted = set(names.keys.values())
    lines = [line for line in lines if wanted & line.texts.keys()]
    last = lines[-1].run
    found = [line for line in lines if line.run == last]
    remarks = [*notes, *names.questions]
    if len({line.run for line in lines}) > 1:
        remarks.append(f"the log contains several trainings; the last, {len(found)} lines, is used")
    rows, per_epoch = _rows_of(found, wanted)
    return PastRun(rows, per_epoch, {"signals": dict(names.keys)}, notes=remarks)


def understood_lines(text: str) -> int:
    """Return the number of lines that contain a GAN signal."""
    count = 0
    for line in _lines(text.splitlines()):
        try:
            recognise_names(line.texts)
        except InputError:
            continue
        count += 1
    return count


# -- lines -----------------------------------------------------------------------------------


def _lines(raw: Iterable[str]) -> Iterator[_Line]:
    """The lines with named numbers, each with its place in its training."""
    run, epoch, last = 0, -1, (-1, -1)
    for line in raw:
        for part in _ESCAPES.sub("", line).split("\r"):
            header = _NEW_EPOCH.match(part)
            if header:
                epoch = int(header[1]) - 1
                continue
            texts = dict(_pairs(part))
            if not texts:
                continue
            bar = _BAR.match(part)
            if bar:
                step = int(bar[1]) - 1
                if epoch < 0 or (epoch == last[0] and step < last[1]):
                    epoch += 1  # Keras prints no header for a single epoch
                place, ends, length = (epoch, step), bar[1] == bar[2], bar[2]
            else:
                at_epoch, at_step, length = _place(part)
                place, ends = (at_epoch, at_step), False
            if place[1] >= 0:
                run += place < last  # a smaller step begins another training
                last = place
            yield _Line(run, *place, ends, texts, int(length) if length.isdigit() else 0)


def _place(line: str) -> tuple[int, int, str]:
    """The epoch and step of a custom loop's line, -1 if unknown, and the epoch's length or ""."""
    arrow = _ARROW.match(line)
    if arrow and arrow[2]:
        return int(arrow[1]), int(arrow[2]) - 1, arrow[3]
    brackets = arrow or _BRACKETS.match(line)
    if brackets and brackets is not arrow:
        return int(brackets[1]), int(brackets[2]), brackets[3]
    epoch, step = _EPOCH.search(line), _STEP.search(line)
    if epoch and step:
        return int(epoch[1]), int(step[1]), step[2] or ""
    if step:
        return -1, int(step[1]), ""
    alone = arrow or epoch or _LEADING.match(line)
    return -1, int(alone[1]) if alone else -1, ""


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """The names and numbers of a line, as printed."""
    network, arrow = "", _ARROW.match(line)
    for found in _PAIR.finditer(line):
        name = re.split(r"[\[\]|,]| - ", found["name"])[-1].strip(" .()")
        name = _AT_STEP.sub("", name)
        if arrow and name in _ARROW_NAMES:
            whole = name in ("a1", "a2") and "." not in found["value"]  # printed in per cent
            yield _ARROW_NAMES[name], found["value"] + ("%" if whole or found["percent"] else "")
            continue
        named = _NETWORK.search(name.replace("_", " "))
        if named:
            network = named[1]
        elif re.match(r"acc|loss", name, re.IGNORECASE) and network:
            name = f"{network} {name}"  # as in "[D loss: 0.69, acc.: 50.00%]"
        percent = "%" if found["percent"] else ""
        yield name, found["value"] + percent
        if found["real"]:
            yield f"{name} real", found["real"] + percent
            yield f"{name} fake", found["fake"] + percent


def _signals_of(
    lines: Sequence[_Line], what: str, text: str, signals: Mapping[str, str] | None
) -> SignalNames:
    """The signals among the names of all lines."""
    names = list(dict.fromkeys(name for line in lines for name in line.texts))
    try:
        return recognise_names(names, signals)
    except InputError as error:
        if signals or "several pairs" in str(error):
            raise
    if _ONLY_TIMES.search(text):
        raise InputError(
            f"no GAN losses found in {what}: it holds the epochs' times only. Print both losses in "
            "the loop, or pass them to CollapseMonitor.update."
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    raise InputError(
        f"no GAN losses found in {what}. Received: {first[:80]!r}. Known formats are {KNOWN}; "
        "name others with --signal d_loss=my_loss."
    )


# -- rows ------------------------------------------------------------------------------------


def _rows_of(lines: Sequence[_Line], wanted: set[str]) -> tuple[list[LogRow], bool]:
    """The rows, and whether each row is an epoch."""
    per_epoch = len(lines) > 1 and all(line.ends for line in lines)
    rows: list[LogRow] = []
    begin, last = 0, lines[0]
    changes = [(a.step, b.step) for a, b in pairwise(lines) if a.epoch != b.epoch]
    over_all = bool(changes) and all(a < b for a, b in changes)  # steps go on over epochs
    for line in lines:
        if line.epoch != last.epoch and not over_all:
            after = begin + last.length * (line.epoch - last.epoch)
            begin = max(rows[-1].step + 1 if rows else 0, after)
        last = line
        if per_epoch:
            step = len(rows)
        elif line.step < 0:
            step = rows[-1].step + 1 if rows else 0
        else:
            step = line.step + (begin if line.epoch >= 0 else 0)
        texts = {name: line.texts[name] for name in wanted & line.texts.keys()}
        counted = None if per_epoch or line.epoch < 0 else line.epoch
        row = LogRow(step, counted, _values(texts), _errors(texts))
        if rows and rows[-1].step == step:  # a progress bar prints its last state twice
            rows[-1] = replace(row, logs={**rows[-1].logs, **row.logs})
        else:
            rows.append(row)
    return rows, per_epoch


def _values(texts: Mapping[str, str]) -> dict[str, float]:
    """The printed numbers as floats, percentages as shares."""
    return {n: float(t.rstrip("% ")) / (100 if t.endswith("%") else 1) for n, t in texts.items()}


def _errors(texts: Mapping[str, str]) -> dict[str, float]:
    """Half a unit of each number's last printed decimal."""
    return {
        name: 0.5 * 10.0 ** -decimals_of(text.rstrip("%")) / (100 if text.endswith("%") else 1)
        for name, text in texts.items()
    }
