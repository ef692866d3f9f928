"""Saved pictures of samples, read so that a broken or huge file costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MOST_PIXELS = 16_000_000
"""Pixels of the largest picture that is decoded: a grid of samples has fewer than a million."""


def read_picture(path: Path) -> Any:
    """The picture, decoded, as a Pillow image.

    Raises:
        OSError: it is missing, broken, or has more than `MOST_PIXELS`.
    """
    from PIL import Image

    if not path.is_file():
        raise FileNotFoundError(str(path))
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise OSError("it has too many pixels")
            picture.load()
            return picture.copy()
    except Exception as error:  # Pillow raises many kinds on broken files
        raise OSError(f"cannot decode {str(path)!r} ({error})") from None
