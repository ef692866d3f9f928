"""The report of one run: HTML in one file, for a screen, a phone and paper."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from keras_collapse import sources
from keras_collapse.core.errors import InputError
from keras_collapse.core.files import write
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.journal import FILE_NAME, read_journal, understood
from keras_collapse.outputs.curves import curves_svg
from keras_collapse.outputs.verdict import SEVERITY_STYLE, STATUS_STYLE, evidence_of, span_of
from keras_collapse.sources import PastRun

PICTURES = {
    "samples_start.png": "at the first look",
    "samples_finding.png": "after the first finding",
    "samples.png": "at the end",
}
"""The samples that a run keeps."""
LOOKED_AT = ("missing_share", "coverage", "density")


@dataclass
class _Beside:
    """What a run's folder holds beside its numbers."""

    facts: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    steps: dict[str, int] = field(default_factory=dict)
    folder: Path | None = None


def write_run_report(source: str, target: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
        source: anything that ``diagnose`` reads; a run's folder has samples and facts too.
        target: the file; by default ``report.html`` in the run's folder, or here.

    Returns:
        The file.

    Raises:
        InputError: the source cannot be read, or the file cannot be written.
    """
    run = sources.read(source)
    verdict = sources.examine(run)
    folder = Path(source) if (Path(source) / FILE_NAME).exists() else None
    beside = _beside(folder) if folder else _Beside()
    path = target or (folder or Path()) / "report.html"
    if path.is_dir():
        raise InputError(f"--out wants a file. Received the folder {str(path)!r}.")
    write(path, html(source, run, verdict, beside))
    return path


def html(source: str, run: PastRun, verdict: Verdict, beside: _Beside) -> str:
    """The report as text, everything escaped."""
    series = _series(run)
    shown = [f for f in verdict.findings if f.first_step >= 0]
    loader = PackageLoader("keras_collapse.outputs")
    template = Environment(loader=loader, autoescape=True).get_template("run.html")
    symbol, _ = STATUS_STYLE[verdict.status]
    svg = curves_svg(series, shown, max(verdict.steps - 1, 0))
    return template.render(
        source=source,
        verdict=verdict,
        symbol=symbol,
        findings=list(_findings(verdict.findings)),
        curves=Markup(svg),  # matplotlib escapes what it draws: names of ours only
        grids=list(_grids(beside)),
        facts=sorted(_flat(beside.facts)),
        summaries=beside.facts.get("summary", {}),
        command=beside.command,
        notes=run.notes,
    )


def _findings(findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    for finding in findings:
        yield {
            "symbol": SEVERITY_STYLE[finding.severity][0],
            "kind": finding.kind,
            "severity": str(finding.severity),
            "span": span_of(finding),
            "message": finding.message,
            "evidence": evidence_of(finding),
            "advice": finding.advice,
            "healed": finding.healed,
        }


def _series(run: PastRun) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of each signal and of what looks at samples said."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for reading in sources.readings_of(run):
        for name, value in reading.values.items():
            _add(found, name, reading.step, value)
    for probe in run.probes:
        for name in LOOKED_AT:
            if (number := probe.get(name)) is not None:
                _add(found, name, probe.step, number)
    return found


def _add(
    found: dict[str, tuple[list[int], list[float]]], name: str, step: int, value: float
) -> None:
    steps, values = found.setdefault(name, ([], []))
    steps.append(step)
    values.append(value)


def _beside(folder: Path) -> _Beside:
    found = _Beside(folder=folder)
    with understood(folder):
        for record in read_journal(folder):
            if record["record"] == "run":
                found.command = str(record.get("command", ""))
            elif record["record"] == "fit":
                found.facts.update(record["facts"])
            elif record["record"] == "picture":
                found.steps[record["name"]] = int(record["step"])
    return found


def _grids(beside: _Beside) -> Iterator[tuple[str, str]]:
    """What a picture shows, and the picture."""
    for name, words in PICTURES.items():
        path = beside.folder / name if beside.folder else None
        if path is not None and path.exists():
            step = f", step {beside.steps[name]}" if name in beside.steps else ""
            yield words + step, base64.b64encode(path.read_bytes()).decode()


def _flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            if name != "summary":
                yield from _flat(value, f"{before}{name}.")
        else:
            words = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield before + name, words
