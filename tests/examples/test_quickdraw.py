"""Drawings come from a file, a verified cache, a resumed download, or the embedded default."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from quickdraw import EMBEDDED, load

IMAGES = np.random.default_rng(0).integers(0, 256, (3000, 784), dtype=np.uint8)


def bytes_of(images: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, images)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file; can cut a connection midway, or not know Range."""

    body = bytes_of(IMAGES)
    cut_after: int | None = None
    knows_range = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked[6:-1]) if asked and self.server.knows_range else 0
        body = self.server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cut_after
        self.server.cut_after = None
        self.wfile.write(body if cut is None else body[:cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    monkeypatch.setenv("KERAS_COLLAPSE_QUICKDRAW_URL", address)
    monkeypatch.setenv("KERAS_COLLAPSE_CACHE", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "quickdraw" / "cat.npy"


# -- the embedded default --------------------------------------------------------------------


def test_without_anything_it_is_the_embedded_camels_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_COLLAPSE_CACHE", str(tmp_path))
    drawings = load(count=64)
    assert drawings.source == EMBEDDED
    assert "not Quick, Draw! data" in drawings.source
    assert drawings.labels is not None
    assert drawings.images.shape == (64, 28, 28)


def test_scaled_is_what_the_networks_want() -> None:
    scaled = load(count=16).scaled()
    assert scaled.shape == (16, 28, 28, 1)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (-1.0, 1.0)


def test_another_category_needs_a_file_or_a_download(server: Server) -> None:
    with pytest.raises(ValueError, match="download=True"):
        load("cat")
    assert server.ranges == []


# -- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3000, 784), (3000, 28, 28)])
def test_npy_files(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", IMAGES.reshape(shape))
    assert np.array_equal(load(path=tmp_path / "a.npy").images.reshape(-1, 784), IMAGES)


def test_npz_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, other=np.zeros(3))
    np.savez(tmp_path / "b.npz", anything=IMAGES)
    assert len(load(path=tmp_path / "a.npz").images) == 3000
    assert len(load(path=tmp_path / "b.npz").images) == 3000


def test_real_drawings(data: Path) -> None:
    drawings = load(path=data / "quickdraw_cat_3000.npz")
    assert drawings.images.shape == (3000, 28, 28)
    assert drawings.labels is None


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((5, 27, 28), np.uint8), r"Received: shape \(5, 27, 28\)"),
        (np.zeros((0, 28, 28), np.uint8), "N > 0"),
        (np.zeros((5, 28, 28), np.float32), "Received: float32"),
        (np.array([object()]), "cannot be read"),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path: Path, array: np.ndarray, said: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=said) as error:
        load(path=tmp_path / "a.npy")
    assert "\n" not in str(error.value)


def test_files_that_are_no_drawings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_text("hello")
    np.savez(tmp_path / "b.npz", x=IMAGES, y=IMAGES)
    for path, said in (("a.npy", "cannot be read"), ("b.npz", "none is called 'images'")):
        with pytest.raises(ValueError, match=said):
            load(path=tmp_path / path)
    with pytest.raises(FileNotFoundError, match="no such data file"):
        load(path=tmp_path / "c.npy")
    (tmp_path / "c.png").write_text("")
    with pytest.raises(ValueError, match="Received"):
        load(path=tmp_path / "c.png")


# -- downloads -------------------------------------------------------------------------------


def test_a_download_is_cached_and_not_repeated(server: Server) -> None:
    first = load("cat", download=True)
    again = load("cat")
    assert np.array_equal(first.images, again.images)
    assert server.ranges == [None]


def test_a_cut_download_is_resumed_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cut_after = 1_000_000
    with pytest.raises(ConnectionError):
        load("cat", download=True)
    assert not cached(tmp_path).exists()
    have = cached(tmp_path).with_suffix(".part").stat().st_size
    assert 0 < have <= 1_000_000
    load("cat", download=True)
    assert server.ranges == [None, f"bytes={have}-"]
    assert cached(tmp_path).read_bytes() == server.body


def test_a_server_that_knows_no_range_starts_over(server: Server, tmp_path: Path) -> None:
    server.cut_after = 1_000_000
    with pytest.raises(ConnectionError):
        load("cat", download=True)
    server.knows_range = False
    load("cat", download=True)
    assert cached(tmp_path).read_bytes() == server.body


def test_a_cached_file_that_changed_is_not_trusted(server: Server, tmp_path: Path) -> None:
    load("cat", download=True)
    body = bytearray(server.body)
    body[5000] ^= 1
    cached(tmp_path).write_bytes(body)
    with pytest.raises(ValueError, match="SHA-256 differ"):
        load("cat")


def test_offline_says_what_to_do(server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match="Go online and repeat") as error:
        load("cat", download=True)
    assert "\n" not in str(error.value)
