"""Reads printed training logs: Keras' progress bars, and the lines of custom loops."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
_LEADING = re.compile(r"\s*\[?(\d+)\b(?!\.)")
_NETWORK = re.compile(r"\b([dg])(?:is(?:c(?:riminator)?)?|en(?:erator)?|ritic)?\b", re.IGNORECASE)
KNOWN = (
    "Keras' progress bar, the lines of Keras-GAN, PyTorch-GAN and Foster's book, "
    "and 'step 5: d_loss: 0.69, g_loss: 0.70'"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that contains named numbers.

    Args:
        run: the training in the text that it belongs to, from 0.
        epoch, step: -1 if unknown; if both are known, the step counts from the start of the epoch.
        ends: whether it is the last of its epoch.
        texts: name to the number as printed, with its percent sign.
    """

    run: int
    epoch: int
    step: int
    ends: bool
    texts: Mapping[str, str]


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
    names = _signals_of(lines, what, text, signals)
    wanted = set(names.keys.values())
    lines = [line for line in lines if wanted & line.texts.keys()]
    last = lines[-1].run
    found = [line for line in lines if line.run == last]
    remarks = list(notes)
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
                place, ends = (epoch, step), bar[1] == bar[2]
            else:
                place, ends = _place(part), False
            if place[1] >= 0:
                run += place < last  # a smaller step begins another training
                last = place
            yield _Line(run, *place, ends, texts)


def _place(line: str) -> tuple[int, int]:
    """The epoch and step of a custom loop's line; -1 if it does not contain them."""
    epoch, step = _EPOCH.search(line), _STEP.search(line)
    if epoch and step:
        return int(epoch[1]), int(step[1])
    if step:
        return -1, int(step[1])
    alone = epoch or _LEADING.match(line)
    return -1, int(alone[1]) if alone else -1


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """The names and numbers of a line, as printed."""
    network = ""
    for found in _PAIR.finditer(line):
        name = re.split(r"[\[\]|,]| - ", found["name"])[-1].strip(" .()")
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
    except InputError:
        if signals:
            raise
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
    begin, epoch = 0, lines[0].epoch
    for line in lines:
        if line.epoch != epoch:
            epoch, begin = line.epoch, rows[-1].step + 1 if rows else 0
        if per_epoch:
            step = len(rows)
        elif line.step < 0:
            step = rows[-1].step + 1 if rows else 0
        else:
            step = line.step + (begin if epoch >= 0 else 0)
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
