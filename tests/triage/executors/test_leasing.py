"""GPUs are leased to trials: each its own, none twice, none that another process fills."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pretend_machine import OUT_OF_MEMORY, Machine, machine, run

from keras_collapse.core.errors import InputError
from keras_collapse.triage.executors import gpus
from keras_collapse.triage.executors.leases import Lease
from keras_collapse.triage.executors.local import Local, slots
from keras_collapse.triage.results import TrialResult

__all__ = ["machine"]  # a fixture

A100 = (40960, 400)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_each_trial_has_a_gpu_of_its_own_before_it_starts(machine: Machine, count: int) -> None:
    machine.has(*[A100] * count)
    executor = Local(slots("auto")[0])
    assert executor.room == ", ".join(f"1 x GPU {place}" for place in range(count))
    found = run(executor, machine.jobs(count + 2))
    assert [result.ended for result in found] == ["done"] * (count + 2)
    devices = [device for _, device in machine.started()]
    assert sorted(devices[:count]) == machine.names
    assert set(devices) == set(machine.names)
    assert (machine.folder / "trials" / "trial-0" / "device").read_text().split()[1] == "0.891"


@pytest.mark.usefixtures("machine")
def test_without_a_gpu_trials_run_on_the_cores() -> None:
    room, left_out = slots("auto", max_parallel=3)
    assert (len(room), left_out) == (3, "")
    assert room[0].variables == {}
    assert slots("cpu")[0][0].variables == {"CUDA_VISIBLE_DEVICES": "-1"}
    with pytest.raises(InputError, match=r"no GPU is available \(nvidia-smi lists none\)"):
        slots("gpu")


def test_of_a_gpu_in_mig_mode_the_slices_are_leased(machine: Machine) -> None:
    machine.has(A100, A100, slices=3)
    executor = Local(slots("gpu")[0])
    slices = [f"1 x MIG 1g.5gb {part} of GPU 1" for part in range(3)]
    assert executor.room == ", ".join(["1 x GPU 0", *slices])
    run(executor, machine.jobs(4))
    assert sorted(device for _, device in machine.started()) == sorted(machine.names)
    assert executor.slots[1].variables[gpus.GPU_MIB] == str(int(0.9 * 5 * 1024))


@pytest.mark.parametrize(
    ("asked", "devices"),
    [
        ("1", ["1"]),
        ("2, 0", ["2", "0"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,-1,1", ["0"]),  # as for CUDA, a name that fits none hides those after it
        ("0,9,1", ["0"]),
        ("1,1", ["1"]),
        ("GPU-0001", ["GPU-0001"]),  # the beginning of a UUID is enough
        ("MIG-0001-abcd,0", ["MIG-0001-abcd", "0"]),
        ("GPU-ffff", []),
        ("3", ["3"]),  # in MIG mode: its first slice
    ],
)
def test_what_a_person_made_visible_is_all_there_is(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, asked: str, devices: list[str]
) -> None:
    machine.has(*[A100] * 4, slices=2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", asked)
    room, _ = slots("auto")
    names = [slot.variables["CUDA_VISIBLE_DEVICES"] for slot in room if slot.lease is not None]
    assert names == devices
    assert [slot for slot in room if slot.lease is None] == ([] if devices else room)


def test_names_are_taken_as_they_are_without_nvidia_smi(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.folder / "nvidia-smi").unlink()
    monkeypatch.setenv("PATH", str(machine.folder))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,MIG-1,what")
    assert [slot.name for slot in slots("gpu")[0]] == ["GPU 0", "GPU MIG-1"]


def test_a_gpu_that_another_process_fills_is_not_chosen(machine: Machine) -> None:
    machine.has((40960, 38912), A100)
    room, left_out = slots("auto")
    executor = Local(room, left_out=left_out)
    assert executor.room == "1 x GPU 1 (not GPU 0: other processes use 38 of its 40 GiB)"
    run(executor, machine.jobs(3))
    assert {device for _, device in machine.started()} == {machine.names[1]}
    machine.has((40960, 38912))
    with pytest.raises(InputError, match=r"no GPU is available \(not GPU 0: other processes use"):
        slots("gpu")
    room, left_out = slots("auto")
    assert room[0].name.startswith("CPU")
    assert room[0].variables == {"CUDA_VISIBLE_DEVICES": "-1"}  # it must not be found either
    assert "not GPU 0" in left_out


def test_trials_that_share_a_gpu_share_what_is_free_of_its_memory(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has((40000, 10000))
    three = slots("gpu", trials_per_gpu=3)[0]
    assert len(three) == 3
    assert three[0].variables == {
        "CUDA_VISIBLE_DEVICES": machine.names[0],
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.225",  # of what is there: 0.9 of 30,000 by three
        gpus.GPU_SHARE: "0.225",
        gpus.GPU_MIB: "9000",
    }
    monkeypatch.setenv("XLA_CLIENT_MEM_FRACTION", "0.3")  # JAX refuses to have both
    [alone] = slots("gpu")[0]
    assert alone.variables.keys() == {"CUDA_VISIBLE_DEVICES", gpus.GPU_MIB}
    assert slots("gpu", 2)[0][0].variables["XLA_CLIENT_MEM_FRACTION"] == "0.338"


def test_no_more_trials_share_a_gpu_than_were_asked_for(machine: Machine) -> None:
    machine.has(A100, A100)
    machine.trial(shared=2)
    found = run(Local(slots("gpu", 2)[0]), machine.jobs(12))
    assert [result.ended for result in found] == ["done"] * 12


@pytest.mark.parametrize("does", ["exit 1", "kill -9 $$", "sleep 60"])
def test_a_trial_that_ends_badly_gives_its_gpu_back(machine: Machine, does: str) -> None:
    machine.has(A100)
    executor = Local(slots("gpu")[0])
    jobs = [machine.job("bad", does, timeout=1), machine.job("good")]
    bad, good = run(executor, jobs)
    assert bad.ended in ("crashed", "killed", "hung")
    assert good.ended == "done"
    [lease] = {slot.lease for slot in executor.slots}
    assert lease is not None
    assert not Lease(lease.gpu).is_held_elsewhere


def test_a_runner_that_is_interrupted_gives_its_gpus_back(machine: Machine) -> None:
    machine.has(A100)
    executor = Local(slots("gpu")[0])

    def interrupt(running: object) -> None:
        raise KeyboardInterrupt(running)

    with pytest.raises(KeyboardInterrupt):
        next(executor.run(machine.jobs(1, "sleep 60"), interrupt))
    lease = executor.slots[0].lease
    assert lease is not None
    assert not Lease(lease.gpu).is_held_elsewhere


def test_two_triages_at_once_do_not_take_the_same_gpu(machine: Machine) -> None:
    machine.has(A100, A100)
    first, second = Local(slots("gpu")[0]), Local(slots("gpu")[0])
    found: list[TrialResult] = []
    threads = [
        threading.Thread(target=lambda e=executor, n=name: found.extend(run(e, _named(machine, n))))
        for name, executor in (("one", first), ("other", second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.ended for result in found] == ["done"] * 8  # else: held by another


def _named(machine: Machine, name: str) -> list:  # type: ignore[type-arg]
    return [machine.job(f"{name}-{place}", batch_size=place + 1) for place in range(4)]


HOLD = """
import sys, time, tempfile
tempfile.tempdir = sys.argv[1]
from keras_collapse.triage.executors import gpus, leases
lease = leases.Lease(gpus.Gpu("0", "GPU 0", sys.argv[2], 0))
print(lease.take(), flush=True)
time.sleep(60)
"""


def test_a_gpu_of_another_process_is_waited_for_until_that_ends(machine: Machine) -> None:
    machine.has((40960, 39000))  # that triage's trials fill it
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(machine.folder), machine.names[0]],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    executor = Local(slots("gpu")[0])
    assert executor.room == "1 x GPU 0 (another triage has GPU 0: trials wait for it)"
    began = time.monotonic()
    threading.Timer(0.3, other.kill).start()  # a lease ends with its process, however that ends
    assert run(executor, machine.jobs(1))[0].ended == "done"
    assert time.monotonic() - began >= 0.3
    other.wait()


def test_a_trial_whose_gpu_is_lost_runs_again_on_another(machine: Machine) -> None:
    machine.has(A100, A100)
    executor = Local(slots("gpu")[0])
    listed = machine.folder / "listed"
    # The first trial takes GPU 0 with it, as a GPU does that falls off the bus.
    lose = f"if [ $CUDA_VISIBLE_DEVICES = {machine.names[0]} ]; then sed -i 1d {listed}; exit 1; fi"
    jobs = [machine.job("loses", lose), *machine.jobs(3)]
    found = run(executor, jobs)
    assert [result.ended for result in found] == ["done"] * 4
    assert ("loses", machine.names[1]) in machine.started()
    assert [slot.name for slot in executor.slots] == ["GPU 1"]
    assert executor.parallel == 1


def test_when_the_last_gpu_is_lost_one_line_says_so(machine: Machine) -> None:
    machine.has(A100)
    executor = Local(slots("gpu")[0])
    (machine.folder / "listed").write_text("Unable to determine the device handle: GPU is lost\n")
    with pytest.raises(InputError, match="no GPU is left: nvidia-smi no longer lists GPU 0"):
        run(executor, machine.jobs(1))


def test_what_does_not_fit_beside_others_is_tried_again_alone(machine: Machine) -> None:
    machine.has(A100)
    machine.trial(shared=3)
    large = f'case "$XLA_PYTHON_CLIENT_MEM_FRACTION" in 0.89*) ;; *) {OUT_OF_MEMORY} ;; esac'
    jobs = [machine.job("large", large, 1024), *machine.jobs(4)]
    first, *others = run(Local(slots("gpu", 3)[0]), jobs)
    assert first.ended == "done"
    assert first.explanation.endswith("batch 1024 does not fit beside 2 others: tried again alone")
    assert [result.ended for result in others] == ["done"] * 4
    assert machine.started()[-1][0] == "large"  # after all others
    written = (Path(first.folder) / "result.json").read_text()
    assert "tried again alone" in written


def test_what_does_not_fit_alone_either_is_a_result_that_says_what_to_do(
    machine: Machine,
) -> None:
    machine.has(A100)
    machine.trial(shared=2)
    [found] = run(Local(slots("gpu", 2)[0]), [machine.job("large", OUT_OF_MEMORY, 1024)])
    assert found.ended == "out_of_memory"
    assert found.explanation == (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
        "Give smaller --batch-sizes, or a GPU with more memory.; "
        "batch 1024 does not fit beside another: tried again alone"
    )
    assert [name for name, _ in machine.started()] == ["large"] * 2


def test_nothing_starts_beside_a_trial_that_is_tried_alone(machine: Machine) -> None:
    machine.has(A100, A100)
    machine.trial(shared=2)
    place = machine.folder
    alone = f'case "$XLA_PYTHON_CLIENT_MEM_FRACTION" in 0.89*) ;; *) {OUT_OF_MEMORY} ;; esac'
    # While it is tried alone, the trial on the other GPU loses that, and has to wait.
    large = f"{alone}; touch {place}/alone; sleep 0.6; rm {place}/alone"
    lose = f"sleep 0.4; touch {place}/lost; sed -i 2d {place}/listed; exit 1"
    loses = f"[ -e {place}/lost ] || {{ {lose}; }}"
    late = f"{loses}; [ ! -e {place}/alone ] || exit 7"
    found = run(Local(slots("gpu", 2)[0]), [machine.job("large", large), machine.job("late", late)])
    assert [result.ended for result in found] == ["done", "done"]
    assert [name for name, _ in machine.started()] == ["large", "late", "large", "late"]
