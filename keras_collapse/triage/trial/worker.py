"""One trial in its own process: ``python -m keras_collapse.triage.trial.worker FOLDER``.

The runner has set the environment and written the trial's configuration. The worker calls the
user's function with our callbacks and writes the result.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_collapse import user_program
from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import Fingerprint, FitStarted, SamplesChecked, StepLogs
from keras_collapse.core.samples.probe import APART, Probe
from keras_collapse.triage import results
from keras_collapse.triage.executors.jobs import RUNNER
from keras_collapse.triage.plans import TrialConfig
from keras_collapse.triage.trial import gpu_memory
from keras_collapse.triage.trial.outcome import succeeded
from keras_collapse.triage.trial.parameters import Params, keywords_of, offers


@dataclass
class TrialContext:
    """The argument of the user's ``train(trial)``.

    Args:
        seed: all known generators are already seeded with it; use it for your own.
        batch_size: for ``fit``, or your data pipeline.
        epochs: for ``fit``; the trial's steps at this batch size.
        params: for your ``build``.
        callbacks: for ``fit``.
        monitor: the `CollapseMonitor` among the callbacks; its ``real``, ``held_out`` and
            ``features`` can be set before ``fit``.
        steps: training steps, for a loop of your own.
    """

    seed: int
    batch_size: int
    epochs: int
    params: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Any] = ()
    monitor: Any = None
    steps: int = 0

    def watching(self, **networks: Any) -> contextlib.AbstractContextManager[Any]:
        """Watch a loop of your own, of ``steps`` steps; see `CollapseMonitor.watching`.

        Args:
            **networks: ``generator``, ``discriminator`` and ``combined``, as far as they exist.
        """
        others = [callback for callback in self.callbacks if callback is not self.monitor]
        watching: contextlib.AbstractContextManager[Any] = self.monitor.watching(
            **networks, callbacks=others
        )
        return watching


def run(folder: Path) -> None:
    """Run the trial whose configuration is in the folder, and write its result.

    Raises:
        InputError: the experiment cannot be run, in one line.
    """
    began = time.monotonic()
    text = (folder / results.CONFIGURATION).read_text(encoding="utf-8")
    configuration = json.loads(text)
    trial, steps = TrialConfig(**configuration["trial"]), int(configuration["steps"])
    experiment = configuration["experiment"]
    _end_with_parent()

    import keras_collapse as kc
    from keras_collapse.triage.trial import programs
    from keras_collapse.triage.trial.callback import TrialCallback
    from keras_collapse.triage.trial.interventions import Changes

    gpu_memory.limit()
    kc.seed_everything(trial.seed)
    train = programs.load(experiment)
    kc.seed_everything(trial.seed)  # importing the user's file may have drawn random numbers
    exact = bool(configuration["exact"])
    monitor = kc.CollapseMonitor(
        every=APART if exact else "epoch", run_dir=folder / results.RUN, verbose=0, keep_best=True
    )
    callback = TrialCallback(
        folder,
        steps,
        int(configuration["longest"]),
        monitor,
        bool(configuration["stop_early"]),
        exact,
    )
    callbacks = [
        kc.SeedControl(trial.seed, verbose=0),
        Changes(trial.changes, trial.seed),
        monitor,
        callback,
    ]
    if configuration.get("mlflow"):
        callbacks.append(kc.MLflowLogger(**configuration["mlflow"]))
    params = Params(trial.params)
    own = {name: params[name] for name in keywords_of(train) if name in params}
    context = TrialContext(
        seed=trial.seed,
        batch_size=trial.batch_size,
        epochs=int(configuration["epochs"]),
        params=params,
        callbacks=callbacks,
        monitor=monitor,
        steps=steps,
    )
    call = functools.partial(train, **own)
    user_program.run(f"{experiment}({trial.name})", call, context)
    facts = {**callback.facts, **gpu_memory.used(), "offers": offers(train, params)}
    if configuration.get("audit"):
        facts["audit"] = callback.audit()
    home = str(configuration.get("home") or folder)
    result = result_of(trial, monitor, folder, home, facts, steps, time.monotonic() - began)
    write_json(folder / results.RESULT, result.to_dict())


def result_of(
    trial: TrialConfig,
    monitor: Any,
    folder: Path,
    home: str,
    facts: Mapping[str, Any],
    steps: int,
    seconds: float,
) -> results.TrialResult:
    """Return the result of a trial that has ended.

    Args:
        trial: its configuration.
        monitor: its `CollapseMonitor`.
        folder: where its run folder is now.
        home: the trial's folder as the result names it.
        facts: settings of the GAN.
        steps: training steps requested.
        seconds: that it took.
    """
    recorded = read_run(folder / results.RUN)
    verdict = monitor.verdict.in_folder(f"{home}/{results.RUN}")
    return results.TrialResult(
        trial=trial,
        ended="done",
        verdict=verdict.to_dict(f"{home}/{results.RUN}"),
        well=succeeded(verdict.status, recorded.sample_checks, recorded.steps),
        distance=_distance(recorded.sample_checks),
        fingerprints=recorded.fingerprints,
        steps=recorded.steps,
        asked=steps,
        seconds=round(seconds, 2),
        device=str(recorded.facts.get("device", "")),
        exit_status=0,
        facts={**recorded.facts, **facts},
        folder=home,
    )


@dataclass
class RecordedRun:
    """What a trial's journal holds.

    Args:
        steps: training steps with a log.
        facts: the run's parameters and surroundings.
        sample_checks: oldest first.
        fingerprints: ``begin``, and ``end`` if it was taken after the last step.
    """

    steps: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    sample_checks: list[Probe] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)


def read_run(run_dir: Path) -> RecordedRun:
    """Read a trial's journal; everything is empty if the experiment did not use its callbacks."""
    run = RecordedRun()
    prints: list[tuple[int, str]] = []
    for record in read_journal(run_dir) if run_dir.exists() else ():
        match record:
            case Fingerprint():
                prints.append((record.step, _combined(record.weights)))
            case FitStarted():
                run.facts |= record.facts
            case SamplesChecked():
                run.sample_checks.append(record.probe)
            case StepLogs():
                run.steps = record.step + 1
    if prints:
        (first_step, run.fingerprints["begin"]), (last_step, end) = prints[0], prints[-1]
        # A hash from the start, or from before the last steps, says nothing about the result.
        if first_step < last_step == run.steps - 1:
            run.fingerprints["end"] = end
    return run


def _distance(sample_checks: Sequence[Probe]) -> float | None:
    """The last samples' distance to the data over that between halves of the data, or None."""
    for check in reversed(sample_checks):
        distance = check.get("sliced_wasserstein")
        between = check.get("sliced_wasserstein_baseline")
        if distance is not None and between:
            return round(distance / between, 2)
    return None


def _combined(weights: Sequence[Sequence[str]]) -> str:
    """Return one hash for all variables, without names: Keras numbers these within a process."""
    text = " ".join(digest for _, digest in weights)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _end_with_parent() -> None:
    """End this process when its runner is gone, since the next runner repeats the trial."""
    parent = int(os.environ.get(RUNNER, os.getppid()))  # it may be gone already

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    try:
        run(Path(sys.argv[1]))
    except (InputError, MemoryError) as error:
        print(f"keras-collapse: {error or 'out of memory'}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
