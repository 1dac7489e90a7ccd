"""Files to Azure Blob Storage and back: TEST_AZURE=true pytest tests/integration -k azure.

Against the service at AZURE_STORAGE_ENDPOINT with the container AZURE_TEST_CONTAINER if they are set, else against
Azurite, Microsoft's own emulator, which has to be on PATH: `npm install --global azurite`. CI has no npm and leaves it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import polars as pl
import pytest

from integration.conftest import clear
from integration.servers import free_ports, process, program
from maou.domain.data.rust_io import load_generic_df, load_hcpe_df, save_generic_df, save_hcpe_df, split_hcpe_feather
from maou.infra.storage import download, upload

pytestmark = pytest.mark.skipif(
    os.environ.get("TEST_AZURE") != "true", reason="talks to an Azure server; set TEST_AZURE=true to run it"
)

# Azurite's own, and no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "maou-test"


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an Azurite."""
    found = program("azurite-blob")
    if found is None:
        pytest.fail("no `azurite-blob`: `npm install --global azurite`, or set AZURE_STORAGE_ENDPOINT")
    (port,) = free_ports(1)
    place = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    with process([found, *place, *options], subprocess.DEVNULL) as running:
        wait_for_port(port, running)
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"


@pytest.fixture
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the URLs of a test begin with."""
    if os.environ.get("AZURE_STORAGE_ENDPOINT"):
        return f"az://{os.environ['AZURE_TEST_CONTAINER']}/{uuid.uuid4().hex}"
    endpoint: str = request.getfixturevalue("azurite")
    clear(monkeypatch, "AZURE_")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    make_container(endpoint)
    return f"az://{CONTAINER}/{uuid.uuid4().hex}"


def test_azure_round_trip(root: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    url = f"{root}/games/2024/駒 1.feather"
    save_hcpe_df(hcpe, url)
    assert load_hcpe_df(url).equals(hcpe)
    assert load_generic_df(url, ["moves", "id"], (5, 50)).equals(hcpe.select("moves", "id")[5:50])
    pieces = split_hcpe_feather(url, f"{root}/pieces", 100)
    assert pl.concat(load_hcpe_df(piece) for piece in pieces).equals(hcpe)


def test_azure_object_of_several_parts(root: str, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 30
    (tmp_path / "large").write_bytes(content)
    upload(tmp_path / "large", f"{root}/large")
    download(f"{root}/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_azure_errors_name_the_url_and_the_fix(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{root}/nope.feather"
    with pytest.raises(FileNotFoundError, match=f"cannot read {url}: there is no such object"):
        load_hcpe_df(url)
    elsewhere = "az://nowhere/a.feather"
    with pytest.raises(FileNotFoundError, match="there is no bucket 'nowhere'"):
        save_generic_df(pl.DataFrame({"x": [1]}), elsewhere)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
    with pytest.raises(PermissionError, match="set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"):
        load_hcpe_df(url)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(PermissionError, match="no credentials found; set AZURE_STORAGE_ACCOUNT_NAME"):
        load_hcpe_df(url)


def make_container(endpoint: str) -> None:
    """obstore has no call for it."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    # https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
    resource = f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
    }
    url = f"{endpoint}/{CONTAINER}?restype=container"
    try:
        urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT")).close()
    except urllib.error.HTTPError as error:
        already_there = 409
        if error.code != already_there:
            raise


def wait_for_port(port: int, running: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens: Azurite answers nothing without a signature."""
    for _ in range(600):
        assert running.poll() is None, "azurite-blob has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    pytest.fail("azurite-blob does not listen")
