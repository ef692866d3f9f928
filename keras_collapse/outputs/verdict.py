"""The verdict in a terminal, a notebook or a pipe: one table, at most a screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keras_collapse.core.findings import Finding, Severity, Status, Verdict

# A symbol beside each colour, for those who do not see colours.
STATUS_STYLE = {
    Status.HEALTHY: ("✔", "green"),
    Status.WARNING: ("▲", "yellow"),
    Status.FAILED: ("✘", "red"),
    Status.UNKNOWN: ("?", "cyan"),
}
SEVERITY_STYLE = {
    Severity.INFO: ("i", "cyan"),
    Severity.WARNING: ("▲", "yellow"),
    Severity.FAILED: ("✘", "red"),
}
SHOWN = 4
"""Findings that are shown; the first of them in full, since the others often follow from it."""
EVIDENCE = 6
"""Numbers of it that are shown."""
ASCII = str.maketrans({"–": "-", "±": "+/-", "·": "-"})


def show(
    verdict: Verdict,
    source: str = "",
    notes: Sequence[str] = (),
    console: Console | None = None,
    follow: str = "",
) -> None:
    """Print the verdict, at most a screen: a framed table on a terminal, plain lines into a pipe.

    Args:
        verdict: to print.
        source: what it is of.
        notes: what a person should know about the source.
        console: where to.
        follow: the command that shows more.
    """
    console = console or Console()
    unicode = (console.encoding or "").lower().startswith("utf")
    if unicode and (console.is_terminal or console.is_jupyter):
        console.print(panel(verdict, source, notes, follow))
        return
    text = plain(verdict, source, notes, follow)
    if not unicode:
        text = text.translate(ASCII).encode("ascii", "replace").decode()
    print(text, file=console.file, flush=True)


def panel(verdict: Verdict, source: str, notes: Sequence[str], follow: str = "") -> RenderableType:
    """The verdict as a Rich panel."""
    symbol, colour = STATUS_STYLE[verdict.status]
    head = Text.assemble((f"{symbol} {verdict.status.upper()}", f"bold {colour}"))
    head.append(f"  {verdict.reason}")
    rows: list[RenderableType] = [head]
    for place, finding in enumerate(verdict.findings[:SHOWN]):
        rows += _finding_rows(finding, in_full=place == 0)
    rows += [Text(line, style="dim") for line in _after(verdict, notes, follow)]
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


def _after(verdict: Verdict, notes: Sequence[str], follow: str) -> list[str]:
    """What comes after the findings."""
    more = len(verdict.findings) - SHOWN
    return [
        *([f"and {more} more findings"] if more > 0 else []),
        *(f"Note: {note}" for note in notes),
        *([f"All of it, with curves and samples: {follow}"] if follow else []),
    ]


def _finding_rows(finding: Finding, in_full: bool) -> list[RenderableType]:
    symbol, colour = SEVERITY_STYLE[finding.severity]
    title = Text.assemble(
        ("\n" + f"{symbol} {finding.kind}", f"bold {colour}"),
        (f"  {span_of(finding)}", "dim"),
    )
    evidence = Table.grid(padding=(0, 2))
    for name, value in evidence_of(finding)[:EVIDENCE]:
        evidence.add_row(Text(name, style="dim"), Text(value, style="bold"))
    rows: list[RenderableType] = [title, Padding(Text(finding.message), (0, 0, 0, 2))]
    if finding.healed or not in_full or finding.severity is Severity.INFO:
        return rows
    rows.append(Padding(evidence, (0, 0, 0, 2)))
    for step, advice in enumerate(finding.advice, 1):
        rows.append(Padding(Text(f"{step}. {advice}"), (0, 0, 0, 2)))
    return rows


def plain(verdict: Verdict, source: str = "", notes: Sequence[str] = (), follow: str = "") -> str:
    """The verdict as text without colour, frame or escape codes."""
    lines = [f"keras-collapse: {verdict.status.upper()}: {verdict.reason}"]
    for place, finding in enumerate(verdict.findings[:SHOWN]):
        lines.append(f"  {finding.severity}: {finding.kind}, {span_of(finding)}")
        lines.append(f"    {finding.message}")
        if finding.healed or place > 0 or finding.severity is Severity.INFO:
            continue
        shown = ", ".join(f"{name} {value}" for name, value in evidence_of(finding))
        lines.append(f"    evidence: {shown}")
        lines += [f"    {step}. {advice}" for step, advice in enumerate(finding.advice, 1)]
    lines += [f"  {line}" for line in _after(verdict, notes, follow)]
    return "\n".join([*lines, f"  {_foot(verdict, source)}"])


def span_of(finding: Finding) -> str:
    """The steps of a finding, in words."""
    healed = ", recovered" if finding.healed else ""
    if finding.first_step == finding.last_step:
        return f"step {finding.first_step}{healed}"
    return f"steps {finding.first_step}–{finding.last_step}{healed}"


def evidence_of(finding: Finding) -> list[tuple[str, str]]:
    """Name and value, uncertainties joined to their number."""
    rows = []
    for name, value in finding.evidence.items():
        if name.endswith("_uncertainty"):
            continue
        error = finding.evidence.get(f"{name}_uncertainty")
        words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append((name, f"{words} ± {error}" if error else words))
    return rows


def _foot(verdict: Verdict, source: str) -> str:
    facts = [f"{verdict.steps} steps"]
    if verdict.averaging:
        facts.append(f"averaging: {verdict.averaging}")
    if source:
        facts.append(source)
    return " · ".join(facts)
