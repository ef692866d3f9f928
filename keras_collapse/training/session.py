"""One watched training: its readings, findings, journal and samples, however it is driven."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_collapse.core.detectors import Detector, ProbeDetector
from keras_collapse.core.events import Hub
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.guard import guarded
from keras_collapse.core.journal import SCHEMA, Journal
from keras_collapse.core.processes import this_command, this_process
from keras_collapse.core.readings.averaging import Averaging
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.reproducibility.fingerprints import fingerprints
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.probe.pictures import save_picture
from keras_collapse.training.probe.prober import Prober
from keras_collapse.training.probe.real_data import RealData

RUNS_FOLDER = "collapse_runs"


def new_run_folder() -> Path:
    """A folder in ``collapse_runs`` that does not exist yet, named by the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder, taken = Path(RUNS_FOLDER) / stamp, 1
    while folder.exists():
        taken += 1
        folder = Path(RUNS_FOLDER) / f"{stamp}-{taken}"
    return folder


class Run:
    """Takes a training's logs, step by step; keeps its journal, tells its hub, finds failures.

    Args:
        folder: the run's folder; a new one in ``collapse_runs`` if None.
        signals: canonical signal to log key, for names that are not recognised.
        detectors: the detectors to run; by default all.

    Attributes:
        grid: the latest picture of G's samples; None before one.
    """

    def __init__(
        self,
        folder: Path | None = None,
        signals: Mapping[str, str] | None = None,
        detectors: Sequence[Detector | ProbeDetector] | None = None,
    ) -> None:
        self.folder = folder
        self.grid: np.ndarray | None = None
        self._signals = signals
        self._examiner = Examiner(detectors)
        self._reader: Reader | None = None
        self._journal: Journal | None = None
        self._hub = Hub()
        self._networks = Networks()
        self._prober: Prober | None = None
        self._keeps_pictures = True
        self._has_first_picture = False
        self._gravest = self._pictured = Severity.INFO  # of what was found, and of what is kept

    @property
    def verdict(self) -> Verdict:
        """The verdict as of now; ``unknown`` before anything was seen."""
        return self._examiner.verdict(self._reader.averaging if self._reader else None)

    @property
    def blind(self) -> str:
        """Why samples are not compared with data, in words; empty where they are, or may be."""
        return self._examiner.blind

    def open_journal(self) -> None:
        """Make the run's folder and open its journal.

        Raises:
            InputError: the folder cannot be written to.
        """
        if self._journal is not None:
            return
        self.folder = self.folder or new_run_folder()
        self._journal = Journal(self.folder)
        weakref.finalize(self, self._journal.close)
        self._write(
            "run",
            schema=SCHEMA,
            time=time.time(),
            **this_process(),
            command=this_command(),
            cwd=str(Path.cwd()),
        )

    def begin(
        self,
        hub: Hub,
        networks: Networks,
        facts: Mapping[str, Any],
        next_step: int,
        find_real: Callable[[], RealData | None],
        sees_batches: bool = False,
    ) -> None:
        """A fit, or a loop, begins at ``next_step``; those before it belong to the run too.

        ``find_real`` gives some of the data as D is shown it, or None; it is asked until the
        samples of a pair of networks are compared. ``sees_batches``: `show` will be called.
        """
        if networks != self._networks or self.blind:
            self._prober = None
        self._hub, self._networks = hub, networks
        guarded(Journal, self.open_journal)
        if self._prober is None and networks.latent_shape is not None:
            real = guarded(Prober, find_real)
            self._prober = guarded(Prober, Prober, networks, real, sees_batches)
        self._note_blind()
        facts = {**facts, **hub.facts, "run_dir": str(self.folder)}
        self._write("fit", step=next_step, facts=facts)
        hub.tell("on_run", facts)

    def set_form(
        self,
        logs: Mapping[str, float],
        means: Collection[str] = (),
        origin: int = 0,
        averaging: str | None = None,
    ) -> None:
        """Say, before the first log, what its numbers are.

        Args:
            logs: the first log.
            means: keys that hold Keras' means since the epoch began; others are their batch's.
            origin: the step at which the first mean began.
            averaging: how the numbers are averaged, if that is certain.
        """
        if self._reader is not None:
            return
        keys = set(recognise_names(logs, self._signals).keys.values())
        raw = keys - set(means)
        hint = Averaging.BATCH if raw == keys else Averaging.EPOCH
        settings: dict[str, Any] = {
            "signals": self._signals,
            "hint": str(hint),
            "raw": sorted(raw) if raw != keys else [],
            "origin": origin,
            "averaging": averaging,
        }
        self._write("reader", **settings)
        self._reader = Reader(**settings, relative_rounding=FLOAT32_ROUNDING)

    def see(
        self,
        step: int,
        epoch: int,
        logs: Mapping[str, float],
        rounding: Mapping[str, float] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> list[Finding]:
        """Take a step's log; give the findings that are new, graver or healed.

        Args:
            step: the training step, growing.
            epoch: the epoch, counted over all fits.
            logs: log key to number.
            rounding: log key to the number's largest error, where that is not float32's.
            data: what was hashed of the step's data: its name and its hash.
        """
        assert self._reader is not None, "set_form comes first"
        if self._journal is not None:
            journal = self._journal
            write = journal.write_logs
            guarded(journal, write, step, epoch, logs, rounding, data, off=self._no_journal)
        self._hub.tell("on_logs", step, logs)
        return self._judge(self._reader.read(step, logs, epoch, rounding))

    def report(self, finding: Finding) -> None:
        """Take a finding that rests on no reading: of the wiring, the seeds, the averaging."""
        self._examiner.report(finding)
        self._note_gravest(finding)
        self._write("report", finding=finding.to_dict())
        self._flush()
        self._hub.tell("on_finding", finding)

    def end_epoch(
        self, step: int, epoch: int, logs: Mapping[str, float], rates: Mapping[str, float]
    ) -> None:
        """Note an epoch's own numbers, those on validation data among them, and learning rates."""
        self._write("epoch", step=step, epoch=epoch, logs=logs, rates=rates)
        self._hub.tell("on_epoch", step, epoch, rates)
        self.fingerprint(step)
        self._flush()

    def fingerprint(self, step: int) -> None:
        """Record hashes of G's and D's variables as they are after this step."""
        if self._journal is not None and self._networks.discriminator is not None:
            hashes = guarded(fingerprints, fingerprints, self._networks.found)
            if hashes:
                self._write("fingerprint", step=step, weights=hashes)

    def show(self, batch: Any) -> None:
        """A batch of real data passes by: nested arrays or tensors."""
        if self._prober is not None:
            self._prober.show(batch)

    def look(self, step: int) -> Sequence[Finding]:
        """Look at G's samples; a fault here costs the looks, not the verdict so far.

        Returns:
            The findings that are new, graver or healed.
        """
        if self._prober is None:
            return ()
        look = guarded(self, self._prober.look, step, off=self._stop_looking)
        self._note_blind()
        if look is None:
            return ()
        self.grid = look.picture
        if self.grid is not None:
            self._hub.tell("on_samples", step, self.grid)
        changed: Sequence[Finding] = ()
        if look.probe is not None:
            self._write("probe", step=step, values=look.probe.values)
            self._hub.tell("on_probe", look.probe)
            changed = self._publish(self._examiner.look(look.probe))
        if self.grid is not None and self._keeps_pictures:
            guarded(save_picture, self._keep_picture, self.grid, step, off=self._no_pictures)
        return changed

    def _keep_picture(self, picture: np.ndarray, step: int) -> None:
        """Keep the latest, the first, and the first after a failure, or else after a warning."""
        if self._journal is None:
            return
        names = ["samples.png"]
        if not self._has_first_picture:
            names.append("samples_start.png")
        if self._gravest.rank > self._pictured.rank:
            names.append("samples_finding.png")
        for name in names:
            save_picture(picture, self._journal.folder / name)
            self._write("picture", name=name, step=step)
        self._has_first_picture, self._pictured = True, self._gravest

    def _no_pictures(self, _: object) -> None:
        self._keeps_pictures = False

    def finish(self) -> list[Finding]:
        """Close the books of this fit: what was held back is judged, the verdict recorded."""
        changed: list[Finding] = []
        if self._prober is not None:
            guarded(self, self._prober.settle, off=self._stop_looking)
            self._note_blind()
        if self._reader is not None:
            changed = self._judge(self._reader.close())
            for finding in self._reader.findings():
                self._examiner.report(finding)
        for finding in self._hub.take_posted():
            self.report(finding)
        verdict = self.verdict
        self._write("end", verdict=verdict.to_dict(str(self.folder)))
        self._flush()
        self._hub.tell("on_verdict", verdict, self.grid)
        return changed

    # -- inside --------------------------------------------------------------------------

    def _judge(self, readings: Sequence[Reading]) -> list[Finding]:
        changed: list[Finding] = []
        for reading in readings:
            self._hub.tell("on_reading", reading)
            changed += self._publish(self._examiner.update(reading))
        return changed

    def _publish(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        for finding in findings:
            self._note_gravest(finding)
            self._write("finding", finding=finding.to_dict())
            self._flush()
            self._hub.tell("on_finding", finding)
        return findings

    def _note_gravest(self, finding: Finding) -> None:
        self._gravest = max(self._gravest, finding.severity, key=lambda severity: severity.rank)

    def _note_blind(self) -> None:
        """Record why samples are not compared with data, if that has changed."""
        without = self._networks.missing or "a fault has switched the looks off"
        why = self._prober.blind if self._prober is not None else without
        if why != self.blind:
            self._examiner.blind = why
            self._write("blind", why=why)

    def _stop_looking(self, _: object) -> None:
        self._prober = None
        self._note_blind()

    def _write(self, record: str, **fields: Any) -> None:
        if self._journal is not None:
            guarded(self._journal, self._journal.write, record, off=self._no_journal, **fields)

    def _flush(self) -> None:
        if self._journal is not None:
            guarded(self._journal, self._journal.flush, off=self._no_journal)

    def _no_journal(self, _: object) -> None:
        self._journal = None
