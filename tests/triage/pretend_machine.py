"""A machine with GPUs that are not there: a pretended nvidia-smi, and trials that are scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keras_collapse.core.atomic_files import write_json
from keras_collapse.triage import results
from keras_collapse.triage.executors import jobs, local
from keras_collapse.triage.executors.jobs import Job
from keras_collapse.triage.plans import TrialConfig

NVIDIA_SMI = """#!/bin/sh
case "$1" in
-L) cat "{folder}/listed" ;;
*) cat "{folder}/memory" ;;
esac
"""
# A trial: it notes its device and its share, and holds the device by making a folder, which fails
# if another trial has it. It runs out of memory if it needs more than its share.
TRIAL = """#!/bin/sh
cd "$1"
printf '%s %s\\n' "$CUDA_VISIBLE_DEVICES" "$XLA_PYTHON_CLIENT_MEM_FRACTION" > device
echo "$1 $CUDA_VISIBLE_DEVICES" >> "{folder}/started"
for place in $(seq {shared}); do
  mkdir "{folder}/held-$CUDA_VISIBLE_DEVICES-$place" 2> none && held=$place && break
done
[ -n "$held" ] || {{ echo "held by another" >&2; exit 3; }}
sleep {seconds}
rmdir "{folder}/held-$CUDA_VISIBLE_DEVICES-$held"
. ./does
"""
OUT_OF_MEMORY = (
    "echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.'; exit 2"
)


@dataclass
class Machine:
    """The machine; its GPUs change while trials run if a test changes them.

    Args:
        folder: for what nvidia-smi prints, and for what trials leave.
    """

    folder: Path
    names: list[str] = field(default_factory=list)

    def has(self, *memory: tuple[int, int], slices: int = 0) -> None:
        """Have a GPU for each pair of MiB and MiB in use; the last one in MIG slices, if any."""
        lines, rows = [], []
        self.names = [f"GPU-{place:04d}-abcd" for place in range(len(memory))]
        for place, (total, used) in enumerate(memory):
            lines.append(f"GPU {place}: NVIDIA A100-SXM4-40GB (UUID: {self.names[place]})")
            rows.append(f"{self.names[place]}, {total}, {used}")
        if slices:
            self.names[-1:] = [f"MIG-{part:04d}-abcd" for part in range(slices)]
            lines += [
                f"  MIG 1g.5gb      Device  {part}: (UUID: MIG-{part:04d}-abcd)"
                for part in range(slices)
            ]
        (self.folder / "listed").write_text("\n".join(lines) + "\n")
        (self.folder / "memory").write_text("\n".join(rows) + "\n")

    def trial(self, seconds: float = 0.02, shared: int = 1) -> None:
        """Let trials take that long, and share a GPU with so many."""
        script = self.folder / "trial"
        script.write_text(TRIAL.format(folder=self.folder, seconds=seconds, shared=shared))
        script.chmod(0o755)

    def started(self) -> list[tuple[str, str]]:
        """Each start of a trial: its name and its device."""
        path = self.folder / "started"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(Path(folder).name, device) for folder, device in map(str.split, lines)]

    def job(self, name: str, does: str = "", batch_size: int = 8, timeout: float = 20) -> Job:
        """A trial that ends well, unless ``does`` is a shell command that ends it otherwise."""
        trial = TrialConfig(seed=len(list(self.folder.iterdir())), batch_size=batch_size)
        home = self.folder / "trials" / name
        write_json(home / results.CONFIGURATION, {})
        well = json.dumps(results.TrialResult(trial, "done", folder=str(home)).to_dict())
        (home / "well").write_text(well)
        (home / "does").write_text(f"{does}\ncp well {results.RESULT}\n")
        return Job(trial, home, 8, timeout)

    def jobs(self, count: int, does: str = "") -> list[Job]:
        return [self.job(f"trial-{place}", does) for place in range(count)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without a GPU; trials poll quickly, and its locks are its own."""
    folder = tmp_path / "machine"
    folder.mkdir()
    smi = folder / "nvidia-smi"
    smi.write_text(NVIDIA_SMI.format(folder=folder))
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    for name in (
        "CUDA_VISIBLE_DEVICES",
        "XLA_CLIENT_MEM_FRACTION",
        "XLA_PYTHON_CLIENT_MEM_FRACTION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "command", lambda home: [str(folder / "trial"), str(home)])
    found = Machine(folder)
    found.has()
    found.trial()
    return found


def run(executor: local.Local, asked: Sequence[Job]) -> list[results.TrialResult]:
    """The results in the order of the jobs."""
    found = {result.trial.key: result for result in executor.run(asked, lambda running: None)}
    return [found[job.trial.key] for job in asked]
