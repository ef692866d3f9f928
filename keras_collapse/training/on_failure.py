"""What a monitor does when something has failed: report it, stop, raise, roll back, or call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.guard import guarded
from keras_collapse.core.process.printable import printable

OnFailure = str | Callable[[Finding], object]


class CollapseError(RuntimeError):
    """Raised out of ``fit`` by ``on_failure="raise"``.

    Attributes:
        finding: the failure.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.kind} since step {finding.first_step}: {finding.message}")
        self.finding = finding


class Reaction:
    """Reacts to findings that are ``failed``.

    Args:
        on_failure: ``"warn"``, ``"stop"``, ``"raise"``, ``"rollback"`` (the session does that) or
            a function that takes the finding.
        verbose: 1 prints a line for each failure, 0 nothing.

    Attributes:
        rolls_back: whether on_failure is ``"rollback"``.

    Raises:
        InputError: on_failure is none of these.
    """

    def __init__(self, on_failure: OnFailure, verbose: int) -> None:
        if not callable(on_failure) and on_failure not in ("warn", "stop", "raise", "rollback"):
            raise InputError(
                'on_failure must be "warn", "stop", "raise", "rollback" or a function. '
                f"Received: {on_failure!r}"
            )
        self._on_failure = on_failure
        self.rolls_back = on_failure == "rollback"
        self._verbose = verbose
        self._raised = False

    def to(self, finding: Finding, stop: Callable[[], None], finish: Callable[[], object]) -> None:
        """React to one finding.

        Args:
            finding: one that is new, more severe, or resolved.
            stop: ends the training after this step.
            finish: records the verdict, before an error leaves the run.

        Raises:
            CollapseError: at a run's first failure, if ``on_failure="raise"``.
        """
        if finding.severity is not Severity.FAILED or finding.resolved:
            return
        if self._verbose:
            what = f"{finding.kind} since step {finding.first_step}. {finding.message}"
            print(f"\nkeras-collapse: {printable(what)}", flush=True)
        if callable(self._on_failure):
            guarded(self._on_failure, self._on_failure, finding)
        elif self._on_failure == "stop":
            stop()
        elif self._on_failure == "raise" and not self._raised:
            self._raised = True
            finish()
            raise CollapseError(finding)


def verdict_when_off(found: Verdict | None) -> Verdict:
    """Return the verdict of a monitor that an error of its own switched off before the end.

    What it found stays; that it found nothing claims nothing.

    Args:
        found: the verdict so far; None if there is none.
    """
    if found is not None and found.status in (Status.WARNING, Status.FAILED):
        return found
    reason = "the monitor switched itself off before the training ended"
    return replace(found or Verdict(Status.UNKNOWN), status=Status.UNKNOWN, reason=reason)
