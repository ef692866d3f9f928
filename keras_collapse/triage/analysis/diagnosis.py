"""What the trials show together; a wiring fault is a diagnosis of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.core.findings import ROOTS
from keras_collapse.triage.analysis.candidates import Candidate
from keras_collapse.triage.plans import TrialConfig

WIRING = frozenset({*ROOTS, "dead_batchnorm"})
"""Kinds of finding that no seed and no batch size can fix."""


@dataclass(frozen=True)
class Diagnosis:
    """What the trials show together.

    Args:
        root_cause: ``none``, ``initialization``, ``batch_size``,
            ``batch_size_and_initialization``, ``nondeterminism``, ``wiring``,
            ``weak_discriminator``, ``learning_rate_ratio``, ``dropout`` or ``inconclusive``.
        confidence: in [0, 1], from the test named in ``evidence["test"]``; None if there is none.
        rule: the rule that applied, in words.
        statement: the result in one or two sentences.
        evidence: the numbers and the trials used.
        solution: what to do, most useful first.
        kind: the kind of a wiring fault.
        tie_breakers: trials that would settle an inconclusive diagnosis.
        candidate: the change that fixed the GAN, if one did.
        alternatives: other changes that fixed it, likeliest first.
    """

    root_cause: str
    confidence: float | None
    rule: str
    statement: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    solution: Sequence[str] = ()
    kind: str = ""
    tie_breakers: Sequence[TrialConfig] = ()
    candidate: Candidate | None = None
    alternatives: Sequence[Candidate] = ()

    @property
    def name(self) -> str:
        """The root cause, and the change that fixed the GAN if one did, in words."""
        change = f" ({self.candidate.words})" if self.candidate else ""
        return f"{self.root_cause.replace('_', ' ')}{change}"

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as ``triage.json`` holds it."""
        return {
            "root_cause": self.root_cause,
            **({"kind": self.kind} if self.kind else {}),
            "confidence": self.confidence,
            "rule": self.rule,
            "statement": self.statement,
            "evidence": dict(self.evidence),
            "solution": list(self.solution),
            "deciding": [trial.name for trial in self.tie_breakers],
        }


def wiring_fault(findings: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the first failed finding that is a fault of the wiring."""
    for finding in findings:
        if finding["kind"] in WIRING and finding["severity"] == "failed":
            return finding
    return None


def wiring_diagnosis(finding: Mapping[str, Any], trial: str) -> Diagnosis:
    """Return the diagnosis for a wiring fault that was seen in the named trial."""
    return Diagnosis(
        "wiring",
        1.0,
        "a wiring fault was seen in a training step",
        str(finding["message"]),
        {**finding["evidence"], "test": "observed directly", "trials": [trial]},
        list(finding["advice"]),
        kind=str(finding["kind"]),
    )
