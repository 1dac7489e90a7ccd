"""Files read over http, from a server on this machine that knows no ranges: Python's own."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from command_line import complaint, environment, output, run

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


def test_http_signed_url_is_told_without_its_signature(root: str, hcpe_file: Path, tmp_path: Path) -> None:
    signed = f"{root}/{{}}?X-Amz-Signature=SECRET"
    missing = complaint("data", "info", signed.format("nope.feather"), cwd=tmp_path)
    assert missing == f"maou: cannot read {root}/nope.feather: there is no such object\n"
    empty = complaint("data", "head", signed.format("hcpe.feather"), "--columns", "x", cwd=tmp_path)
    assert empty.startswith(f"maou: cannot read {root}/hcpe.feather: no column `x`")
    for command in ("info", "verify"):
        printed = output("data", command, signed.format("hcpe.feather"), cwd=tmp_path)
        assert f"{root}/hcpe.feather" in printed
        assert "SECRET" not in printed
    result = run("data", "verify", signed.format("nope.feather"), cwd=tmp_path)
    assert "SECRET" not in result.stdout + result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send")
@pytest.mark.parametrize(
    "command", [["info"], ["head"], ["verify"], ["split", "-o", "out"], ["export", "--to", "a.csv"]]
)
def test_http_ctrl_c_is_heard_while_nobody_answers(command: list[str], tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    program = (
        "import maou.cli, signal, sys\n"
        # A background job of a shell is born deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(maou.cli.main(sys.argv[1:]))\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/a.feather"
        with subprocess.Popen(
            [sys.executable, "-c", program, "data", command[0], url, *command[1:]],
            cwd=tmp_path,
            env=environment({"TMPDIR": str(copies)}),
            stderr=subprocess.PIPE,
        ) as process:
            connection, _ = deaf.accept()
            with connection:
                assert [path.name[:5] for path in copies.iterdir()] == ["maou-"]
                process.send_signal(signal.SIGINT)
                _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, b"")
    assert list(copies.iterdir()) == []
