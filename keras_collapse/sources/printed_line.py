"""One printed line: the numbers it names, and its place in the training."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from keras_collapse.core.errors import InputError
from keras_collapse.core.signals import recognise_names

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_VALUE = re.compile(
    # A number, alone, in brackets, or as tensors and NumPy's scalars print themselves.
    rf"[\"']?\s*[:=]\s*(?P<open>(?:[A-Za-z][\w.]*)?\()?(?P<value>{_NUMBER})(?!\w|\.\w)"
    # As in the book: "D loss: (0.687)(R 0.682, F 0.692)".
    rf"(?(open)(?:\)\((?:R\s*)?(?P<real>{_NUMBER}),\s*(?:F\s*)?(?P<fake>{_NUMBER})"
    rf"(?:,[^()]*)?\))?)(?P<percent>\s*%)?",
    re.IGNORECASE,
)
_BEFORE_NAME = re.compile(r"[\[\]{}|,;:=\"'<>\t]| - |\s{2,}|(?<![\w.])\d[\w./%]*\s")
_AT = re.compile(r"\s+(?:at|in|for|of)?\s*(?:step|iter\w*|epoch|batch)\s*\d+$", re.IGNORECASE)
_NETWORK = re.compile(r"\b([dg])(?:is(?:c(?:riminator)?)?|en(?:erator)?)?\b", re.IGNORECASE)
_OTHER_DATA = ("val", "valid", "validation", "test", "eval")

_WHOLE = r"(\d{1,3}(?:,\d{3})+|\d+)"
_CLOCK = re.compile(r"\b\d{4}[-/]\d\d[-/]\d\d\b|\b\d?\d:\d\d:\d\d(?:[.,]\d+)?")
_BAR = re.compile(r"\s*(\d+)/(\d+|Unknown)\s.*(?:\d+s\b|step\b|ETA)")
_TQDM = re.compile(r"\|\s*(\d+)/(\d+|\?)\s*\[|(?:^|\s)(\d+)it \[")
_TWO = re.compile(r"\s*>?\[?(\d+)(?:/\d+\]\s*\[|,\s*)(\d+)/(\d+)\b")
_EPOCH = re.compile(rf"\bepochs?\b[\"']?\s*[:=#]?\s*\[?\s*{_WHOLE}", re.IGNORECASE)
_STEP = re.compile(
    r"\b(?:global_|train_|training_)?(?:steps?|iter(?:s|ations?)?|batch)\b[\"']?\s*[:=#]?\s*"
    rf"[\[(]?\s*{_WHOLE}(?:\s*/\s*(\d+))?",
    re.IGNORECASE,
)
_LEADING = re.compile(rf"\s*>?\s*[\[(]?{_WHOLE}\b(?!\.|%|:\d)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its training a line stands.

    Args:
        kind: what it is told by: ``"bar"`` for Keras' own, else in which words. Lines of
            different kinds count differently.
        epoch, step: as printed, a bar's step counted from 0; -1 where unknown.
        of: steps in an epoch; 0 where unknown.
    """

    kind: str
    epoch: int = -1
    step: int = -1
    of: int = 0

    @property
    def ends(self) -> bool:
        """It is a bar's last step of its epoch."""
        return self.kind == "bar" and self.step == self.of - 1


def place_of(line: str) -> Place:
    """The place that a line tells."""
    bar = _BAR.match(line)
    if bar:
        return Place("bar", step=int(bar[1]) - 1, of=_int(bar[2]))
    line = _CLOCK.sub("", line)
    found = _EPOCH.search(line)
    epoch = _int(found[1]) if found else -1
    tqdm = _TQDM.search(line)
    if tqdm:
        count = int(tqdm[1] or tqdm[3])
        return Place("tqdm", epoch, max(count - 1, 0), _int(tqdm[2]))
    step = _STEP.search(line)
    if step:
        return Place("epoch and step" if found else "step", epoch, _int(step[1]), _int(step[2]))
    if found:
        return Place("epoch", step=epoch)
    two = _TWO.match(line)
    if two:
        return Place("two", int(two[1]), int(two[2]), int(two[3]))
    alone = _LEADING.match(line)
    return Place("number", step=_int(alone[1])) if alone else Place("none")


def numbers_of(line: str) -> dict[str, str]:
    """Name to number, as printed, of a line; a percent sign stays with its number."""
    return dict(_pairs(line))


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    network, end = "", 0
    for found in _VALUE.finditer(line):
        before, end = line[end : found.start()], found.end()
        name = _AT.sub("", _BEFORE_NAME.split(before)[-1].strip(" .()"))
        if not name or not name[0].isalpha():
            continue
        told = _NETWORK.search(name.replace("_", " "))
        inside = line.rfind("[", 0, end) > line.rfind("]", 0, end)
        if told:
            network = told[1]
        elif inside and network and re.match(r"acc|loss", name, re.IGNORECASE):
            name = f"{network} {name}"  # as in "[D loss: 0.69, acc.: 50.00%]"
        name, percent = _without_chatter(name), "%" if found["percent"] else ""
        yield name, found["value"] + percent
        if found["real"]:
            yield f"{name} real", found["real"] + percent
            yield f"{name} fake", found["fake"] + percent


@lru_cache(maxsize=4096)
def _without_chatter(name: str) -> str:
    """``"D loss"`` of ``"INFO D loss"``; a name that holds no signal's stays."""
    words = name.split()
    for first, word in enumerate(words):
        if word.lower() in _OTHER_DATA:
            break
        if tells_signal((rest := " ".join(words[first:]),)):
            return rest
    return name


@lru_cache(maxsize=4096)
def tells_signal(names: tuple[str, ...]) -> bool:
    """Whether one of the names is a signal's."""
    try:
        return bool(recognise_names(names).keys)
    except InputError:
        return False


def _int(text: str | None) -> int:
    """A whole number with or without its thousands' commas; 0 for what is none."""
    digits = (text or "").replace(",", "")
    return int(digits) if digits.isdigit() else 0
