"""The last word: a framed table on a terminal, plain lines in a pipe, all of it readable."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from keras_collapse.core.findings import Finding, KeptGenerator, Severity, Status, Verdict
from keras_collapse.outputs.style import evidence_of, kept_in_words
from keras_collapse.outputs.terminal.summary import plain, show

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


def shown(
    verdict: Verdict,
    width: int = 80,
    encoding: str = "utf-8",
    follow: str = "",
    **settings: Any,
) -> str:
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=raw, width=width, **settings)
    show(verdict, "run.csv", ["a line was cut off"], console, follow)
    raw.seek(0)
    return raw.read()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_everything_within_its_width(width: int) -> None:
    said = shown(FAILED, width, force_terminal=True, color_system=None)
    assert max(map(len, said.splitlines())) <= width
    for words in ("FAILED", "discriminator_pinned", "steps 588–1499", "0.732 ± 0.0025", "1. Look"):
        assert words in said
    assert len(said.splitlines()) < 25


ADVICE = tuple(f"{number} " + "words " * 20 for number in range(3))
MANY = Verdict(
    Status.FAILED,
    tuple(
        Finding(f"kind_{n}", Severity.FAILED, n, 99, "message " * 18,
                {f"number_{place}": 0.1 for place in range(20)}, ADVICE)
        for n in range(9)
    ),
    "kind_0 since step 0",
    100,
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80])
def test_the_last_word_is_at_most_a_screen_whatever_was_found(width: int) -> None:
    said = shown(MANY, width, force_terminal=True, color_system=None, height=24)
    assert len(said.splitlines()) <= 23
    assert max(map(len, said.splitlines())) <= width
    for words in ("FAILED", "kind_0", "more of its evidence", "more findings", "Note: a line"):
        assert words in said
    for encoding in ("utf-8", "ascii"):
        lines = shown(MANY, encoding=encoding).splitlines()
        assert sum(-(-len(line) // 80) for line in lines) <= 23


def test_a_large_terminal_gets_everything() -> None:
    said = shown(MANY, 120, force_terminal=True, color_system=None, height=400)
    assert said.count("number_19") == 9
    assert "more" not in said


def test_what_to_do_next_is_one_line_that_can_be_copied() -> None:
    follow = "Report: keras-collapse report " + "a" * 80
    for settings in ({}, {"force_terminal": True, "color_system": None}):
        assert shown(MANY, follow=follow, **settings).splitlines()[-1] == follow


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


def test_an_empty_list_of_evidence_is_written_as_nothing() -> None:
    finding = Finding("generator_frozen", Severity.FAILED, 0, 0, "No step.", {"changed_by": []})
    assert evidence_of(finding) == [("changed_by", "nothing")]


def test_lines_of_code_can_be_copied_and_leave_room_for_the_verdict() -> None:
    path = "collapse_runs/" + "a" * 90 + "/best_generator.weights.h5"
    verdict = replace(MANY, kept=[KeptGenerator("best", 399, 0.814, path)])
    line = f'Best generator (step 399, quality 0.81): generator.load_weights("{path}")'
    said = shown(verdict, force_terminal=True, color_system=None, height=24)
    assert line in said
    assert sum(-(-len(one) // 80) for one in said.splitlines()) <= 23
    assert line in shown(verdict, encoding="ascii")


def test_a_check_that_is_best_and_healthy_is_named_once() -> None:
    best, healthy = KeptGenerator("best", 9, 0.5, "b.h5"), KeptGenerator("healthy", 9, 0.5, "h.h5")
    assert kept_in_words(replace(FAILED, kept=[best, healthy])) == [
        ("Best and last healthy generator (step 9, quality 0.50)", best.restore)
    ]
    later = replace(healthy, step=19)
    words = [one for one, _ in kept_in_words(replace(FAILED, kept=[best, later]))]
    assert words[1] == "Last healthy generator (step 19, quality 0.50)"
