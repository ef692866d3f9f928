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
    chunked = False
    status = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.paths: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        self.server.paths.append(self.path)
        if self.server.status:
            self.send_error(self.server.status)
            return
        start = int(asked[6:-1]) if asked and self.server.knows_range else 0
        body = self.server.body[start:]
        self.send_response(206 if start else 200)
        if self.server.chunked:  # promises more than it sends
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ffff\r\nabc")
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cut_after
        self.server.cut_after = None
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = True

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


@pytest.mark.parametrize("damage", ["cut", "overwritten", "nothing in it"])
def test_a_damaged_npz_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **({} if damage == "nothing in it" else {"images": IMAGES}))
    body = path.read_bytes()
    if damage == "cut":
        path.write_bytes(body[: len(body) // 2])
    if damage == "overwritten":
        path.write_bytes(body[:200] + bytes(1000) + body[1200:])
    with pytest.raises(ValueError, match=r"cannot be read|holds no array") as error:
        load(path=path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(tmp_path: Path, count: int) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    with pytest.raises(ValueError, match=f"Received: {count}"):
        load(path=tmp_path / "a.npy", count=count)


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


def test_a_category_of_two_words_is_quoted(server: Server) -> None:
    load("alarm clock", download=True)
    assert server.paths == ["/alarm%20clock.npy"]


@pytest.mark.parametrize("category", ["../camel", "", "a/b", "camel\n"])
def test_a_category_that_is_no_name_is_refused(server: Server, category: str) -> None:
    with pytest.raises(ValueError, match="category is words"):
        load(category, download=True)
    assert server.ranges == []


def test_an_answer_that_breaks_off_is_a_connection_error(server: Server) -> None:
    server.chunked = True
    with pytest.raises(ConnectionError, match="cannot download"):
        load("cat", download=True)


def test_an_answer_that_is_no_drawings_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.body = b"<html>please log in</html>"
    with pytest.raises(ConnectionError, match="did not answer with drawings"):
        load("cat", download=True)
    assert list(cached(tmp_path).parent.iterdir()) == []


def test_an_error_answer_says_what_to_do_and_never_breaks(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(ConnectionError, match=r"404.*Check the category"):
        load("cat", download=True)
    server.status = 416
    cached(tmp_path).with_suffix(".part").write_bytes(b"too much")
    for _ in range(2):  # with a part to throw away, and without
        with pytest.raises(ConnectionError, match="start over"):
            load("cat", download=True)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("record", ["{", "{}", "[]"])
def test_a_broken_record_names_what_to_delete(tmp_path: Path, record: str) -> None:
    load("cat", download=True)
    cached(tmp_path).with_suffix(".json").write_text(record)
    with pytest.raises(ValueError, match=r"cat\.json.*Delete it"):
        load("cat")
