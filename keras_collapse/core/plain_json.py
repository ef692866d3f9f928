"""Values as JSON holds them, and back: numbers that are not finite are written as strings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from keras_collapse.core.findings import Finding, Verdict


def object_of(numbers: Mapping[str, float]) -> str:
    """Names and numbers as a JSON object, faster than ``json.dumps``."""
    inside = ",".join(
        f"{json.dumps(name)}:{number:.9g}"
        if math.isfinite(number)
        else f'{json.dumps(name)}:"{number}"'
        for name, number in numbers.items()
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


def mapping_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object is needed, not {value!r}")
    return dict(value)


def floats_of(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items()}
