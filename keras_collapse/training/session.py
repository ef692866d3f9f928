"""A monitored training: its readings, findings, journal and sample checks."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_collapse.core import records
from keras_collapse.core.advice import Setting
from keras_collapse.core.detectors import Detector, ProbeDetector
from keras_collapse.core.events import RunEvents
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.guard import guarded
from keras_collapse.core.process.termination import EarlyEnd, Ending
from keras_collapse.core.readings.reading import Reading
from keras_collapse.reproducibility.fingerprints import fingerprints
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.on_failure import CollapseError, Reaction, verdict_when_off
from keras_collapse.training.probe.held_out import Data
from keras_collapse.training.probe.sample_checks import SampleChecks
from keras_collapse.training.recovery.recovery import Recovery
from keras_collapse.training.run_journal import RunJournal
from keras_collapse.training.step_reader import StepReader
from keras_collapse.training.wiring.step_seen import StepSeen


class MonitorSession:
    """Takes a training's logs step by step, finds failures, and publishes them.

    A session is one run: several fits of one model belong to it. It is the `Observer` that
    receives the events of the training.

    Args:
        folder: the run's folder; a new one in ``collapse_runs`` if None.
        signals: canonical signal to log key, for names that are not recognised.
        detectors: the detectors to run; by default all.
        reaction: what to do about failures.
        verbose: 1 prints why samples are not compared with the data, if they are not.
        keep_best: whether to save G's weights at the best sample check and the last healthy one.

    Attributes:
        picture: the latest picture of G's samples; None before one.
        off: whether an error of ours has switched the session off, until the next fit.
        open_ended: whether nothing marks the end of the loop but the end of the program.
    """

    def __init__(
        self,
        folder: Path | None,
        signals: Mapping[str, str] | None,
        detectors: Sequence[Detector | ProbeDetector] | None,
        reaction: Reaction,
        verbose: int = 0,
        keep_best: bool = False,
    ) -> None:
        self.picture: np.ndarray | None = None
        self.open_ended = self.off = self._objective_known = False
        self.journal = RunJournal(folder)
        self._examiner = Examiner(detectors)
        self._reaction = reaction
        self._stop: Callable[[], None] = lambda: None
        self._logs = StepReader(signals, self.journal)
        self._events = RunEvents()
        self._networks = Networks()
        self._checks = SampleChecks(self.journal, self._examiner, verbose)
        rolls_back = reaction.rolls_back
        self._recovery = Recovery(self.journal, self._examiner, keep_best, rolls_back, verbose)
        self._early: EarlyEnd | None = None
        self._verbose = verbose

    @property
    def verdict(self) -> Verdict:
        """The verdict as of now; ``unknown`` before the first step."""
        if self.off:
            found = guarded(Examiner, self._examiner.verdict, self._logs.averaging)
            return replace(verdict_when_off(found), kept=self._recovery.kept)
        return replace(self._examiner.verdict(self._logs.averaging), kept=self._recovery.kept)

    def begin(
        self,
        events: RunEvents,
        networks: Networks,
        facts: Mapping[str, Any],
        next_step: int,
        find_data: Callable[[], Data],
        sees_batches: bool,
        stop: Callable[[], None],
        owners: Sequence[Any] = (),
    ) -> None:
        """Begin a fit or loop.

        Args:
            events: where to publish.
            networks: G and D, as far as they were found.
            facts: parameters and environment of this fit.
            next_step: its first training step; those before it belong to the run too.
            find_data: returns the known data; called until the samples of a pair of
                networks are compared.
            sees_batches: whether `see_batch` will be called.
            stop: ends the training after the current step.
            owners: the models and optimizers that a rollback restores.
        """
        self._events, self._networks, self._stop = events, networks, stop
        guarded(RunJournal, self.journal.open)
        self._checks.begin(networks, find_data, sees_batches)
        self._recovery.begin(networks, owners)
        facts = {**facts, **events.facts, "run_dir": str(self.journal.folder)}
        self.journal.write(records.FitStarted(next_step, facts))
        events.publish("on_run", facts)
        if self._early is not None:  # the fit before was interrupted, and its run continues
            self._early.cancel()
        # Created after those of the outputs, so it is called first: they read the verdict.
        self._early = EarlyEnd(self, functools.partial(_end_early, weakref.ref(self)))

    # -- the observer ------------------------------------------------------------------------

    def guard(self, action: Callable[..., None], *arguments: Any) -> None:
        """Run our part of a training step; its first error switches the session off."""
        if not self.off:
            off, passing = self._switch_off, (CollapseError,)
            guarded("CollapseMonitor", action, *arguments, off=off, passing=passing)

    def resume(self) -> None:
        """Switch on again: a new fit begins, and what went wrong in the last one may be over."""
        self.off = False

    def report(self, finding: Finding) -> None:
        """Take a finding that rests on no reading: of the wiring, the seeding, the averaging."""
        self._examiner.report(finding)
        self._checks.note(finding)
        self.journal.write(records.FindingReported(finding), flush=True)
        self._events.publish("on_finding", finding)
        self._react([finding])

    def see_first_step(self, seen: StepSeen) -> None:
        """Take the first training step as it was seen, before its batch."""
        self._checks.see_first_step(seen)
        if seen.objective is not None:
            self.journal.write(records.ObjectiveSeen(seen.objective, seen.scale))
            self._know_objective(seen.objective, seen.scale)

    def see_setting(self, setting: Setting) -> None:
        """Take how the run is trained, and what of its wiring was checked by now."""
        known, self._examiner.setting = self._examiner.setting, self._examiner.setting.also(setting)
        if self._examiner.setting != known:
            now = self._examiner.setting
            self.journal.write(records.SettingSeen(now.driver, sorted(now.checked)))

    def see_batch(self, batch: Any) -> bool:
        """Take a batch of real data, nested arrays or tensors; return whether more are wanted."""
        return self._checks.see_batch(batch)

    def see(
        self,
        step: int,
        epoch: int,
        logs: Mapping[str, float],
        means: Collection[str] = (),
        origin: int = 0,
        rounding: Mapping[str, float] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """Take the log of a training step.

        Args:
            step, epoch, logs, rounding, data: see `records.StepLogs`.
            means: keys of Keras' means since the epoch began; others hold their batch's own.
            origin: the step at which the first of these means began.
        """
        if not self._logs.knows(logs, means, origin):
            return
        if not self._objective_known and self._logs.objective is not None:
            self._know_objective(self._logs.objective)
        self.journal.write(records.StepLogs(step, epoch, logs, rounding, data))
        self._events.publish("on_logs", step, logs)
        self._react(self._judge(self._logs.read(step, logs, epoch, rounding)))

    def end_epoch(
        self, step: int, epoch: int, logs: Mapping[str, float], rates: Mapping[str, float]
    ) -> None:
        """Record an epoch's own numbers, those on validation data among them, and the rates."""
        self.journal.write(records.EpochEnded(step, epoch, logs, rates))
        self._events.publish("on_epoch", step, epoch, rates)
        self.fingerprint(step)
        self.journal.flush()
        self._logs.warn_of_missing_names()

    def fingerprint(self, step: int) -> None:
        """Record hashes of G's and D's variables as they are after this step."""
        if self.journal.is_open and self._networks.discriminator is not None:
            hashes = guarded(fingerprints, fingerprints, self._networks.found)
            if hashes:
                self.journal.write(records.Fingerprint(step, hashes))

    def check_samples(self, step: int) -> None:
        """Draw from G and compare with the data; an error costs the sample checks only."""
        check = self._checks.check(step)
        if check is None:
            return
        self.picture = check.picture
        if self.picture is not None:
            self._events.publish("on_samples", step, self.picture)
        self._events.publish("on_probe", check.probe)
        changed = self._publish(self._examiner.update_probe(check.probe))
        self._checks.keep(check, step)
        self._recovery.keep(check.probe)
        self._react(changed)

    def roll_back(self, step: int) -> None:
        """Go back to the last healthy check if a failure asks for it; see `Recovery.roll_back`."""
        undone = self._recovery.roll_back(step)
        if undone is not None:
            self._publish(self._examiner.restart(step))
            self.report(undone)

    def finish(self) -> None:
        """Finalise the fit or loop: assess readings held back, record and publish the verdict.

        A session that is off has only its verdict left to publish: the fit itself ended well.
        """
        if self._early is not None:
            self._early.cancel()
            self._early = None
        changed = [] if self.off else self._assess_rest()
        verdict = self.verdict
        self.journal.write(records.RunEnded(verdict), flush=True)
        self._events.publish("on_verdict", verdict, self.picture)
        for finding in changed:
            self._reaction.to(finding, self._stop, lambda: None)

    def _assess_rest(self) -> list[Finding]:
        self._checks.settle()
        readings, of_form = self._logs.close()
        changed = self._judge(readings)
        for finding in of_form:
            self._examiner.report(finding)
        self._logs.warn_of_missing_names()
        for finding in self._events.take_posted():
            self.report(finding)
        return changed

    def print_verdict(self) -> None:
        """Print the verdict as of now, if not silent, and the command that shows the rest."""
        if self._verbose:
            from keras_collapse.outputs.terminal.summary import show_run

            show_run(self.verdict, self.journal.folder)

    def end_early(self, ending: Ending) -> None:
        """Record the verdict so far of a fit that will not reach its end, and print it."""
        if self.open_ended and not ending.explained:
            guarded("CollapseMonitor", self.finish)
            self.print_verdict()
            return
        guarded("CollapseMonitor", lambda: self._judge(self._logs.close()[0]))
        self.journal.write(records.RunEnded(self.verdict, ending.reason), flush=True)
        if not ending.terminated:
            self.print_verdict()

    # -- inside --------------------------------------------------------------------------

    def _judge(self, readings: Sequence[Reading]) -> list[Finding]:
        changed: list[Finding] = []
        for reading in readings:
            self._events.publish("on_reading", reading)
            changed += self._publish(self._examiner.update(reading))
        return changed

    def _publish(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        for finding in findings:
            self._checks.note(finding)
            self._recovery.note(finding)
            self.journal.write(records.FindingChanged(finding), flush=True)
            self._events.publish("on_finding", finding)
        return findings

    def _react(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self._reaction.to(finding, self._stop, self.finish)

    def _know_objective(self, objective: str, scale: float | None = None) -> None:
        self._objective_known = True
        self._examiner.know_objective(objective, scale)

    def _switch_off(self, _: object) -> None:
        self.off = True


def _end_early(session: weakref.ReferenceType[MonitorSession], ending: Ending) -> None:
    """End a session that still exists; a deleted monitor has nothing to report to."""
    found = session()
    if found is not None:
        found.end_early(ending)
