"""Files to Amazon S3 and back: TEST_AWS=true pytest tests/integration -k s3.

Against the service at AWS_ENDPOINT_URL with the bucket AWS_TEST_BUCKET if they are set, else against a local
server (SeaweedFS, see `servers.py`) that starts for the tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from integration.conftest import is_on
from maou.domain.data import rust_io
from maou.domain.data.rust_io import (
    iter_generic_df,
    load_generic_df,
    load_hcpe_df,
    merge_hcpe_feather_files,
    save_generic_df,
    save_hcpe_df,
    split_hcpe_feather,
)
from maou.domain.data.schema import (
    SchemaValidationError,
    create_empty_intermediate_df,
    create_empty_stage1_df,
    create_empty_stage2_df,
)
from maou.infra.storage import download, upload
from maou.infra.utility.records import generate_hcpe_df, generate_preprocessing_df

pytestmark = pytest.mark.skipif(not is_on("TEST_AWS"), reason="talks to an S3 server; set TEST_AWS=true to run it")

RECORDS: dict[str, Callable[[], pl.DataFrame]] = {
    "hcpe": lambda: generate_hcpe_df(300),
    "preprocessing": lambda: generate_preprocessing_df(20),
    "intermediate": create_empty_intermediate_df,
    "stage1": create_empty_stage1_df,
    "stage2": create_empty_stage2_df,
}


def test_s3_round_trip(s3_root: str, hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    upload(hcpe_file, f"{s3_root}/games/2024/駒 1.feather")
    download(f"{s3_root}/games/2024/駒 1.feather", tmp_path / "back.feather")
    assert (tmp_path / "back.feather").read_bytes() == hcpe_file.read_bytes()
    assert load_hcpe_df(tmp_path / "back.feather").equals(hcpe)


def test_s3_object_of_several_parts(s3_root: str, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 30
    (tmp_path / "large").write_bytes(content)
    upload(tmp_path / "large", f"{s3_root}/large")
    download(f"{s3_root}/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_s3_missing_object_leaves_the_old_file(s3_root: str, tmp_path: Path) -> None:
    target = tmp_path / "old.feather"
    target.write_text("old")
    with pytest.raises(FileNotFoundError, match=r"nope\.feather: there is no such object"):
        download(f"{s3_root}/nope.feather", target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kind", RECORDS)
def test_s3_records_of_every_kind(s3_root: str, kind: str) -> None:
    df = RECORDS[kind]()
    url = f"{s3_root}/{kind}.feather"
    getattr(rust_io, f"save_{kind}_df")(df, url)
    assert getattr(rust_io, f"load_{kind}_df")(url).equals(df)
    assert load_generic_df(url).height == df.height


def test_s3_key_of_odd_characters(s3_root: str, hcpe: pl.DataFrame) -> None:
    url = f"{s3_root}/{'駒' * 60}: <a>|b?#%41.feather"
    save_hcpe_df(hcpe, url)
    assert load_generic_df(url, ["id"]).equals(hcpe.select("id"))
    assert load_hcpe_df(merge_hcpe_feather_files([url, url], f"{s3_root}/twice")[0]).height == 2 * hcpe.height


def test_s3_records_of_another_kind_are_refused(s3_root: str) -> None:
    url = f"{s3_root}/numbers.feather"
    save_generic_df(pl.DataFrame({"x": [1, 2]}), url)
    with pytest.raises(SchemaValidationError):
        load_hcpe_df(url)


def test_s3_parts_of_a_file(s3_root: str, hcpe: pl.DataFrame) -> None:
    url = f"{s3_root}/hcpe.feather"
    save_hcpe_df(hcpe, url)
    assert load_generic_df(url, columns=["eval", "id"]).equals(hcpe.select("eval", "id"))
    assert load_generic_df(url, rows=(10, 20)).equals(hcpe[10:20])
    assert load_generic_df(url, columns=["id"], rows=(200, 999)).equals(hcpe.select("id")[200:])
    assert load_generic_df(url, columns=["id"], rows=(5, 5)).equals(hcpe.select("id")[:0])
    batches = list(iter_generic_df(url, columns=["eval"], batch_rows=100))
    assert [batch.height for batch in batches] == [100, 100, 50]
    assert pl.concat(batches).equals(hcpe.select("eval"))
    with pytest.raises(ValueError, match="no column `nope`"):
        load_generic_df(url, columns=["nope"])


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("layout", ["file", "stream"])
def test_s3_parts_of_files_of_other_writers(
    s3_root: str, compression: Literal["uncompressed", "lz4", "zstd"], layout: str, tmp_path: Path
) -> None:
    df = generate_hcpe_df(5000)
    path = tmp_path / "polars.feather"
    if layout == "file":
        df.write_ipc(path, compression=compression, record_batch_size=1000)
    else:
        df.write_ipc_stream(path, compression=compression)
    url = f"{s3_root}/{path.name}"
    upload(path, url)
    for columns, rows in [(["id", "ratings"], None), (["eval"], (900, 2100)), (None, (4000, 4001))]:
        assert load_generic_df(url, columns, rows).equals(load_generic_df(path, columns, rows))


def test_s3_split_and_merge(s3_root: str, hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    source = f"{s3_root}/hcpe.feather"
    upload(hcpe_file, source)
    pieces = split_hcpe_feather(source, f"{s3_root}/pieces/", 100)
    assert pieces == [f"{s3_root}/pieces/hcpe_split{number:04}.feather" for number in range(3)]
    assert [load_hcpe_df(piece).height for piece in pieces] == [100, 100, 50]

    merged = merge_hcpe_feather_files(pieces, f"{s3_root}/merged", output_prefix="games")
    assert merged == [f"{s3_root}/merged/games_chunk0000.feather"]
    assert load_hcpe_df(merged[0]).equals(hcpe)

    local = split_hcpe_feather(source, tmp_path / "local", 200)
    assert local == [tmp_path / "local" / f"hcpe_split{number:04}.feather" for number in range(2)]
    both = merge_hcpe_feather_files([local[0], pieces[2]], tmp_path / "both")
    assert load_hcpe_df(both[0]).equals(hcpe)
    assert split_hcpe_feather(source, tmp_path / "local", 250) == [source]


def test_s3_data_set_read_by_polars_and_duckdb(s3_root: str, hcpe: pl.DataFrame) -> None:
    for number, piece in enumerate(hcpe.iter_slices(100)):
        save_hcpe_df(piece, f"{s3_root}/set/{number:04}.feather")
    expected = hcpe.filter(pl.col("eval") > 0).height

    options = {
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "aws_region": os.environ["AWS_REGION"],
        "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
    }
    scanned = pl.scan_ipc(f"{s3_root}/set/*.feather", storage_options=options)
    assert scanned.filter(pl.col("eval") > 0).select(pl.len()).collect().item() == expected

    import duckdb
    import pyarrow.dataset as dataset
    from pyarrow.fs import S3FileSystem

    files = S3FileSystem(
        access_key=options["aws_access_key_id"],
        secret_key=options["aws_secret_access_key"],
        region=options["aws_region"],
        endpoint_override=options["aws_endpoint_url"],
    )
    games = dataset.dataset(f"{s3_root.removeprefix('s3://')}/set", filesystem=files, format="ipc")
    counted = duckdb.connect().register("games", games).sql("select count(*) from games where eval > 0").fetchall()
    assert counted == [(expected,)]
