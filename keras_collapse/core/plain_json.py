"""Values as JSON holds them, and back: numbers that are not finite are written as strings."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from keras_collapse.core.advice import Driver
from keras_collapse.core.findings import Finding, Verdict, plain_value, whole_of

_quoted = functools.lru_cache(maxsize=1024)(json.dumps)


def object_of(numbers: Mapping[str, float]) -> str:
    """Names and numbers as a JSON object, faster than ``json.dumps``."""
    inside = ",".join(
        [
            f"{_quoted(name)}:{number:.9g}"
            if math.isfinite(number)
            else f'{_quoted(name)}:"{number}"'
            for name, number in numbers.items()
        ]
    )
    return f"{{{inside}}}"


def json_value(value: Any) -> Any:
    """What JSON can hold; 9 digits keep a float32 exactly, numbers not finite become strings."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    if isinstance(value, Finding):
        return json_value(value.to_dict())
    if isinstance(value, Verdict):
        return json_value(value.to_dict(""))
    if isinstance(value, Mapping):
        return {str(k): json_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(v) for v in value]
    return value if isinstance(value, str | int | bool | None) else str(value)


def typed(value: Any, kind: str) -> Any:
    """A value of JSON as the type that an annotation names, such as ``"Sequence[str] | None"``.

    Raises:
        TypeError, ValueError, OverflowError: it cannot be.

    >>> typed("3", "int"), typed(None, "float | None"), typed({"a": "nan"}, "Mapping[str, float]")
    (3, None, {'a': nan})
    """
    plain, optional = kind.removesuffix(" | None"), kind.endswith(" | None")
    return None if value is None and optional else _READ[plain](value)


def count_of(value: Any) -> int:
    """The value as a whole number from 0; 0 if it is none."""
    try:
        return max(whole_of(value), 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is needed, not {str(value)[:80]}")
    return value


def mapping_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object is needed, not {str(value)[:80]}")
    return dict(value)


def floats_of(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items()}


def texts_of(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"a list is needed, not {str(value)[:80]}")
    return [text_of(one) for one in value]


_READ: Mapping[str, Callable[[Any], Any]] = {
    "int": whole_of,
    "float": float,
    "str": text_of,
    "Driver": Driver,
    "Finding": Finding.from_dict,
    "Verdict": Verdict.from_dict,
    "Mapping[str, Any]": lambda value: plain_value(mapping_of(value)),
    "Mapping[str, float]": floats_of,
    "Mapping[str, str]": lambda value: {k: text_of(v) for k, v in mapping_of(value).items()},
    "Sequence[str]": texts_of,
    "Sequence[Sequence[str]]": lambda value: [texts_of(one) for one in value],
}
