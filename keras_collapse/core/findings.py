"""What the detectors and the audit report: findings, and the verdict they add up to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
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
    "discriminator_objective",
    "generator_objective",
)
"""Wiring faults. They are listed first, since a run's other failures usually follow from them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure, with the numbers that show it.

    Args:
        kind: the failure's name, such as ``"discriminator_pinned"`` (README, "What it reports").
        severity: ``info``, ``warning`` or ``failed``.
        first_step: the first training step (0-based) it was seen at.
        last_step: the last step it was seen at.
        message: what is happening, in words.
        evidence: the numbers it rests on, by name.
        advice: what to do next, most useful first.
        resolved: the failure ended at ``last_step`` and the training went on without it.
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
        """The finding as in ``diagnose --json``; ``healed`` (resolved) only where it is true.

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
        return plain | {"healed": True} if self.resolved else plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            plain["kind"],
            Severity(plain["severity"]),
            plain["first_step"],
            plain["last_step"],
            plain["message"],
            dict(plain["evidence"]),
            tuple(plain["advice"]),
            bool(plain.get("healed", False)),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a training is healthy; if not, since when, and why.

    Args:
        status: ``healthy``, ``warning``, ``failed`` or ``unknown``.
        findings: worst first, then faults of the wiring, then earliest first.
        reason: the status in one sentence.
        steps: the number of training steps it rests on.
        averaging: how the numbers of the log had been averaged: ``"batch"``, ``"epoch"``,
            ``"run"`` or ``"last"``; None if that is not known yet.
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
            int(plain["steps"]),
            plain["averaging"],
        )

    def to_dict(self, source: str) -> dict[str, Any]:
        """The verdict as ``diagnose --json`` prints it.

        Args:
            source: what was diagnosed, as the user named it.
        """
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
