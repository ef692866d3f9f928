"""Past runs are read whole or refused in one clear line, and judged as live runs are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_collapse.core.errors import InputError
from keras_collapse.reproducibility.compare import compare
from keras_collapse.sources import diagnose, read


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def csv_of(columns: dict[str, list[float]], pattern: str = "%.3f") -> str:
    rows = zip(*columns.values(), strict=True)
    lines = [
        ",".join(
            ("%d" if k in ("step", "epoch") else pattern) % v
            for k, v in zip(columns, row, strict=True)
        )
        for row in rows
    ]
    return "\n".join([",".join(columns), *lines]) + "\n"


def pinned(steps: int) -> dict[str, list[float]]:
    rng = np.random.default_rng(0)
    return {
        "d_loss": list(0.73 + rng.normal(0, 0.01, steps)),
        "d_acc_real": [1.0] * steps,
        "d_acc_fake": [0.0] * steps,
    }


# -- the two published logs ------------------------------------------------------------------


def test_the_books_run_is_healthy(data: Path) -> None:
    verdict = diagnose(data / "runs" / "book_camel_2019.csv")
    assert verdict.status == "healthy"
    assert verdict.averaging == "batch"
    assert not [f for f in verdict.findings if not f.resolved]


def test_the_guides_run_is_pinned_behind_its_running_means(data: Path) -> None:
    verdict = diagnose(data / "runs" / "guide_camel_2026.csv")
    assert verdict.status == "failed"
    assert verdict.averaging == "run"
    assert "cumulative_metrics" in [f.kind for f in verdict.findings]
    cause = verdict.cause
    assert cause is not None
    assert (cause.kind, cause.severity) == ("discriminator_pinned", "failed")
    assert 500 <= cause.first_step <= 760
    assert cause.last_step == 1499
    evidence = cause.evidence
    assert evidence["d_loss"] == pytest.approx(0.732, abs=0.008)
    assert evidence["d_acc"] == pytest.approx(0.5, abs=0.005)
    assert evidence["g_acc"] == pytest.approx(0.998, abs=0.005)
    assert 0 < evidence["d_loss_uncertainty"] < 0.005


# -- forms of a log --------------------------------------------------------------------------


def test_a_log_without_a_step_column_counts_its_rows(tmp_path: Path) -> None:
    verdict = diagnose(write(tmp_path / "a.csv", csv_of(pinned(400))))
    assert verdict.status == "failed"
    assert verdict.steps == 400


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_other_delimiters_are_read(tmp_path: Path, delimiter: str) -> None:
    text = csv_of({"step": list(range(300)), **pinned(300)}).replace(",", delimiter)
    assert diagnose(write(tmp_path / "a.csv", text)).steps == 300


def test_a_row_an_epoch_is_known_as_one(tmp_path: Path) -> None:
    text = csv_of({"epoch": list(range(40)), **pinned(40)}, "%.9f")
    run = read(write(tmp_path / "a.csv", text))
    assert run.per_epoch
    verdict = diagnose(tmp_path / "a.csv")
    assert (verdict.status, verdict.averaging) == ("failed", "epoch")


def test_epoch_rows_that_hold_the_last_batch_are_known_as_such(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shares = list(rng.integers(20, 50, 40) / 64)
    columns = {"epoch": list(range(40)), "d_acc": shares, "d_loss": list(rng.normal(0.6, 0.02, 40))}
    verdict = diagnose(write(tmp_path / "a.csv", csv_of(columns, "%.9f")))
    assert verdict.averaging == "last"


def test_other_columns_may_hold_anything(tmp_path: Path) -> None:
    text = "step,note,d_loss\n0,hello,0.7\n1,,0.6\n"
    assert diagnose(write(tmp_path / "a.csv", text)).steps == 2


def test_nan_in_a_log_is_a_divergence(tmp_path: Path) -> None:
    text = "step,d_loss\n" + "".join(f"{i},{0.7 if i < 9 else 'nan'}\n" for i in range(20))
    verdict = diagnose(write(tmp_path / "a.csv", text))
    assert verdict.cause is not None
    assert (verdict.cause.kind, verdict.cause.first_step) == ("divergence", 9)


def test_numbers_printed_in_full_carry_no_rounding(tmp_path: Path) -> None:
    columns = {"step": [0, 1], "d_loss": [0.7, 0.123456789], "d_acc": [1.0, 0.5]}
    text = "\n".join(
        [
            "step,d_loss,d_acc",
            *(f"{s},{a!r},{b!r}" for s, a, b in zip(*columns.values(), strict=True)),
        ]
    )
    assert next(iter(read(write(tmp_path / "a.csv", text + "\n")).rows)).rounding is None


def test_an_incomplete_last_line_is_skipped_and_noted(tmp_path: Path) -> None:
    whole = csv_of({"step": list(range(30)), **pinned(30)})
    for cut in (3, 9):
        run = read(write(tmp_path / "a.csv", whole[:-cut]))
        assert len(list(run.rows)) == 29
        assert "line 31 is incomplete" in run.notes[0]


def test_a_last_line_without_its_line_end_may_be_whole(tmp_path: Path) -> None:
    run = read(write(tmp_path / "a.csv", csv_of({"step": [0, 1, 2], **pinned(3)})[:-1]))
    assert len(list(run.rows)) == 3
    assert not run.notes


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("step,d_loss\n", "no rows"),
        ("step,loss,mae\n0,1,2\n", "no GAN signals found among: step, loss, mae"),
        ("step,d_loss\n0,0.7\n1,high\n", "line 3 .* column 'd_loss' .* 'high'"),
        ("step,d_loss\n0,0.7\n1,0.6,9\n2,0.5\n", "line 3 .* 3 cells"),
        ("step,d_loss\n0,0.7\n2,0.6\n1,0.5\n", "line 4 .* step 1 comes after 2"),
        ("step,d_loss\n0,0.7\n0,0.6\n", "line 3 .* step 0 comes after 0"),
        ("step,d_loss\n0,0.7\n1.5,0.6\n", "line 3 .* whole number"),
        ("step,d_loss\n0,0.7\nnan,0.6\n", "line 3 .* whole number"),
    ],
)
def test_bad_csv_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        diagnose(write(tmp_path / "a.csv", text))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        diagnose(tmp_path / "nothing.csv")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\x93NUMPY\x01\x00\xff\xfe")
    with pytest.raises(InputError, match="is not a text file"):
        diagnose(tmp_path / "a.csv")


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no journal\.jsonl"):
        diagnose(tmp_path)


CELL = st.sampled_from(
    [
        "0",
        "1",
        "0.693",
        "0.5",
        "1.000",
        "1e-3",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "",
        "abc",
        '"',
        "1,5",
    ]
)
COLUMN = st.sampled_from(
    [
        "step",
        "epoch",
        "batch",
        "d_loss",
        "g_loss",
        "d_acc",
        "d_acc_real",
        "d_acc_fake",
        "g_acc",
        "x",
    ]
)


@given(
    columns=st.lists(COLUMN, min_size=1, max_size=6, unique=True),
    odd=st.lists(st.lists(CELL, min_size=1, max_size=6), max_size=3),
    rows=st.sampled_from([0, 2, 60, 400]),
    end=st.sampled_from(["", "\n"]),
)
@settings(max_examples=60)
def test_any_text_gets_a_verdict_or_one_line(
    columns: list[str], odd: list[list[str]], rows: int, end: str, tmp_path: Path
) -> None:
    whole = [",".join("0.7" if "_" in c else str(i) for c in columns) for i in range(rows)]
    path = tmp_path / "any.csv"
    path.write_text("\n".join([",".join(columns), *whole, *map(",".join, odd)]) + end)
    said = ""
    try:
        said = json.dumps(diagnose(path).to_dict(""), allow_nan=False)
    except InputError as error:
        said = str(error)
    assert said
    assert "\n" not in said


def test_numbers_that_are_not_finite_are_words_in_json(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("d_loss,d_acc_real,d_acc_fake,g_loss\n" + "nan,1.0,0.0,inf\n" * 400)
    evidence = [f["evidence"] for f in diagnose(path).to_dict("")["findings"]]
    assert any(found.get("d_loss") == "nan" for found in evidence)
    json.dumps(evidence, allow_nan=False)


@pytest.mark.parametrize(
    "line",
    [
        '{"record":"reader"}',
        '{"record":"logs","step":0}',
        '{"record":"logs","step":0,"epoch":0,"logs":{"d_loss":"abc"}}',
        '{"record":"report","finding":{"kind":"x"}}',
        '{"record":"logs","step":0,"epoch":0,"logs":7}',
        '["record"]',
        "{}",
    ],
)
def test_a_record_of_another_make_is_one_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "journal.jsonl").write_text('{"record":"run","schema":1}\n' + line + "\n")
    with pytest.raises(InputError) as caught:
        diagnose(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        compare(tmp_path, tmp_path)
