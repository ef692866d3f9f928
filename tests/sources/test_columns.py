"""A long log is read in columns, with the very verdict and readings of reading it row by row."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.reading import merge
from keras_collapse.sources import examine, read
from keras_collapse.sources.past_run import LogColumns

ROWS = 3000
NAMES = {
    "halves": "step,d_loss,g_loss,d_acc_real,d_acc_fake",
    "one accuracy": "d_loss,g_loss,d_acc",
    "losses": "step,epoch,d_loss,g_loss",
    "bands": "step,d_loss,d_acc,g_acc",
    "real and fake losses": "step,d_loss,d_loss_real,d_loss_fake,g_loss",
    "accuracies first": "step,d_acc_real,d_acc_fake",
}
SHAPES = ("steady", "pinned for a while", "won", "oscillates", "explodes", "not finite", "blank",
          "a gap", "full precision", "negative")  # fmt: skip


def number(name: str, row: int, shape: str, chance: random.Random) -> str:
    """A cell of a log in which something happens from row 700 to row 2100."""
    inside = 700 <= row < 2100
    value = 0.65 + 0.05 * chance.random()
    if "acc" in name:
        value = round(0.6 + 0.1 * chance.random(), 2)
    if inside and shape == "pinned for a while":
        value = {"d_acc_real": 1.0, "d_acc_fake": 0.0, "d_acc": 0.5, "g_acc": 1.0}.get(name, 0.74)
    elif inside and shape == "won":
        value = 1.0 if name.startswith("d_acc") else 4.5 if name == "g_loss" else 0.004
    elif inside and shape == "oscillates" and name == "d_loss":
        value = 0.7 + 0.3 * (-1) ** (row // 60)
    elif inside and shape == "explodes" and name == "g_loss":
        value = 1e7 * (1 + row)
    elif shape == "negative" and name == "g_loss":
        value = -value
    elif row == 1500 and shape == "not finite":
        return chance.choice(["nan", "inf"])
    elif row == 1500 and shape == "blank":
        return ""
    return repr(value) if shape == "full precision" else f"{value:.3f}"


def log(header: str, shape: str, seed: int) -> str:
    chance, lines = random.Random(seed), [header]
    for row in range(ROWS):
        step = row + 7 * (shape == "a gap" and row >= 1300)
        counts = {"step": str(step), "epoch": str(row // 500)}
        cells = [counts.get(name) or number(name, row, shape, chance) for name in header.split(",")]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("header", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_and_single_rows_say_the_same(tmp_path: Path, header: str, shape: str) -> None:
    path = tmp_path / "run.csv"
    path.write_text(log(NAMES[header], shape, len(header) + len(shape)))
    run = read(path)
    one, other = examine(run), examine(replace(run, rows=list(run.rows)))
    assert repr(one.verdict.to_dict("")) == repr(other.verdict.to_dict(""))
    assert repr(one.readings) == repr(other.readings)
    assert len(one.readings) > ROWS / 2


def test_most_of_a_long_log_is_read_in_columns(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text(log(NAMES["halves"], "blank", 0))
    blocks = list(read(path).rows.blocks())  # type: ignore[attr-defined]
    assert sum(not isinstance(block, LogColumns) for block in blocks) == 1
    assert len(blocks) > 10


@pytest.mark.parametrize("rounding", [None, {"d_loss": 0.0005, "g_loss": 0.005}])
def test_the_mean_of_columns_is_that_of_their_readings(rounding: dict[str, float] | None) -> None:
    chance = random.Random(0)
    values = {name: [chance.gauss(0, 1) for _ in range(25)] for name in ("d_loss", "g_loss")}
    columns = Columns(100, values, rounding, 0.0 if rounding else 1e-7)
    assert repr(columns.mean()) == repr(merge(list(columns)))
    assert repr(columns[5:9].mean()) == repr(merge([columns[i] for i in range(5, 9)]))
    assert [one.step for one in columns[5:7]] == [105, 106]


def test_an_error_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    lines = log(NAMES["halves"], "steady", 0).splitlines()
    lines[1700] = lines[1700].replace("0.", "x.", 1)
    path.write_text("\n\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"line 3401 of .* column 'd_loss' should hold a number"):
        examine(read(path))
