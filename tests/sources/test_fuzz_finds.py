"""What `make fuzz` and the stress test of 0.1.0 found: each now ends in a verdict or one line."""

from __future__ import annotations

import json
import random
import struct
import sys
import zlib
from pathlib import Path

import pytest
from paths import TESTS

from keras_collapse.core.errors import InputError
from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.report.run_context import sample_grids
from keras_collapse.outputs.run_state import RunState
from keras_collapse.sources import RunContext, diagnose, read

sys.path.insert(0, str(TESTS / "fuzz"))
from broken_inputs import FORMATS, made
from fuzz import find_of, fuzz

HUGE = "9" * 5000
CSV = {
    "a cell of 140,000 letters": "step,d_loss\n0,0.5\n1," + "a" * 140_000,
    "a header of 140,000 letters": "step,d_loss," + "a" * 140_000 + "\n0,0.5,1\n",
    "a step of 309 digits": "step,d_loss\n0,0.5\n1e308,0.5\n",
    "a superscript": "step,d_loss\n0,0.5\n1,1e²\n",
    "an open quote": 'step,d_loss\n0,0.5\n1,"0.5\n' + "2,0.5\n" * 9,
    "a number of 5,000 digits": f"step,d_loss\n0,{HUGE}\n1,0.5\n",
    "an exponent of 5,000 digits": f"step,d_loss\n0,1e{HUGE}\n1,0.5\n",
    "numbers near the largest": "step,d_loss\n" + "".join(f"{i},1e308\n" for i in range(300)),
    "zero bytes": "step,d_loss\n0,0.5\n1,0\x00.5\n",
    "an epoch before the first": "epoch,batch,d_loss\n"
    + "".join(f"{1 + i // 20 - (i == 12)},{i},0.{i:02d}\n" for i in range(24)),
}
TEXT = {
    "a step of 5,000 digits": f"step {HUGE}: d_loss: 0.5\nstep 1: d_loss: 0.5\n",
    "an epoch of 5,000 digits": f"Epoch {HUGE}/{HUGE}\n1/2 1s - d_loss: 0.5\n",
    "a number of 5,000 digits": f"step 1: d_loss: {HUGE}\n",
    "an exponent of 5,000 digits": f"step 1: d_loss: 1e{HUGE}\n",
    "a superscript": "step 1: d_loss: 1e²\nstep ²: d_loss: 0.5\n",
    "a line without a step": "step 1: d_loss: 0.5\nd_loss: 0.6\nstep 1: d_loss: 0.7\n",
}
RECORDS = {
    "an infinite step": '{"record":"logs","step":Infinity,"epoch":0,"logs":{"d_loss":0.5}}',
    "an infinite epoch": '{"record":"logs","step":9,"epoch":1e999,"logs":{"d_loss":0.5}}',
    "a huge step": '{"record":"logs","step":1' + "0" * 400 + ',"epoch":0,"logs":{"d_loss":0.5}}',
    "a huge number": '{"record":"logs","step":9,"epoch":0,"logs":{"d_loss":1' + "0" * 400 + "}}",
    "a step that came before": '{"record":"logs","step":1,"epoch":0,"logs":{"d_loss":0.5}}',
    "means that are none": '{"record":"reader","signals":null,"averaging":null,"origin":0,'
    '"means":1}',
    "signals that are none": '{"record":"reader","signals":["ab"],"averaging":null,"origin":0,'
    '"means":null}',
    "an averaging that is none": '{"record":"reader","signals":null,"averaging":"mean","origin":0,'
    '"means":null}',
    "an averaging of 5,000 letters": '{"record":"reader","signals":null,"averaging":"'
    + "a" * 5000 + '","origin":0,"means":null}',
    "an origin that is huge": '{"record":"reader","signals":null,"averaging":"run","origin":1'
    + "0" * 400 + ',"means":null}',
    "an unknown driver": '{"record":"setting","driver":0}',
    "checks that are none": '{"record":"setting","driver":"fit","checked":[{}]}',
    "a name that is a list": '{"record":"kept","which":"best","step":1,"quality":0,"name":[]}',
    "a kind that is unknown": '{"record":"kept","which":"oldest","step":1,"quality":0.5,'
    '"name":"a"}',
    "a quality that is none": '{"record":"kept","which":"best","step":1,"quality":NaN,"name":"a"}',
    "a picture of an object": '{"record":"picture","name":{},"step":1}',
    "an objective that is a list": '{"record":"objective","objective":["wasserstein"]}',
    "a deep record": "[" * 100_000,
    "deep evidence": '{"record":"report","finding":{"kind":"a","severity":"failed","first_step":0,'
    '"last_step":1,"message":"a","advice":[],"evidence":{"a":' + "[" * 900 + "]" * 900 + "}}}",
    "evidence that is NaN": '{"record":"report","finding":{"kind":"a","severity":"failed",'
    '"first_step":0,"last_step":1,"message":"a","advice":[],"evidence":{"a":[NaN,{"b":NaN}]}}}',
    "a kind that is an object": '{"record":"report","finding":{"kind":{},"severity":"failed",'
    '"first_step":0,"last_step":1,"message":"a","advice":[],"evidence":{}}}',
    "facts of odd types": '{"record":"fit","step":0,"facts":{"epochs":[],"steps":"x","model":[],'
    '"initial_epoch":1e400,"summary":3,"seeding":4,"optimizer":{}}}',
    "a verdict of odd types": '{"record":"end","verdict":{"verdict":"healthy","reason":[],'
    '"steps":1,'
    '"averaging":[],"findings":[]}}',
}  # fmt: skip


def assert_ends_well(path: Path, kind: str) -> None:
    assert find_of(path, kind, case=0) is None


@pytest.mark.parametrize("name", CSV)
def test_a_csv_file_ends_well(tmp_path: Path, name: str) -> None:
    (tmp_path / "run.csv").write_text(CSV[name])
    assert_ends_well(tmp_path / "run.csv", "csv")


@pytest.mark.parametrize("name", TEXT)
def test_a_printed_log_ends_well(tmp_path: Path, name: str) -> None:
    (tmp_path / "log.txt").write_text(TEXT[name])
    assert_ends_well(tmp_path / "log.txt", "text")


@pytest.mark.parametrize("name", RECORDS)
def test_a_journal_ends_well(tmp_path: Path, name: str) -> None:
    start = '{"record":"run","schema":1,"time":1e308}\n'
    logs = "".join(
        f'{{"record":"logs","step":{i},"epoch":0,"logs":{{"d_loss":0.5}}}}\n' for i in range(8)
    )
    for lines in (start + RECORDS[name] + "\n" + logs, start + logs + RECORDS[name] + "\n"):
        (tmp_path / "journal.jsonl").write_text(lines)
        assert_ends_well(tmp_path / "journal.jsonl", "journal")


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"cells":{}}', '{"cells":[1]}', '{"cells":[{"outputs":[[]]}]}', "\ud800"],
)
def test_a_notebook_ends_well(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.ipynb").write_text(content, errors="surrogatepass")
    assert_ends_well(tmp_path / "run.ipynb", "notebook")


@pytest.mark.parametrize("case", [21760, 26520, 65660])
def test_a_journal_is_followed_well(tmp_path: Path, case: int) -> None:
    """Steps that come before others; a run that takes for ever; a failure since step -1e21."""
    (tmp_path / "journal.jsonl").write_bytes(made("journal", case, 0))
    assert find_of(tmp_path / "journal.jsonl", "journal", case) is None


def test_steps_that_came_before_are_skipped_and_noted(tmp_path: Path) -> None:
    steps = [0, 1, 2, 1, 2, 3]
    lines = ['{"record":"run","schema":1,"time":0}']
    lines += [f'{{"record":"logs","step":{i},"epoch":0,"logs":{{"d_loss":0.5}}}}' for i in steps]
    (tmp_path / "journal.jsonl").write_text("\n".join(lines) + "\n")
    run = read(tmp_path)
    assert [row.step for row in run.rows] == [0, 1, 2, 3]
    assert "2 records of steps that had come before were skipped" in run.notes


def png(width: int, height: int, more: bytes = b"") -> bytes:
    """A PNG file of black pixels in any size, whose pixels may be missing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", more) + chunk(b"IEND", b"")


PICTURES = {
    "empty": b"",
    "only a signature": b"\x89PNG\r\n\x1a\n",
    "zeros": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "without pixels": png(8, 8),
    "with broken pixels": png(8, 8, b"\xff" * 20),
    "far too large": png(60_000, 60_000, zlib.compress(bytes(1000))),
    "too large": png(8_000, 8_000, zlib.compress(bytes(8_000 * 24_001))),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_broken_picture_is_left_out(tmp_path: Path, name: str) -> None:
    run = {"record": "run", "schema": 1, "time": 0}
    (tmp_path / "journal.jsonl").write_text(json.dumps(run) + "\n")
    (tmp_path / "samples.png").write_bytes(PICTURES[name])
    state = RunState()
    JournalFollower(tmp_path, state).read()
    assert state.picture is None
    (tmp_path / "samples.png").write_bytes(PICTURES[name] + bytes(400_000))  # to be made smaller
    assert not [*sample_grids(RunContext(tmp_path))]


def test_a_column_with_a_long_name_is_named_in_short(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_text(f"step,d_loss,g_loss{'[' * 3000}\n0,0.7,0.7\n1,0.7,x\n")
    with pytest.raises(InputError, match="should hold a number") as error:
        diagnose(tmp_path / "run.csv")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("kind", FORMATS)
def test_some_cases_of_each_format_end_well(tmp_path: Path, kind: str) -> None:
    """A few dozen of those of ``make fuzz``, others than its first ones."""
    assert fuzz(kind, cases=24, seed=1, folder=tmp_path, seconds=120) == 0


def test_a_case_is_always_the_same() -> None:
    assert all(made(kind, 7, 0) == made(kind, 7, 0) for kind in FORMATS)
    random.seed(1)
    assert made("csv", 8, 0) == made("csv", 8, 0) != made("csv", 8, 1)


def test_a_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search itself: a reader that fails on every file with a header is found, once."""
    monkeypatch.setattr("keras_collapse.sources.csv_log.STEP_COLUMNS", None)
    assert fuzz("csv", cases=12, seed=0, folder=tmp_path, seconds=60) == 1
    assert len((tmp_path / "csv.finds.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "csv.next").read_text() == "12"
