"""Findings of the detectors and the audit, and the verdict that combines them."""

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
    "range_mismatch",
    "loss_activation_mismatch",
    "batchnorm_mismatch",
)
"""Wiring faults. They are listed first, since a run's other failures usually follow from them."""


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
    """Whether a training is healthy; if not, since which step, and why.

    Args:
        status: ``healthy``, ``warning``, ``failed`` or ``unknown``.
        findings: unresolved ones first; among these the most severe, then wiring faults, then the
            earliest.
        reason: the reason for the status, in one sentence.
        steps: the number of training steps that were assessed.
        averaging: how the logged numbers were averaged: ``"batch"``, ``"epoch"``, ``"run"`` or
            ``"last"``; None if undecided.
    """

    status: Status
    findings: Sequence[Finding] = ()
    reason: str = ""
    steps: int = 0
    averaging: str | None = None

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
            int(plain["steps"]),
            plain["averaging"],
        )

    def to_dict(self, source: str) -> dict[str, Any]:
        """Return the verdict as printed by ``diagnose --json``.

        Args:
            source: the diagnosed log, as the user named it.
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
