"""Real trials in processes of their own, on every backend: how they end, and what they leave."""

from __future__ import annotations

import os
import time
from pathlib import Path

import keras
import pytest
from paths import EXAMPLES

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.journal import Journal
from keras_collapse.core.records import SCHEMA, Fingerprint, RunStarted, StepLogs
from keras_collapse.triage import results
from keras_collapse.triage.executors.jobs import Job, environment
from keras_collapse.triage.executors.local import Local, Slot, slots
from keras_collapse.triage.plans import TrialConfig
from keras_collapse.triage.trial.worker import read_run

pytestmark = pytest.mark.backend()

BACKEND = keras.backend.backend()
CODE = f"""
import os, signal, sys, time
sys.path.insert(0, {str(EXAMPLES)!r})

def train(trial):
    import ring_gan
    gan, points = ring_gan.build(seed=trial.seed)
    gan.fit(points[:1024], batch_size=trial.batch_size, epochs=trial.epochs,
            callbacks=trial.callbacks)

def loop(trial):
    with trial.watching():
        for step in range(trial.steps):
            trial.monitor.update(d_loss=float("nan") if trial.seed == 2 else 0.69, g_loss=0.7)

def odd(trial):
    if trial.seed == 1:
        raise ValueError("no such data\\nat all")
    if trial.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.seed == 3:
        raise MemoryError("cannot allocate 80 GiB")
    time.sleep(600)
"""


def job(
    folder: Path, function: str, trial: TrialConfig, timeout: float = 300, **more: object
) -> Job:
    (folder / "gan.py").write_text(CODE)
    asked = {"experiment": f"{folder}/gan.py:{function}", "trial": trial.model_dump(), "steps": 32,
             "longest": 32, "epochs": 2, "exact": False, "stop_early": True,
             "audit": False}  # fmt: skip
    home = folder / f"{function}-{trial.seed}-{trial.repeat}"
    write_json(home / results.CONFIGURATION, asked | more)
    return Job(trial, home, 32, timeout)


def run(jobs: list[Job], max_parallel: int = 2) -> list[results.TrialResult]:
    local = Local(slots("cpu", max_parallel=max_parallel)[0])
    ended = {result.trial.key: result for result in local.run(jobs, lambda running: None)}
    return [ended[one.trial.key] for one in jobs]


def test_a_trial_keeps_what_it_was_and_is_the_same_to_the_bit(tmp_path: Path) -> None:
    trials = [TrialConfig(seed=7, batch_size=64, repeat=place, changes={"d_rate": 0.01})
              for place in range(2)]  # fmt: skip
    first, again = run([job(tmp_path, "train", trial, audit=True) for trial in trials])
    assert (first.ended, first.steps, first.asked) == ("done", 32, 32)
    assert first.verdict["verdict"] == "unknown"  # 32 steps
    assert first.fingerprints == again.fingerprints
    assert first.fingerprints["begin"] != first.fingerprints["end"]
    assert first.facts["steps"] == 16
    assert first.facts["backend"] == BACKEND
    assert first.facts["d_optimizer.learning_rate"] == pytest.approx(0.01)
    assert first.facts["audit"] == {"findings": []}
    assert "hash seed (PYTHONHASHSEED=7)" in first.facts["seeding"]["verified"]
    folder = Path(first.folder)
    assert (folder / "run" / "journal.jsonl").exists()
    assert (folder / "log.txt").read_text()
    best = first.verdict["kept"][0]["path"]
    assert Path(best) == folder / "run" / "best_generator.weights.h5"
    assert Path(best).exists()


@pytest.mark.backend("jax")
def test_an_undecided_trial_goes_on_from_where_it_is(tmp_path: Path) -> None:
    short = job(tmp_path, "train", TrialConfig(seed=7, batch_size=64), longest=64, epochs=8)
    [found] = run([short])
    assert found.failed is None  # so few steps tell nothing
    assert (found.asked, found.steps) == (32, 64)
    assert found.facts["step_seconds"] > 0


@pytest.mark.parametrize(
    ("hashed_after", "ends"),
    [
        ([-1, 3, 7], {"begin", "end"}),
        ([-1], {"begin"}),  # a watched loop that was hashed only at its start
        ([-1, 3], {"begin"}),  # an epoch's hash, four steps before the end
        ([7], {"begin"}),  # one hash cannot be both
        ([], set()),
    ],
)
def test_an_end_fingerprint_is_one_taken_after_the_last_step(
    tmp_path: Path, hashed_after: list[int], ends: set[str]
) -> None:
    journal = Journal(tmp_path)
    journal.write(RunStarted(SCHEMA, 0.0))
    for step in range(-1, 8):
        if step >= 0:
            journal.write(StepLogs(step, step // 4, {"d_loss": 0.7}))
        if step in hashed_after:
            journal.write(Fingerprint(step, [["dense/kernel", f"at {step}"]]))
    journal.close()
    run = read_run(tmp_path)
    assert run.steps == 8
    assert run.fingerprints.keys() == ends
    assert len(set(run.fingerprints.values())) == len(ends)


@pytest.mark.backend("jax")
def test_every_way_to_end_is_a_result_with_its_reason(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "odd", TrialConfig(seed=seed, batch_size=8)) for seed in (1, 2, 3)]
    hanging = TrialConfig(seed=4, batch_size=8)
    jobs.append(job(tmp_path, "odd", hanging, timeout=0.5))
    crashed, killed, memory, hung = run(jobs)
    assert (crashed.ended, crashed.exit_status) == ("crashed", 2)
    assert "ValueError: no such data at all" in crashed.reason
    assert "gan.py:" in crashed.reason
    assert (killed.ended, killed.exit_status) == ("killed", -9)
    assert "SIGKILL" in killed.reason
    assert memory.ended == "out_of_memory"
    assert "80 GiB" in memory.reason
    assert hung.ended == "hung"
    assert hung.failed is None


@pytest.mark.backend("jax")
def test_a_loop_of_ones_own_is_a_trial_too(tmp_path: Path) -> None:
    sound, broken = run([job(tmp_path, "loop", TrialConfig(seed=s, batch_size=8)) for s in (1, 2)])
    assert (sound.steps, sound.status) == (32, "unknown")
    assert (broken.status, broken.cause) == ("failed", "divergence")


def test_the_environment_is_set_before_python_starts() -> None:
    known = environment(9, {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "4"}, 1, Path("/x"))
    assert known["PYTHONHASHSEED"] == "9"
    assert known["OMP_NUM_THREADS"] == "4"  # a person's own stays
    assert known["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert "deterministic_ops" in known["XLA_FLAGS"]


def test_no_child_outlives_its_runner(tmp_path: Path) -> None:
    waiting = job(tmp_path, "odd", TrialConfig(seed=4, batch_size=8))
    local = Local([Slot("CPU", {}, 1)])
    running = local.run([waiting], lambda jobs: (_ for _ in ()).throw(KeyboardInterrupt))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(running)
    assert time.monotonic() - began < 60  # the child sleeps for ten minutes
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if _runs(p, waiting.folder)]


def _runs(cmdline: Path, folder: Path) -> bool:
    try:
        return os.fsencode(str(folder)) in cmdline.read_bytes()
    except OSError:
        return False
