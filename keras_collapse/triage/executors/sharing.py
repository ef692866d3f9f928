"""How many trials share a GPU, from the memory and the step times of the checks."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.triage.results import TrialResult

AUTO = "auto"
CONTEXT_MIB = 1024
"""Memory that CUDA and its libraries take for each process, which backends do not count."""
RESERVE = 1.25
"""Factor of the memory that a check has used: longer trials, and later checks, may use more."""
MOST = 8
"""Trials that share a GPU at most."""


def trials_per_gpu(checks: Sequence[TrialResult], cores: int) -> tuple[int, str]:
    """Return how many trials share a GPU, and why, in a line.

    As many as fit into its memory, have a core each, and leave it something to do: while a step
    waits for the host, another trial's step can run.

    Args:
        checks: results of the checks, each of which had a GPU for itself.
        cores: for each GPU.
    """
    measured = [r for r in checks if r.facts.get("gpu_mib") and r.facts.get("gpu_peak_mib")]
    if not measured:
        return 1, "One trial on each GPU: the checks could not measure its memory."
    largest = max(measured, key=lambda r: float(r.facts["gpu_peak_mib"]))
    needed = float(largest.facts["gpu_peak_mib"]) * RESERVE + CONTEXT_MIB
    memory = float(largest.facts["gpu_mib"])
    busy = busy_share(measured)
    if busy is None:
        return 1, "One trial on each GPU: one batch size does not show how busy it is."
    room = min(int(memory / needed), int(1 / max(busy, 1 / MOST)), cores)
    count = max(room, 1)
    trials = "One trial" if count == 1 else f"{count} trials"
    return count, (
        f"{trials} on each GPU: one needs {needed / 1024:.1f} of {memory / 1024:.1f} GiB and keeps "
        f"it busy for {busy:.0%} of a step; {cores} cores for each GPU."
    )


def busy_share(checks: Sequence[TrialResult]) -> float | None:
    """Return the share of a step, at the largest batch size, that grows with the batch size.

    The rest is launching and waiting for the host, which takes as long for a small batch; the GPU
    idles then. None where only one batch size was timed.
    """
    timed = [r for r in checks if r.facts.get("step_seconds")]
    seconds = {r.trial.batch_size: float(r.facts["step_seconds"]) for r in reversed(timed)}
    small, large = min(seconds, default=0), max(seconds, default=0)
    if small == large:
        return None
    growing = (seconds[large] - seconds[small]) * large / (large - small)
    return min(max(growing / seconds[large], 0.0), 1.0)
