"""Draw ``failing_images.png``: what failing GANs draw, and what the monitor reports of them first.

    KERAS_COLLAPSE_DATA=... python docs/pictures/failures.py

The rows are recorded runs of ``tests/zoo/images``; their samples are kept by ``make zoo-images``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "zoo" / "images"))

import numpy as np
from data import load
from PIL import Image, ImageDraw, ImageFont
from plan import STEPS
from runs import load_runs

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "tests" / "zoo" / "images" / "samples"


@dataclass(frozen=True)
class Row:
    """A caption, and the name of the run whose samples it stands above; empty for real data."""

    caption: str
    run: str = ""


SECTIONS = {
    "drawings16": (
        Row("Real drawings: apples, bicycles, cats and diamonds"),
        Row("Healthy", "064-drawings16-batch_norm-none"),
        Row(
            "Complete collapse (nearly half of D's labels are wrong)",
            "042-drawings16-residual-label_noise",
        ),
        Row("Complete collapse (G's step also trains D)", "029-drawings16-keras_docs-leak"),
        Row("Garbage (G learns too slowly)", "116-drawings16-spectral_hinge-g_too_slow"),
    ),
    "landscapes16": (
        Row("Real data: landscapes by day, at dusk, at night, in a desert, in winter"),
        Row("Healthy", "002-landscapes16-batch_norm-none"),
        Row(
            "A category is missing: dusk (D is never shown it)",
            "086-landscapes16-batch_norm-dropped",
        ),
        Row(
            "Numbers explode (learning rates grow a million times at step 640)",
            "047-landscapes16-norm_both-nan_rate",
        ),
    ),
}
"""Data sets, and their rows. A person recognises these failures at a glance; not all are so."""
COUNT, SIDE, GAP = 16, 48, 4
"""Samples in a row, pixels per side of one, and between two: the first of a check, not chosen."""
MARGIN, CAPTION, SECTION = 20, 24, 18
"""Around the picture, for a caption, and more between sections, in pixels."""
FOOT = f"Samples are G's first {COUNT} after {STEPS} steps. The first failure reported is named."
WHITE, INK, GREY, BAD, GOOD = "#ffffff", "#1b1f24", "#57606a", "#b42318", "#1a7f37"


def samples_of(data: str, row: Row) -> np.ndarray:
    """The first samples of real data, or of a run's last check: uint8 (n, side, side, c)."""
    if not row.run:
        return np.round((load(data).images[:COUNT] + 1) * 127.5).astype("uint8")
    with np.load(SAMPLES / f"{row.run}.npz") as file:
        assert file["finite"][-1, :COUNT].all()
        return np.asarray(file["fakes"][-1, :COUNT])


def reported(row: Row) -> tuple[str, str]:
    """What the monitor reports of a run first, and the colour to write it in."""
    if not row.run:
        return "", GREY
    (run,) = (run for run in load_runs() if run.about["number"] == int(row.run[:3]))
    first, step, verdict = run.examine()
    if first is None:
        return f"verdict after {STEPS} steps: {verdict.status}", GOOD
    return f"reported at step {step}: {first.kind}", BAD


def draw() -> Image.Image:
    """The picture."""
    plain, bold, mono = (
        ImageFont.truetype(f"DejaVuSans{name}.ttf", size)
        for name, size in (("", 14), ("-Bold", 14), ("Mono-Bold", 14))
    )
    width = 2 * MARGIN + COUNT * SIDE + (COUNT - 1) * GAP
    rows = sum(len(section) for section in SECTIONS.values())
    height = (
        2 * MARGIN + CAPTION + rows * (CAPTION + SIDE + 2 * GAP) + SECTION * (len(SECTIONS) - 1)
    )
    picture = Image.new("RGB", (width, height), WHITE)
    pen, top = ImageDraw.Draw(picture), MARGIN
    for data, section in SECTIONS.items():
        for row in section:
            name, _, why = row.caption.partition(" (")
            pen.text((MARGIN, top), name, fill=INK, font=bold)
            if why:
                left = MARGIN + pen.textlength(f"{name}  ", font=bold)
                pen.text((left, top), why.removesuffix(")"), fill=GREY, font=plain)
            text, colour = reported(row)
            pen.text((width - MARGIN, top), text, fill=colour, font=mono, anchor="ra")
            top += CAPTION
            for place, sample in enumerate(samples_of(data, row)):
                tile = Image.fromarray(sample.squeeze()).convert("RGB")
                tile = tile.resize((SIDE, SIDE), Image.Resampling.NEAREST)
                picture.paste(tile, (MARGIN + place * (SIDE + GAP), top))
            top += SIDE + 2 * GAP
        top += SECTION
    pen.text((MARGIN, height - MARGIN), FOOT, fill=GREY, font=plain, anchor="ls")
    return picture


if __name__ == "__main__":
    draw().save(HERE / "failing_images.png", optimize=True)
