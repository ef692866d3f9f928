"""The live panel of a run: its status, curves, samples and findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.jupyter import JupyterMixin
from rich.panel import Panel
from rich.text import Text

from keras_collapse.core.detectors.discriminator_pinned import (
    D_ACC_BAND,
    D_LOSS_BAND,
    G_ACC_BAND,
    ONE_SIDED,
)
from keras_collapse.core.findings import Severity, Status
from keras_collapse.core.process.printable import printable
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.style import (
    RED,
    SEVERITY_STYLE,
    STATUS_STYLE,
    YELLOW,
    clock,
    in_ascii,
    is_ascii,
    number,
)
from keras_collapse.outputs.terminal.text_graphics import (
    Bands,
    mark_line,
    sparkline,
    stretched,
    thumbnails,
    within,
)

ENDS: Bands = ((0.0, (1 - ONE_SIDED) / 2), ((1 + ONE_SIDED) / 2, 1.0))
"""Suspicious ranges of the accuracies on real and fake: at opposite ends D gives one answer."""
SHARE = (0.0, 1.0)
ROWS: tuple[tuple[str, str, Bands, tuple[float, float] | None], ...] = (
    ("d_loss", "D loss", (D_LOSS_BAND,), None),
    ("g_loss", "G loss", (), None),
    ("d_acc", "D accuracy", (D_ACC_BAND,), SHARE),
    ("d_acc_real", "  on real", ENDS, SHARE),
    ("d_acc_fake", "  on fake", ENDS, SHARE),
    ("g_acc", "G accuracy", (G_ACC_BAND,), SHARE),
    ("missing_share", "data missed", (), SHARE),
)
"""Signal, its name here, its suspicious ranges, and its scale."""
SO_FAR = {Status.HEALTHY: "NO FAILURE", Status.UNKNOWN: "TOO EARLY"}
"""The status of a run that has not ended."""
NAME_WIDTH = 12
ADVICE = 3
"""Lines of advice that are shown of each finding."""
MOST_FINDINGS = 3


class LivePanel(JupyterMixin):
    """Renders a `RunState` for any console: colours or none, Unicode or ASCII, any size.

    Args:
        state: of the run.

    Attributes:
        brief: whether to leave out the findings, since the verdict follows.
    """

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.brief = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        plain = is_ascii(options.encoding)
        width, height = options.max_width - 4, (options.height or console.height) - 3
        _, colour = STATUS_STYLE[self.state.status[0]]
        rows = [*self._rows(width, height, plain, not _has_colours(console))]
        if plain:
            rows = [Text(in_ascii(row.plain), row.style) for row in rows]
        title = Text(" keras-collapse ")
        if name := self.state.facts.get("model"):
            title.append(f"{printable(str(name))} ", "dim")
        yield Panel(
            Group(*rows),
            title=title,
            title_align="left",
            border_style=colour,
            box=box.ASCII if plain else box.ROUNDED,
            width=options.max_width,
        )

    def _rows(self, width: int, height: int, plain: bool, colourless: bool) -> Iterator[Text]:
        head = [*self._head(width)]
        curves = [*self._curves(width, plain)]
        findings = [] if self.brief else [*self._findings(width)]
        room = height - len(head) - len(curves)
        pictures: list[Text] = []
        # Findings come first; the samples get the room that is left.
        kept = findings[: max(room, 0)]
        spare = room - len(kept) - 1
        if self.state.picture is not None and spare >= 4:
            size = min(spare, 8)
            pictures = [*thumbnails(self.state.picture, width, size, plain or colourless)]
        for part in (head, curves, [Text(), *pictures] if pictures else [], kept):
            yield from part

    def _head(self, width: int) -> Iterator[Text]:
        status, reason = self.state.status
        symbol, colour = STATUS_STYLE[status]
        words = str(status).upper()
        if self.state.verdict is None:
            words = SO_FAR.get(status, words)
        yield _line(Text.assemble((f"{symbol} {words}", f"bold {colour}"), f"  {reason}"), width)
        yield _line(Text(" · ".join(self._progress()), "dim"), width)
        if self.state.silent or self.state.ended:
            said = self.state.ended or (
                f"nothing written for {clock(self.state.silent)}: {self.state.silent_because}"
            )
            yield _line(Text(f"▲ {printable(said)}", f"bold {YELLOW}"), width)
        if self.state.broken_lines:
            said = f"broken lines of the journal, which were skipped: {self.state.broken_lines}"
            yield _line(Text(f"▲ {said}", YELLOW), width)

    def _progress(self) -> Iterator[str]:
        state = self.state
        total, epochs = state.steps, state.epochs
        if state.step < 0:
            yield "waiting for the first step: compiling"
            return
        if epochs:
            yield f"epoch {min(state.epochs_done + (state.verdict is None), epochs)}/{epochs}"
        yield f"step {state.step + 1}" + (f"/{total}" if total else "")
        if state.left is not None:
            yield f"{clock(state.left)} left"
        if state.speed:
            yield f"{state.speed:.3g} steps/s"

    def _curves(self, width: int, plain: bool) -> Iterator[Text]:
        state = self.state
        room = width - NAME_WIDTH - 9
        points = min(room, max((len(curve.values) for curve in state.curves.values()), default=0))
        drawn = 0
        for signal, name, bands, limits in ROWS:
            curve = state.curves.get(signal)
            if curve is None or not curve.values:
                continue
            inside = within(curve.values[-1], bands)
            row = Text(f"{name:<{NAME_WIDTH}}")
            row.append(f"{number(curve.last):>7}", f"bold {RED}" if inside else "bold")
            row.append("! " if inside else "  ", f"bold {RED}")
            row.append_text(
                sparkline(stretched(curve.values, points), points, bands, limits, plain)
            )
            yield _line(row, width)
            drawn += 1
        worst = next((f for f in state.standing if f.severity is not Severity.INFO), None)
        if drawn and worst is not None and state.step > 0:
            mark = mark_line(
                worst.first_step,
                state.step,
                points,
                "^" if plain else "▴",
                f"since step {worst.first_step}",
            )
            yield _line(Text(" " * (NAME_WIDTH + 9)).append_text(mark), width)

    def _findings(self, width: int) -> Iterator[Text]:
        standing = self.state.standing
        for finding in standing[:MOST_FINDINGS]:
            symbol, colour = SEVERITY_STYLE[finding.severity]
            yield Text()
            yield _line(
                Text.assemble(
                    (f"{symbol} {finding.kind}", f"bold {colour}"),
                    (f"  since step {finding.first_step}", "dim"),
                ),
                width,
            )
            if finding.severity is Severity.INFO:
                continue
            yield from _wrapped(finding.message, width, "  ")
            for place, advice in enumerate(finding.advice[:ADVICE], 1):
                yield from _wrapped(f"{place}. {advice}", width, "  ")
        if len(standing) > MOST_FINDINGS:
            yield Text(f"and {len(standing) - MOST_FINDINGS} more", "dim")


def _has_colours(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def _wrapped(words: str, width: int, indent: str) -> Iterator[Text]:
    hanging = indent + "   " * (words[:1].isdigit())
    for line in textwrap.wrap(words, width, initial_indent=indent, subsequent_indent=hanging):
        yield Text(line)


def _line(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text
