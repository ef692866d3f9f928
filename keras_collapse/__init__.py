"""Says whether a Keras GAN is failing, since when, why, and what cures it.

Names are loaded when first used: diagnosing a file needs no framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_collapse.core.detectors import default_detectors
    from keras_collapse.core.errors import InputError
    from keras_collapse.core.findings import Finding, Severity, Status, Verdict
    from keras_collapse.outputs.mlflow.logger import MLflowLogger
    from keras_collapse.outputs.report.run_report import write_run_report as report
    from keras_collapse.outputs.tensorboard import TensorBoardLogger
    from keras_collapse.outputs.terminal.live import LiveMonitor
    from keras_collapse.outputs.wandb import WandbLogger
    from keras_collapse.reproducibility.compare import compare
    from keras_collapse.reproducibility.seeding import SeedControl, SeedReport, seed_everything
    from keras_collapse.sources import diagnose
    from keras_collapse.training.monitor import CollapseMonitor
    from keras_collapse.training.on_failure import CollapseError
    from keras_collapse.training.wiring.audit import audit
    from keras_collapse.triage.api import triage

__version__ = "0.1.0"

_HOME = {
    "CollapseError": "training.on_failure",
    "CollapseMonitor": "training.monitor",
    "Finding": "core.findings",
    "InputError": "core.errors",
    "LiveMonitor": "outputs.terminal.live",
    "MLflowLogger": "outputs.mlflow.logger",
    "SeedControl": "reproducibility.seeding",
    "SeedReport": "reproducibility.seeding",
    "Severity": "core.findings",
    "Status": "core.findings",
    "TensorBoardLogger": "outputs.tensorboard",
    "Verdict": "core.findings",
    "WandbLogger": "outputs.wandb",
    "audit": "training.wiring.audit",
    "compare": "reproducibility.compare",
    "default_detectors": "core.detectors",
    "diagnose": "sources",
    "report": "outputs.report.run_report",
    "seed_everything": "reproducibility.seeding",
}
_NAMES = {"report": "write_run_report"}
"""Names in their own module, where they differ."""

__all__ = [
    "CollapseError",
    "CollapseMonitor",
    "Finding",
    "InputError",
    "LiveMonitor",
    "MLflowLogger",
    "SeedControl",
    "SeedReport",
    "Severity",
    "Status",
    "TensorBoardLogger",
    "Verdict",
    "WandbLogger",
    "audit",
    "compare",
    "default_detectors",
    "diagnose",
    "report",
    "seed_everything",
    "triage",
]


def __getattr__(name: str) -> Any:
    if name == "triage":  # a package that can be called
        return importlib.import_module(f"{__name__}.triage")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOME[name]}")
    value = getattr(home, _NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
