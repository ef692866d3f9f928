"""Controlled experiments on a GAN: which cause a failure has, and which fix works.

The package can be called, as ``kc.triage("plan-b", train)``; see `api.triage`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """``keras_collapse.triage`` is a room of the package and, for those who use it, a function."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from keras_collapse.triage.api import triage

        return triage(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
