"""The report of one run: a self-contained file, for any source."""

from __future__ import annotations

import html.parser
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.journal import Journal
from keras_collapse.core.records import (
    SCHEMA,
    FitStarted,
    ReaderSettings,
    RunEnded,
    RunStarted,
    SamplesChecked,
    StepLogs,
)
from keras_collapse.outputs.report.curves import POINTS
from keras_collapse.outputs.report.long_curve import MOST, LongCurve
from keras_collapse.outputs.report.run_report import write_run_report

VOID = {"img", "meta"}
HOSTILE = "<script>alert(1)</script>"
Logs = Callable[[int], Mapping[str, float]]


class Page(html.parser.HTMLParser):
    """Checks that tags are closed, and collects tags, ids and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.captions = re.findall(r"<figcaption>([^<]*)</figcaption>", text)
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open
        assert "script" not in self.tags
        assert "://" not in text  # it loads nothing from the network

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on")]
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def pinned(step: int) -> dict[str, float]:
    real, fake = (0.999, 0.001) if step > 100 else (0.6, 0.6)
    loss = 0.73 + 0.01 * math.sin(step)
    return {"d_loss": loss, "d_acc_real": real, "d_acc_fake": fake, "g_loss": 0.8}


def healthy(step: int) -> dict[str, float]:
    return pinned(0) | {"d_loss": 0.6 + 0.01 * math.sin(step)}


def run(folder: Path, logs: Logs = pinned, steps: int = 400, ended: bool = True) -> Path:
    journal = Journal(folder)
    journal.write(RunStarted(SCHEMA, 0.0, {}, f"python {HOSTILE}", HOSTILE))
    facts = {"model": HOSTILE, "batch_size": 64, "seeding": {"seed": 42, "unknown": [HOSTILE]},
             HOSTILE: 1, "summary": {HOSTILE: HOSTILE}}  # fmt: skip
    journal.write(FitStarted(0, facts))
    journal.write(ReaderSettings(None, "batch", 0, None))
    for step in range(steps):
        journal.write(StepLogs(step, step // 50, logs(step)))
    if ended:
        values = {"missing_share": 0.2, "coverage": 0.7, "sliced_wasserstein": 0.5}
        journal.write(SamplesChecked(steps - 1, values))
        journal.write(RunEnded(Verdict(Status.UNKNOWN)))
    journal.close()
    return folder


def add(folder: Path, record: str, **fields: object) -> None:
    with (folder / "journal.jsonl").open("a") as file:
        file.write(json.dumps({"record": record, **fields}) + "\n")


def page(source: Path) -> str:
    return write_run_report(str(source)).read_text(encoding="utf-8")


def test_it_shows_findings_their_start_and_the_advice(tmp_path: Path) -> None:
    text = page(run(tmp_path / "run"))
    seen = Page(text)
    assert "✘ FAILED" in text
    assert "discriminator_pinned since step 100" in text
    assert "Look for a leak first" in text
    assert re.search('<td>d_acc_real</td><td class="n">0.99[0-9]*</td>', text)
    assert "#finding-1" in seen.links
    assert {link.removeprefix("#") for link in seen.links} <= set(seen.ids)
    assert "seed 42 · batch size 64" in text
    assert "<td>seed</td><td>42</td>" in text
    for name in ("Losses", "D&#39;s accuracy", "Coverage and fidelity", "Distance to the data"):
        assert f"<b>{name}</b>" in text


def test_text_of_others_stays_text(tmp_path: Path) -> None:
    folder = run(tmp_path / "<script>run")
    words = {"message": HOSTILE, "evidence": {HOSTILE: HOSTILE}, "advice": [HOSTILE]}
    finding = Finding(HOSTILE, Severity.FAILED, 0, 0, "").to_dict() | words
    add(folder, "report", finding=finding)
    add(folder, "unavailable", reason=HOSTILE)
    text = page(folder)
    Page(text)
    assert text.count("&lt;script&gt;alert(1)") >= 10


def test_a_run_that_was_killed_and_one_without_samples_or_findings(tmp_path: Path) -> None:
    text = page(run(tmp_path / "run", healthy, steps=30, ended=False))
    seen = Page(text)
    assert "the run is still in progress, or was killed" in text
    assert "<h2>Findings" not in text
    assert "<h2>Samples" not in text
    assert "img" not in seen.tags
    assert "? UNKNOWN" in text


def test_a_run_without_a_step_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no step yet"):
        write_run_report(str(run(tmp_path / "run", steps=0)))


def test_numbers_that_are_not_finite_are_left_out_and_reported(tmp_path: Path) -> None:
    def logs(step: int) -> dict[str, float]:
        lost = {"d_loss": math.nan} if step % 10 == 9 else {}
        return healthy(step) | lost | {"g_loss": math.inf if step > 700 else 0.8}

    text = page(run(tmp_path / "run", logs, steps=2000))
    Page(text)
    assert "divergence" in text
    assert "D: NaN or infinite in 200 readings, first at step 9." in text
    assert "G: NaN or infinite in 1,299 readings, first at step 701." in text
    for path in re.findall(r' d="([^"]*)"', text):
        assert "nan" not in path
        assert "inf" not in path
    (losses,) = re.findall(r'aria-label="Losses.*?</svg>', text, re.DOTALL)
    drawn, missing = (re.findall(f'class="{kind} c0" d="([^"]*)"', losses)
                      for kind in ("line", "non_finite"))  # fmt: skip
    assert drawn[0].count("L") > 500  # every stretch has a finite value too
    assert missing[0].count("M") == 200


def test_thinning_loses_no_spike() -> None:
    values = np.zeros(100_000)
    values[77_777], values[99_999] = 9.0, -4.0
    found = LongCurve()
    for start in range(0, 100_000, 4000):
        found.extend(range(start, start + 4000), values[start : start + 4000])
    curve = found.thinned()
    assert len(curve.at) == POINTS
    assert (curve.high.max(), curve.low.min()) == (9.0, -4.0)
    assert curve.at[curve.high.argmax()] == pytest.approx(77_777, abs=100)
    assert found.highest == (9.0, 77_777)
    assert found.lowest == (-4.0, 99_999)
    assert 9 / 250 < curve.mean.max() < 9 / 100  # of about 167 steps


def test_a_curve_that_is_read_in_parts_is_that_of_all_its_values() -> None:
    chance = np.random.default_rng(0)
    values = chance.normal(size=3000)
    values[[5, 6, 7, 2000]] = np.nan, np.inf, -np.inf, np.nan
    values[100:120] = np.nan
    whole, parts = LongCurve(range(3000), values).thinned(), LongCurve()
    for start, end in ((0, 7), (7, 1500), (1500, 3000)):
        parts.extend(range(start, end), values[start:end])
    for name in ("at", "mean", "low", "high", "non_finite"):
        np.testing.assert_array_equal(getattr(parts.thinned(), name), getattr(whole, name))
    assert whole.mean[3] == pytest.approx(values[15:20].mean())
    assert (parts.non_finite, parts.first_non_finite) == (24, 5)


def test_a_long_curve_takes_little_memory() -> None:
    curve = LongCurve()
    for start in range(0, 1_000_000, 5000):
        curve.extend(range(start, start + 5000), [1.0] * 5000)
    assert len(curve._stretches.first) <= MOST
    assert curve.thinned().mean.tolist() == pytest.approx([1.0] * POINTS)


def test_nothing_but_nan(tmp_path: Path) -> None:
    text = page(run(tmp_path / "run", lambda _: {"d_loss": math.nan, "g_loss": math.nan}))
    Page(text)
    assert "D: NaN or infinite in 400 readings" in text


def test_an_explosion_does_not_flatten_the_rest(tmp_path: Path) -> None:
    text = page(run(tmp_path / "run", lambda s: healthy(s) | {"g_loss": 1e300 if s > 395 else 1.0}))
    Page(text)
    assert "G rises to 1e+300 (step 396), above this scale." in text
    assert re.search(r'class="y"[^>]*>0\.[678]<', text)


def test_the_suspicious_range_is_for_cross_entropies_only(tmp_path: Path) -> None:
    critic = {"d_loss": -3.0, "g_loss": 2.0}
    assert "suspicious range of D&#39;s loss, 0.72 to 0.75" in page(run(tmp_path / "a"))
    assert "suspicious range of D&#39;s loss" not in page(run(tmp_path / "b", lambda _: critic))
    summed = page(run(tmp_path / "c", lambda _: {"d_loss": 1.39, "g_loss": 0.7}))
    assert "suspicious range of D&#39;s loss, 1.44 to 1.5" in summed


def test_many_findings_share_marks_and_resolved_ones_are_folded(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", healthy)
    for place in range(12):
        found = Finding(
            f"kind_{place}", Severity.WARNING, place, place + 9, "so", resolved=place > 1
        )
        add(folder, "report", finding=found.to_dict())
    text = page(folder)
    seen = Page(text)
    assert set(seen.links) == {"#finding-1"}
    assert ">1…12</a>" in text
    assert {f"finding-{number}" for number in range(1, 13)} == set(seen.ids)
    assert text.count('<details class="finding"') == 10
    charts = text.count('class="plot"')
    assert text.count('class="mark warning"') == 12 * charts


def test_a_run_that_was_resumed_is_drawn_from_where_it_began(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", steps=1)
    for step in range(50_000, 50_300):
        add(folder, "logs", step=step, epoch=9, logs=pinned(step))
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    later = [line for line in lines if '"step":0,"epoch"' not in line and '"probe"' not in line]
    (folder / "journal.jsonl").write_text("".join(later))
    first = re.findall(r'class="x" style="left:0.0%">([^<]*)', page(folder))
    assert set(first) == {"50,000"}


def picture(pixels: np.ndarray, path: Path, step: int) -> None:
    Image.fromarray(pixels).save(path)
    add(path.parent, "picture", name=path.name, step=step)


def test_samples_are_labelled_by_their_step_and_none_is_shown_twice(tmp_path: Path) -> None:
    folder, black = run(tmp_path / "run"), np.zeros((8, 8), np.uint8)
    picture(black, folder / "samples_start.png", 49)
    picture(black, folder / "samples_finding.png", 49)
    picture(black, folder / "samples.png", 1399)
    seen = Page(page(folder))
    assert seen.captions == [
        "step 49: first sample check, first one after a finding",
        "step 1,399: end",
    ]


def test_large_pictures_are_reduced_and_broken_ones_left_out(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    noise = np.random.default_rng(0).integers(0, 256, (1200, 2400, 3), dtype=np.uint8)
    picture(noise, folder / "samples.png", 399)
    (folder / "samples_start.png").write_bytes(b"\x89PNG" + bytes(400_000))
    assert (folder / "samples.png").stat().st_size > 2e6
    text = page(folder)
    assert len(text) < 2e6
    assert Page(text).tags.count("img") == 1


def test_the_command_that_repeats_it(tmp_path: Path) -> None:
    folder = run(tmp_path / "a run")
    add(folder, "fit", step=400, facts={"backend": "jax", "device": "1 cpu"})
    text = page(folder)
    assert "KERAS_BACKEND=jax python &lt;script&gt;" in text
    assert f"keras-collapse compare &#39;{folder}&#39; NEW_RUN" in text


def test_a_journal_and_a_csv_are_runs_too(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    assert write_run_report(str(folder / "journal.jsonl")) == folder / "report.html"
    (tmp_path / "a.csv").write_text("epoch,d_loss\n" + "".join(f"{i},0.7\n" for i in range(9)))
    path = write_run_report(str(tmp_path / "a.csv"))
    assert path.resolve() == tmp_path / "collapse_report.html"
    text = path.read_text(encoding="utf-8")
    Page(text)
    assert "9 epochs" in text
    assert "The run</h2>" not in text


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    with pytest.raises(InputError, match="--out must be a file"):
        write_run_report(str(folder), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_run_report(str(folder), tmp_path / "file" / "a.html")


def test_a_record_that_is_not_ours_is_skipped_and_counted(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    add(folder, "fit", step=0, facts=["no", "facts"])
    page = write_run_report(str(folder)).read_text(encoding="utf-8")
    assert "broken lines of the journal that were skipped: 1" in page
