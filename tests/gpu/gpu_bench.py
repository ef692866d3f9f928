"""What only a GPU shows, measured and written to docs/benchmarks/gpu.md: ``make gpu``.

    python tests/gpu/gpu_bench.py                    all four parts, for JAX and PyTorch
    python tests/gpu/gpu_bench.py --part a           one of them, in less than nine minutes
    python tests/gpu/gpu_bench.py --rehearse         all of it, tiny, on the CPU, without the page

Each measurement is a record in a folder, and what is recorded is not measured again. A part that
has reached its limit ends with status 3: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
sys.path.insert(0, str(Path(__file__).parent))

from gpu_page import page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "benchmarks" / "gpu.md"
BACKENDS = ("jax", "torch")
PARTS = {"a": "bits", "b": "cost", "c": "plans", "d": "leak"}
LIMIT_SECONDS = 440
"""Seconds after which a part begins nothing new, so that it ends within nine minutes."""
NOT_DONE = 3
"""Exit status of a part that has reached its limit."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Args:
        preset: of ``examples/camel_gan.py``.
        batch_size, steps_per_epoch, epochs: of the trainings whose bits and steps are measured.
        rounds, processes: of the cost of watching: rounds in each process.
        triage: options of the plans.
        trials: of Plan A and Plan B.
    """

    preset: str
    batch_size: int
    steps_per_epoch: int
    epochs: int
    rounds: int
    processes: int
    triage: Sequence[str]
    trials: int


FULL = Size("full", 1024, 40, 6, 4, 3, (), 7)
TINY = Size("small", 16, 2, 3, 2, 1, ("--batch-sizes", "8,16", "--repeats", "2", "--other-seeds",
            "7", "--steps", "8", "--device", "cpu"), 4)  # fmt: skip


@dataclass
class Bench:
    """The measurements, and what of them is recorded.

    Args:
        records: the folder of the records.
        size: how much is measured.
        data: a file of drawings.
        source: what they are, in words.
        limit: seconds after which nothing new begins, and a triage is interrupted.
    """

    records: Path
    size: Size
    data: Path
    source: str
    limit: float = LIMIT_SECONDS
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self.limit - (time.monotonic() - self.began)

    def record(self, name: str, measure: Callable[[], Mapping[str, Any] | None]) -> bool:
        """Measure unless that is recorded; return False if the limit was reached before."""
        path = self.records / f"{name}.json"
        if path.exists():
            return True
        if self.left <= 0:
            return False
        print(f"{name} ...", flush=True)
        began = time.monotonic()
        found = measure()
        if found is None:
            return False
        text = json.dumps({**found, "seconds": round(time.monotonic() - began, 1)}, indent=1)
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)
        return True

    # -- the parts -------------------------------------------------------------------------

    def bits(self, backend: str) -> bool:
        """Bits of one seed: with determinism and without, three times each, and fully watched."""
        kinds = [("plain", True, turn) for turn in range(3)] + [("watched", True, 0)]
        kinds += [("plain", False, turn) for turn in range(3)]
        return all(
            self.record(
                f"a-{backend}-{kind}-{'deterministic' if exact else 'free'}-{turn}",
                lambda kind=kind, exact=exact: self._process(  # type: ignore[misc]
                    "bits", backend, exact, callbacks=kind == "watched", deterministic=exact
                ),
            )
            for kind, exact, turn in kinds
        )

    def cost(self, backend: str) -> bool:
        """Time of a step with each kind of callbacks, in turn."""
        return all(
            self.record(
                f"b-{backend}-{place}",
                lambda: self._process("cost", backend, False, rounds=self.size.rounds),
            )
            for place in range(self.size.processes)
        )

    def plans(self, backend: str) -> bool:
        """Plan A and Plan B, one trial after another and several at once."""
        return all(
            self.record(f"c-{backend}-{kind}", lambda kind=kind: self._triage(backend, kind))  # type: ignore[misc]
            for kind in ("serial", "parallel")
        )

    def leak(self, backend: str) -> bool:
        """The same with the guide's leak."""
        return self.record(f"d-{backend}", lambda: self._triage(backend, "leak"))

    # -- what they run ---------------------------------------------------------------------

    def _process(self, what: str, backend: str, exact: bool, **more: Any) -> dict[str, Any]:
        """Run one measurement of `measure.py` in a process of its own."""
        size = self.size
        asked = {"preset": size.preset, "data": str(self.data), "batch_size": size.batch_size,
                 "steps_per_epoch": size.steps_per_epoch, "epochs": size.epochs,
                 **more}  # fmt: skip
        work = self.records / "work"
        work.mkdir(exist_ok=True)
        given, target = work / "asked.json", work / f"{what}-{time.time_ns()}.json"
        given.write_text(json.dumps(asked))
        command = [sys.executable, str(HERE / "measure.py"), what, str(given), str(target)]
        log = work / "log.txt"
        with log.open("w") as output:
            done = subprocess.run(command, env=environment(backend, exact), stdout=output,
                                  stderr=subprocess.STDOUT, check=False)  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{what} on {backend} failed: {log}\n{log.read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(target.read_text())
        return found

    def _triage(self, backend: str, kind: str) -> dict[str, Any] | None:
        """Run Plan A and Plan B as a person does; None if the limit interrupted them."""
        out = self.records / "work" / f"triage-{backend}-{kind}"
        out.parent.mkdir(exist_ok=True)
        how = {"serial": ["--max-parallel", "1"], "parallel": ["--trials-per-gpu", "auto"],
               "leak": ["--trials-per-gpu", "auto", "--despite-wiring"]}[kind]  # fmt: skip
        command = [sys.executable, "-m", "keras_collapse.cli", "triage", "full",
                   f"{ROOT / 'examples' / 'camel_gan.py'}:train",
                   "--no-continue", "--no-stop-early",
                   "--budget", f"{self.size.trials} trials", "--no-mlflow", "--out", str(out),
                   "--param", f"preset={self.size.preset}", "--param", f"data={self.data}",
                   *how, *self.size.triage]  # fmt: skip
        if kind == "leak":
            command += ["--param", "fault=leak"]
        clock = out.with_suffix(".seconds")  # of the earlier, interrupted commands
        before = float(clock.read_text()) if clock.exists() else 0.0
        began = time.monotonic()
        with (out.with_suffix(".log")).open("a") as log, gpu_use(out.with_suffix(".use")):
            running = subprocess.Popen(command, env=environment(backend, True), cwd=out.parent,
                                       stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True)  # fmt: skip
            with suppress(subprocess.TimeoutExpired):
                running.wait(max(self.left, 1))
            interrupted = running.poll() is None
            if interrupted:  # its trials that have ended are kept
                running.send_signal(signal.SIGINT)
                running.wait(60)
        wall = before + time.monotonic() - began
        clock.write_text(str(wall))
        if interrupted:
            return None
        if running.returncode not in (0, 1):
            text = out.with_suffix(".log").read_text()
            raise SystemExit(f"the triage on {backend} failed:\n{text[-2000:]}")
        found = json.loads((out / "triage.json").read_text())
        keep_samples(found, self.records / f"samples-{backend}-{kind}.png")
        return {
            "wall": wall,
            "in_parts": before > 0,
            "use": use_of(out.with_suffix(".use")),
            **found,
        }


def environment(backend: str, exact: bool) -> dict[str, str]:
    """The environment of a measurement; ``exact`` sets what makes a GPU deterministic."""
    given = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS",)}
    given |= {"KERAS_BACKEND": backend, "PYTHONHASHSEED": "42", "TF_CPP_MIN_LOG_LEVEL": "3"}
    given["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), given.get("PYTHONPATH"))))
    given.pop("CUBLAS_WORKSPACE_CONFIG", None)
    if exact:
        given |= {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true",
                  "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # fmt: skip
    return given


@contextmanager
def gpu_use(path: Path) -> Iterator[None]:
    """Write the GPU's use in percent and its memory in MiB to a file, twice a second."""
    query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "-lms", "500",
             "--format=csv,noheader,nounits"]  # fmt: skip
    with path.open("a") as log:
        try:
            watching = subprocess.Popen(query, stdout=log, stderr=subprocess.DEVNULL)
        except OSError:  # there is no GPU
            yield
            return
        try:
            yield
        finally:
            watching.kill()
            watching.wait()


def use_of(path: Path) -> dict[str, float]:
    """The mean use and the most memory in such a file; nothing without a GPU."""
    rows = [line.split(",") for line in path.read_text().splitlines() if line.count(",") == 1]
    numbers = [(float(use), float(mib)) for use, mib in rows if use.strip().isdigit()]
    if not numbers:
        return {}
    return {"percent": sum(use for use, _ in numbers) / len(numbers),
            "mib": max(mib for _, mib in numbers)}  # fmt: skip


def keep_samples(found: Mapping[str, Any], target: Path) -> None:
    """Put the last samples of each trial into one picture, a trial below the other."""
    from PIL import Image

    pictures = []
    for trial in found["trials"]:
        latest = Path(trial["folder"]) / "run" / "samples.png"
        if latest.exists():
            pictures.append(Image.open(latest).convert("L"))
    if pictures:
        sheet = Image.new("L", (max(p.width for p in pictures), sum(p.height for p in pictures)))
        top = 0
        for picture in pictures:
            sheet.paste(picture, (0, top))
            top += picture.height
        sheet.save(target)


def drawings(data: Path | None, records: Path, count: int) -> tuple[Path, str]:
    """A file of drawings and what they are; the embedded ones take a minute, and are made once."""
    import numpy as np
    import quickdraw

    if data is not None:
        return data.resolve(), f"real Quick, Draw! camels ({data.name})"
    path = records / "work" / f"drawings-{count}.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        np.save(path, quickdraw.load("camel", count=count).images)
    return path, quickdraw.EMBEDDED


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not recorded; write the page once all of it is, from a GPU."""
    parser = argparse.ArgumentParser(description="Measure what only a GPU shows.")
    parser.add_argument("--part", choices=PARTS, help="one part; default: all")
    parser.add_argument("--backends", default=",".join(BACKENDS), help="default: jax,torch")
    parser.add_argument("--records", type=Path, default=ROOT / "tests" / "gpu" / "records")
    parser.add_argument("--data", type=Path, help="a .npy or .npz file of camel drawings")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds of a part")
    parser.add_argument(
        "--rehearse", action="store_true", help="tiny, on the CPU, without the page"
    )
    asked = parser.parse_args(arguments)
    size = TINY if asked.rehearse else FULL
    records = (asked.records / "rehearsal" if asked.rehearse else asked.records).resolve()
    records.mkdir(parents=True, exist_ok=True)
    data, source = drawings(asked.data, records, 256 if asked.rehearse else 121_399)
    done = True
    for part in [asked.part] if asked.part else PARTS:
        bench = Bench(records, size, data, source, asked.limit)
        for backend in asked.backends.split(","):
            done = bool(getattr(bench, PARTS[part])(backend)) and done
    found = {path.stem: json.loads(path.read_text()) for path in sorted(records.glob("?-*.json"))}
    text = page(found, source, size.trials)
    (records / "page.md").write_text(text)
    if not done:
        print("The limit was reached: the same command goes on.")
        return NOT_DONE
    if asked.rehearse:
        print(f"Rehearsed; the page is {records / 'page.md'}")
    elif not all(one["on_gpu"] for one in found.values() if "on_gpu" in one):
        raise SystemExit("These figures are not from a GPU: the page was not written.")
    elif asked.part is None:
        PAGE.write_text(text)
        for picture in records.glob("samples-*.png"):
            shutil.copy(picture, PAGE.parent / f"gpu-{picture.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
