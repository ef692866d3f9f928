"""What trainings print: Keras' progress bars, and the lines that people's own loops write."""

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
    # As in the book: "D loss: (0.687)(R 0.682, F 0.692)".
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
    "Keras' progress bar, the lines of Keras-GAN, PyTorch-GAN and the book, "
    "and 'step 5: d_loss: 0.69, g_loss: 0.70'"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with numbers in it.

    Args:
        run: which training of the text it belongs to.
        epoch, step: -1 where unknown; where both are known, the step counts from the epoch's
            begin.
        ends: it is the last of its epoch.
        texts: name to the number as printed; a percent sign stays with it.
    """

    run: int
    epoch: int
    step: int
    ends: bool
    texts: Mapping[str, str]


def read_text(
    text: str, what: str, signals: Mapping[str, str] | None, notes: Sequence[str] = ()
) -> PastRun:
    """Read the lines that are understood, and pass over the others.

    Args:
        text: of the log.
        what: its name in messages.
        signals: canonical signal to name, where the names are not recognised.
        notes: to go with it.

    Raises:
        InputError: no line is understood.
    """
    lines = list(_lines(text.splitlines()))
    names = _signals_of(lines, what, text, signals)
    wanted = set(names.keys.values())
    lines = [line for line in lines if wanted & line.texts.keys()]
    last = lines[-1].run
    found = [line for line in lines if line.run == last]
    told = list(notes)
    if len({line.run for line in lines}) > 1:
        told.append(f"several trainings in it; the last one, of {len(found)} lines, is judged")
    rows, per_epoch = _rows_of(found, wanted)
    return PastRun(rows, per_epoch, {"signals": dict(names.keys)}, notes=told)


def understood_lines(text: str) -> int:
    """How many lines hold a number of a GAN."""
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
    """The lines that name numbers, each with its place in its training."""
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
                    epoch += 1  # Keras prints no header where there is one epoch only
                place, ends = (epoch, step), bar[1] == bar[2]
            else:
                place, ends = _place(part), False
            if place[1] >= 0:  # it is numbered
                run += place < last  # numbers that begin anew are another training's
                last = place
            yield _Line(run, *place, ends, texts)


def _place(line: str) -> tuple[int, int]:
    """Epoch and step of a line of a person's own; -1 for what it does not say."""
    epoch, step = _EPOCH.search(line), _STEP.search(line)
    if epoch and step:
        return int(epoch[1]), int(step[1])
    if step:
        return -1, int(step[1])
    alone = epoch or _LEADING.match(line)
    return -1, int(alone[1]) if alone else -1


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Name and number, as printed, of a line."""
    network = ""
    for found in _PAIR.finditer(line):
        name = re.split(r"[\[\]|,]| - ", found["name"])[-1].strip(" .()")
        told = _NETWORK.search(name.replace("_", " "))
        if told:
            network = told[1]
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
    names = list(dict.fromkeys(name for line in lines for name in line.texts))
    try:
        return recognise_names(names, signals)
    except InputError:
        if signals:
            raise
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    raise InputError(
        f"no line of {what} tells of a GAN's training. Received: {first[:80]!r}. Known are "
        f"{KNOWN}; other names by --signal d_loss=my_loss."
    )


# -- rows ------------------------------------------------------------------------------------


def _rows_of(lines: Sequence[_Line], wanted: set[str]) -> tuple[list[LogRow], bool]:
    """The rows, and whether a row is an epoch."""
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
        if rows and rows[-1].step == step:  # a bar's last state is printed twice
            rows[-1] = replace(row, logs={**rows[-1].logs, **row.logs})
        else:
            rows.append(row)
    return rows, per_epoch


def _values(texts: Mapping[str, str]) -> dict[str, float]:
    return {n: float(t.rstrip("% ")) / (100 if t.endswith("%") else 1) for n, t in texts.items()}


def _errors(texts: Mapping[str, str]) -> dict[str, float]:
    """Half a unit of the last printed decimal."""
    return {
        name: 0.5 * 10.0 ** -decimals_of(text.rstrip("%")) / (100 if text.endswith("%") else 1)
        for name, text in texts.items()
    }
