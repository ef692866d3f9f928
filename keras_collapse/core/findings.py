"""What the detectors and the audit say: findings, and the verdict they add up to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """How bad a finding is: ``info`` < ``warning`` < ``failed``."""

    INFO = "info"
    WARNING = "warning"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for failed."""
        return list(Severity).index(self)


class Status(StrEnum):
    """A verdict in one word; ``unknown`` means too little evidence either way."""

    HEALTHY = "healthy"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


ROOTS = (
    "discriminator_leak",
    "generator_leak",
    "discriminator_frozen",
    "generator_frozen",
    "discriminator_objective",
    "generator_objective",
)
"""Faults of the wiring: what else is found in such a run follows from them, so they come first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure, with the numbers that show it.

    Args:
        kind: one of the names of DESIGN.md, such as ``"discriminator_pinned"``.
        severity: ``info``, ``warning`` or ``failed``.
        first_step: the first training step (0-based) it was seen at.
        last_step: the last step it was seen at.
        message: what is happening, in words.
        evidence: the numbers a person can check.
        advice: what to do next, most useful first.
        healed: the failure ended at ``last_step`` and the training went on without it.
    """

    kind: str
    severity: Severity
    first_step: int
    last_step: int
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    advice: Sequence[str] = ()
    healed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The finding as in ``diagnose --json``; ``healed`` only where it is true.

        JSON has no NaN and no infinity: such evidence becomes a string.
        """
        plain: dict[str, Any] = {
            "kind": self.kind,
            "severity": str(self.severity),
            "first_step": self.first_step,
            "last_step": self.last_step,
            "evidence": {name: _for_json(value) for name, value in self.evidence.items()},
            "message": self.message,
            "advice": list(self.advice),
        }
        return plain | {"healed": True} if self.healed else plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        typed = {"severity": Severity(plain["severity"]), "advice": tuple(plain["advice"])}
        return cls(**{**plain, **typed})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Is the training healthy, since when not, and why.

    Args:
        status: ``healthy``, ``warning``, ``failed`` or ``unknown``.
        findings: worst first, then faults of the wiring, then earliest first.
        reason: the status in one sentence.
        steps: how many training steps it rests on.
        averaging: how the numbers handed in had been averaged (see `core.averaging`).
    """

    status: Status
    findings: Sequence[Finding] = ()
    reason: str = ""
    steps: int = 0
    averaging: str | None = None

    @property
    def cause(self) -> Finding | None:
        """The finding that decided the status, if one did."""
        for finding in self.findings:
            if not finding.healed and finding.severity is not Severity.INFO:
                return finding
        return None

    def to_dict(self, source: str) -> dict[str, Any]:
        """The verdict as ``diagnose --json`` prints it."""
        return {
            "schema": 1,
            "source": source,
            "steps": self.steps,
            "averaging": self.averaging,
            "verdict": str(self.status),
            "reason": self.reason,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def _for_json(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
