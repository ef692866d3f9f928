"""The report of one run: HTML in one file, for a screen, a phone and paper."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader

from keras_collapse import sources
from keras_collapse.core.atomic_files import write
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.outputs.report.charts import charts
from keras_collapse.outputs.report.curves import HEIGHT, WIDTH
from keras_collapse.outputs.report.run_context import Beside, beside, folder_of, grids, grouped
from keras_collapse.outputs.style import SEVERITY_STYLE, STATUS_STYLE, evidence_of, span_of
from keras_collapse.sources.past_run import EPOCH_STEPS, PastRun

IN_FOLDER, ELSEWHERE = "report.html", "collapse_report.html"
"""The report's name in the run's own folder, and where it might be mistaken for another's."""


def write_run_report(source: str, target: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
        source: anything that ``diagnose`` reads; a run's folder has samples and facts too.
        target: the file; by default ``report.html`` in the run's folder, or of another source
            ``collapse_report.html`` here.

    Returns:
        The file.

    Raises:
        InputError: the source cannot be read, or the file cannot be written.
    """
    folder = folder_of(source)
    path = target or (folder / IN_FOLDER if folder else Path(ELSEWHERE))
    if path.is_dir():
        raise InputError(f"--out wants a file. Received the folder {str(path)!r}.")
    run = sources.read(source)
    write(path, html(source, run, sources.examine(run), beside(folder)))
    return path


def html(source: str, run: PastRun, verdict: Verdict, found: Beside) -> str:
    """The report as text, everything escaped."""
    loader = PackageLoader("keras_collapse.outputs.report")
    template = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("run.html")
    row_steps = EPOCH_STEPS if run.per_epoch else 1
    return template.render(
        source=source,
        verdict=verdict,
        symbol=STATUS_STYLE[verdict.status][0],
        symbols={severity: symbol for severity, (symbol, _) in SEVERITY_STYLE.items()},
        findings=list(_findings(verdict.findings)),
        charts=charts(sources.readings_of(run), run.probes, verdict.findings, row_steps),
        width=WIDTH,
        height=HEIGHT,
        step="epoch" if run.per_epoch else "training step",
        blind=run.blind,
        grids=list(grids(found)),
        facts=grouped(found.facts),
        summaries=found.summaries,
        short=list(_short(found)),
        commands=list(_commands(source, found)),
        notes=run.notes,
    )


def _findings(findings: Sequence[Finding]) -> Iterator[dict[str, object]]:
    """Each finding with its number, span and evidence in words."""
    for number, finding in enumerate(findings, 1):
        yield {
            "number": number,
            "of": finding,
            "span": span_of(finding),
            "evidence": evidence_of(finding),
        }


def _short(found: Beside) -> Iterator[str]:
    """The run in a few words."""
    facts = found.facts
    seeding = facts.get("seeding")
    if isinstance(seeding, dict) and "seed" in seeding:
        yield f"seed {seeding['seed']}"
    if "batch_size" in facts:
        yield f"batch size {facts['batch_size']}"
    if "backend" in facts:
        device = f" on {facts['device']}" if "device" in facts else ""
        yield f"Keras with {facts['backend']}{device}"
    if found.day:
        yield found.day


def _commands(source: str, found: Beside) -> Iterator[tuple[str, str]]:
    """What a command does, and the command."""
    if found.command:
        backend = found.facts.get("backend")
        given = f"KERAS_BACKEND={shlex.quote(str(backend))} " if backend else ""
        where = f", in {found.place}" if found.place else ""
        yield f"The same run again{where}", given + found.command
        if found.folder:
            quoted = shlex.quote(str(found.folder))
            yield "Was it the same to the bit?", f"keras-collapse compare {quoted} NEW_RUN"
    yield "The verdict once more", f"keras-collapse diagnose {shlex.quote(source)}"
