"""What goes over the wire, what is left when a write ends halfway, and what errors say: TEST_AWS=true, `-k s3`.

Always against the server on this machine: its traffic is counted and broken off.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from integration.conftest import S3, is_on
from integration.servers import BUCKET
from maou.cli import files
from maou.domain.data.rust_io import (
    load_generic_df,
    load_hcpe_df,
    merge_hcpe_feather_files,
    save_generic_df,
    save_hcpe_df,
    split_hcpe_feather,
)
from maou.infra.cloud.files import TAIL
from maou.infra.cloud.location import parse
from maou.infra.cloud.objects import GAP, RemoteObject
from maou.infra.storage import download, upload
from maou.infra.utility.records import generate_hcpe_df

if TYPE_CHECKING:
    from maou._rust.maou_io import Description

pytestmark = pytest.mark.skipif(not is_on("TEST_AWS"), reason="starts an S3 server; set TEST_AWS=true to run it")

ROWS = 60_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60,000 records in one batch and in twelve."""
    directory = tmp_path_factory.mktemp("many")
    df = generate_hcpe_df(ROWS)
    save_hcpe_df(df, directory / "one.feather")
    df.write_ipc(directory / "twelve.feather", compression="lz4", record_batch_size=ROWS // 12)
    return directory


def transferred(s3: S3, read: Callable[[], object]) -> int:
    """Bytes of the answers to what `read` asks."""
    before = s3.proxy.received
    read()
    return s3.proxy.received - before


@pytest.mark.parametrize("name", ["one", "twelve"])
def test_s3_columns_that_are_not_wanted_are_not_transferred(s3: S3, many: Path, name: str) -> None:
    path, url, columns = many / f"{name}.feather", f"{s3.root}/{name}.feather", ["eval", "moves"]
    upload(path, url)
    assert transferred(s3, lambda: load_generic_df(url)) == path.stat().st_size
    two = transferred(s3, lambda: load_generic_df(url, columns))
    # Two columns of 2 bytes, which LZ4 makes no larger; both ends of the file, and gaps that are not worth a request.
    assert two < 2 * 2 * ROWS + 2 * TAIL + 2 * GAP + 16_384
    assert two < path.stat().st_size / 4
    assert load_generic_df(url, columns).equals(load_generic_df(path, columns))


def test_s3_batches_that_are_not_wanted_are_not_transferred(s3: S3, many: Path) -> None:
    path, url = many / "twelve.feather", f"{s3.root}/twelve.feather"
    upload(path, url)
    rows = (3 * ROWS // 12, 4 * ROWS // 12)
    part = transferred(s3, lambda: load_generic_df(url, rows=rows))
    assert part < path.stat().st_size / 12 + 2 * TAIL + 2 * GAP
    assert load_generic_df(url, rows=rows).equals(load_generic_df(path, rows=rows))


@pytest.mark.parametrize("name", ["one", "twelve"])
def test_s3_values_are_not_transferred_to_describe_a_file(s3: S3, many: Path, name: str) -> None:
    path, url = many / f"{name}.feather", f"{s3.root}/{name}.feather"
    upload(path, url)
    # Most buffers of small batches are less apart than is worth a request.
    share = 0.5 if name == "one" else 1
    assert transferred(s3, lambda: files.describe(url)) < share * path.stat().st_size
    # Both ends of the file, and the metadata.
    assert transferred(s3, lambda: files.count_rows(url)) < 2 * TAIL + 2 * GAP + 16_384
    assert facts(files.describe(url)) == facts(files.describe(str(path)))
    assert files.count_rows(url) == ROWS


def facts(file: Description) -> tuple[object, ...]:
    """All that a description says."""
    columns = [(column.name, column.arrow_type, column.nulls) for column in file.columns]
    return file.rows, file.batches, file.bytes, file.uncompressed_bytes, file.codecs, file.has_checksums, columns


def test_s3_object_that_is_replaced_while_it_is_read(s3: S3, tmp_path: Path) -> None:
    url = f"{s3.root}/changing"
    for content in (b"a" * 1000, b"b" * 1000):
        (tmp_path / "new").write_bytes(content)
        upload(tmp_path / "new", url)
        if content.startswith(b"a"):
            remote = RemoteObject(parse(url))
            remote.head(10)
    with pytest.raises(OSError, match="it was replaced meanwhile"):
        remote.read(10, 20)


def test_s3_killed_upload_leaves_no_object(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * 64)
    program = "import sys; from maou.infra.storage import upload; upload(sys.argv[1], sys.argv[2])"
    # Where the proxy stops, the uploader waits for answers that do not come.
    s3.proxy.stop_after = 20 << 20
    command = [sys.executable, "-c", program, str(tmp_path / "large"), f"{s3.root}/large"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as uploader:
        assert s3.proxy.is_stopped.wait(60)
        uploader.kill()
    assert s3.keys() == []
    # Its parts are there, and are nobody's: a lifecycle rule of the bucket removes such (docs/cloud.md).
    assert len(s3.uploads()) == 1


def test_s3_failed_upload_is_aborted(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * 40)
    s3.proxy.refused = "partNumber=3&"
    with pytest.raises(PermissionError):
        upload(tmp_path / "large", f"{s3.root}/large")
    assert any("partNumber=2&" in path for _, path in s3.proxy.requests)
    assert s3.keys() == []
    # The last obstore for Python 3.10 leaves the parts behind.
    assert s3.uploads() == [] or sys.version_info < (3, 11)


def test_s3_failed_upload_leaves_the_old_object(s3: S3, tmp_path: Path) -> None:
    url = f"{s3.root}/large"
    (tmp_path / "old").write_bytes(b"old")
    upload(tmp_path / "old", url)
    (tmp_path / "new").write_bytes(os.urandom(1 << 20) * 40)
    s3.proxy.stop_after = s3.proxy.sent + (20 << 20)
    with pytest.raises(ConnectionError, match="check AWS_ENDPOINT_URL"):
        upload(tmp_path / "new", url)
    s3.proxy.is_stopped.clear()
    s3.proxy.stop_after = None
    download(url, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"old"


def test_s3_pieces_appear_all_or_none(s3: S3, hcpe_file: Path) -> None:
    from maou.infra.cloud import batches

    def cut(source: str, directory: str) -> list[str]:
        whole = Path(directory, "a.feather")
        whole.write_bytes(Path(source).read_bytes())
        return [str(whole), str(Path(directory, "missing.feather"))]

    with pytest.raises(FileNotFoundError):
        batches.split(hcpe_file, f"{s3.root}/pieces", cut)
    assert s3.keys() == []


def test_s3_objects_that_were_there_before_stay(s3: S3, hcpe_file: Path, tmp_path: Path) -> None:
    pieces = split_hcpe_feather(hcpe_file, tmp_path / "pieces", 50)
    upload(pieces[0], f"{s3.root}/hcpe_split0001.feather")
    s3.proxy.refused = "hcpe_split0003.feather"
    with pytest.raises(PermissionError):
        split_hcpe_feather(hcpe_file, f"{s3.root}/", 50)
    # Replaced, which cannot be undone, and not removed as the first and the third.
    assert s3.keys() == ["hcpe_split0001.feather"]
    assert load_hcpe_df(f"{s3.root}/hcpe_split0001.feather").equals(load_hcpe_df(pieces[1]))


def test_s3_merge_does_not_replace_its_input(s3: S3, hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    urls = [f"{s3.root}/merged_chunk0000.feather", f"{s3.root}/other.feather"]
    for url in urls:
        upload(hcpe_file, url)
    # The same object, written in another way.
    for inputs in (urls, [urls[1], urls[0].replace("chunk", "%63hunk")]):
        with pytest.raises(ValueError, match=r"the input .*hunk0000\.feather has the name of an output"):
            merge_hcpe_feather_files(inputs, s3.root)
    assert load_hcpe_df(urls[0]).equals(hcpe)
    assert len(s3.keys()) == 2
    merge_hcpe_feather_files(urls, f"{s3.root}/merged")
    assert len(s3.keys()) == 3


def test_s3_key_of_a_piece_is_its_name(s3: S3, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    save_hcpe_df(hcpe, tmp_path / "a%41.feather")
    pieces = split_hcpe_feather(tmp_path / "a%41.feather", s3.root, 200)
    assert s3.keys() == [f"a%41_split000{number}.feather" for number in range(2)]
    assert [load_hcpe_df(piece).height for piece in pieces] == [200, 50]


def test_s3_frame_that_is_refused_leaves_no_object(s3: S3, hcpe: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="eval"):
        save_hcpe_df(hcpe.drop("eval"), f"{s3.root}/a.feather")
    assert s3.keys() == []


def test_s3_no_local_copy_stays(s3: S3, hcpe: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    save_hcpe_df(hcpe, f"{s3.root}/a.feather")
    load_generic_df(f"{s3.root}/a.feather", columns=["id"])
    split_hcpe_feather(f"{s3.root}/a.feather", f"{s3.root}/pieces", 100)
    assert list(tmp_path.iterdir()) == []


def test_s3_damaged_object_is_named_by_its_url(s3: S3, hcpe_file: Path, tmp_path: Path) -> None:
    url = f"{s3.root}/damaged.feather"
    (tmp_path / "a").write_bytes(hcpe_file.read_bytes()[:-5])
    upload(tmp_path / "a", url)
    for columns in (None, ["id"]):
        with pytest.raises(ValueError, match=f"^{url}: it has no footer"):
            load_generic_df(url, columns)
    (tmp_path / "a").write_bytes(b"")
    upload(tmp_path / "a", url)
    with pytest.raises(ValueError, match=f"^{url}: it is empty"):
        load_generic_df(url, ["id"])


def no_bucket(url: str, _: pytest.MonkeyPatch) -> str:
    return url.replace(BUCKET, "no-such-bucket")


def wrong_secret(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    return url


def no_credentials(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return url


def unsigned(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    return url


def nobody_there(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    return url


def no_host(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nobody.invalid")
    return url


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (no_bucket, FileNotFoundError, "there is no bucket 'no-such-bucket' at http"),
        (wrong_secret, PermissionError, r"not accepted \(SignatureDoesNotMatch\); set AWS_ACCESS_KEY_ID"),
        (no_credentials, PermissionError, "no credentials found; set AWS_ACCESS_KEY_ID"),
        (unsigned, PermissionError, f"these credentials may not; have the owner of '{BUCKET}' allow it"),
        (nobody_there, ConnectionError, "http://127.0.0.1:1 does not take connections; check AWS_ENDPOINT_URL"),
        (no_host, ConnectionError, "there is no host of the name in http://nobody.invalid"),
    ],
)
def test_s3_errors_name_the_url_and_the_fix(
    s3: S3,
    mistake: Callable[[str, pytest.MonkeyPatch], str],
    kind: type[OSError],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = mistake(f"{s3.root}/a.feather", monkeypatch)
    began = time.monotonic()
    with pytest.raises(kind, match=message) as reading:
        load_generic_df(url)
    assert time.monotonic() - began < 60
    with pytest.raises(kind, match=message) as writing:
        save_generic_df(pl.DataFrame({"x": [1]}), url)
    for error, action in ((reading.value, "read"), (writing.value, "write")):
        assert str(error).startswith(f"cannot {action} {url}: ")
        assert "Debug" not in str(error) and "\n" not in str(error)
        assert error.__cause__ is None and error.__suppress_context__


def test_s3_service_that_does_not_answer(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setenv("AWS_READ_TIMEOUT", "200ms")
        with pytest.raises(TimeoutError, match="has not answered in time; check AWS_ENDPOINT_URL"):
            load_generic_df(f"{s3.root}/a.feather")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="obstore.auth.boto3 needs Python 3.11")
def test_s3_profile_of_boto3(s3: S3, hcpe: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {name: os.environ[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    lines = ["[games]", "region = eu-west-1", *(f"{name} = {value}" for name, value in keys.items())]
    (tmp_path / "credentials").write_text("\n".join(lines))
    for name in keys:
        monkeypatch.delenv(name.upper())
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "games")
    save_hcpe_df(hcpe, f"{s3.root}/a.feather")
    assert load_hcpe_df(f"{s3.root}/a.feather").equals(hcpe)
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(PermissionError, match=r"\(none\) could not be found; check AWS_PROFILE"):
        load_hcpe_df(f"{s3.root}/a.feather")


def test_s3_signed_url_is_read_over_http(s3: S3, many: Path) -> None:
    from datetime import timedelta

    from obstore import sign
    from obstore.store import S3Store

    path, url = many / "one.feather", f"{s3.root}/one.feather"
    upload(path, url)
    location = parse(url)
    store = S3Store(location.bucket, client_options={"allow_http": True})
    signed = sign(store, "GET", location.key, timedelta(minutes=5))
    columns = ["eval", "moves"]
    assert transferred(s3, lambda: load_generic_df(signed, columns)) < path.stat().st_size / 4
    assert load_generic_df(signed, columns).equals(load_generic_df(path, columns))
    with pytest.raises(PermissionError, match="cannot read http") as refused:
        load_generic_df(signed.replace("X-Amz-Signature=", "X-Amz-Signature=0"))
    assert "X-Amz" not in str(refused.value)


def test_s3_benchmark(s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from maou.infra.utility.benchmark_cloud import main

    report = tmp_path / "report.json"
    size = ["--num-records", "500", "--rounds", "1"]
    place = ["--server", s3.proxy.endpoint, "--bucket", BUCKET]
    assert main([*place, *size, "--json", str(report)]) == 0
    assert "read 2 of 9 columns" in capsys.readouterr().out
    measured = json.loads(report.read_text())["measurements"]
    assert [set(item["seconds"]) for item in measured] == [{"maou", "polars", "pyarrow", "disk"}] * 2
    assert s3.client().list_objects_v2(Bucket=BUCKET, Prefix="maou-benchmark")["KeyCount"] == 0
    assert main(["--server", "http://127.0.0.1:1", "--bucket", BUCKET, *size]) == 1
    assert capsys.readouterr().err.startswith("error: cannot write s3://")
