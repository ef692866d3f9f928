"""Writes docs/strangers.md from the records of real runs: the marks, then program × fault."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus import BACKENDS, FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "strangers.md"
WIRING = frozenset(kind for kind, _ in FAULTS.values() if kind) | {"recompiled"}
"""Kinds that say how a program is wired. The others are failures of the training, which may follow
from a fault, or be a correct program's own."""
ELSEWHERE = frozenset({"cumulative_metrics"})
"""A kind that a Keras release brings, whatever the program; right in ``train_on_batch`` only."""
FIRST_STEPS = 1
"""A fault is named at once if it is found within the first step of D and of G."""
SHOWN_LATER = frozenset({"recompiled"})
"""A fault that the first step cannot show: it recurs."""

Record = Mapping[str, Any]
HEAD = """# Programs of strangers

Programs in the shape in which published GANs are written, correct and with a fault, trained under a
monitor without any argument: [`tests/strangers`](../tests/strangers). Each run is a process of its
own. An oracle that shares no code with the monitor judges the final samples
([`oracle.py`](../tests/strangers/oracle.py)). This page is written from the records of those runs
by `make strangers` and by nothing else; a run that was not made is not counted.

"""


def kinds(record: Record) -> list[str]:
    """What was found and not resolved, in the verdict's order, without mere information."""
    return [
        f["kind"]
        for f in record.get("findings", [])
        if f["severity"] != "info" and not f["resolved"] and not _is_release(record, f["kind"])
    ]


def _is_release(record: Record, kind: str) -> bool:
    return kind in ELSEWHERE and record.get("way") == "train_on_batch"


def wiring(record: Record) -> set[str]:
    """The wiring faults that were named."""
    return {kind for kind in kinds(record) if kind in WIRING | ELSEWHERE}


def is_named_first(record: Record) -> bool:
    """Whether the expected kinds are those named, first and alone among wiring faults, at once."""
    expected = set(record["expected"])
    found = kinds(record)
    first = {
        kind: min((f["first_step"] for f in record["findings"] if f["kind"] == kind), default=0)
        for kind in expected
    }
    late = any(step > FIRST_STEPS for kind, step in first.items() if kind not in SHOWN_LATER)
    return bool(found) and found[0] in expected and wiring(record) == expected and not late


def contradicts(record: Record) -> bool:
    """Whether a verdict is against what the oracle says of the samples."""
    says, status = record["oracle"]["says"], record["status"]
    return (status == "healthy" and says == "bad") or (status == "failed" and says == "good")


def is_wrong(record: Record) -> bool:
    """Whether a run counts against the tool."""
    if "error" in record or any("switched itself off" in w for w in record["warnings"]):
        return True
    if not record.get("identical", True) and record.get("repeatable", True):
        return True
    if record["expected"]:
        return not is_named_first(record)
    return bool(wiring(record)) or contradicts(record)


def found_alone(record: Record) -> dict[str, bool]:
    """What was found without an argument in a correct program."""
    why = record["unavailable"] + record["reason"]
    return {
        "networks": "no generator" not in why and record["hashed"],
        "latent": "latent size" not in why and "no generator" not in why,
        "names": record["steps_assessed"] > 0,
        "data": record["compared"] > 0,
    }


def share(rows: Sequence[Record], test: Callable[[Record], bool]) -> str:
    count = sum(map(test, rows))
    return f"{count} of {len(rows)}" + (f" ({count / len(rows):.0%})" if rows else "")


def marks(records: Sequence[Record]) -> list[str]:
    """The rows of the table of marks for the runs of one backend."""
    runs = [r for r in records if "error" not in r]
    correct = [r for r in runs if r["fault"] == "none"]
    faulty = [r for r in runs if r["expected"]]
    rows = [
        ("programs that an error ended", share(records, lambda r: "error" in r), "0"),
        (
            "bit-identical with and without the monitor, of programs that repeat themselves",
            share([r for r in correct if r.get("repeatable", True)], lambda r: r["identical"]),
            "all",
        ),
        (
            "correct programs with a wiring finding",
            share(correct, lambda r: bool(wiring(r))),
            "0",
        ),
        (
            "correct programs called failed or healthy against the oracle",
            share(correct, contradicts),
            "0",
        ),
        (
            "correct programs with any finding, though the oracle does not say bad",
            share([r for r in correct if r["oracle"]["says"] != "bad"], lambda r: bool(kinds(r))),
            "0",
        ),
        (
            "verdict healthy where the oracle says bad, all runs",
            share(runs, lambda r: r["status"] == "healthy" and r["oracle"]["says"] == "bad"),
            "0",
        ),
    ]
    own = [r for r in runs if r["way"] != "train_on_batch"]
    rows.append(
        (
            "per-batch numbers and means of an epoch taken for means over the run",
            share(own, lambda r: r["averaging"] == "run"),
            "0",
        )
    )
    for way in ("fit", "train_on_batch", "update"):
        chosen = [r for r in faulty if r["way"] == way]
        named = f"faults named first, at once, and no other: {way}"
        rows.append((named, share(chosen, is_named_first), "≥ 97 %" if way == "fit" else "—"))
    for what in ("networks", "latent", "names", "data"):
        rows.append(
            (
                f"{what} found without an argument",
                share(correct, lambda r, what=what: found_alone(r)[what]),  # type: ignore[misc]
                "≥ 95 %",
            )
        )
    silent = [r for r in correct if not all(found_alone(r).values())]
    rows.append(
        (
            "of those where anything was missing, how many say why",
            share(silent, lambda r: bool(r["unavailable"]) or "not " in r["reason"]),
            "all",
        )
    )
    return [f"| {name} | {value} | {goal} |" for name, value, goal in rows]


def label(record: Record) -> str:
    """The backend of a run, and its Keras release."""
    return f"{record['backend']}, Keras {record['keras']}"


def labels(records: Sequence[Record]) -> list[str]:
    """The labels of these runs, by backend, newest Keras first."""
    known = {(BACKENDS.index(r["backend"]), r["keras"], label(r)) for r in records}
    return [name for *_, name in sorted(known, key=lambda one: (one[0], _older(one[1])))]


def _older(release: str) -> list[int]:
    return [-int(part) for part in release.split(".") if part.isdigit()]


def cell(record: Record) -> str:
    if "error" in record:
        return f"**error**: {record['error'].splitlines()[0][:80]}".replace("|", "/")
    named = ", ".join(kinds(record)) or "nothing"
    text = f"{record['status']}, {named}; samples {record['oracle']['says']}"
    return f"**{text}**" if is_wrong(record) else text


def table(records: Sequence[Record]) -> list[str]:
    """Program × fault, one row each, a column for each backend; bold is wrong."""
    here = labels(records)
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for record in records:
        wanted = ", ".join(record.get("expected", [])) or "none"
        key = (record["program"], record["fault"], wanted)
        cells.setdefault(key, {})[label(record)] = cell(record)
    lines = [f"| program | fault | expected | {' | '.join(here)} |", "|" + "---|" * (3 + len(here))]
    for (program, fault, wanted), row in sorted(cells.items()):
        values = " | ".join(row.get(b, "") for b in here)
        lines.append(f"| {program} | {fault} | {wanted} | {values} |")
    return lines


def programs(records: Sequence[Record]) -> list[str]:
    """Every program with its family, and how it is watched."""
    known = {r["program"]: r for r in records if "family" in r}
    lines = ["| program | stands for | watched by |", "|---|---|---|"]
    for name, record in sorted(known.items()):
        lines.append(f"| {name} | {record['family']} | {record['way']} |")
    return lines


def not_checked(records: Sequence[Record]) -> list[str]:
    """What the monitor says that it could not check, and in how many runs."""
    said = Counter(
        finding["message"]
        for record in records
        for finding in record.get("findings", [])
        if finding["kind"] == "not_checked"
    )
    return [f"- {count}: {message}" for message, count in said.most_common()]


def write(folder: Path) -> int:
    """Write the page from the records in a folder.

    Returns:
        0 if no run is wrong, else 1.
    """
    records = [json.loads(p.read_text()) for p in sorted(folder.rglob("*.json"))]
    records = [r for r in records if "version" in r]  # one without it is being written
    lines = [HEAD]
    for name in labels(records):
        chosen = [r for r in records if label(r) == name]
        versions = sorted({r["version"] for r in chosen})
        count = len({r["program"] for r in chosen})
        lines += [
            f"## {name}\n",
            f"The package as of {', '.join(versions)}; {count} programs, {len(chosen)} runs.\n",
            "| mark | measured | goal |\n|---|---|---|",
            *marks(chosen),
            "\nRuns in which the monitor says that a part was not checked:\n",
            *(not_checked(chosen) or ["- none"]),
            "",
        ]
    faults = [
        f"| `{name}` | {words} | {kind or 'none'} |" for name, (kind, words) in FAULTS.items()
    ]
    lines += ["## Faults\n", "| fault | is | must be found |\n|---|---|---|", *faults, ""]
    lines += ["## Programs\n", *programs(records), ""]
    lines += [
        "## Runs\n",
        "Verdict and findings, then the oracle's opinion of the samples. Bold: the run counts "
        "against the tool.\n",
        *table(records),
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    wrong = sum(map(is_wrong, records))
    print(f"{len(records)} runs, {wrong} wrong; {PAGE.name} written")
    return 1 if wrong else 0
