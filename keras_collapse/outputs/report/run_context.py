"""The saved samples and the parameters of a run, prepared for its report."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_collapse.outputs.pictures import read_picture
from keras_collapse.sources import RunContext

PICTURES = {
    "samples_start.png": "first sample check",
    "samples_finding.png": "first one after a finding",
    "samples.png": "end",
}
"""File name of each saved picture to its label."""
LARGEST = 300_000
"""Largest picture in bytes that is embedded unchanged, so that a report stays easy to send."""
SIDE = 1000
"""Largest width and height in pixels of a reduced picture."""
GROUPS = {
    "Seed": ("seeding",),
    "Training": ("batch_size", "epochs", "steps", "optimizer", "d_optimizer", "g_optimizer"),
    "Data": ("data",),
    "Networks": ("model", "generator", "discriminator", "latent", "parameters"),
    "Machine and versions": ("backend", "device", "python", "version"),
}
"""Title of each group of parameters, to the first parts of their names."""


def sample_grids(context: RunContext) -> Iterator[tuple[str, str]]:
    """Yield each saved picture's label and its ``data:`` URI; equal steps share one picture."""
    seen: dict[int | str, tuple[str, list[str]]] = {}
    for name, shows in PICTURES.items():
        picture = _embedded(context.folder / name)
        if picture is not None:
            seen.setdefault(context.picture_steps.get(name, name), (picture, []))[1].append(shows)
    for step, (picture, words) in seen.items():
        when = f"step {step:,}: " if isinstance(step, int) else ""
        yield when + ", ".join(words), picture


def _embedded(path: Path) -> str | None:
    try:
        if path.stat().st_size > LARGEST:
            pixels, kind = _reduced(path), "jpeg"
        else:
            read_picture(path)
            pixels, kind = path.read_bytes(), "png"
    except OSError:  # it is missing, or cannot be decoded
        return None
    return f"data:image/{kind};base64,{base64.b64encode(pixels).decode()}"


def _reduced(path: Path) -> bytes:
    file = io.BytesIO()
    smaller = read_picture(path).convert("RGB")
    smaller.thumbnail((SIDE, SIDE))
    smaller.save(file, format="JPEG", quality=85)
    return file.getvalue()


def group_facts(facts: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return parameters by group, as pairs of name and value; network summaries are left out.

    >>> group_facts({"optimizer": "Adam", "optimizer.beta_1": 0.5, "version.keras": "3.15"})
    {'Training': [('optimizer', 'Adam: beta_1 0.5')], 'Machine and versions': [('keras', '3.15')]}
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for group, heads in GROUPS.items():
        for head in heads:
            found.setdefault(group, []).extend(_of_head(facts, head))
    known = {head for heads in GROUPS.values() for head in heads}
    known |= {"summary"}
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
    """A value as text; float32 has no more than 7 significant digits."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return "; ".join(map(_words, value)) if isinstance(value, list | tuple) else str(value)
