"""What a triage runs: the experiment, its plan and how its trials are run."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.triage.effort.budget import Budget
from keras_collapse.triage.plans import Plan, Value

PACKAGES = ("keras-collapse", "keras", "numpy", "tensorflow", "tensorflow-cpu", "jax", "torch")


def file_of(experiment: str) -> Path:
    """Return the file of ``FILE.py:function``, or of a script.

    >>> file_of("my_gan.py:train").name, file_of("my_gan.ipynb").name
    ('my_gan.py', 'my_gan.ipynb')
    """
    script = experiment.endswith((".py", ".ipynb"))
    return Path(experiment if script else experiment.rpartition(":")[0])


@dataclass
class TriageSpec:
    """A triage to run.

    Args:
        experiment: ``FILE.py:train``.
        plan: the trials.
        folder: where all results are stored.
        backend: the Keras backend.
        full: whether to add trials until the diagnosis is final, and to test fixes.
        stronger: parameters that make the discriminator stronger.
        stop_early: whether to stop trials that have clearly failed.
        go_on: whether trials that are undecided at their last step go on.
        timeout: seconds per trial; None to derive it from the checks.
        budget: what the trials may spend.
        despite_wiring: whether to run the plan although the wiring has a fault.
        mlflow: arguments for each trial's `MLflowLogger`; None for none.
    """

    experiment: str
    plan: Plan
    folder: Path
    backend: str
    full: bool = False
    stronger: Mapping[str, Value] = field(default_factory=dict)
    stop_early: bool = True
    go_on: bool = True
    timeout: float | None = None
    budget: Budget = field(default_factory=Budget)
    despite_wiring: bool = False
    mlflow: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """The plan and the experiment, as in ``plan-b my_gan.py:train``."""
        return f"{self.plan.name} {self.experiment}"

    def provenance(self) -> dict[str, Any]:
        """Return what results depend on besides the configuration: code, backend, versions."""
        file = file_of(self.experiment)
        versions = {}
        for name in PACKAGES:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
        return {
            "code": hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest(),
            "function": self.experiment.rpartition(":")[2],
            "backend": self.backend,
            "stop_early": self.stop_early,
            "go_on": self.go_on,
            **versions,
        }
