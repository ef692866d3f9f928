"""Printed training logs, in text files and notebooks, are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_collapse.core.errors import InputError
from keras_collapse.sources import PastRun, diagnose, examine, read
from keras_collapse.sources.text_log import read_text

RNG = np.random.default_rng(0)


def text(lines: str) -> PastRun:
    return read_text(lines.splitlines(), "it", None)


def test_lines_of_keras_gan() -> None:
    run = text("0 [D loss: 0.693147, acc.: 50.00%] [G loss: 0.701]\n"
               "1 [D loss: 0.5, acc.: 62.50%] [G loss: 0.8]\n")  # fmt: skip
    (first, second) = examine(run).readings
    assert first.values == pytest.approx({"d_loss": 0.693147, "d_acc": 0.5, "g_loss": 0.701})
    assert (second.step, second.values["d_acc"]) == (1, 0.625)
    assert next(iter(run.rows)).rounding is not None
    assert next(iter(run.rows)).rounding["D acc"] == pytest.approx(0.5e-4)


def test_lines_of_the_books_first_edition() -> None:
    run = text("7 [D loss: (0.687)(R 0.682, F 0.692)] [D acc: (0.555)(0.984, 0.125)] "
               "[G loss: 0.693] [G acc: 0.500]\n")  # fmt: skip
    (reading,) = examine(run).readings
    assert reading.step == 7
    assert reading.values == pytest.approx(
        {"d_loss": 0.687, "d_loss_real": 0.682, "d_loss_fake": 0.692, "d_acc": 0.555,
         "d_acc_real": 0.984, "d_acc_fake": 0.125, "g_loss": 0.693, "g_acc": 0.5}
    )  # fmt: skip


def test_lines_of_pytorch_gan_count_batches_over_epochs() -> None:
    run = text("".join(f"[Epoch {e}/2] [Batch {b}/3] [D loss: 0.6{b}] [G loss: 0.7]\n"
                       for e in range(2) for b in range(3)))  # fmt: skip
    assert [(row.step, row.epoch) for row in run.rows] == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1),
                                                           (5, 1)]  # fmt: skip


def test_the_guides_lines() -> None:
    run = text("Epoch 0:   D Loss: 0.746, D Acc: 50.0%, G Loss: 0.595, G Acc: 99.8%\n"
               "saved a picture\n"
               "Epoch 500: D Loss: 0.725, D Acc: 50.1%, G Loss: 0.545, G Acc: 99.8%\n")  # fmt: skip
    assert not run.per_epoch
    assert [row.step for row in run.rows] == [0, 500]
    assert list(run.rows)[1].logs == pytest.approx(
        {"D Loss": 0.725, "D Acc": 0.501, "G Loss": 0.545, "G Acc": 0.998}
    )


@pytest.mark.parametrize(
    "line",
    [
        "step 5: d_loss: 0.5, g_loss: 0.7",
        "[12:01:33] INFO step=5 d_loss=0.5 g_loss=0.7 lr=0.0002",
        "Iteration 5 | D loss: 0.5 | G loss: 0.7 | 12.3 it/s",
        "5 discriminator_loss: 0.5 generator_loss: 0.7",
    ],
)
def test_lines_of_peoples_own(line: str) -> None:
    (reading,) = examine(text(f"Training begins\n{line}\n")).readings
    assert (reading.step, reading.values) == (5, {"d_loss": 0.5, "g_loss": 0.7})


def test_a_training_that_begins_anew_is_another_and_the_last_one_counts() -> None:
    lines = [f"step {step}: d_loss: 0.{run}{step}" for run in (5, 6) for step in range(4)]
    run = text("\n".join(lines))
    assert [row.logs["d_loss"] for row in run.rows] == [0.60, 0.61, 0.62, 0.63]
    assert "several trainings" in run.notes[0]


def test_a_cut_line_and_chatter_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("\x1b[1mhello\x1b[0m\nstep 1: d_loss: 0.6\nWARNING: loss of 3%\nstep 2: d_lo")
    assert [row.step for row in read(path).rows] == [1]


def test_text_without_losses_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("Hello\nworld: 3\n")
    with pytest.raises(
        InputError, match=r"Received: 'Hello'\. Known formats are Keras' progress bar"
    ):
        diagnose(path)


@given(st.text())
def test_any_text_around_it_leaves_a_line_readable(words: str) -> None:
    run = text(words + "\nstep 3: d_loss: 0.5")
    assert all(np.isfinite(reading.step) for reading in examine(run).readings)


# -- one run in many forms -------------------------------------------------------------------


def printed(row: dict[str, float]) -> str:
    return (
        f"{row['step']:.0f} [D loss: {row['d_loss']:.3f}, acc.: {100 * row['d_acc']:.1f}%] "
        f"[G loss: {row['g_loss']:.3f}]"
    )


FORMS: dict[str, Callable[[dict[str, float]], str]] = {
    "keras-gan": printed,
    "words": lambda row: (
        f"step {row['step']:.0f}/900 | d_loss {row['d_loss']:.3f} | "
        f"d_loss: {row['d_loss']:.3f} | d_acc: {row['d_acc']:.3f} | g_loss: {row['g_loss']:.3f}"
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["book_camel_2019", "guide_camel_2026"])
def test_a_published_run_reads_the_same_as_text(
    data: Path, tmp_path: Path, form: str, name: str
) -> None:
    with (data / "runs" / f"{name}.csv").open() as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    small = tmp_path / "a.csv"
    small.write_text(
        "step,d_loss,d_acc,g_loss\n"
        + "".join(f"{r['step']:.0f},{r['d_loss']},{r['d_acc']},{r['g_loss']}\n" for r in rows)
    )
    log = tmp_path / "a.log"
    log.write_text("\n".join(map(FORMS[form], rows)))
    told, wanted = diagnose(log), diagnose(small)
    assert (told.status, told.averaging, told.steps) == (
        wanted.status, wanted.averaging, wanted.steps
    )  # fmt: skip
    assert [f.kind for f in told.findings] == [f.kind for f in wanted.findings]


# -- notebooks -------------------------------------------------------------------------------


def notebook(path: Path, *printed: str) -> Path:
    cells = [
        {
            "cell_type": "code",
            "outputs": [{"output_type": "stream", "text": words.splitlines(True)}],
        }
        for words in printed
    ]
    path.write_text(json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown"}, *cells]}))
    return path


def test_the_last_cell_that_printed_a_training_is_judged(tmp_path: Path) -> None:
    runs = ["".join(f"{i} [D loss: {loss}] [G loss: 1.0]\n" for i in range(3)) for loss in (5, 6)]
    run = read(notebook(tmp_path / "a.ipynb", "Hello", *runs, "done"))
    assert next(iter(run.rows)).logs["D loss"] == 6
    assert run.notes == ["2 cells contain training logs; the last one is used"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"cells": [{"outputs', "not a notebook of nbformat 4"),
        ("[1, 2]", "not a notebook of nbformat 4"),
        ('{"cells": [{"outputs": [{"text": 3}]}]}', "not a notebook of nbformat 4"),
        ('{"cells": []}', "0 cells with outputs"),
    ],
)
def test_a_notebook_without_losses_is_a_one_line_error(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        diagnose(path)
