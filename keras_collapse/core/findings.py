"""Findings of the detectors and the audit, and the verdict that combines them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Severity(StrEnum):
    """The severity of a finding: ``info`` < ``warning`` < ``failed``."""

    INFO = "info"
    WARNING = "warning"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for failed."""
        return list(Severity).index(self)


class Status(StrEnum):
    """A verdict in one word; ``unknown`` means that there is too little evidence."""

    HEALTHY = "healthy"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


ROOTS = (
    "discriminator_leak",
    "generator_leak",
    "discriminator_frozen",
    "generator_frozen",
    "accumulated_gradients",
    "discriminator_objective",
    "generator_objective",
    "range_mismatch",
    "loss_activation_mismatch",
    "batchnorm_mismatch",
)
"""Wiring faults. They are listed first, since a run's other failures usually follow from them."""
MOST_DEPTH = 6
"""Levels of lists and objects in the evidence that are kept."""
LARGEST_WHOLE = 2**53
"""Larger whole numbers are not exact as floating-point numbers."""
ROLLED_BACK = "rolled_back"
"""The kind of the finding that says that a training went back to an earlier step, at its
``last_step``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure, with the numbers that show it.

    Args:
        kind: the name of the failure, such as ``"discriminator_pinned"``.
        severity: ``info``, ``warning`` or ``failed``.
        first_step: the first training step (0-based) at which it was found.
        last_step: the last step at which it was found.
        message: a description in one or two sentences.
        evidence: the numbers that show it, by name.
        advice: what to do next, most useful first.
        resolved: whether the failure ended at ``last_step`` and the training recovered.

    >>> finding = Finding("divergence", Severity.FAILED, 120, 120, "The training has diverged.")
    >>> finding.to_dict()["severity"]
    'failed'
    """

    kind: str
    severity: Severity
    first_step: int
    last_step: int
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    advice: Sequence[str] = ()
    resolved: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as printed by ``diagnose --json``.

        A resolved finding has ``"healed": true``; others lack the key. NaN and infinity in the
        evidence become strings, since JSON has neither.
        """
        plain: dict[str, Any] = {
            "kind": self.kind,
            "severity": str(self.severity),
            "first_step": self.first_step,
            "last_step": self.last_step,
            "evidence": {name: plain_value(value) for name, value in self.evidence.items()},
            "message": self.message,
            "advice": list(self.advice),
        }
        return plain | {"healed": True} if self.resolved else plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            str(plain["kind"]),
            Severity(plain["severity"]),
            whole_of(plain["first_step"]),
            whole_of(plain["last_step"]),
            str(plain["message"]),
            {name: plain_value(value) for name, value in dict(plain["evidence"]).items()},
            tuple(map(str, plain["advice"])),
            bool(plain.get("healed", False)),
        )


@dataclass(frozen=True, slots=True)
class KeptGenerator:
    """G's weights in a file, as they were at a sample check.

    Args:
        which: ``"best"`` for the check with the highest quality, ``"healthy"`` for the latest one
            with good samples and no failure.
        step: the training step (0-based) after which the check was made.
        quality: of its samples, in [0, 1]; see `sample_quality.quality`.
        path: the file.

    >>> KeptGenerator("best", 399, 0.81, "run/best_generator.weights.h5").restore
    'generator.load_weights("run/best_generator.weights.h5")'
    """

    which: str
    step: int
    quality: float
    path: str

    @property
    def restore(self) -> str:
        """The line of code that loads the weights into a generator of the same architecture."""
        return f"generator.load_weights({json.dumps(self.path, ensure_ascii=False)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the file as printed by ``diagnose --json``."""
        return {
            "which": self.which,
            "step": self.step,
            "quality": plain_value(self.quality),
            "path": self.path,
            "restore": self.restore,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            str(plain["which"]),
            whole_of(plain["step"]),
            float(plain["quality"]),
            str(plain["path"]),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a training is healthy; if not, since which step, and why.

    Args:
        status: ``healthy``, ``warning``, ``failed`` or ``unknown``.
        findings: unresolved ones first; among these the most severe, then wiring faults, then the
            earliest.
        reason: the reason for the status, in one sentence.
        steps: the number of training steps that were assessed.
        averaging: how the logged numbers were averaged: ``"batch"``, ``"epoch"``, ``"run"`` or
            ``"last"``; None if undecided.
        kept: the saved weights of G, the best first; empty without ``keep_best``.
    """

    status: Status
    findings: Sequence[Finding] = ()
    reason: str = ""
    steps: int = 0
    averaging: str | None = None
    kept: Sequence[KeptGenerator] = ()

    def __str__(self) -> str:
        lines = [f"{self.status.upper()}: {self.reason}"]
        for found in self.findings:
            steps = f"{found.first_step} to {found.last_step}{', recovered' * found.resolved}"
            lines.append(f"  {found.kind} ({found.severity}), steps {steps}: {found.message}")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show it in a notebook's cell as `print` does."""
        printer.text(str(self))

    @property
    def cause(self) -> Finding | None:
        """The first unresolved finding above ``info``; None if there is none."""
        for finding in self.findings:
            if not finding.resolved and finding.severity is not Severity.INFO:
                return finding
        return None

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            Status(plain["verdict"]),
            tuple(Finding.from_dict(one) for one in plain["findings"]),
            str(plain["reason"]),
            whole_of(plain["steps"]),
            None if plain["averaging"] is None else str(plain["averaging"]),
            tuple(KeptGenerator.from_dict(one) for one in plain.get("kept", ())),
        )

    def in_folder(self, folder: str) -> Self:
        """Return the verdict on the same run after its folder was moved to ``folder``.

        >>> best = KeptGenerator("best", 399, 0.81, "old/best_generator.weights.h5")
        >>> Verdict(Status.HEALTHY, kept=[best]).in_folder("new/run").kept[0].path
        'new/run/best_generator.weights.h5'
        """
        kept = [replace(one, path=f"{folder}/{Path(one.path).name}") for one in self.kept]
        return replace(self, kept=tuple(kept))

    def to_dict(self, source: str) -> dict[str, Any]:
        """Return the verdict as printed by ``diagnose --json``; without saved weights, no ``kept``.

        Args:
            source: the diagnosed log, as the user named it.
        """
        plain: dict[str, Any] = {
            "schema": 1,
            "source": source,
            "steps": self.steps,
            "averaging": self.averaging,
            "verdict": str(self.status),
            "reason": self.reason,
            "findings": [finding.to_dict() for finding in self.findings],
        }
        return plain | {"kept": [one.to_dict() for one in self.kept]} if self.kept else plain


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """The verdict of an audit of one training step: as severe as its worst finding."""
    worst = max((f.severity for f in findings), key=lambda severity: severity.rank, default=None)
    status = {Severity.FAILED: Status.FAILED, Severity.WARNING: Status.WARNING}.get(
        worst or Severity.INFO, Status.HEALTHY
    )
    found = ", ".join(dict.fromkeys(finding.kind for finding in findings))
    return Verdict(status, tuple(findings), found or "no wiring fault found in one step", 1)


def plain_value(value: Any, depth: int = MOST_DEPTH) -> Any:
    """A value as JSON holds it: NaN and infinity become strings, and deep nesting is cut."""
    if isinstance(value, list | tuple):
        return [plain_value(one, depth - 1) for one in value] if depth else "…"
    if isinstance(value, Mapping):
        return {str(k): plain_value(one, depth - 1) for k, one in value.items()} if depth else "…"
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def whole_of(value: Any) -> int:
    """A value of JSON as a whole number.

    Raises:
        TypeError, ValueError, OverflowError: it is none, or beyond `LARGEST_WHOLE`.
    """
    number = int(value)
    if abs(number) > LARGEST_WHOLE:
        raise ValueError("a number is too large")
    return number
