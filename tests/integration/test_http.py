"""Files read over http, from a server on this machine that knows no ranges: Python's own."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from maou.domain.data.rust_io import load_generic_df, load_hcpe_df, save_generic_df, split_hcpe_feather
from maou.infra.storage import download, upload

pytest.importorskip("obstore", reason="obstore is not installed: `pip install 'maou[cloud]'`")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[str]:
    """The URL of the test's directory."""
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_http_reads_whole_files_where_there_are_no_ranges(root: str, hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    url = f"{root}/{hcpe_file.name}"
    assert load_hcpe_df(url).equals(hcpe)
    assert load_generic_df(url, ["eval", "id"], (3, 9)).equals(hcpe.select("eval", "id")[3:9])
    (hcpe_file.parent / "駒 1%.feather").write_bytes(hcpe_file.read_bytes())
    assert load_hcpe_df(f"{root}/%E9%A7%92%201%25.feather").equals(hcpe)
    pieces = split_hcpe_feather(url, hcpe_file.parent / "pieces", 100)
    assert pl.concat(load_hcpe_df(piece) for piece in pieces).equals(hcpe)


def test_http_errors(root: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^cannot read {root}/nope.feather: there is no such object$"):
        load_generic_df(f"{root}/nope.feather")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ValueError, match=f"^{root}/empty: it is empty"):
        load_generic_df(f"{root}/empty", ["id"])
    with pytest.raises(ConnectionError, match="check the URL and the network"):
        load_generic_df("http://127.0.0.1:1/a.feather")


def test_http_is_read_only(root: str, hcpe_file: Path) -> None:
    for write in (
        lambda: save_generic_df(pl.DataFrame({"x": [1]}), f"{root}/a.feather"),
        lambda: upload(hcpe_file, f"{root}/a.feather"),
        lambda: split_hcpe_feather(hcpe_file, f"{root}/pieces", 100),
    ):
        with pytest.raises(io.UnsupportedOperation, match="http is read only; use s3://, gs:// or az://"):
            write()
    assert [path.name for path in hcpe_file.parent.iterdir()] == [hcpe_file.name]


def test_http_download_leaves_the_old_file(root: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    with pytest.raises(FileNotFoundError):
        download(f"{root}/nope", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "old"
