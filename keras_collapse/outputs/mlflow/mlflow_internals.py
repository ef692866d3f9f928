"""Everything of MLflow that is not in its documented API; each with a fallback.

Present in MLflow 3.2 to 3.17.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
from typing import Any

_OWN = random.Random()
_DRAWING = (
    "urllib3.util.retry",
    "mlflow.utils.request_utils",
    "mlflow.utils.rest_utils",
    "mlflow.utils.name_utils",
    "mlflow.telemetry.client",
)
"""Modules that draw from Python's global generator: pauses between two tries, names of runs."""
_DRAWING_TOO = ("mlflow.store.tracking.sqlalchemy_store",)
"""The same, but only where they are loaded: it takes long."""


def isolate_random() -> None:
    """Give the modules that MLflow's client draws pauses in a random generator of their own.

    Else a server that does not answer changes the random numbers of the training, which draws from
    Python's global generator in another thread. The modules' global name ``random``; without it
    that is so.
    """
    for name in (*_DRAWING, *_DRAWING_TOO):
        with contextlib.suppress(ImportError):
            if name in _DRAWING:
                importlib.import_module(name)
            if getattr(sys.modules.get(name), "random", None) is random:
                sys.modules[name].random = _OWN  # type: ignore[attr-defined]


def context_tags() -> dict[str, str]:
    """Return the tags that MLflow's fluent API gives a new run: user, source, git commit.

    ``mlflow.tracking.context.registry.resolve_tags``; without it a run has none of them.
    """
    try:
        from mlflow.tracking.context.registry import resolve_tags
    except ImportError:
        return {}
    return {name: value for name, value in resolve_tags().items() if value}


def latest_metrics(client: Any, run: Any) -> list[Any]:
    """Return the latest value of each metric of a run, as entities with step and timestamp.

    ``RunData._metric_objs``; without it each metric's history is fetched.
    """
    known = getattr(run.data, "_metric_objs", None)
    if known is not None:
        return list(known)
    histories = [client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
    return [history[-1] for history in histories if history]


def image_key() -> str:
    """Return the name of the series of sample grids.

    The part before a slash is the section of charts. MLflow up to 3.10 cannot display an image with
    a slash in its name (mlflow#22165), 3.17 can. Before, the series is in the last section.
    """
    import mlflow
    from packaging.version import Version

    return "readings/samples" if Version(mlflow.__version__) >= Version("3.17") else "samples"


def system_monitors() -> list[Any]:
    """Return MLflow's monitors of CPU and GPU for which a package and a device are present.

    ``mlflow.system_metrics.metrics``; without it nothing is monitored.
    """
    found: list[Any] = []
    with contextlib.suppress(ImportError):
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

        found.append(CPUMonitor())
    with contextlib.suppress(ImportError, RuntimeError):
        import pynvml  # noqa: F401
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        found.append(GPUMonitor())
    return found
