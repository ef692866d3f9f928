"""G's samples as one picture, a grid of images or points in the plane, and those a run keeps."""

from __future__ import annotations

import itertools
from pathlib import Path

import keras
import numpy as np

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.guard import guarded
from keras_collapse.core.records import PictureSaved
from keras_collapse.training.run_journal import RunJournal

SIDE = 400
"""Pixels of a picture of points, each way."""
GREY, BLUE = (190, 190, 190), (31, 100, 200)


def image_grid(samples: np.ndarray, columns: int = 8) -> np.ndarray | None:
    """Samples side by side as one picture, or None if they are no images.

    Args:
        samples: (n, height, width), (n, height, width, c) or, where Keras is so configured,
            (n, c, height, width) with c of 1 or 3; in [-1, 1], [0, 1] or [0, 255].
        columns: pictures in a row.

    Returns:
        uint8 (rows * height, columns * width) or (…, 3), values not finite as 0, enlarged to at
        least 400 pixels of width.
    """
    if samples.ndim == 3:
        samples = samples[..., None]
    if samples.ndim != 4:
        return None
    if keras.config.image_data_format() == "channels_first" and samples.shape[1] in (1, 3):
        samples = np.moveaxis(samples, 1, -1)
    if samples.shape[-1] not in (1, 3) or min(samples.shape[1:3]) < 4:
        return None
    samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(samples.min()), float(samples.max())
    if low < -0.05:
        samples = (samples + 1) / 2
    elif high > 1.5:
        samples = samples / 255
    pixels = (np.clip(samples, 0, 1) * 255).round().astype(np.uint8)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    empty = np.zeros((rows * columns - count, height, width, channels), np.uint8)
    tiles = np.concatenate([pixels, empty]).reshape(rows, columns, height, width, channels)
    picture = tiles.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    zoom = max(-(-400 // picture.shape[1]), 1)
    picture = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    return picture[..., 0] if channels == 1 else picture


def scatter(points: np.ndarray, real: np.ndarray) -> np.ndarray | None:
    """Points of the plane over those of the data, or None if they are no such points.

    Args:
        points: G's, (n, 2).
        real: the data's, (m, 2), whose range is the picture's, with a quarter more on each side.

    Returns:
        uint8 (SIDE, SIDE, 3): the data grey, G's points blue, on white.
    """
    if points.ndim != 2 or points.shape[1] != 2 or real.shape[1:] != (2,):
        return None
    low, high = real.min(axis=0), real.max(axis=0)
    low, span = low - (high - low) / 4, np.maximum((high - low) * 1.5, 1e-6)
    picture = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for some, colour, half in ((real, GREY, 1), (points, BLUE, 2)):
        places = (some - low) / span * (SIDE - 1)
        inside = np.isfinite(places).all(axis=1) & ((places >= 0) & (places < SIDE)).all(axis=1)
        columns, rows = places[inside].astype(int).T
        for right, down in itertools.product(range(-half, half + 1), repeat=2):
            near = (SIDE - 1 - rows + down, columns + right)
            picture[tuple(np.clip(near, 0, SIDE - 1))] = colour
    return picture


def save_picture(pixels: np.ndarray, path: Path) -> None:
    """Write a uint8 picture as PNG, whole or not at all."""
    from PIL import Image

    part = path.with_suffix(".part")
    Image.fromarray(pixels).save(part, format="PNG")
    part.replace(path)


class PicturesKept:
    """Keeps a run's latest picture, its first, and the first after a failure, or after a warning.

    An error, such as a full disk, ends the keeping and nothing else.

    Args:
        journal: of the run; nothing is kept while it is not open.
    """

    def __init__(self, journal: RunJournal) -> None:
        self._journal = journal
        self._on = True
        self._has_first = False
        self._worst = self._pictured = Severity.INFO  # of what was found, and of what is kept

    def note(self, finding: Finding) -> None:
        """Take a finding: the next picture may have to be kept because of it."""
        self._worst = max(self._worst, finding.severity, key=lambda severity: severity.rank)

    def keep(self, picture: np.ndarray, step: int) -> None:
        """Save the picture of a training step under the names that it has by now."""
        if self._on and self._journal.is_open:
            guarded("The keeping of pictures", self._keep, picture, step, off=self._switch_off)

    def _keep(self, picture: np.ndarray, step: int) -> None:
        assert self._journal.folder is not None
        names = ["samples.png"]
        if not self._has_first:
            names.append("samples_start.png")
        if self._worst.rank > self._pictured.rank:
            names.append("samples_finding.png")
        for name in names:
            save_picture(picture, self._journal.folder / name)
            self._journal.write(PictureSaved(name, step))
        self._has_first, self._pictured = True, self._worst

    def _switch_off(self, _: object) -> None:
        self._on = False
