"""The verdict in a terminal, a notebook or a pipe, on at most one screen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.process.printable import printable
from keras_collapse.outputs.printable import printable_verdict
from keras_collapse.outputs.style import (
    SEVERITY_STYLE,
    STATUS_STYLE,
    evidence_of,
    kept_in_words,
    span_of,
)

SCREEN = (80, 23)
"""Columns and lines of a screen without the prompt's, if there is no terminal."""
INPUT = {
    "batch": "input: each batch's own numbers",
    "epoch": "input: per-epoch running means",
    "run": "input: running means over the whole run",
    "last": "input: the last batch of each epoch",
}
"""How the numbers handed in had been averaged, which is undone."""
ASCII = str.maketrans({"–": "-", "±": "+/-", "·": "-"})


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a verdict is shown.

    Args:
        findings: the number of findings that are named.
        messages: how many of them are shown with their message.
        full: how many of them are shown with evidence and advice; those after the first often
            follow from it.
        evidence: the number of values shown of each of these.
        advice: the number of lines of advice shown of each of these.
    """

    findings: int
    messages: int
    full: int
    evidence: int
    advice: int


ALL = 1000
DETAILS = (
    Detail(ALL, ALL, ALL, ALL, ALL),
    Detail(ALL, ALL, 1, ALL, ALL),
    Detail(4, 4, 1, 6, ALL),
    Detail(4, 1, 1, 6, ALL),
    Detail(4, 1, 1, 3, ALL),
    Detail(4, 1, 1, 3, 1),
    Detail(1, 1, 1, 3, 1),
    Detail(1, 1, 1, 0, 1),
)
"""Most to least detail."""


def show_run(verdict: Verdict, folder: Path | None) -> None:
    """Print the verdict on a live run, and the command that shows the rest of its folder."""
    place = str(folder or "")
    report = f"Report: keras-collapse report {shlex.quote(place)}" if place else ""
    show(verdict, place, follow=report)


def show(
    verdict: Verdict,
    source: str = "",
    notes: Sequence[str] = (),
    console: Console | None = None,
    follow: str = "",
) -> None:
    """Print a verdict on at most one screen: a frame on a terminal, plain lines into a pipe.

    Args:
        verdict: the verdict.
        source: what was diagnosed.
        notes: remarks about the source.
        console: where to print; by default standard output.
        follow: a last line, such as ``"Report: keras-collapse report RUN_DIR"``.
    """
    console = console or Console()
    verdict, source = printable_verdict(verdict), printable(source)
    notes, follow = [printable(note) for note in notes], printable(follow)
    width, lines = (console.width, console.height - 1) if console.is_terminal else SCREEN
    unicode = (console.encoding or "").lower().startswith("utf")
    after = [printable(f"{words}: {code}") for words, code in kept_in_words(verdict)]
    after += [follow] if follow else []
    if unicode and (console.is_terminal or console.is_jupyter):
        for detail in DETAILS:
            frame = panel(verdict, source, notes, detail)
            if len(console.render_lines(frame, pad=False)) + _height(after, width) <= lines:
                break
        console.print(frame)
        for line in after:  # outside of the frame, so that it can be copied
            console.print(Text(line), soft_wrap=True)
        return
    for detail in DETAILS:
        text = plain(verdict, source, notes, after, detail)
        if _height(text.splitlines(), width) <= lines:
            break
    if not unicode:
        text = text.translate(ASCII).encode("ascii", "replace").decode()
    print(text, file=console.file, flush=True)


def panel(
    verdict: Verdict, source: str, notes: Sequence[str], detail: Detail = DETAILS[0]
) -> RenderableType:
    """The verdict as a Rich panel."""
    symbol, colour = STATUS_STYLE[verdict.status]
    head = Text.assemble((f"{symbol} {verdict.status.upper()}", f"bold {colour}"))
    head.append(f"  {verdict.reason}")
    rows: list[RenderableType] = [head]
    for place, finding in enumerate(verdict.findings[: detail.findings]):
        rows += _finding_rows(finding, place, detail)
    rows += [Text(line, style="dim") for line in _after(verdict, notes, detail)]
    foot = _foot(verdict, source)
    return Panel(
        Group(*rows),
        title="keras-collapse",
        subtitle=Text(foot, style="dim", overflow="ellipsis", no_wrap=True),
        border_style=colour,
        title_align="left",
        subtitle_align="left",
        width=None,
    )


def plain(
    verdict: Verdict,
    source: str = "",
    notes: Sequence[str] = (),
    after: Sequence[str] = (),
    detail: Detail = DETAILS[0],
) -> str:
    """The verdict as text without colour, frame or escape codes; ``after`` are its last lines."""
    lines = [f"keras-collapse: {verdict.status.upper()}: {verdict.reason}"]
    for place, finding in enumerate(verdict.findings[: detail.findings]):
        lines.append(f"  {finding.severity}: {finding.kind}, {span_of(finding)}")
        if place < detail.messages:
            lines.append(f"    {finding.message}")
        if not _in_full(finding, place, detail):
            continue
        shown = ", ".join(f"{n} {value}" for n, value in evidence_of(finding)[: detail.evidence])
        lines += [f"    evidence: {shown}"] * bool(shown)
        lines += [f"    {line}" for line in (*_advice(finding, detail), *_left(finding, detail))]
    lines += [f"  {line}" for line in _after(verdict, notes, detail)]
    return "\n".join([*lines, f"  {_foot(verdict, source)}", *after])


def _height(lines: Sequence[str], width: int) -> int:
    """The lines of a screen of this width that these take."""
    return sum(max(-(-len(line) // width), 1) for line in lines)


def _finding_rows(finding: Finding, place: int, detail: Detail) -> list[RenderableType]:
    symbol, colour = SEVERITY_STYLE[finding.severity]
    title = Text.assemble(
        (f"{symbol} {finding.kind}", f"bold {colour}"), (f"  {span_of(finding)}", "dim")
    )
    has_message = place < detail.messages
    rows: list[RenderableType] = (
        [Text(), title] if has_message or place == detail.messages else [title]
    )
    if has_message:
        rows.append(_indented(Text(finding.message)))
    if not _in_full(finding, place, detail):
        return rows
    evidence = Table.grid(padding=(0, 2))
    for name, value in evidence_of(finding)[: detail.evidence]:
        evidence.add_row(Text(name, style="dim"), Text(value, style="bold"))
    if evidence.row_count:
        rows.append(_indented(evidence))
    rows += [_indented(Text(line)) for line in _advice(finding, detail)]
    return [*rows, *(_indented(Text(line, style="dim")) for line in _left(finding, detail))]


def _indented(row: RenderableType) -> Padding:
    return Padding(row, (0, 0, 0, 2))


def _in_full(finding: Finding, place: int, detail: Detail) -> bool:
    return place < detail.full and not finding.resolved and finding.severity is not Severity.INFO


def _advice(finding: Finding, detail: Detail) -> list[str]:
    return [f"{step}. {line}" for step, line in enumerate(finding.advice[: detail.advice], 1)]


def _left(finding: Finding, detail: Detail) -> list[str]:
    """How much of a finding is not shown."""
    advice = len(finding.advice) - detail.advice
    numbers = len(evidence_of(finding)) - detail.evidence
    more = [f"{numbers} more of its evidence"] if numbers > 0 else []
    more += [f"{advice} more of its advice"] if advice > 0 else []
    return [f"and {' and '.join(more)}"] if more else []


def _after(verdict: Verdict, notes: Sequence[str], detail: Detail) -> list[str]:
    """The lines after the findings."""
    more = len(verdict.findings) - detail.findings
    return [
        *([f"and {more} more finding{'s' * (more > 1)}"] if more > 0 else []),
        *(f"Note: {note}" for note in notes),
    ]


def _foot(verdict: Verdict, source: str) -> str:
    facts = [f"{verdict.steps} steps"]
    if verdict.averaging:
        facts.append(INPUT.get(verdict.averaging, verdict.averaging))
    if source:
        facts.append(source)
    return " · ".join(facts)
