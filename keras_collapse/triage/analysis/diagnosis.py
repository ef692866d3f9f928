"""What the trials say together; and what a fault of the wiring says without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.core.findings import ROOTS
from keras_collapse.triage.analysis.candidates import Candidate
from keras_collapse.triage.plans import Trial

WIRING = frozenset({*ROOTS, "range_mismatch", "loss_activation_mismatch", "dead_batchnorm"})
"""Findings that no seed and no batch size can cure."""


@dataclass(frozen=True)
class Diagnosis:
    """What the trials say together.

    Args:
        root_cause: one of DESIGN's words.
        confidence: in [0, 1], by the test that ``evidence["test"]`` names; None where none fits.
        rule: which row of the table it was.
        statement: in a sentence.
        evidence: the numbers and the trials used.
        solution: what to do, first things first.
        kind: of a wiring's finding.
        deciding: the trials that would decide, where it is inconclusive.
        candidate: the change that cures, where one was found.
        others: changes that cure it as well, likeliest first.
    """

    root_cause: str
    confidence: float | None
    rule: str
    statement: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    solution: Sequence[str] = ()
    kind: str = ""
    deciding: Sequence[Trial] = ()
    candidate: Candidate | None = None
    others: Sequence[Candidate] = ()

    def to_dict(self) -> dict[str, Any]:
        """As in ``triage.json``."""
        return {
            "root_cause": self.root_cause,
            **({"kind": self.kind} if self.kind else {}),
            "confidence": self.confidence,
            "rule": self.rule,
            "statement": self.statement,
            "evidence": dict(self.evidence),
            "solution": list(self.solution),
            "deciding": [trial.name for trial in self.deciding],
        }


def wiring_in(findings: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first failed finding that no trial can cure."""
    for finding in findings:
        if finding["kind"] in WIRING and finding["severity"] == "failed":
            return finding
    return None


def of_wiring(finding: Mapping[str, Any], trial: str) -> Diagnosis:
    """A fault of the wiring was seen."""
    return Diagnosis(
        "wiring",
        1.0,
        "a fault of the wiring was seen in a training step",
        str(finding["message"]),
        {**finding["evidence"], "test": "seen directly", "trials": [trial]},
        list(finding["advice"]),
        kind=str(finding["kind"]),
    )
