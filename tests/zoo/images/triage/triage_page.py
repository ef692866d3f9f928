"""The page of the triage bench."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import interval, working
from cases import BATCHES, FAULTS, PROGRAMS, STEPS, cases
from labels import KINDS


def harmful(one: Mapping[str, Any]) -> bool:
    """Whether the oracle calls most trials of the GAN as it is bad; a leak is always a fault."""
    bad = sum(label in KINDS for label in one["harm"])
    return one["case"]["fault"] == "leak" or 2 * bad > len(one["harm"])


def at_target(done: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many unchanged trials at the target batch size worked, of how many."""
    trials = [trial for one in done for trial in one["trials"] if f"batch {BATCHES[-1]}: " in trial]
    return sum(": healthy" in trial for trial in trials), len(trials)


def share(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {counts[1]}, {interval(*counts)},"


def page(done: Sequence[Mapping[str, Any]]) -> str:
    """What was reached, as Markdown."""
    sound = [one for one in done if one["case"]["fault"] == "none" and not harmful(one)]
    faulty = [one for one in done if one["case"]["fault"] != "none" and harmful(one)]
    causes = {fault.name: fault.causes for fault in FAULTS}
    right = [one for one in faulty if one["named"] in causes[one["case"]["fault"]]]
    open_ = [one for one in faulty if one["named"] == "inconclusive"]
    wrong = len(faulty) - len(right) - len(open_)
    cured = [one for one in right if one["cure"]]
    rates = [cure["failed"] for one in cured for cure in one["cure"]]
    held = sum(any(cure["held"] for cure in one["cure"]) for one in cured)
    alarms = sum(one["named"] != "none" for one in sound)
    timed = [one["left"] for one in done if all(one["left"])]
    close = sum(max(said / took, took / said) <= 1.5 for said, took in timed)
    rows = (
        ("the injected cause is named first", len(right), len(faulty)),
        ("inconclusive, where a fault did harm", len(open_), len(faulty)),
        ("named wrongly, or `none`, where a fault did harm", wrong, len(faulty)),
        ("sound GANs called anything but no failure", alarms, len(sound)),
        ("a fix held on three new seeds", held, len(cured)),
        ("time left of the plan, after its first trial, right within 1.5 times", close, len(timed)),
    )
    unsound = [one for one in done
               if one["case"]["fault"] == "none" and harmful(one)]  # fmt: skip
    lines = [
        "# Triage of convolutional GANs, scored on injected causes",
        "",
        "Made by `make bench-triage-images` "
        "([`score.py`](../../tests/zoo/images/triage/score.py)):",
        f"{len(done)} of {len(cases())} planned runs of `triage full`, on",
        f"{', '.join(f'{family} on {data}' for data, family, _ in PROGRAMS)}, with batch sizes of",
        f"{', '.join(map(str, BATCHES))} and `--steps {STEPS}`, which are too few: trials go on "
        "until they are decided.",
        "Trials are real fits. A fault counts as harmful if the image zoo's oracle, which the",
        "monitor does not know, calls the samples of most unchanged trials at the target batch",
        "size bad. Rates that grow with the batch are undone by a smaller batch or by lower rates,",
        "so either is right. Brackets are 95 % intervals (Wilson, 1927).",
        *(
            f"A GAN without a fault on {one['case']['data']} failed with most seeds by the oracle, "
            f"and was called `{one['named']}`;\nit does not count as sound."
            for one in unsound
        ),
        "",
        "| | | |",
        "|---|---|---|",
        *(f"| {what} | {count} of {of} | {interval(count, of)} |" for what, count, of in rows),
        "",
        f"A fix has to work with three of three. Of single seeds {share(working(rates))}",
        f"worked with it, and {share(at_target(sound))} in sound GANs,",
        "unchanged, at the target batch size.",
        "",
        "| fault | triages | did harm | named |",
        "|---|---|---|---|",
    ]
    for fault in FAULTS:
        mine = [one for one in done if one["case"]["fault"] == fault.name]
        harm = [one for one in mine if harmful(one)]
        names = [one["named"] for one in (mine if fault.name == "none" else harm)]
        told = ", ".join(f"{names.count(n)} {n.replace('_', ' ')}" for n in dict.fromkeys(names))
        lines.append(f"| `{fault.name}` | {len(mine)} | {len(harm)} | {told} |")
    return "\n".join(lines) + "\n"
