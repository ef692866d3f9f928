"""The last word: a framed table on a terminal, plain lines in a pipe, all of it readable."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.outputs.verdict import plain, show

PINNED = Finding(
    kind="discriminator_pinned",
    severity=Severity.FAILED,
    first_step=588,
    last_step=1499,
    message="The discriminator no longer tells real from fake.",
    evidence={"d_loss": 0.732, "d_loss_uncertainty": 0.0025, "d_acc": 0.5},
    advice=("Look for a leak first.", "Then the seed."),
)
FAILED = Verdict(Status.FAILED, (PINNED,), "discriminator_pinned since step 588", 1500, "run")


def shown(verdict: Verdict, width: int = 80, encoding: str = "utf-8", **settings: object) -> str:
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=raw, width=width, **settings)  # type: ignore[arg-type]
    show(verdict, "run.csv", ["a line was cut off"], console)
    raw.seek(0)
    return raw.read()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_everything_within_its_width(width: int) -> None:
    said = shown(FAILED, width, force_terminal=True, color_system=None)
    assert max(map(len, said.splitlines())) <= width
    for words in ("FAILED", "discriminator_pinned", "steps 588–1499", "0.732 ± 0.0025", "1. Look"):
        assert words in said
    assert len(said.splitlines()) < 25


def test_the_last_word_is_at_most_a_screen_whatever_was_found() -> None:
    advice = tuple(f"{number} " + "words " * 20 for number in range(3))
    evidence = {f"number_{place}": 0.1 for place in range(20)}
    findings = tuple(
        Finding(f"kind_{n}", Severity.FAILED, n, 99, "message " * 18, evidence, advice)
        for n in range(9)
    )
    verdict = Verdict(Status.FAILED, findings, "kind_0 since step 0", 100)
    said = shown(verdict, force_terminal=True, color_system=None)
    assert len(said.splitlines()) <= 36
    assert "and 5 more findings" in said
    assert len(shown(verdict).splitlines()) <= 24


def test_it_says_what_shows_more() -> None:
    follow = "keras-collapse report runs/1"
    assert plain(FAILED, "runs/1", follow=follow).splitlines()[-2].endswith(follow)


def test_colours_come_with_a_symbol() -> None:
    said = shown(FAILED, force_terminal=True, color_system="standard")
    assert "✘ FAILED" in said
    assert "\x1b[" in said


def test_a_terminal_without_utf_8_is_not_broken() -> None:
    said = shown(FAILED, force_terminal=True, encoding="ascii", color_system=None)
    assert "FAILED" in said
    assert "0.732 +/- 0.0025" in said


def test_a_pipe_gets_plain_text() -> None:
    said = shown(FAILED)
    assert "\x1b" not in said
    assert said == plain(FAILED, "run.csv", ["a line was cut off"]) + "\n"
    assert "d_loss 0.732 ± 0.0025" in said
    assert "Note: a line was cut off" in said


def test_markup_in_what_a_person_named_stays_text() -> None:
    finding = Finding("x", Severity.FAILED, 0, 1, "[red]not markup[/red]", {}, ("[/]",))
    said = shown(
        Verdict(Status.FAILED, (finding,), "[bold]x"), force_terminal=True, color_system=None
    )
    assert "[red]not markup[/red]" in said
    assert "[bold]x" in said
