"""Frames of records through files: `maou.domain.data.rust_io`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from maou.domain.data import rust_io, schema
from maou.domain.data.schema import SchemaValidationError
from maou.infra.utility import records
from maou.infra.utility.records import generate_preprocessing_df, generate_stage1_df

maou_io = pytest.importorskip("maou._rust.maou_io", reason="the extension is not built: `cargo xtask build`")

RECORDS = ("hcpe", "preprocessing", "intermediate", "stage1", "stage2")


def fixed(leaf: pa.DataType, *shape: int) -> pa.DataType:
    for length in reversed(shape):
        leaf = pa.list_(leaf, length)
    return leaf


POSITION = {
    "id": pa.uint64(),
    "boardIdPositions": fixed(pa.uint8(), 9, 9),
    "piecesInHand": fixed(pa.uint8(), 14),
}
STORED: dict[str, dict[str, pa.DataType]] = {
    "hcpe": {
        "hcp": pa.large_binary(),
        "eval": pa.int16(),
        "bestMove16": pa.int16(),
        "gameResult": pa.int8(),
        "id": pa.large_utf8(),
        "partitioningKey": pa.date32(),
        "ratings": pa.large_list(pa.uint16()),
        "endgameStatus": pa.large_utf8(),
        "moves": pa.int16(),
    },
    "preprocessing": {
        **POSITION,
        "moveLabel": fixed(pa.float32(), 1496),
        "moveWinRate": fixed(pa.float32(), 1496),
        "bestMoveWinRate": pa.float32(),
        "resultValue": pa.float32(),
    },
    "intermediate": {
        **POSITION,
        "count": pa.int32(),
        "moveLabelCount": fixed(pa.int32(), 1496),
        "winCount": pa.float32(),
    },
    "stage1": {**POSITION, "reachableSquares": fixed(pa.uint8(), 9, 9)},
    "stage2": {**POSITION, "legalMovesLabel": fixed(pa.uint8(), 1496)},
}


def generated(record: str, rows: int) -> pl.DataFrame:
    frame: pl.DataFrame = getattr(records, f"generate_{record}_df")(rows, seed=2)
    return frame


def save(record: str) -> Callable[[pl.DataFrame, Path], None]:
    function: Callable[[pl.DataFrame, Path], None] = getattr(rust_io, f"save_{record}_df")
    return function


def load(record: str) -> Callable[[Path], pl.DataFrame]:
    function: Callable[[Path], pl.DataFrame] = getattr(rust_io, f"load_{record}_df")
    return function


def stored_schema(path: Path) -> pa.Schema:
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).schema


def compressions(path: Path) -> set[bytes]:
    """Frame magics right after the length of each compressed buffer: LZ4 or ZSTD."""
    content = path.read_bytes()
    magics = {b"lz4": b"\x04\x22\x4d\x18", b"zstd": b"\x28\xb5\x2f\xfd"}
    return {name for name, magic in magics.items() if magic in content}


@pytest.mark.parametrize("rows", [0, 1, 70])
@pytest.mark.parametrize("record", RECORDS)
def test_round_trip(record: str, rows: int, tmp_path: Path) -> None:
    frame = generated(record, rows)
    save(record)(frame, tmp_path / "a.feather")
    loaded = load(record)(tmp_path / "a.feather")
    assert dict(loaded.schema) == getattr(schema, f"get_{record}_polars_schema")()
    assert loaded.equals(frame)


@pytest.mark.parametrize("record", RECORDS)
def test_file_has_the_contract_types(record: str, tmp_path: Path) -> None:
    save(record)(generated(record, 3), tmp_path / "a.feather")
    stored = stored_schema(tmp_path / "a.feather")
    assert list(stored.names) == list(STORED[record])
    for name, expected in STORED[record].items():
        assert _without_names(stored.field(name).type) == _without_names(expected), name


@pytest.mark.parametrize("record", RECORDS)
def test_files_are_compressed_with_lz4(record: str, tmp_path: Path) -> None:
    save(record)(generated(record, 200), tmp_path / "a.feather")
    assert compressions(tmp_path / "a.feather") == {b"lz4"}


@pytest.mark.parametrize("record", ["preprocessing", "intermediate", "stage1", "stage2"])
def test_arrays_in_any_order_are_saved_alike(record: str, tmp_path: Path) -> None:
    frame = generated(record, 4)
    save(record)(frame, tmp_path / "a.feather")
    arrays = pl.read_ipc(tmp_path / "a.feather")
    assert isinstance(arrays.schema["boardIdPositions"], pl.Array)
    save(record)(arrays.select(reversed(arrays.columns)), tmp_path / "b.feather")
    assert load(record)(tmp_path / "b.feather").equals(frame)


def test_nulls_of_hcpe_are_kept(tmp_path: Path) -> None:
    frame = schema.create_empty_hcpe_df(3)
    rust_io.save_hcpe_df(frame, tmp_path / "a.feather")
    assert rust_io.load_hcpe_df(tmp_path / "a.feather").equals(frame)


def test_a_frame_of_many_chunks_is_saved_whole(hcpe: pl.DataFrame, tmp_path: Path) -> None:
    chunked = pl.concat([hcpe.slice(0, 100), hcpe.slice(100, 1), hcpe.slice(101)], rechunk=False)
    assert chunked.n_chunks() == 3
    rust_io.save_hcpe_df(chunked, tmp_path / "a.feather")
    assert rust_io.load_hcpe_df(tmp_path / "a.feather").equals(hcpe)


def test_chunks_of_some_size_are_not_joined_to_be_saved(tmp_path: Path) -> None:
    path, piece = tmp_path / "a.feather", pa.table({"n": pa.array(range(600_000), pa.int64())})
    for chunks, batches in (([piece[:100]] * 5, 1), ([piece] * 9, 5), ([piece, piece[7:9]] * 4, 3)):
        table = pa.concat_tables(chunks)
        maou_io.save_feather_file(table, path, durable=False)
        assert pa.table(maou_io.load_feather_file(path)).equals(table)
        assert maou_io.describe_feather_file(path).batches == batches


def test_paths_may_be_strings_and_parents_are_made(hcpe: pl.DataFrame, tmp_path: Path) -> None:
    path = f"{tmp_path}/new/deep/駒.feather"
    rust_io.save_hcpe_df(hcpe, path)
    assert rust_io.load_hcpe_df(path).equals(hcpe)


def test_saving_replaces_the_file(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    rust_io.save_hcpe_df(hcpe.head(2), hcpe_file)
    assert rust_io.load_hcpe_df(hcpe_file).equals(hcpe.head(2))


def test_a_broken_frame_is_not_saved(tmp_path: Path) -> None:
    broken = generate_stage1_df(2).with_columns(piecesInHand=pl.Series([[0] * 14, [0] * 13], dtype=pl.List(pl.UInt8)))
    with pytest.raises(SchemaValidationError) as caught:
        rust_io.save_stage1_df(broken, tmp_path / "new" / "a.feather")
    assert caught.value.column == "piecesInHand"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", ["preprocessing", "stage1", "stage2", "intermediate"])
def test_a_file_of_other_records_is_refused(record: str, hcpe_file: Path) -> None:
    with pytest.raises(SchemaValidationError) as caught:
        load(record)(hcpe_file)
    assert (caught.value.column, caught.value.expected, caught.value.found) == ("id", "UInt64", "String")


def test_generic_frames_keep_their_columns(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "flag": [True, None, False],
            "name": ["a", None, "長い文字列で十二バイトを超える"],
            "x": [1.5, None, float("inf")],
            "when": pl.Series([0, None, 86_400_000], dtype=pl.Datetime("ms", "UTC")),
            "nested": [[{"a": 1}], None, []],
            "blob": [b"", None, bytes(range(256))],
        }
    )
    rust_io.save_generic_df(frame, tmp_path / "a.feather")
    loaded = rust_io.load_generic_df(tmp_path / "a.feather")
    assert loaded.schema == frame.schema
    assert loaded.equals(frame)


def test_split_gives_the_rows_in_order(hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    pieces = rust_io.split_hcpe_feather(hcpe_file, tmp_path / "pieces", rows_per_file=60)
    frames = [rust_io.load_hcpe_df(piece) for piece in pieces]
    assert [frame.height for frame in frames] == [60, 60, 60, 60, 10]
    assert pl.concat(frames).equals(hcpe)
    assert sorted((tmp_path / "pieces").iterdir()) == sorted(pieces)


@pytest.mark.parametrize("rows", [250, 251, 500_000])
def test_split_of_a_small_file_is_that_file(rows: int, hcpe_file: Path, tmp_path: Path) -> None:
    assert rust_io.split_hcpe_feather(hcpe_file, tmp_path / "pieces", rows) == [hcpe_file]
    assert not (tmp_path / "pieces").exists()


def test_split_of_no_rows_is_nothing(tmp_path: Path) -> None:
    rust_io.save_hcpe_df(schema.create_empty_hcpe_df(), tmp_path / "a.feather")
    assert rust_io.split_hcpe_feather(tmp_path / "a.feather", tmp_path / "pieces") == []


def test_merge_joins_in_the_given_order(hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    pieces = rust_io.split_hcpe_feather(hcpe_file, tmp_path / "pieces", 30)
    pieces.reverse()
    chunks = rust_io.merge_hcpe_feather_files(pieces, tmp_path / "out", 100, "games")
    assert [chunk.name for chunk in chunks] == [f"games_chunk{n:04}.feather" for n in range(len(chunks))]
    frames = [rust_io.load_hcpe_df(chunk) for chunk in chunks]
    assert all(frame.height <= 100 for frame in frames)
    expected = pl.concat([rust_io.load_hcpe_df(piece) for piece in pieces])
    assert pl.concat(frames).equals(expected)


def test_split_and_merge_undo_each_other(hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    pieces = rust_io.split_hcpe_feather(hcpe_file, tmp_path / "pieces", 33)
    (merged,) = rust_io.merge_hcpe_feather_files(pieces, tmp_path / "out")
    assert merged == tmp_path / "out" / "merged_chunk0000.feather"
    assert rust_io.load_hcpe_df(merged).equals(hcpe)


def test_merge_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert rust_io.merge_hcpe_feather_files([], tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", [0, -1])
def test_row_numbers_must_be_positive(rows: int, hcpe_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"rows_per_file must be positive, got {rows}"):
        rust_io.split_hcpe_feather(hcpe_file, tmp_path / "out", rows)
    with pytest.raises(ValueError, match=f"rows_per_chunk must be positive, got {rows}"):
        rust_io.merge_hcpe_feather_files([hcpe_file], tmp_path / "out", rows)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", [Path("nope.feather"), "nope.feather"])
def test_loading_a_missing_file(path: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nope\.feather"):
        rust_io.load_hcpe_df(path)


def test_half_precision_is_only_in_arrays(tmp_path: Path) -> None:
    frame = generate_preprocessing_df(5)
    rust_io.save_preprocessing_df(frame, tmp_path / "a.feather")
    loaded = rust_io.load_preprocessing_df(tmp_path / "a.feather")
    assert loaded["resultValue"].to_list() == frame["resultValue"].to_list()
    array = schema.convert_preprocessing_df_to_numpy(loaded)
    assert array["resultValue"].tolist() == pytest.approx(frame["resultValue"].to_list(), abs=1e-3)


def _without_names(dtype: pa.DataType) -> str:
    """Type text without the names of list items, which libraries choose differently."""
    if pa.types.is_fixed_size_list(dtype):
        return f"fixed[{dtype.list_size}] of {_without_names(dtype.value_type)}"
    if pa.types.is_large_list(dtype):
        return f"large list of {_without_names(dtype.value_type)}"
    return str(dtype)


def test_files_to_merge_are_gone_through_once(hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    (merged,) = rust_io.merge_hcpe_feather_files((path for path in [hcpe_file, hcpe_file]), tmp_path / "out")
    assert rust_io.load_hcpe_df(merged).height == 2 * hcpe.height


def test_python_objects_are_not_saved(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1], "o": [object()]}, schema={"x": pl.Int8, "o": pl.Object})
    with pytest.raises(ValueError, match="column 'o' holds Python objects"):
        rust_io.save_generic_df(frame, tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []
