"""What a run's folder holds beside its numbers: facts, samples, and the command that made it."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.core.journal import FILE_NAME, read_journal, understood

PICTURES = {
    "samples_start.png": "first look",
    "samples_finding.png": "first after a finding",
    "samples.png": "end",
}
"""The samples that a run keeps."""
LARGEST = 300_000
"""Bytes of a picture that are taken as they are: a report must stay easy to send."""
SIDE = 1000
"""Pixels that a larger one is reduced to."""
GROUPS = {
    "Seed": ("seeding",),
    "Training": ("batch_size", "epochs", "steps", "optimizer", "d_optimizer", "g_optimizer"),
    "Data": ("data",),
    "Networks": ("model", "generator", "discriminator", "latent", "parameters"),
    "Machine and versions": ("backend", "device", "python", "version"),
}
"""Facts that belong together, by the first part of their names."""


@dataclass
class Beside:
    """What a run's folder holds beside its numbers.

    Args:
        folder: None where the source is no run folder.
        facts: of its fits; the latest ones count.
        summaries: Keras' text for each network.
        command: that repeats it; empty where it is not known.
        place: the folder it was given in.
        began: Unix seconds; None where that is not known.
        steps: the step at which each picture was made.
    """

    folder: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    command: str = ""
    place: str = ""
    began: float | None = None
    steps: dict[str, int] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """When it began, in words; empty where that is not known."""
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.began)) if self.began else ""


def folder_of(source: str) -> Path | None:
    """The run's folder where the source is one, or its journal."""
    path = Path(source)
    if path.name == FILE_NAME:
        path = path.parent
    return path if (path / FILE_NAME).exists() else None


def beside(folder: Path | None) -> Beside:
    """Read it. Raises InputError where the journal is not as this version writes it."""
    found = Beside(folder)
    if folder is None:
        return found
    with understood(folder):
        for record in read_journal(folder):
            kind = record["record"]
            if kind == "run":
                found.command = str(record.get("command", ""))
                found.place = str(record.get("cwd", ""))
                found.began = float(record["time"]) if "time" in record else None
            elif kind == "fit":
                found.facts |= record["facts"]
            elif kind == "picture":
                found.steps[str(record["name"])] = int(record["step"])
        summaries = found.facts.pop("summary", {})
        found.summaries = {str(name): str(text) for name, text in summaries.items()}
    return found


def grids(found: Beside) -> Iterator[tuple[str, str]]:
    """What each picture shows, and the picture as a ``data:`` address; none of them twice."""
    seen: dict[int | str, tuple[str, list[str]]] = {}
    for name, shows in PICTURES.items():
        picture = _embedded(found.folder / name) if found.folder else None
        if picture is not None:
            seen.setdefault(found.steps.get(name, name), (picture, []))[1].append(shows)
    for step, (picture, words) in seen.items():
        when = f"step {step:,}: " if isinstance(step, int) else ""
        yield when + ", ".join(words), picture


def _embedded(path: Path) -> str | None:
    try:
        pixels, kind = path.read_bytes(), "png"
        if len(pixels) > LARGEST:
            pixels, kind = _reduced(path), "jpeg"
    except OSError:  # there is none, or it is no picture
        return None
    return f"data:image/{kind};base64,{base64.b64encode(pixels).decode()}"


def _reduced(path: Path) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    with Image.open(path) as picture:
        smaller = picture.convert("RGB")
        smaller.thumbnail((SIDE, SIDE))
        smaller.save(file, format="JPEG", quality=85)
    return file.getvalue()


def grouped(facts: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Facts by group, each a name and its value in words.

    >>> grouped({"optimizer": "Adam", "optimizer.beta_1": 0.5, "version.keras": "3.15"})
    {'Training': [('optimizer', 'Adam: beta_1 0.5')], 'Machine and versions': [('keras', '3.15')]}
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for group, heads in GROUPS.items():
        for head in heads:
            found.setdefault(group, []).extend(_of_head(facts, head))
    known = {head for heads in GROUPS.values() for head in heads}
    rest = [(k, _words(v)) for k, v in facts.items() if k.partition(".")[0] not in known]
    return {group: rows for group, rows in {**found, "Other": rest}.items() if rows}


def _of_head(facts: Mapping[str, Any], head: str) -> list[tuple[str, str]]:
    own = facts.get(head)
    if isinstance(own, Mapping):  # such as the seeding's lists
        return [(str(name), _words(value)) for name, value in own.items()]
    parts = {k.removeprefix(f"{head}."): v for k, v in facts.items() if k.startswith(f"{head}.")}
    if own is None:
        return [(_named(head, name), _words(value)) for name, value in parts.items()]
    if not head.endswith("optimizer") or not parts:
        rows = [(_named(head, name), _words(value)) for name, value in parts.items()]
        return [(head, _words(own)), *rows]
    settings = ", ".join(f"{name} {_words(value)}" for name, value in parts.items())
    return [(head, f"{_words(own)}: {settings}")]


def _named(head: str, name: str) -> str:
    return name if head == "version" else f"{head}.{name}"


def _words(value: Any) -> str:
    """As a person reads it; float32 carries no more than 7 digits."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return "; ".join(map(_words, value)) if isinstance(value, list | tuple) else str(value)
