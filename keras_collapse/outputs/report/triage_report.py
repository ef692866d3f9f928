"""The report of a triage: in the terminal, as Markdown, and as one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from keras_collapse.core.atomic_files import write
from keras_collapse.core.errors import InputError
from keras_collapse.core.process.printable import printable
from keras_collapse.outputs.printable import for_template
from keras_collapse.outputs.report.curves import HEIGHT, WIDTH
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.outputs.report.triage_charts import triage_charts
from keras_collapse.outputs.report.triage_markdown import markdown
from keras_collapse.outputs.report.triage_words import (
    CONFOUNDED,
    GLOSSARY,
    NO_TRIAL,
    bits,
    confidence_words,
    evidence_numbers,
    fix_result,
    no_fix,
    trial_cost,
    words,
)

MOST_GRIDS = 16
"""Sample grids in the report."""
MOST_TIE_BREAKERS = 6
"""Tie-breaker trials in the terminal."""


def show_diagnosis(found: Mapping[str, Any], folder: Path) -> None:
    """Print the root cause, the tested fixes and the report's path, on at most one screen."""
    confidence = found["confidence"]
    number = f", confidence {confidence:.2f}" if confidence is not None else ""
    print()
    _say(f"{words(found['root_cause'], found.get('kind', '')).upper()}{number}")
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
        _say(f"Tie-breaker: {trial}{trial_cost(found)}")
    _say(f"Report:     {folder / 'report.html'}  (also report.md, triage.json)")


def _say(line: str) -> None:
    print(printable(line))


def write_report(folder: Path, found: Mapping[str, Any], command: str) -> None:
    """Write ``report.md`` and ``report.html``.

    Args:
        folder: the triage's folder.
        found: the content of ``triage.json``.
        command: the command that reproduces it.

    Raises:
        InputError: they cannot be written.
    """
    rows = [
        {**_row(trial), "report": _own_report(Path(trial["folder"]) / "run", folder)}
        for trial in found["trials"]
    ]
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


def _own_report(run: Path, home: Path) -> str:
    """Write a trial's own report; return its path from the triage's folder, empty without one."""
    if not run.is_dir():
        return ""
    try:
        path = write_run_report(str(run))
        return path.resolve().relative_to(home.resolve()).as_posix()
    except (InputError, ValueError):
        return ""


def as_markdown(found: Mapping[str, Any], folder: Path) -> str:
    """Return the report for a notebook; ``folder`` has the whole of it."""
    rows = [_row(trial) for trial in found["trials"]]
    return markdown(found, rows, f"# all of it: {folder / 'report.html'}")


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
        numbers=evidence_numbers(found),
        cost=trial_cost(found),
        no_trial=NO_TRIAL,
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
