"""Which cloud the tests talk to, and what it is made of."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integration.proxy import Proxy, proxy_to
from integration.servers import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, credentials, seaweedfs

S3_VARIABLES = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    # Nobody listens there: else obstore and boto3 would ask the machine's cloud for credentials.
    "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class S3:
    """A bucket of a server on this machine, spoken to by way of a proxy, and what is in it."""

    proxy: Proxy
    root: str

    def keys(self) -> list[str]:
        listed = self.client().list_objects_v2(Bucket=BUCKET, Prefix=self._prefix())
        return [entry["Key"].removeprefix(self._prefix()) for entry in listed.get("Contents", [])]

    def uploads(self) -> list[str]:
        """Multipart uploads that were begun and neither completed nor aborted."""
        listed = self.client().list_multipart_uploads(Bucket=BUCKET, Prefix=self._prefix())
        return [entry["Key"] for entry in listed.get("Uploads", [])]

    def client(self) -> Any:
        import boto3

        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.proxy.upstream}", **credentials())

    def _prefix(self) -> str:
        return self.root.removeprefix(f"s3://{BUCKET}/") + "/"


def is_on(name: str) -> bool:
    """Whether to run the tests that the variable `name` stands for: `true` says so, and on CI all but `false`."""
    return (os.environ.get(name) or os.environ.get("CI")) == "true"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with seaweedfs() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A server on this machine, whatever the environment says."""
    clear(monkeypatch, "AWS_")
    with proxy_to(s3_server.port) as proxy:
        for name, value in (S3_VARIABLES | {"AWS_ENDPOINT_URL": proxy.endpoint}).items():
            monkeypatch.setenv(name, value)
        yield S3(proxy, f"s3://{BUCKET}/{uuid.uuid4().hex}")


@pytest.fixture
def s3_root(request: pytest.FixtureRequest) -> str:
    """What the URLs of a test begin with: at AWS_ENDPOINT_URL in AWS_TEST_BUCKET, or else on this machine."""
    if os.environ.get("AWS_ENDPOINT_URL"):
        return f"s3://{os.environ['AWS_TEST_BUCKET']}/{uuid.uuid4().hex}"
    local: S3 = request.getfixturevalue("s3")
    return local.root


def clear(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """Have no variable of the environment get in between."""
    for name in os.environ:
        if name.startswith(prefix):
            monkeypatch.delenv(name)
