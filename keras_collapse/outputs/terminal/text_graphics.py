"""Curves and pictures made of characters, for any terminal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.style import Style
from rich.text import Text

from keras_collapse.outputs.style import CYAN, RED

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-=+*%#"
RAMP = " .:-=+*#%@"
"""Dark to light, on a dark background."""
COLUMNS = 8
"""Samples in a row of a grid of images (training/probe/pictures.py)."""
WHITE = 250
Bands = Sequence[tuple[float, float]]


def sparkline(
    values: Sequence[float],
    width: int,
    bands: Bands = (),
    limits: tuple[float, float] | None = None,
    plain: bool = False,
) -> Text:
    """A curve, one line high.

    Args:
        values: in order; values that are not finite are drawn as "x".
        width: in characters.
        bands: ranges that are marked as suspicious.
        limits: of the scale; by default the values' own.
        plain: ASCII only.

    >>> sparkline([0, 1, 2, 3], 4).plain, sparkline([0.0, float("nan")], 2, plain=True).plain
    ('▁▃▆█', '_x')
    """
    text = Text()
    if not len(values) or width < 1:
        return text
    blocks = ASCII_BLOCKS if plain else BLOCKS
    starts = np.linspace(0, len(values), min(width, len(values)), endpoint=False).astype(int)
    sizes = np.diff([*starts, len(values)])
    with np.errstate(invalid="ignore"):  # infinities of either sign
        means = np.add.reduceat(np.asarray(values, float), starts) / sizes
    finite = means[np.isfinite(means)]
    low, high = limits or ((finite.min(), finite.max()) if finite.size else (0.0, 1.0))
    scaled = (means - low) / max(high - low, 1e-9) * (len(blocks) - 1) + 0.5
    places = np.clip(np.nan_to_num(scaled), 0, len(blocks) - 1).astype(int)
    cells = [
        (blocks[place], f"bold {RED}" if within(mean, bands) else CYAN)
        if np.isfinite(mean)
        else ("x", f"bold {RED}")
        for place, mean in zip(places.tolist(), means.tolist(), strict=True)
    ]
    for style, some in itertools.groupby(cells, key=lambda cell: cell[1]):
        text.append("".join(character for character, _ in some), style)
    return text


def stretched(values: Sequence[float], length: int) -> Sequence[float]:
    """Values, each repeated so often that there are at least that many.

    >>> stretched([1, 2], 5)
    [1, 1, 1, 2, 2]
    """
    if len(values) >= length:
        return values
    return [values[place * len(values) // length] for place in range(length)]


def within(value: float, bands: Bands) -> bool:
    """Whether a value lies in one of the bands."""
    return any(low <= value <= high for low, high in bands)


def mark_line(step: int, last: int, width: int, symbol: str, words: str) -> Text:
    """A line that marks a step below a curve of ``width`` characters over ``last + 1`` steps."""
    place = min(int(width * step / max(last + 1, 1)), width - 1)
    after = place + 2 + len(words) <= width
    line = f"{' ' * place}{symbol} {words}" if after else f"{words} {symbol}".rjust(place + 1)
    return Text(line, f"bold {RED}")


def thumbnails(picture: np.ndarray, width: int, height: int, plain: bool) -> list[Text]:
    """Some samples of a grid, or a picture of points, as characters.

    Args:
        picture: uint8 (height, width[, 3]), a grid of `COLUMNS` images in a row, or one square
            picture of points on white.
        width, height: the room in characters.
        plain: whether to use ASCII without colour, one character for each brightness.
    """
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    if _is_points(rgb):
        shown, rows = rgb, min(height, width // 2)
        columns = 2 * rows
    else:
        side = rgb.shape[1] // COLUMNS
        each = max(min(2 * height, width), 8)  # characters of one sample, a character a pixel wide
        count = max(min(width // each, COLUMNS), 1)
        shown, rows, columns = rgb[:side, : count * side], each // 2, count * each
        if shown.shape[0] < side:
            return []
    small = _shrunk(shown, 2 * rows, columns)
    if plain:
        bright = small.mean(axis=2).reshape(rows, 2, columns).mean(axis=1)
        levels = (bright / 256 * len(RAMP)).astype(int)
        return [Text("".join(RAMP[level] for level in row)) for row in levels]
    return [_half_blocks(small[2 * row], small[2 * row + 1]) for row in range(rows)]


def _is_points(rgb: Any) -> bool:
    corners = rgb[[0, 0, -1, -1], [0, -1, 0, -1]]
    return bool(rgb.shape[0] == rgb.shape[1] and corners.min() > WHITE)


def _shrunk(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BOX))


def _half_blocks(upper: np.ndarray, lower: np.ndarray) -> Text:
    """Two rows of pixels in one line of characters."""
    text = Text()
    for above, below in zip(upper, lower, strict=True):
        colours = (f"#{r:02x}{g:02x}{b:02x}" for r, g, b in (above, below))
        text.append("▀", Style(color=next(colours), bgcolor=next(colours)))
    return text
