"""What trainings print: Keras' progress bars, and the lines that people's own loops write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keras_collapse.core.errors import InputError
from keras_collapse.core.signals import SignalNames, recognise_names
from keras_collapse.sources.csv_log import decimals_of
from keras_collapse.sources.keras_bar import Update, as_logged
from keras_collapse.sources.past_run import LogRow, PastRun
from keras_collapse.sources.printed_line import Place, numbers_of, place_of, tells_signal

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08")
_NEW_EPOCH = re.compile(r"\s*Epoch (\d+)/\d+\s*$")
KNOWN = (
    "Keras' progress bar, tqdm, the lines of Keras-GAN, PyTorch-GAN and the book, JSON lines, "
    "and 'step 5: d_loss: 0.69, g_loss: 0.70'"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with numbers in it: name to the number as printed, with its percent sign."""

    run: int  # which training of the text it belongs to
    place: Place
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
    told = list(notes)
    lines = _telling(_numbered(text), signals)
    names = _signals_of(lines, what, text, signals)
    wanted = set(names.keys.values())
    lines = [line for line in _runs(lines) if wanted & line.texts.keys()]
    if len(lines) > 1 and not text.endswith("\n") and _is_cut(lines[-1], lines[-2]):
        lines.pop()
        told.append("the last line was cut off and left out")
    found = [line for line in lines if line.run == lines[-1].run]
    if found != lines:
        told.append(f"several trainings in it; the last one, of {len(found)} lines, is judged")
    settings = {"signals": dict(names.keys)}
    if len(found) > 1 and all(line.place.ends for line in found):
        rows = [LogRow(i, None, *_numbers(line, wanted)) for i, line in enumerate(found)]
        return PastRun(rows, True, settings, notes=told)
    updates = _updates(found, wanted)
    if found[0].place.kind != "bar":
        return PastRun([update.row for update in updates], False, settings, notes=told)
    rows, averaging = as_logged(updates)
    return PastRun(rows, False, {**settings, "averaging": averaging}, notes=told)


def understood_lines(text: str) -> int:
    """How many lines hold a number of a GAN."""
    return sum(tells_signal(tuple(line.texts)) for line in _numbered(text))


# -- lines -----------------------------------------------------------------------------------


def _numbered(text: str) -> Iterator[_Line]:
    """The lines that name numbers, each with its place; a bar's with the epoch of its header."""
    epoch, last = -1, -1
    for raw in text.splitlines():
        for part in _ESCAPES.sub("", raw).split("\r"):
            header = _NEW_EPOCH.match(part)
            if header:
                epoch, last = int(header[1]) - 1, -1
                continue
            texts = numbers_of(part)
            if not texts:
                continue
            place = place_of(part)
            if place.kind == "bar":
                if epoch < 0 or place.step < last:
                    epoch += 1  # Keras prints no header where there is one epoch only
                last = place.step
                place = replace(place, epoch=epoch)
            yield _Line(0, place, texts)


def _telling(lines: Iterator[_Line], signals: Mapping[str, str] | None) -> list[_Line]:
    """The lines that hold a signal, of the kind that most of them are: others sum those up."""
    given = set((signals or {}).values())
    telling = [line for line in lines if given & line.texts.keys() or tells_signal((*line.texts,))]
    kinds = Counter(line.place.kind for line in telling)
    return [line for line in telling if line.place.kind == kinds.most_common(1)[0][0]]


def _runs(lines: Sequence[_Line]) -> Iterator[_Line]:
    """The lines with their training: numbers that begin anew are another's."""
    run, last = 0, (-1, -1)
    for line in lines:
        here = (line.place.epoch, line.place.step)
        run += here < last
        last = here
        yield replace(line, run=run)


def _is_cut(line: _Line, before: _Line) -> bool:
    """Was this line, which no line end follows, cut off in the middle?"""
    name, text = list(line.texts.items())[-1]
    whole = before.texts.get(name, text)
    missing = len(line.texts) < len(before.texts)
    return missing or decimals_of(text.rstrip("% ")) < decimals_of(whole.rstrip("% "))


def _signals_of(
    lines: Sequence[_Line], what: str, text: str, signals: Mapping[str, str] | None
) -> SignalNames:
    names = list(dict.fromkeys(name for line in lines for name in line.texts))
    if names or signals:
        return recognise_names(names, signals)
    seen = [line.strip()[:60] for line in text.splitlines() if line.strip()][:2]
    raise InputError(
        f"no line of {what} tells of a GAN's training. Received: "
        f"{', '.join(map(repr, seen)) or 'nothing'}. Known are {KNOWN}; other names by --signal "
        "d_loss=my_loss."
    )


# -- rows ------------------------------------------------------------------------------------


def _updates(lines: Sequence[_Line], wanted: set[str]) -> list[Update]:
    """The rows, their steps counted from the training's begin."""
    places = [line.place for line in lines]
    # "epoch 3, step 1500": steps that grow over the epochs count from the training's begin.
    within = any(
        here.epoch != last.epoch and here.step <= last.step
        for last, here in zip(places, places[1:], strict=False)
    )
    found: list[Update] = []
    began, epoch = 0, places[0].epoch
    for line in lines:
        place = line.place
        logs, errors = _numbers(line, wanted)
        following = found[-1].row.step + 1 if found else 0
        if place.epoch != epoch:
            began = max(following, began + place.of * (place.epoch - epoch)) if within else began
            epoch = place.epoch
        step = following if place.step < 0 else began + place.step
        row = LogRow(step, epoch if epoch >= 0 else None, logs, errors)
        if found and found[-1].row.step == step:  # each network on a line of its own, or repeated
            last = found.pop().row
            row = replace(
                row, logs={**last.logs, **logs}, rounding={**(last.rounding or {}), **errors}
            )
        found.append(Update(row, began, place.ends))
    return found


def _numbers(line: _Line, wanted: set[str]) -> tuple[dict[str, float], dict[str, float]]:
    """The numbers of a line, and half a unit of the last printed decimal of each."""
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    for name in sorted(wanted & line.texts.keys()):
        text, scale = line.texts[name].rstrip("% "), 100 if line.texts[name].endswith("%") else 1
        values[name] = float(text) / scale
        errors[name] = 0.5 * 10.0 ** -decimals_of(text) / scale
    return values, errors
