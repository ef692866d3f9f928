"""One trial in a process of its own: ``python -m keras_collapse.triage.trial.worker FOLDER``.

The runner has set the environment and written the trial's configuration; this runs the person's
function with our callbacks and leaves the result.
"""

from __future__ import annotations

import contextlib
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

from keras_collapse import user_program as programs
from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.errors import InputError
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import Fingerprint, FitStarted, SamplesChecked, StepLogs
from keras_collapse.core.samples.probe import Probe
from keras_collapse.triage import results
from keras_collapse.triage.executors.jobs import GPU_SHARE
from keras_collapse.triage.plans import Trial as Configuration
from keras_collapse.triage.trial.outcome import ended_well


@dataclass
class Trial:
    """What a person's ``train(trial)`` is handed.

    Args:
        seed: all generators are seeded with it already; give it to your own.
        batch_size: for ``fit``, or your pipeline.
        epochs: for ``fit``; what the trial's steps come to.
        params: for your ``build``.
        callbacks: for ``fit``.
        monitor: the `CollapseMonitor` among them.
        steps: how many a loop of your own is to make.
    """

    seed: int
    batch_size: int
    epochs: int
    params: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Any] = ()
    monitor: Any = None
    steps: int = 0

    def watching(self, **networks: Any) -> contextlib.AbstractContextManager[Any]:
        """For a loop of your own, of ``steps`` steps: the monitor's ``watching``.

        Args:
            **networks: ``generator``, ``discriminator`` and ``combined``, as far as there are any.
        """
        others = [callback for callback in self.callbacks if callback is not self.monitor]
        watching: contextlib.AbstractContextManager[Any] = self.monitor.watching(
            **networks, callbacks=others
        )
        return watching


def run(folder: Path) -> None:
    """Run the trial whose configuration is in that folder, and write its result.

    Raises:
        InputError: the experiment cannot be run, in one line.
    """
    began = time.monotonic()
    asked = json.loads((folder / results.CONFIGURATION).read_text(encoding="utf-8"))
    trial, steps = Configuration(**asked["trial"]), int(asked["steps"])
    _end_with_parent()

    import keras_collapse as kc
    from keras_collapse.triage.trial.callback import Attached
    from keras_collapse.triage.trial.interventions import Changes

    _share_gpu()
    kc.seed_everything(trial.seed)
    train = programs.load_function(asked["place"])
    kc.seed_everything(trial.seed)  # importing a person's file may have drawn
    monitor = kc.CollapseMonitor(run_dir=folder / results.RUN, verbose=0)
    attached = Attached(folder, steps, monitor, bool(asked["stop_early"]), bool(asked["exact"]))
    given = [
        kc.SeedControl(trial.seed, verbose=0),
        Changes(trial.changes, trial.seed),
        monitor,
        attached,
    ]
    if asked.get("mlflow"):
        given.append(kc.MLflowLogger(**asked["mlflow"]))
    experiment = Trial(
        trial.seed, trial.batch_size, int(asked["epochs"]), trial.params, given, monitor, steps
    )
    programs.run(f"{asked['place']}({trial.name})", train, experiment)
    facts = attached.facts | ({"audit": attached.audit()} if asked.get("audit") else {})
    home = str(asked.get("home") or folder)
    seconds = time.monotonic() - began
    write_result(folder, home, trial, steps, monitor, facts, seconds)


def write_result(
    folder: Path,
    home: str,
    trial: Configuration,
    asked: int,
    monitor: Any,
    facts: Mapping[str, Any],
    seconds: float,
) -> None:
    """Write what the journal and the verdict say; ``home`` is where the folder ends up."""
    prints: dict[str, str] = {}
    journal_facts: dict[str, Any] = {}
    looks: list[Probe] = []
    seen = 0
    if (folder / results.RUN).exists():
        for record in read_journal(folder / results.RUN):
            match record:
                case Fingerprint():
                    prints.setdefault("begin", _one(record.weights))
                    prints["end"] = _one(record.weights)
                case FitStarted():
                    journal_facts |= record.facts
                case SamplesChecked():
                    looks.append(record.probe)
                case StepLogs():
                    seen = record.step + 1
    verdict = monitor.verdict
    result = results.Result(
        trial=trial,
        ended="done",
        verdict=verdict.to_dict(f"{home}/{results.RUN}"),
        well=ended_well(verdict.status, looks),
        fingerprints=prints,
        steps=seen,
        asked=asked,
        seconds=round(seconds, 2),
        device=str(journal_facts.get("device", "")),
        exit_status=0,
        facts={**journal_facts, **facts},
        folder=home,
    )
    write_json(folder / results.RESULT, result.to_dict())


def _one(weights: Sequence[Sequence[str]]) -> str:
    """One hash of the hashes of all variables, without their names: these count up."""
    text = " ".join(digest for _, digest in weights)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _share_gpu() -> None:
    """Keep PyTorch to the share of its GPU that the runner has set; JAX is told by XLA's variable,
    and TensorFlow grows with need.
    """  # fmt: skip
    share = os.environ.get(GPU_SHARE)
    if share and os.environ.get("KERAS_BACKEND") == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(float(share))


def _end_with_parent() -> None:
    """End this process when the runner has gone: the trial would be run again beside it."""
    parent = os.getppid()

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
