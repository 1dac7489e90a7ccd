"""Files to Google Cloud Storage and back: TEST_GCP=true pytest tests/integration -k gcs.

Against the service at GOOGLE_BASE_URL with the bucket GCP_TEST_BUCKET if they are set, else against a local
server (gcp-storage-emulator) that starts for the test.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from maou.domain.data.rust_io import load_hcpe_df
from maou.infra.storage import download, upload

pytestmark = pytest.mark.skipif(
    os.environ.get("TEST_GCP") != "true", reason="talks to a GCS server; set TEST_GCP=true to run it"
)

# No hyphen: obstore percent-encodes it, which is right, and the emulator does not decode it.
BUCKET = "maou"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if os.environ.get("GOOGLE_BASE_URL"):
        yield os.environ["GCP_TEST_BUCKET"]
        return
    from gcp_storage_emulator import server as emulator

    class WithObjectHeaders(emulator.RequestHandler):  # type: ignore[misc]
        """The service sends these with every object, and obstore insists on them; the emulator does not."""

        def end_headers(self) -> None:
            self.send_header("ETag", '"0"')
            self.send_header("Last-Modified", self.date_time_string())
            super().end_headers()

    monkeypatch.setattr(emulator, "RequestHandler", WithObjectHeaders)
    port = _free_port()
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    # The account of an emulator: no signature and no token, which obstore would ask the machine's cloud for.
    account = {
        "gcs_base_url": f"http://127.0.0.1:{port}",
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))
    yield BUCKET
    server.stop()


def test_gcs_round_trip(bucket: str, hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    upload(hcpe_file, f"gs://{bucket}/games/2024/a 1.feather")
    download(f"gs://{bucket}/games/2024/a 1.feather", tmp_path / "back.feather")
    assert (tmp_path / "back.feather").read_bytes() == hcpe_file.read_bytes()
    assert load_hcpe_df(tmp_path / "back.feather").equals(hcpe)


def test_gcs_missing_object_leaves_the_old_file(bucket: str, tmp_path: Path) -> None:
    target = tmp_path / "old.feather"
    target.write_text("old")
    with pytest.raises(FileNotFoundError, match=r"nope\.feather"):
        download(f"gs://{bucket}/nope.feather", target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
