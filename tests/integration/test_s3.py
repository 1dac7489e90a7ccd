"""Files to Amazon S3 and back: TEST_AWS=true pytest tests/integration -k s3.

Against the service at AWS_ENDPOINT_URL with the bucket AWS_TEST_BUCKET if they are set, else against a local
server (moto) that starts for the test.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from maou.domain.data.rust_io import load_hcpe_df
from maou.infra.storage import download, upload

pytestmark = pytest.mark.skipif(
    os.environ.get("TEST_AWS") != "true", reason="talks to an S3 server; set TEST_AWS=true to run it"
)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if os.environ.get("AWS_ENDPOINT_URL"):
        yield os.environ["AWS_TEST_BUCKET"]
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/maou-test", method="PUT")).close()
    yield "maou-test"
    server.stop()


def test_s3_round_trip(bucket: str, hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    upload(hcpe_file, f"s3://{bucket}/games/2024/駒 1.feather")
    download(f"s3://{bucket}/games/2024/駒 1.feather", tmp_path / "back.feather")
    assert (tmp_path / "back.feather").read_bytes() == hcpe_file.read_bytes()
    assert load_hcpe_df(tmp_path / "back.feather").equals(hcpe)


def test_s3_object_of_several_parts(bucket: str, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 12
    (tmp_path / "large").write_bytes(content)
    upload(tmp_path / "large", f"s3://{bucket}/large")
    download(f"s3://{bucket}/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_s3_missing_object_leaves_the_old_file(bucket: str, tmp_path: Path) -> None:
    target = tmp_path / "old.feather"
    target.write_text("old")
    with pytest.raises(FileNotFoundError, match=r"nope\.feather"):
        download(f"s3://{bucket}/nope.feather", target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
