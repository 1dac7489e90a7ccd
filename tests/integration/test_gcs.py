"""Files to Google Cloud Storage and back: TEST_GCP=true pytest tests/integration -k gcs.

Against the service at GOOGLE_BASE_URL with the bucket GCP_TEST_BUCKET if they are set, else against a local server that
starts for the tests.

obstore speaks the XML API of Google Cloud Storage, whose requests are those of S3 but for the token that signs them.
The emulators on PyPI speak the JSON API, and of this one a part: gcp-storage-emulator no multipart uploads, and
fake-gcs-server no uploads at all. So the server is SeaweedFS again (see `servers.py`), with a bucket that is open to
anybody and a proxy that drops the token, which it would take for one of its own.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from integration.conftest import clear, is_on
from integration.proxy import proxy_to
from integration.servers import PUBLIC_BUCKET, S3Server
from maou.domain.data.rust_io import load_generic_df, load_hcpe_df, save_hcpe_df, split_hcpe_feather
from maou.infra.storage import download, upload

pytestmark = pytest.mark.skipif(not is_on("TEST_GCP"), reason="talks to a GCS server; set TEST_GCP=true to run it")


@pytest.fixture
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the URLs of a test begin with."""
    if os.environ.get("GOOGLE_BASE_URL"):
        yield f"gs://{os.environ['GCP_TEST_BUCKET']}/{uuid.uuid4().hex}"
        return
    server: S3Server = request.getfixturevalue("s3_server")
    clear(monkeypatch, "GOOGLE_")
    with proxy_to(server.port, drop=("authorization",)) as proxy:
        # The account of an emulator: no signature and no token, which obstore would ask the machine's cloud for.
        account = {
            "gcs_base_url": proxy.endpoint,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))
        monkeypatch.setenv("GOOGLE_BASE_URL", proxy.endpoint)
        yield f"gs://{PUBLIC_BUCKET}/{uuid.uuid4().hex}"


def test_gcs_round_trip(root: str, hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    upload(hcpe_file, f"{root}/games/2024/駒 1.feather")
    download(f"{root}/games/2024/駒 1.feather", tmp_path / "back.feather")
    assert (tmp_path / "back.feather").read_bytes() == hcpe_file.read_bytes()
    assert load_hcpe_df(tmp_path / "back.feather").equals(hcpe)


def test_gcs_object_of_several_parts(root: str, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 30
    (tmp_path / "large").write_bytes(content)
    upload(tmp_path / "large", f"{root}/large")
    download(f"{root}/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_gcs_missing_object_leaves_the_old_file(root: str, tmp_path: Path) -> None:
    target = tmp_path / "old.feather"
    target.write_text("old")
    with pytest.raises(FileNotFoundError, match=r"nope\.feather: there is no such object"):
        download(f"{root}/nope.feather", target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_gcs_benchmark(root: str, tmp_path: Path) -> None:
    from maou.infra.utility.benchmark_cloud import main

    report = tmp_path / "report.json"
    place = ["--server", os.environ["GOOGLE_BASE_URL"], "--bucket", root.rpartition("/")[0]]
    assert main([*place, "--num-records", "500", "--rounds", "1", "--json", str(report)]) == 0
    measured = json.loads(report.read_text())["measurements"]
    assert [set(item["seconds"]) for item in measured] == [{"maou", "polars", "disk"}] * 2
    with pytest.raises(SystemExit):
        main([*place[:3], "az://container"])


def test_gcs_frames(root: str, hcpe: pl.DataFrame) -> None:
    save_hcpe_df(hcpe, f"{root}/hcpe.feather")
    assert load_hcpe_df(f"{root}/hcpe.feather").equals(hcpe)
    assert load_generic_df(f"{root}/hcpe.feather", ["moves", "id"], (5, 50)).equals(hcpe.select("moves", "id")[5:50])
    pieces = split_hcpe_feather(f"{root}/hcpe.feather", f"{root}/pieces", 100)
    assert pl.concat(load_hcpe_df(piece) for piece in pieces).equals(hcpe)
