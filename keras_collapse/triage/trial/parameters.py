"""The parameters that an experiment offers: what its ``train`` takes and looks up."""

from __future__ import annotations

import inspect
from collections import UserDict
from collections.abc import Callable, KeysView, Mapping
from typing import Any

SIMPLE = (bool, int, float, str)


class Params(UserDict[str, Any]):
    """``trial.params``; notes which names are looked up with which default.

    Attributes:
        looked_up: name to default.
        unpacked: whether all were passed on, as by ``build(**trial.params)``.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self.looked_up: dict[str, Any] = {}
        self.unpacked = False

    def get(self, key: str, default: Any = None) -> Any:
        self.looked_up.setdefault(key, default)
        return self.data.get(key, default)

    def keys(self) -> KeysView[str]:
        self.unpacked = True
        return super().keys()


def keywords_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters of a function that have a plain default, with it.

    >>> keywords_of(lambda trial, latent_dim=64, data=None: 0)
    {'latent_dim': 64}
    """
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {one.name: one.default for one in known if isinstance(one.default, SIMPLE)}


def offers(train: Callable[..., Any], params: Params) -> dict[str, Any]:
    """Return the experiment's parameters by name, each with its present value.

    They are those that were given, those that ``train`` takes after ``trial`` or looks up in
    ``trial.params``, and, if it passes all on, those of the ``build`` in its file.
    """
    build = getattr(train, "__globals__", {}).get("build") if params.unpacked else None
    found = {**(keywords_of(build) if callable(build) else {}), **params.looked_up}
    found |= {**keywords_of(train), **params}
    return {name: value for name, value in found.items() if isinstance(value, SIMPLE)}
