"""The result of one trial, and the files of a trial's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse.triage.plans import TrialConfig

RESULT = "result.json"
CONFIGURATION = "trial.json"
PROGRESS = "progress.json"
LOG = "log.txt"
RUN = "run"
"""The monitor's run folder inside a trial's folder."""


@dataclass(frozen=True)
class TrialResult:
    """How one trial ended.

    Args:
        trial: its configuration.
        ended: ``done``, ``crashed``, ``killed``, ``out_of_memory`` or ``hung``.
        reason: one line on an end other than ``done``.
        verdict: as ``diagnose --json`` prints it; empty if the trial was not done.
        well: whether it produced a working GAN (see ``trial.outcome``); None if undecided.
        distance: of its last samples to the data, in units of that between two halves of the data;
            None if they were not compared.
        fingerprints: ``begin`` and ``end``, each a hash of all weights; ``end`` only if it was
            taken after the last step.
        steps, asked: training steps done and requested; fewer if the trial was stopped early.
        seconds: from the start of its process to the end.
        device: the device it ran on.
        exit_status: of its process; negative for a signal.
        facts: learning rates, dropout, steps per epoch, versions.
        folder: the folder with its log, journal and samples.
    """

    trial: TrialConfig
    ended: str
    reason: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    well: bool | None = None
    distance: float | None = None
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
        """Whether the GAN failed; None if undecided."""
        return None if self.well is None else not self.well

    @property
    def status(self) -> str:
        """The verdict in one word; how the trial ended if it was not done."""
        return str(self.verdict.get("verdict", "unknown")) if self.ended == "done" else self.ended

    @property
    def outcome(self) -> str:
        """What the triage counts: ``failed``, ``healthy`` or ``undecided``; else how it ended."""
        if self.ended != "done":
            return self.ended
        return {True: "failed", False: "healthy", None: "undecided"}[self.failed]

    @property
    def cause(self) -> str:
        """The kind of the finding behind a failed verdict; empty without one."""
        for finding in self.verdict.get("findings", ()):
            if finding["severity"] == "failed" and not finding.get("healed"):
                return str(finding["kind"])
        return ""

    @property
    def samples(self) -> str:
        """The outcome of the last sample checks where the verdict leaves it open, else empty."""
        if self.well is None or self.status in ("healthy", "failed"):
            return ""
        return f"{'good' if self.well else 'bad'} samples at the end"

    @property
    def explanation(self) -> str:
        """The reason: samples at the end, the finding, error or verdict, a second run alone."""
        reason = self.cause.replace("_", " ") or self.reason or str(self.verdict.get("reason", ""))
        alone = str(self.facts.get("tried_alone", ""))
        return "; ".join(filter(None, (self.samples, reason, alone)))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``result.json``."""
        return {**asdict(self), "trial": self.trial.model_dump()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TrialResult:
        """Return the inverse of `to_dict`."""
        return cls(**{**plain, "trial": TrialConfig(**plain["trial"])})


def read_result(folder: Path) -> TrialResult | None:
    """Read the result in a trial's folder; None if the trial has not ended."""
    try:
        return TrialResult.from_dict(json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def finished(folder: Path, is_check: bool = False) -> TrialResult | None:
    """Return the result that an earlier command left; None for what has to be run again.

    That is a killed trial, and any check that did not run to its end: what it lacked, a package or
    a file, may be there now.
    """
    found = read_result(folder)
    again = found is None or found.ended == "killed" or (is_check and found.ended != "done")
    return None if again else found


def steps_done(folder: Path) -> int:
    """Return the steps that a running trial has done."""
    return int(read_progress(folder).get("step", 0))


def read_progress(folder: Path) -> Mapping[str, Any]:
    """Read a running trial's ``step``, ``steps`` and ``verdict``; empty before its first step."""
    try:
        found = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
