"""What a trial left behind in its folder, and the files in which a triage is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.triage.plans import Trial

RESULT = "result.json"
CONFIGURATION = "trial.json"
PROGRESS = "progress.json"
LOG = "log.txt"
RUN = "run"
"""The monitor's own folder within a trial's."""


@dataclass(frozen=True)
class Result:
    """How one trial ended.

    Args:
        trial: its configuration.
        ended: ``done``, ``crashed``, ``killed``, ``out_of_memory`` or ``hung``.
        reason: of an end that is not ``done``, in one line.
        verdict: as ``diagnose --json`` prints it; empty where there is none.
        well: whether it gave a working GAN, see `outcome`; None where that cannot be told.
        fingerprints: one hash of all weights at the beginning and one at the end.
        steps, asked: training steps made and asked for; fewer where it was surely failed.
        seconds: from its process' start to its end.
        device: what it ran on.
        exit_status: its process' own; negative for a signal.
        facts: what was found of the GAN: rates, dropout, samples in an epoch, versions.
        folder: where its log, journal and samples are.
    """

    trial: Trial
    ended: str
    reason: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    well: bool | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    asked: int = 0
    seconds: float = 0.0
    device: str = ""
    exit_status: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""

    @property
    def failed(self) -> bool | None:
        """Whether the GAN failed in it; None where it does not tell."""
        return None if self.well is None else not self.well

    @property
    def says(self) -> str:
        """The verdict in a word, or how it ended."""
        return str(self.verdict.get("verdict", "unknown")) if self.ended == "done" else self.ended

    @property
    def cause(self) -> str:
        """The kind that decided a failed verdict; empty without one."""
        for finding in self.verdict.get("findings", ()):
            if finding["severity"] == "failed" and not finding.get("healed"):
                return str(finding["kind"])
        return ""

    @property
    def why(self) -> str:
        """In words: the kind found, the reason it did not end well, or the verdict's own."""
        said = self.cause.replace("_", " ") or self.reason or str(self.verdict.get("reason", ""))
        if self.well is None or self.says in ("healthy", "failed"):
            return said
        return f"samples {'good' if self.well else 'bad'} at its end; {said}"

    def to_dict(self) -> dict[str, Any]:
        """As it is kept in its folder."""
        return {**asdict(self), "trial": self.trial.model_dump()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`."""
        return cls(**{**plain, "trial": Trial(**plain["trial"])})


def read_result(folder: Path) -> Result | None:
    """The result in a trial's folder; None where it has not ended."""
    try:
        return Result.from_dict(json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_progress(folder: Path) -> Mapping[str, Any]:
    """What a running trial says of itself: step, steps; empty where it says nothing yet."""
    try:
        found = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
