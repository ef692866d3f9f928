"""Quick, Draw! drawings for the examples: a file, a cached download, or the embedded default.

As a script it downloads a category into the cache: ``python quickdraw.py camel``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import camel_drawings
import numpy as np

ADDRESS = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"
"""Quick, Draw! Dataset, Google, CC BY 4.0, in its ``numpy_bitmap`` form."""
SIDE = 28
CHUNK = 1 << 16
TIMEOUT_SECONDS = 30
EMBEDDED = "embedded camel drawings (made by a stroke generator, not Quick, Draw! data)"


@dataclass(frozen=True)
class Drawings:
    """Drawings and their source.

    Args:
        images: uint8 (N, 28, 28), 0 is paper and 255 ink.
        labels: int64 (N,), the kind of each drawing; None if unlabelled.
        source: their source, in one line.
    """

    images: np.ndarray
    labels: np.ndarray | None
    source: str

    def scaled(self) -> np.ndarray:
        """Return the images as float32 (N, 28, 28, 1) in [-1, 1]."""
        return ((self.images.astype(np.float32) - 127.5) / 127.5)[..., None]


def load(
    category: str = "camel",
    path: str | Path | None = None,
    *,
    download: bool | None = None,
    count: int = 4096,
    cache: Path | None = None,
) -> Drawings:
    """Load drawings of a category: from a file, else the cache, else the embedded default.

    Args:
        category: a Quick, Draw! category, such as ``"camel"``.
        path: a ``.npy`` file (N, 784) or (N, 28, 28), or a ``.npz`` with ``images``, of uint8.
        download: whether to download the official file if it is not in the cache. None and False
            never access the network.
        count: number of embedded drawings, and largest number of drawings from a file.
        cache: folder of downloads; None for ``$KERAS_COLLAPSE_CACHE``, else
            ``~/.cache/keras-collapse``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file has another format, the category is unknown or not available, a cached
            file differs from its download, or ``count`` is below 1.
        ConnectionError: the download failed; the next call resumes it.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1. Received: {count}")
    if path is not None:
        return Drawings(_read(Path(path))[:count], None, str(path))
    # The category becomes part of a path and of a URL.
    if not re.fullmatch(r"\w[\w -]*", category, re.ASCII):
        raise ValueError(
            f"a Quick, Draw! category is words, such as 'camel' or 'alarm clock'. "
            f"Received: {category!r}"
        )
    folder = cache or Path(
        os.environ.get("KERAS_COLLAPSE_CACHE", Path.home() / ".cache" / "keras-collapse")
    )
    file = folder / "quickdraw" / f"{category}.npy"
    if download and not file.exists():
        _download(category, file)
    if file.exists():
        _verify(file)
        return Drawings(_read(file)[:count], None, f"Quick, Draw! {category} ({file})")
    if category != "camel":
        raise ValueError(
            f"no drawings of {category!r} available: only 'camel' is embedded. Give a file, or "
            "download=True"
        )
    images, labels = camel_drawings.draw(count)
    return Drawings(images, labels, EMBEDDED)


# -- files -----------------------------------------------------------------------------------


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"no such data file: {str(path)!r}. Give a .npy or .npz file")
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(f"drawings come as .npy or .npz. Received: {str(path)!r}")
    return _drawings_in(path)


def _drawings_in(path: Path) -> np.ndarray:
    try:
        images = _array_of(np.load(path, allow_pickle=False), path)
    except _WrongContent:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        # NumPy takes unknown formats for pickles, and advises to allow them.
        if "pickle" in reason:
            reason = "it contains no plain array"
        raise ValueError(
            f"{str(path)!r} cannot be read as NumPy data ({reason}). Give a whole .npy or .npz file"
        ) from None
    if images.ndim == 2 and images.shape[1] == SIDE * SIDE:
        images = images.reshape(-1, SIDE, SIDE)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise ValueError(
            f"{str(path)!r}: drawings are (N, {SIDE}, {SIDE}) or (N, {SIDE * SIDE}) with N > 0. "
            f"Received: shape {images.shape}"
        )
    if images.dtype != np.uint8:
        raise ValueError(
            f"{str(path)!r}: drawings are uint8, 0 paper and 255 ink. Received: {images.dtype}"
        )
    return images


class _WrongContent(ValueError):
    """Raised for a readable file with other content than drawings."""


def _array_of(loaded: object, path: Path) -> np.ndarray:
    if isinstance(loaded, np.ndarray):
        return loaded
    names = list(loaded.files)  # type: ignore[attr-defined]
    if not names:
        raise _WrongContent(f"{str(path)!r} holds no array. Save the drawings as 'images'")
    if "images" not in names and len(names) != 1:
        raise _WrongContent(
            f"{str(path)!r} holds several arrays and none is called 'images'. Received: {names}"
        )
    return np.asarray(loaded["images" if "images" in names else names[0]])  # type: ignore[index]


# -- downloads -------------------------------------------------------------------------------


def _download(category: str, file: Path) -> None:
    """Download the official file; resume an interrupted download."""
    address = os.environ.get("KERAS_COLLAPSE_QUICKDRAW_URL", ADDRESS) + urllib.parse.quote(
        f"{category}.npy"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            resumed = answer.status == 206
            total = int(answer.headers.get("Content-Length", 0)) + (have if resumed else 0)
            _receive(answer, part, resumed, total)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the partial file is complete or too long: start over next time
            part.unlink(missing_ok=True)
            advice = "Repeat the command to start over"
        else:
            advice = "Check the category's name, or give a file"
        raise ConnectionError(f"{address} answered {error.code} {error.reason}. {advice}") from None
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(
            f"cannot download {address} ({reason}). Go online and repeat (it will resume), give a "
            "file, or leave the download out"
        ) from None
    if total and part.stat().st_size < total:
        raise ConnectionError(
            f"the download of {address} was cut off at {part.stat().st_size:,} of {total:,} bytes. "
            "Repeat the command to resume it"
        )
    try:
        _drawings_in(part)
    except ValueError:
        part.unlink()
        raise ConnectionError(
            f"{address} did not answer with drawings (a login page of the network?). "
            "Repeat it elsewhere, or give a file"
        ) from None
    record = {"address": address, "size": part.stat().st_size, "sha256": _sha256(part)}
    file.with_suffix(".json").write_text(json.dumps(record, indent=1))
    part.replace(file)


def _receive(answer: object, part: Path, resumed: bool, total: int) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar, part.open("ab" if resumed else "wb") as file:
        task = bar.add_task(part.name, total=total or None, completed=file.tell())
        while chunk := answer.read(CHUNK):  # type: ignore[attr-defined]
            file.write(chunk)
            bar.advance(task, len(chunk))


def _verify(file: Path) -> None:
    """Raise ValueError if the cached file differs from its download."""
    record_file = file.with_suffix(".json")
    if not record_file.exists():
        return
    try:
        record = json.loads(record_file.read_text())
        size, sha256 = record["size"], record["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{str(record_file)!r} is no record of a download. Delete it and {str(file)!r}, and "
            "download again"
        ) from None
    if file.stat().st_size != size or _sha256(file) != sha256:
        raise ValueError(
            f"{str(file)!r} is not what was downloaded (size or SHA-256 differ). "
            "Delete it and download again"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Download a Quick, Draw! category once.")
    parser.add_argument("category", nargs="?", default="camel")
    try:
        drawings = load(parser.parse_args().category, download=True)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{len(drawings.images):,} drawings from {drawings.source}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
