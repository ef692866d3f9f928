"""The page of the measurements on a GPU, from their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Records = Mapping[str, Mapping[str, Any]]

HEAD = """# On a GPU

Made by `make gpu` ([`gpu_bench.py`](../../tests/gpu/gpu_bench.py)), from the guide's camel GAN
([`camel_gan.py`](../../examples/camel_gan.py)): {parameters} trainable parameters, trained on
{source}. Devices: {devices}. Versions: {versions}.
"""
KINDS = {
    "readings": "every step read, before the end of the epoch",
    "monitor": "the monitor: readings, sample checks, fingerprints",
    "everything": "the monitor, MLflow and the live panel",
    "keras": "Keras' `TerminateOnNaN` and `CSVLogger`",
    "mlflow": "MLflow's own `MlflowCallback`, at every step",
}
RESAMPLES = 2000


def page(records: Records, source: str, trials: int) -> str:
    """Return the page; parts that are not recorded yet are left out.

    Args:
        records: name to what was measured.
        source: what the GAN was trained on.
        trials: of Plan A and Plan B.
    """
    measured = [one for one in records.values() if "device" in one and "version" in one]
    backends = list(dict.fromkeys(name.split("-")[1] for name in records))
    parts = [
        HEAD.format(
            parameters=_all(f"{one['parameters']:,}" for one in measured),
            source=source,
            devices=_all(one["device"] for one in measured),
            versions="; ".join(dict.fromkeys(one["version"] for one in measured)) or "unknown",
        ),
        _bits(records, backends),
        _cost(records, backends),
        *(_plans(records, backend, trials) for backend in backends),
        *(_leak(records, backend) for backend in backends),
    ]
    return "\n".join(part for part in parts if part)


def _all(words: Any) -> str:
    return ", ".join(dict.fromkeys(map(str, words))) or "unknown"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _bits(records: Records, backends: Sequence[str]) -> str:
    rows = []
    for backend in backends:
        plain, watched, free = (
            [one for name, one in records.items() if name.startswith(f"a-{backend}-{kind}")]
            for kind in ("plain-deterministic", "watched-deterministic", "plain-free")
        )
        if not (plain and watched and free):
            continue
        exact, fast = (float(np.median([o["step_ms"] for o in some])) for some in (plain, free))
        rows.append([
            backend,
            _same([plain[0], *watched]),
            f"{_same(plain)} ({len(plain)} runs)",
            f"{_same(free)} ({len(free)} runs)",
            f"{exact:.2f} ms against {fast:.2f} ms, {exact / fast - 1:+.1%}",
        ])  # fmt: skip
    if not rows:
        return ""
    return "## Bits\n\nWeights after the same training, compared to the bit.\n\n" + _table(
        ["backend", "watched by all callbacks, and audited", "same seed, deterministic",
         "same seed, not deterministic", "a step, deterministic against not"], rows)  # fmt: skip


def _same(some: Sequence[Mapping[str, Any]]) -> str:
    return "identical" if len({one["weights"] for one in some}) == 1 else "DIFFERENT"


def _cost(records: Records, backends: Sequence[str]) -> str:
    rows = []
    for backend in backends:
        runs = [one for name, one in records.items() if name.startswith(f"b-{backend}-")]
        if not runs:
            continue
        times = {kind: np.concatenate([np.array(one["step_ms"][kind]) for one in runs])
                 for kind in ("nothing", *KINDS)}  # fmt: skip
        base = times.pop("nothing")
        rows.append([backend, "nothing", f"{np.median(base):.2f}", "1", len(base)])
        for kind, took in times.items():
            low, middle, high = interval(took / base)
            ratio = f"{middle:.3f} ({low:.3f} to {high:.3f})"
            rows.append([backend, KINDS[kind], f"{np.median(took):.2f}", ratio, len(took)])
    if not rows:
        return ""
    return (
        "## Cost of watching\n\nMilliseconds of a training step, each kind in turn in every round; "
        "the ratio is the mean over\nthe rounds, with its 95 % bootstrap interval.\n\n"
    ) + _table(["backend", "callbacks", "ms a step", "ratio to nothing", "rounds"], rows)


def interval(ratios: Any, seed: int = 0) -> tuple[float, float, float]:
    """Return the lower end, the mean and the upper end of a 95 % bootstrap interval of the mean.

    >>> interval([2.0, 2.0, 2.0])
    (2.0, 2.0, 2.0)
    """
    ratios = np.asarray(ratios, dtype=float)
    drawn = np.random.default_rng(seed).choice(ratios, (RESAMPLES, len(ratios))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(ratios.mean()), float(high)


def _plans(records: Records, backend: str, trials: int) -> str:
    known = {kind: records.get(f"c-{backend}-{kind}") for kind in ("serial", "parallel")}
    found = {kind: one for kind, one in known.items() if one is not None}
    if not found:
        return ""
    words = {"serial": "one after another", "parallel": "several at once"}
    rows = [
        [words[kind], one["room"], f"{one['wall']:.0f} s{' (in parts)' * bool(one['in_parts'])}",
         _use(one), _repeats(one), one["root_cause"].replace("_", " ")]
        for kind, one in found.items()
    ]  # fmt: skip
    text = f"## Plan A and Plan B, {backend}\n\nCorrect wiring, {trials} trials of "
    text += f"{next(iter(found.values()))['steps']} steps.\n\n"
    text += _table(["", "on", "wall time", "use of the GPU", "Plan A's repeats", "cause"], rows)
    for kind, one in found.items():
        text += f"\nTrials, {words[kind]}:\n\n{_trials(one)}"
        text += f"\nLast samples, a trial a row: ![](gpu-samples-{backend}-{kind}.png)\n"
    return text


def _leak(records: Records, backend: str) -> str:
    one = records.get(f"d-{backend}")
    if one is None:
        return ""
    rows = [[row["evidence"], row["root_cause"], row["match"]] for row in one["guide"]["step_3"]]
    return (
        f"## With the guide's leak, {backend}\n\nThe plan was run despite the wiring fault; wall "
        f"time {one['wall']:.0f} s. Cause: {one['root_cause'].replace('_', ' ')}"
        f"{', ' + one['kind'].replace('_', ' ') if one.get('kind') else ''}.\n\n{_trials(one)}\n"
        "The guide's own table on these trials:\n\n"
    ) + _table(["evidence", "root cause", "here"], rows)


def _trials(one: Mapping[str, Any]) -> str:
    rows = [
        [trial["name"], trial["says"], trial["why"] or "-", trial["steps"],
         f"{trial['seconds']:.0f}", trial["device"]]
        for trial in one["trials"]
    ]  # fmt: skip
    return _table(["trial", "outcome", "why", "steps", "seconds", "device"], rows)


def _use(one: Mapping[str, Any]) -> str:
    use = one["use"]
    return f"{use['percent']:.0f} %, {use['mib'] / 1024:.1f} GiB at most" if use else "no GPU"


def _repeats(one: Mapping[str, Any]) -> str:
    """Whether Plan A's trials, which differ in nothing, ended with the same weights."""
    kinds: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
    for trial in one["trials"]:
        own = trial["trial"]
        kinds.setdefault((own["seed"], own["batch_size"], str(own["changes"])), []).append(trial)
    most = max(kinds.values(), key=len, default=[])
    ends = {trial["fingerprints"].get("end") for trial in most}
    same = "identical" if len(ends) == 1 and None not in ends else "DIFFERENT"
    return f"{same} to the bit ({len(most)} runs)"
