"""The report of one run: one file that needs nothing else, whatever the run was."""

from __future__ import annotations

import html.parser
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.journal import SCHEMA, Journal
from keras_collapse.outputs.run_report import write_run_report

EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "use", "path", "rect"}


class Page(html.parser.HTMLParser):
    """Sees that what is opened is closed, and what is asked of the network."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in EMPTY:
            self.open.append(tag)
        self.asked += [v for k, v in attrs if k in ("src", "href") and v and v[:5] == "http:"]
        self.asked += [v for k, v in attrs if k in ("src", "href") and v and v[:6] == "https:"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag


def run(folder: Path, steps: int = 400, pinned: bool = True, ended: bool = True) -> Path:
    journal = Journal(folder)
    journal.write("run", schema=SCHEMA, time=0.0, command="python <train>.py")
    facts = {"model": "<script>alert(1)</script>", "batch_size": 64, "seeding": {"seed": 42},
             "summary": {"generator": "Dense <16>"}}  # fmt: skip
    journal.write("fit", step=0, facts=facts)
    journal.write("reader", signals=None, averaging="batch", hint="batch", raw=[], origin=0)
    rng = np.random.default_rng(0)
    for step in range(steps):
        real, fake = (0.999, 0.001) if pinned and step > 100 else (0.6, 0.6)
        loss = float(rng.normal(0.73, 0.01))
        logs = {"d_loss": loss, "d_acc_real": real, "d_acc_fake": fake, "g_loss": 0.8}
        journal.write_logs(step, step // 50, logs)
    journal.write("probe", step=steps - 1, values={"missing_share": 0.2, "coverage": 0.7})
    if ended:
        journal.write("end", verdict={})
    journal.close()
    return folder


def page(folder: Path) -> str:
    return write_run_report(str(folder)).read_text(encoding="utf-8")


def test_it_says_what_was_found_where_it_began_and_what_to_do(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    for name in ("samples_start.png", "samples.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / name)
    text = page(folder)
    seen = Page(text)
    assert not seen.open
    assert not seen.asked
    assert "script" not in seen.tags
    assert "&lt;script&gt;alert(1)" in text
    assert "✘ FAILED" in text
    assert "1. ✘ discriminator_pinned" in text
    assert "Look for a leak first" in text
    assert "python &lt;train&gt;.py" in text
    assert seen.tags.count("svg") == 1
    assert seen.tags.count("img") == 2
    assert "seeding.seed</td><td>42" in text


def test_a_run_that_was_killed_and_one_without_samples_or_findings(tmp_path: Path) -> None:
    text = page(run(tmp_path / "run", steps=30, pinned=False, ended=False))
    assert "the run has not ended, or was killed" in text
    assert "Findings" not in text
    assert not Page(text).open


def test_numbers_that_are_not_finite_are_drawn_around(tmp_path: Path) -> None:
    table = "step,d_loss,g_loss\n" + "".join(
        f"{i},{'nan' if i > 50 else 0.7},{'inf' if i > 60 else 0.8}\n" for i in range(300)
    )
    (tmp_path / "a.csv").write_text(table)
    path = write_run_report(str(tmp_path / "a.csv"), tmp_path / "b.html")
    assert "divergence" in path.read_text(encoding="utf-8")


def test_findings_of_the_wiring_are_escaped_too(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", pinned=False, ended=False)
    finding = Finding("x", Severity.FAILED, 0, 0, "<b>bold</b>", {"<i>": "<u>"}, ("<s>",))
    with (folder / "journal.jsonl").open("a") as file:
        import json

        file.write(json.dumps({"record": "report", "finding": finding.to_dict()}) + "\n")
    text = page(folder)
    for word in ("<b>", "<i>", "<u>", "<s>"):
        assert word not in text


def test_a_hundred_thousand_steps_take_seconds_and_little_room(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", steps=100_000)
    began = time.process_time()
    path = write_run_report(str(folder))
    assert time.process_time() - began < 30  # 10 s on an idle machine, see docs/seeing.md
    assert path.stat().st_size < 2e6


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    with pytest.raises(InputError, match="--out wants a file"):
        write_run_report(str(folder), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_run_report(str(folder), tmp_path / "file" / "a.html")
