"""The report of a triage: in the terminal, as Markdown, and as one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from keras_collapse.core.atomic_files import write
from keras_collapse.core.errors import InputError
from keras_collapse.outputs.report.curves import HEIGHT, WIDTH
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.outputs.report.triage_charts import triage_charts

MOST_GRIDS = 16
"""Sample grids in the report."""
MOST_TIE_BREAKERS = 6
"""Tie-breaker trials in the terminal."""
NO_FIX = {
    "none": "none needed.",
    "wiring": "none; a wiring fault is fixed in the code.",
    "inconclusive": "none; there is no root cause to fix.",
    "nondeterminism": "none; find and seed the unseeded randomness first.",
}
RESULT_WORDS = {True: "yes", False: "no", None: "undecided"}
GUIDE = "GAN Training Triage Guide"
CONFOUNDED = (
    "Plan B as the guide prints it tries the smallest batch size with one seed, and step 3 asks "
    "whether it always works. Trials that would separate the two:"
)
"""Why the guide's Plan B alone does not decide."""
GLOSSARY = {
    "D, G": "the discriminator and the generator.",
    "trial": "one training with its own seed, batch size and settings.",
    "failed, healthy": "the verdict of the monitor; where it was open at the trial's end, that of "
    "its last four sample checks.",
    "undecided": "neither could be said. Such trials count for no side.",
    "sample check": "a comparison of G's samples with the data.",
    "two halves of the data": "the yardstick of a sample check: how far real samples are from real "
    "samples.",
    "seed": "the number that all random generators start from.",
    "exact 95 % interval": "failure rates that these trials do not exclude (Clopper and Pearson, "
    "1934).",
}


def words(cause: str, kind: str = "") -> str:
    """Return a root cause, and a wiring fault's kind, in words.

    >>> words("wiring", "frozen_discriminator"), words("none")
    ('Root cause: wiring: frozen discriminator', 'No failure found')
    """
    if cause == "none":
        return "No failure found"
    found = f"Root cause: {cause.replace('_', ' ')}"
    return f"{found}: {kind.replace('_', ' ')}" if kind else found


def show_diagnosis(found: Mapping[str, Any], folder: Path) -> None:
    """Print the root cause, the tested fixes and the report's path, on at most one screen."""
    confidence = found["confidence"]
    number = f", confidence {confidence:.2f}" if confidence is not None else ""
    print(f"\n{words(found['root_cause'], found.get('kind', '')).upper()}{number}")
    print(f"  {found['statement']}")
    for size, rate in found["evidence"].get("collapse_rates", {}).items():
        print(f"  failed seeds at batch size {size}: {rate}")
    print(f"  reproducible to the bit: {bits(found)}")
    for place, line in enumerate(found["solution"], 1):
        print(f"  {place}. {line}")
    for cure in found["cure"]:
        print(f"Fix tested: {cure['cure']}: {fix_result(cure)}")
    if not found["cure"]:
        print(f"Fix tested: {no_fix(found)}")
    saved = found["steps_saved_by_early_stops"]
    if saved:
        print(f"Stopping failed trials early saved {saved} steps.")
    for trial in found["deciding"][:MOST_TIE_BREAKERS]:
        print(f"Tie-breaker: {trial}")
    print(f"Report:     {folder / 'report.html'}  (also report.md, triage.json)")


def fix_result(cure: Mapping[str, Any]) -> str:
    """Return how a fix did on new seeds, in words."""
    passed = f"passed on {cure['passed']}"
    return passed if cure["held"] is not None else f"undecided, {passed}"


def no_fix(found: Mapping[str, Any]) -> str:
    """Return why no fix was tested."""
    if found["plan"] != "full" and found["root_cause"] not in NO_FIX:
        return "none; keras-collapse triage full tests fixes."
    return NO_FIX.get(found["root_cause"], "none.")


def bits(found: Mapping[str, Any]) -> str:
    """Return whether repeats were bit-identical, in words: the plan's, else those of the checks."""
    answers = {True: "yes", False: "no", None: "unknown"}
    identical = found["reproducible"]["to_the_bit"]
    if identical is not None:
        return answers[identical]
    check = found["check"]
    known = check.get("reproducible")
    return answers[known] + (f" (checks of {check['steps']} steps)" if known is not None else "")


def confidence_words(found: Mapping[str, Any]) -> str:
    """Return the confidence and its test in a sentence; empty if there is none."""
    if found["confidence"] is None:
        return ""
    test = found["evidence"].get("test")
    return f"Confidence {found['confidence']:.2f}{f' ({test})' if test else ''}."


def write_report(folder: Path, found: Mapping[str, Any], command: str) -> None:
    """Write ``report.md`` and ``report.html``.

    Args:
        folder: the triage's folder.
        found: the content of ``triage.json``.
        command: the command that reproduces it.

    Raises:
        InputError: they cannot be written.
    """
    rows = [_row(trial, folder) for trial in found["trials"]]
    write(folder / "report.md", markdown(found, rows, command))
    write(folder / "report.html", html(found, rows, command))


def _row(trial: Mapping[str, Any], home: Path) -> dict[str, Any]:
    return {
        "report": _own_report(Path(trial["folder"]) / "run", home),
        "purpose": trial["trial"]["purpose"],
        "batch_size": trial["trial"]["batch_size"],
        "seconds": f"{trial['seconds']:.0f}",
        "verdict": trial["says"].replace("_", " "),
        **{name: trial[name] for name in ("name", "says", "why", "steps", "folder")},
    }


def _own_report(run: Path, home: Path) -> str:
    """Write a trial's own report; return its path from the triage's folder, empty without one."""
    if not run.is_dir():
        return ""
    try:
        path = write_run_report(str(run))
        return path.resolve().relative_to(home.resolve()).as_posix()
    except (InputError, ValueError):
        return ""


def markdown(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the report for a README, an issue, or MLflow's description."""
    cause = words(found["root_cause"], found.get("kind", ""))
    sentences = (found["statement"], confidence_words(found), f"Rule: {found['rule']}.")
    lines = [
        f"# {cause}",
        "",
        " ".join(filter(None, sentences)),
        "",
        *(f"{place}. {line}" for place, line in enumerate(found["solution"], 1)),
        "",
        "## Fix tested",
        "",
    ]
    if found["cure"]:
        lines += ["| fix | works | result | failure rate |", "|---|---|---|---|"]
        lines += [
            f"| {c['cure']} | {RESULT_WORDS[c['held']]} | {fix_result(c)} | {c['failed']} |"
            for c in found["cure"]
        ]
    else:
        lines.append(no_fix(found).capitalize())
    rates = found["evidence"].get("collapse_rates", {})
    if rates:
        lines += [
            "",
            "## Failure rate",
            "",
            "| batch size | failed seeds (exact 95 % interval) |",
            "|---|---|",
        ]
        lines += [f"| {size} | {rate} |" for size, rate in rates.items()]
    lines += ["", "## Trials", "", f"Reproducible to the bit: {bits(found)}.", ""]
    lines += [*found["notes"], ""] if found["notes"] else []
    lines += [
        "| trial | purpose | verdict | reason | steps | seconds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {_cell(r['name'])} | {_cell(r['purpose'])} | {r['verdict']} | {_cell(r['why'])} "
        f"| {r['steps']} | {r['seconds']} |"
        for r in rows
    ]
    lines += _guide_lines(found["guide"])
    lines += ["", "The loss curves and samples of the trials are in report.html."]
    lines += ["", "## Reproduce", "", "```sh", command, "```", ""]
    lines += ["## Words", "", *(f"- **{word}**: {text}" for word, text in GLOSSARY.items()), ""]
    return "\n".join(lines)


def _guide_lines(guide: Mapping[str, Any]) -> list[str]:
    """The guide's tables with this triage's results, as far as their trials were run."""
    lines: list[str] = []
    for key, name, what in (
        ("plan_a", "Plan A", "expected"),
        ("plan_b", "Plan B", "purpose"),
    ):
        if guide[key]:
            lines += ["", f"## The guide's {name}", ""]
            lines += [f"| run | seed | batch size | {what} | result |", "|---|---|---|---|---|"]
            lines += [
                f"| {place} | {row['seed']} | {row['batch_size']} | {row[what]} | {row['result']} |"
                for place, row in enumerate(guide[key], 1)
            ]
    if guide["plan_b"]:
        lines += ["", "## The guide's step 3", ""]
        lines += ["| evidence | root cause | solution | here |", "|---|---|---|---|"]
        lines += [
            f"| {row['evidence']} | {row['root_cause']} | {row['solution']} | {_matched(row)} |"
            for row in guide["step_3"]
        ]
        if guide["tie_breakers"]:
            lines += ["", f"{CONFOUNDED} {'; '.join(guide['tie_breakers'])}."]
    return lines


def _matched(row: Mapping[str, str]) -> str:
    return "**matches**" if row["match"] == "matches" else f"does not match: {row['match']}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def html(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the report as one HTML file, with all text escaped."""
    loader = PackageLoader("keras_collapse.outputs.report")
    template = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("triage.html")
    return template.render(
        found=found,
        cause=words(found["root_cause"], found.get("kind", "")),
        confidence=confidence_words(found),
        solution=found["solution"],
        fixes=[(c["cure"], c["held"], fix_result(c), c["failed"]) for c in found["cure"]],
        no_fix=no_fix(found).capitalize(),
        rates=found["evidence"].get("collapse_rates", {}),
        bits=bits(found),
        rows=rows,
        command=command,
        charts=triage_charts(rows),
        guide=found["guide"],
        confounded=CONFOUNDED,
        glossary=GLOSSARY,
        width=WIDTH,
        height=HEIGHT,
        grids=list(_grids(rows)),
    )


def _grids(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    found = 0
    for row in rows:
        picture = Path(row["folder"]) / "run" / "samples.png"
        if found < MOST_GRIDS and picture.exists():
            found += 1
            yield row["name"], row["says"], base64.b64encode(picture.read_bytes()).decode()
