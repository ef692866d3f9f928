"""Recognises the lines of printed logs: Keras' progress bars, and those of custom loops.

All expressions take time linear in a line's length: repetitions that could share characters with
their neighbours are possessive (``*+``) or bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*+[A-Za-z]|\x08")
_WHOLE = r"\d{1,9}"
"""Digits of a step or epoch: longer numbers are none."""
_NUMBER = r"[-+]?(?:\d++\.?\d*+(?:[eE][-+]?\d{1,5}(?!\d))?|nan|inf)"
_LONGEST_NAME = 80
_NAME = re.compile(r"[A-Za-z][\w ./()-]*\Z")
"""The name at the end of a short text."""
_VALUE = re.compile(
    rf"[:=]\s*+\(?(?P<value>{_NUMBER})\)?(?P<percent>\s*+%)?"
    # As in Foster, "Generative Deep Learning" (2019): "D loss: (0.687)(R 0.682, F 0.692)".
    rf"(?:\s*+\((?:R\s*+)?(?P<real>{_NUMBER})\s*+%?,\s*+(?:F\s*+)?(?P<fake>{_NUMBER})\s*+%?\))?",
    re.IGNORECASE,
)
_BAR = re.compile(rf"\s*+({_WHOLE})/({_WHOLE}|Unknown)\s.*(?:\ds\b|step\b)")
_NEW_EPOCH = re.compile(rf"\s*+Epoch ({_WHOLE})/\d++\s*+$")
_EPOCH = re.compile(rf"\bepoch\b\s*+[:=#]?\s*+({_WHOLE})(?!\d)", re.IGNORECASE)
_STEP = re.compile(
    rf"\b(?:step|iter|iteration|batch)\b\s*+[:=#]?\s*+({_WHOLE})(?!\d)"
    rf"(?:\s*+/\s*+({_WHOLE})(?!\d))?",
    re.IGNORECASE,
)
_BRACKETS = re.compile(  # as PyTorch's DCGAN tutorial
    rf"\s*+\[({_WHOLE})/\d++\]\s*+\[({_WHOLE})/({_WHOLE})\]"
)
_ARROW = re.compile(rf"\s*+>({_WHOLE})(?:,\s*+({_WHOLE})/({_WHOLE}))?,")  # as J. Brownlee's loops
_ARROW_NAMES = {
    "d": "D loss", "d1": "D loss real", "d2": "D loss fake", "g": "G loss",
    "c1": "critic loss real", "c2": "critic loss fake",
    "a1": "D acc real", "a2": "D acc fake",
}  # fmt: skip
_AT_STEP = re.compile(r"\s++(?:at|in)\s++(?:step|iteration|batch|epoch)\s++\d++$", re.IGNORECASE)
_LEADING = re.compile(rf"\s*+\[?({_WHOLE})\b(?!\.)")
_NETWORK = re.compile(r"\b([dg])(?:is(?:c(?:riminator)?)?|en(?:erator)?|ritic)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
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


def named_lines(raw: Iterable[str]) -> Iterator[Line]:
    """The lines with named numbers, each with its place in its training."""
    run, epoch, last = 0, -1, (-1, -1)
    for line in raw:
        for part in _ESCAPES.sub("", line.rstrip("\n")).split("\r"):
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
            yield Line(run, *place, ends, texts, int(length) if length.isdecimal() else 0)


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
    network, end, arrow = "", 0, _ARROW.match(line)
    for found in _VALUE.finditer(line):
        named = _NAME.search(line[max(end, found.start() - _LONGEST_NAME) : found.start()].rstrip())
        if not named:
            continue
        end = found.end()
        name = re.split(r"[\[\]|,]| - ", named[0])[-1].strip(" .()")
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
