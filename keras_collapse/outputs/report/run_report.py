"""The report of one run: a self-contained HTML file for screens, phones and print."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from keras_collapse import sources
from keras_collapse.core.atomic_files import write
from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding
from keras_collapse.outputs.printable import for_template
from keras_collapse.outputs.report.curves import HEIGHT, WIDTH
from keras_collapse.outputs.report.long_curve import ReadingCurves
from keras_collapse.outputs.report.run_charts import run_charts
from keras_collapse.outputs.report.run_context import group_facts, sample_grids
from keras_collapse.outputs.style import (
    SEVERITY_STYLE,
    STATUS_STYLE,
    evidence_of,
    kept_in_words,
    span_of,
)
from keras_collapse.sources.past_run import EPOCH_STEPS, PastRun, RunContext

IN_FOLDER, ELSEWHERE = "report.html", "collapse_report.html"
"""The report's file name in a run folder, and in any other folder."""


def write_run_report(source: str, target: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
        source: any source that ``diagnose`` accepts; only a run folder has samples and parameters.
        target: the output file; by default ``report.html`` in the run folder, or
            ``collapse_report.html`` in the working directory for other sources.

    Returns:
        The path of the report.

    Raises:
        InputError: the source cannot be read, or the file cannot be written.
    """
    run = sources.read(source)
    path = target or (run.context.folder / IN_FOLDER if run.context else Path(ELSEWHERE))
    if path.is_dir():
        raise InputError(f"--out must be a file. Received: the folder {str(path)!r}.")
    write(path, html(source, run))
    return path


def html(source: str, run: PastRun) -> str:
    """Return the report as HTML, with all text escaped."""
    loader = PackageLoader("keras_collapse.outputs.report")
    template = Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=for_template,
    ).get_template("run.html")
    row_steps = EPOCH_STEPS if run.per_epoch else 1
    curves, context = ReadingCurves(), run.context
    verdict = sources.examine(run, keep_readings=False, on_readings=curves.take).verdict
    return template.render(
        source=source,
        verdict=verdict,
        symbol=STATUS_STYLE[verdict.status][0],
        symbols={severity: symbol for severity, (symbol, _) in SEVERITY_STYLE.items()},
        findings=list(_findings(verdict.findings)),
        charts=run_charts(curves, run.probes, verdict.findings, row_steps),
        width=WIDTH,
        height=HEIGHT,
        step="epoch" if run.per_epoch else "training step",
        unavailable_reason=run.unavailable_reason,
        grids=list(sample_grids(context)) if context else [],
        facts=group_facts(context.facts) if context else {},
        summaries=_summaries(context.facts) if context else {},
        short=list(_short(context)) if context else [],
        commands=[*kept_in_words(verdict), *_commands(source, context)],
        notes=run.notes,
    )


def _findings(findings: Sequence[Finding]) -> Iterator[dict[str, object]]:
    """Each finding with its number, its steps and its evidence."""
    for number, finding in enumerate(findings, 1):
        yield {
            "number": number,
            "of": finding,
            "span": span_of(finding),
            "evidence": evidence_of(finding),
        }


def _summaries(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    found = facts.get("summary")
    return found if isinstance(found, Mapping) else {}


def _short(context: RunContext) -> Iterator[str]:
    """Seed, batch size, backend and start of a run."""
    facts = context.facts
    seeding = facts.get("seeding")
    if isinstance(seeding, dict) and "seed" in seeding:
        yield f"seed {seeding['seed']}"
    if "batch_size" in facts:
        yield f"batch size {facts['batch_size']}"
    if "backend" in facts:
        device = f" on {facts['device']}" if "device" in facts else ""
        yield f"Keras with {facts['backend']}{device}"
    if context.began:
        with suppress(ValueError, OverflowError, OSError):  # no time of any calendar
            yield time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(context.began))


def _commands(source: str, context: RunContext | None) -> Iterator[tuple[str, str]]:
    """Next commands, each with its purpose."""
    if context is not None and context.command:
        backend = context.facts.get("backend")
        given = f"KERAS_BACKEND={shlex.quote(str(backend))} " if backend else ""
        where = f", in {context.cwd}" if context.cwd else ""
        yield f"Run the training again{where}", given + context.command
        quoted = shlex.quote(str(context.folder))
        yield "Compare both runs bit by bit", f"keras-collapse compare {quoted} NEW_RUN"
    yield "Re-run the diagnosis", f"keras-collapse diagnose {shlex.quote(source)}"
