"""``known_good.toml``: seeds, batch-size cap and settings that a triage found to work."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError

FILE_NAME = "known_good.toml"


@dataclass(frozen=True)
class KnownGood:
    """What worked.

    Args:
        seeds: with which the training was healthy, at ``batch_size``.
        batch_size: that they were healthy with.
        batch_size_cap: the largest batch size at which no trial failed; None where none is known.
        changes, params: the settings that they were healthy with: see the triage's trials.
        experiment: ``FILE.py:train``.
    """

    seeds: Sequence[int]
    batch_size: int
    batch_size_cap: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    experiment: str = ""

    def to_toml(self) -> str:
        """As text."""
        lines = [
            "# Written by keras-collapse triage: what was healthy when it was tried.",
            f"experiment = {_value(self.experiment)}",
            f"seeds = [{', '.join(map(str, self.seeds))}]",
            f"batch_size = {self.batch_size}",
        ]
        if self.batch_size_cap is not None:
            lines.append(f"batch_size_cap = {self.batch_size_cap}")
        for name, table in (("changes", self.changes), ("params", self.params)):
            lines += ["", f"[{name}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return json.dumps(name)


def _value(value: Any) -> str:
    """JSON's numbers, strings and truths are TOML's."""
    return json.dumps(value)


def read_known_good(path: str | Path) -> KnownGood:
    """Read the file.

    Raises:
        InputError: no such file, no TOML, or no working seed in it.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read {str(path)!r} ({error.strerror}). Give the {FILE_NAME} of a triage."
        ) from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no TOML ({error}).") from None
    try:
        found = KnownGood(**raw)
    except TypeError:
        raise InputError(
            f"{str(path)!r} is no {FILE_NAME}: it needs seeds and batch_size, and has "
            f"{', '.join(raw) or 'nothing'}."
        ) from None
    if not found.seeds:
        raise InputError(f"{str(path)!r} names no working seed.")
    return found
