"""A Ray cluster that is not there: tasks are functions that run where they are asked for."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest


class PretendRay:
    """Stands for the module ``ray``.

    Args:
        nodes: host name to GPUs.
        unreachable: hosts from which nothing can be reached.

    Attributes:
        asked: the options of each task, with its function's name and last argument.
    """

    def __init__(self, nodes: dict[str, int], unreachable: Sequence[str] = ()) -> None:
        self._nodes, self._unreachable = nodes, unreachable
        self.asked: list[dict[str, Any]] = []
        self.does: Callable[..., Any] = lambda *given: None
        self.exceptions = types.SimpleNamespace(RaySystemError=RuntimeError)

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 8.0 * len(self._nodes), "GPU": float(sum(self._nodes.values()))}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeID": host, "NodeManagerHostname": host}
                for host in self._nodes]  # fmt: skip

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        return lambda function: _Task(self, function, options)

    def wait(self, running: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return running[:1], running[1:]

    def get(self, given: Any) -> Any:
        return [self.get(one) for one in given] if isinstance(given, list) else given.value

    def cancel(self, *_: Any, **__: Any) -> None:
        pass

    def run(self, function: Any, options: dict[str, Any], given: tuple[Any, ...]) -> Any:
        self.asked.append({**options, "task": function.__name__, "last": given[-1]})
        if function.__name__ == "connection_error":
            return "timed out" if options["scheduling_strategy"] in self._unreachable else ""
        return self.does(*given)


class _Task:
    def __init__(self, ray: PretendRay, function: Any, options: dict[str, Any]) -> None:
        self._ray, self._function, self._options = ray, function, options

    def options(self, **more: Any) -> _Task:
        return _Task(self._ray, self._function, {**self._options, **more})

    def remote(self, *given: Any) -> Any:
        class Reference:
            value = self._ray.run(self._function, self._options, given)

        return Reference()


def use(monkeypatch: pytest.MonkeyPatch, ray: PretendRay) -> PretendRay:
    """Let ``import ray`` find it."""
    strategies = types.SimpleNamespace(NodeAffinitySchedulingStrategy=lambda host, soft: host)
    for name, module in (
        ("ray", ray),
        ("ray.util", types.SimpleNamespace()),
        ("ray.util.scheduling_strategies", strategies),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return ray
