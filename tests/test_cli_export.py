"""`maou data export`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from command_line import complaint, output, run

from maou.domain.data.rust_io import load_generic_df, save_generic_df, save_hcpe_df, save_preprocessing_df
from maou.infra.utility.records import generate_preprocessing_df

maou_io = pytest.importorskip("maou._rust.maou_io", reason="the extension is not built: `cargo xtask build`")


def test_parquet_has_the_rows_in_their_order(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    maou_io.save_feather_batches([hcpe[:100], hcpe[100:101], hcpe[101:]], tmp_path / "a.feather")
    printed = output("data", "export", "a.feather", "--to", "出力/a.parquet", cwd=tmp_path)
    assert printed.startswith("出力/a.parquet: 250 rows, 9 columns, ")
    assert pl.read_parquet(tmp_path / "出力" / "a.parquet").equals(hcpe)
    assert parquet.read_table(tmp_path / "出力" / "a.parquet").num_rows == 250
    assert [path.name for path in (tmp_path / "出力").iterdir()] == ["a.parquet"]


def test_parquet_has_lists_of_fixed_size(tmp_path: Path) -> None:
    frame = generate_preprocessing_df(100)
    save_preprocessing_df(frame, tmp_path / "a.feather")
    output("data", "export", "a.feather", "--to", "a.parquet", cwd=tmp_path)
    assert pl.read_parquet(tmp_path / "a.parquet").equals(load_generic_df(tmp_path / "a.feather"))


def test_row_groups_are_as_large_as_memory_likes(tmp_path: Path) -> None:
    save_preprocessing_df(generate_preprocessing_df(8000), tmp_path / "a.feather")
    output("data", "export", "a.feather", "--to", "a.parquet", cwd=tmp_path)
    groups = parquet.ParquetFile(tmp_path / "a.parquet").metadata
    # 12 kB a row, and 64 MiB.
    assert groups.num_row_groups == 2
    assert groups.num_rows == 8000


def test_csv_has_selected_columns_and_bytes_as_digits(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    maou_io.save_feather_batches([hcpe[:100], hcpe[100:]], tmp_path / "a.feather")
    columns = ["id", "hcp", "eval", "partitioningKey"]
    output("data", "export", "a.feather", "--to", "a.csv", "--columns", ",".join(columns), cwd=tmp_path)
    read = pl.read_csv(tmp_path / "a.csv", schema_overrides={"eval": pl.Int16, "partitioningKey": pl.Date})
    assert read.with_columns(pl.col("hcp").str.decode("hex")).equals(hcpe.select(columns))


def test_csv_has_no_lists(tmp_path: Path, hcpe_file: Path, hcpe: pl.DataFrame) -> None:
    message = complaint("data", "export", hcpe_file, "--to", "a.csv", cwd=tmp_path)
    flat = ",".join(name for name in hcpe.columns if name != "ratings")
    assert f"no lists: ratings; leave them out with --columns {flat}," in message
    output("data", "export", hcpe_file, "--to", "a.csv", "--columns", flat, cwd=tmp_path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_without_rows_has_columns(ending: str, tmp_path: Path, hcpe: pl.DataFrame) -> None:
    save_hcpe_df(hcpe.clear(), tmp_path / "a.feather")
    output("data", "export", "a.feather", "--to", f"a.{ending}", "--columns", "id,eval", cwd=tmp_path)
    read = pl.read_csv if ending == "csv" else pl.read_parquet
    assert read(tmp_path / f"a.{ending}").columns == ["id", "eval"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_fails_leaves_the_old_file(ending: str, tmp_path: Path, hcpe: pl.DataFrame) -> None:
    path = tmp_path / "a.feather"
    with pa.ipc.new_file(path, hcpe.to_arrow().schema) as file:
        file.write(hcpe.to_arrow())
        file.write(hcpe.with_columns(id=pl.lit("needle")).to_arrow())
    # No UTF-8, in the second batch.
    path.write_bytes(path.read_bytes().replace(b"needle", b"\xff" * 6))
    (tmp_path / f"a.{ending}").write_text("old")
    message = complaint("data", "export", "a.feather", "--to", f"a.{ending}", "--columns", "id,hcp", cwd=tmp_path)
    assert message.startswith("maou: cannot export a.feather: ")
    assert "Traceback" not in message
    assert (tmp_path / f"a.{ending}").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"a.feather", f"a.{ending}"}


def test_what_cannot_be_exported(tmp_path: Path, hcpe_file: Path) -> None:
    assert "has to end with .parquet or .csv" in complaint("data", "export", hcpe_file, "--to", "a.txt", cwd=tmp_path)
    message = complaint("data", "export", hcpe_file, "--to", f"{hcpe_file}/a.csv", "--columns", "id", cwd=tmp_path)
    assert f"{hcpe_file} is no directory" in message
    (tmp_path / "a.csv").mkdir()
    columns = ["--columns", "id"]
    assert "is no file" in complaint("data", "export", hcpe_file, "--to", "a.csv", *columns, cwd=tmp_path)
    message = complaint("data", "export", hcpe_file, "--to", "b.csv", "--columns", "id,evil", cwd=tmp_path)
    assert "it has no column evil; there are hcp, eval," in message
    result = run("data", "export", hcpe_file, "--to", "/proc/b.csv", *columns, cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)


def test_a_link_stays_a_link(tmp_path: Path, hcpe_file: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    output("data", "export", hcpe_file, "--to", "link.csv", "--columns", "id", cwd=tmp_path)
    assert (tmp_path / "link.csv").is_symlink()
    assert pl.read_csv(tmp_path / "real.csv").height == 250


def test_a_link_that_leads_to_itself_is_no_target(tmp_path: Path, hcpe_file: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "a.csv")
    message = complaint("data", "export", hcpe_file, "--to", "a.csv", "--columns", "id", cwd=tmp_path)
    assert message == "maou: cannot write a.csv: it is a link that leads to itself; choose another name\n"
    assert (tmp_path / "a.csv").is_symlink()


def test_a_url_is_no_target(tmp_path: Path, hcpe_file: Path) -> None:
    for command in (
        ["export", "none.feather", "--to", "s3://bucket/a.csv"],
        ["info", "none", "--plot", "s3://b/a.png"],
    ):
        message = complaint("data", *command, cwd=tmp_path)
        assert message.startswith(f"maou: cannot write {command[-1]}: give a local path, and copy it there")
    assert [path.name for path in tmp_path.iterdir()] == [hcpe_file.name]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_target_is_named_and_not_what_is_beside_it(ending: str, tmp_path: Path, hcpe_file: Path) -> None:
    target = f"/proc/a.{ending}"
    message = complaint("data", "export", hcpe_file, "--to", target, "--columns", "id", cwd=tmp_path)
    assert message.startswith(f"maou: cannot write {target}: No such file or directory")


def test_what_polars_does_not_write_is_one_line(tmp_path: Path) -> None:
    save_generic_df(pl.DataFrame({"x": [timedelta(1)]}), tmp_path / "a.feather")
    message = complaint("data", "export", "a.feather", "--to", "a.csv", cwd=tmp_path)
    assert message.startswith("maou: cannot export a.feather: Polars cannot do it: ")
    # It panics at these.
    decimals = pa.table({"x": pa.array([Decimal("1.5"), None], pa.decimal32(7, 2))})
    with pa.ipc.new_file(tmp_path / "b.feather", decimals.schema) as file:
        file.write_table(decimals)
    for ending in ("csv", "parquet"):
        result = run("data", "export", "b.feather", "--to", f"b.{ending}", cwd=tmp_path)
        assert result.returncode == 1
        assert "\nmaou: cannot export b.feather: Polars cannot do it: " in result.stderr
        assert "Traceback" not in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.feather", "b.feather"}
