"""The report of a triage: in the terminal, as Markdown, and as one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from keras_collapse.core.atomic_files import write
from keras_collapse.outputs.printable import for_template, printable, printable_lines
from keras_collapse.outputs.report.curves import HEIGHT, WIDTH
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


def words(cause: str, kind: str = "") -> str:
    """Return a root cause, and a wiring fault's kind, in words."""
    found = cause.replace("_", " ")
    return f"{found}: {kind.replace('_', ' ')}" if kind else found


def show_diagnosis(found: Mapping[str, Any], folder: Path) -> None:
    """Print the root cause, the tested fixes and the report's path, on at most one screen."""
    confidence = found["confidence"]
    number = f", confidence {confidence:.2f}" if confidence is not None else ""
    print()
    _say(f"ROOT CAUSE: {words(found['root_cause'], found.get('kind', '')).upper()}{number}")
    _say(f"  {found['statement']}")
    for size, rate in found["evidence"].get("collapse_rates", {}).items():
        _say(f"  failed seeds at batch size {size}: {rate}")
    _say(f"  reproducible to the bit: {bits(found)}")
    for place, line in enumerate(found["solution"], 1):
        _say(f"  {place}. {line}")
    for cure in found["cure"]:
        _say(f"Fix tested: {cure['cure']}: {fix_result(cure)}")
    if not found["cure"]:
        _say(f"Fix tested: {no_fix(found)}")
    saved = found["steps_saved_by_early_stops"]
    if saved:
        _say(f"Stopping failed trials early saved {saved} steps.")
    for trial in found["deciding"][:MOST_TIE_BREAKERS]:
        _say(f"Tie-breaker: {trial}")
    _say(f"Report:     {folder / 'report.html'}  (also report.md, triage.json)")


def _say(line: str) -> None:
    print(printable(line))


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
    rows = [_row(trial) for trial in found["trials"]]
    write(folder / "report.md", markdown(found, rows, command))
    write(folder / "report.html", html(found, rows, command))


def _row(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "purpose": trial["trial"]["purpose"],
        "batch_size": trial["trial"]["batch_size"],
        "seconds": f"{trial['seconds']:.0f}",
        "verdict": trial["says"].replace("_", " "),
        **{name: trial[name] for name in ("name", "says", "why", "steps", "folder")},
    }


def markdown(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the report for a README, an issue, or MLflow's description."""
    cause = words(found["root_cause"], found.get("kind", ""))
    sentences = (found["statement"], confidence_words(found), f"Rule: {found['rule']}.")
    lines = [
        f"# Triage of {found['experiment']}: {cause}",
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
    lines += ["", "The loss curves and samples of the trials are in report.html."]
    lines += ["", "## Reproduce", "", "```sh", command, "```", ""]
    return "\n".join(map(printable_lines, lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def html(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the report as one HTML file, with all text escaped."""
    loader = PackageLoader("keras_collapse.outputs.report")
    template = Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=for_template,
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
