"""The record index: what it finds, in which order, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from maou._rust.maou_index import PathScanner, SearchIndex
from maou._rust.maou_io import save_feather_file
from maou.domain.data.rust_io import save_hcpe_df, save_preprocessing_df, save_stage1_df, save_stage2_df
from maou.infra.utility.records import (
    generate_hcpe_df,
    generate_preprocessing_df,
    generate_stage1_df,
    generate_stage2_df,
)


def saved(directory: Path, name: str, **columns: object) -> str:
    path = directory / f"{name}.feather"
    save_feather_file(pl.DataFrame(columns, schema_overrides={"eval": pl.Int16}), path)
    return str(path)


def built(files: list[str], array_type: str = "hcpe") -> SearchIndex:
    index = SearchIndex(files, array_type)
    index.build_from_files()
    return index


@pytest.fixture
def two_files(tmp_path: Path) -> list[str]:
    return [
        saved(tmp_path, "b", id=["game2", "game1", None], eval=[10, None, -5]),
        saved(tmp_path, "a", id=["game10", "other"], eval=[10, 300]),
    ]


def test_ids_are_found_in_every_file(tmp_path: Path) -> None:
    frames = [generate_hcpe_df(300, seed=1), generate_hcpe_df(200, seed=2)]
    frames[1] = frames[1].with_columns(id="x" + pl.col("id"))
    files = []
    for number, frame in enumerate(frames):
        save_hcpe_df(frame, tmp_path / f"{number}.feather")
        files.append(str(tmp_path / f"{number}.feather"))
    index = built(files)
    assert index.total_records() == 500
    assert index.file_paths() == files
    assert index.array_type == "hcpe"
    for file, frame in zip(files, frames, strict=True):
        for row, record in enumerate(frame["id"]):
            assert index.search_by_id(record) == (file, row)
    assert index.search_by_id("nobody") is None
    assert index.get_all_ids() == sorted([*frames[0]["id"], *frames[1]["id"]])


@pytest.mark.parametrize(
    ("array_type", "generate", "save"),
    [
        ("preprocessing", generate_preprocessing_df, save_preprocessing_df),
        ("stage1", generate_stage1_df, save_stage1_df),
        ("STAGE2", generate_stage2_df, save_stage2_df),
    ],
)
def test_numeric_ids_go_by_their_decimal_form(array_type: str, generate, save, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    frame = generate(50)
    path = tmp_path / "a.feather"
    save(frame, path)
    index = built([str(path)], array_type)
    texts = [str(number) for number in frame["id"]]
    assert [index.search_by_id(text) for text in texts] == [(str(path), row) for row in range(50)]
    assert index.get_all_ids() == sorted(texts)
    assert index.search_id_prefix("1", 1000) == sorted(text for text in texts if text.startswith("1"))
    assert index.count_eval_range() == 0
    assert index.search_by_eval_range() == []


@pytest.mark.parametrize("text", ["07", "+7", " 7", "7.0", "", "-7", str(2**64 + 7)])
def test_only_the_decimal_form_finds_a_number(text: str, tmp_path: Path) -> None:
    index = built([saved(tmp_path, "a", id=pl.Series([7], dtype=pl.UInt64))], "stage1")
    assert index.search_by_id("7") is not None
    assert index.search_by_id(text) is None


def test_prefixes(two_files: list[str]) -> None:
    index = built(two_files)
    assert index.search_id_prefix("game") == ["game1", "game10", "game2"]
    assert index.search_id_prefix("game1") == ["game1", "game10"]
    assert index.search_id_prefix("game", limit=2) == ["game1", "game10"]
    assert index.search_id_prefix("game", 0) == []
    assert index.search_id_prefix("z") == []
    assert index.search_id_prefix("") == index.get_all_ids() == ["game1", "game10", "game2", "other"]
    assert index.get_all_ids(limit=3) == ["game1", "game10", "game2"]


def test_prefix_search_stops_at_fifty_unless_told(tmp_path: Path) -> None:
    index = built([saved(tmp_path, "a", id=[f"id{n:03}" for n in range(120)])])
    assert index.search_id_prefix("id") == [f"id{n:03}" for n in range(50)]
    assert len(index.search_id_prefix("id", 1000)) == 120
    assert len(index.get_all_ids()) == 120


def test_eval_range_goes_by_eval_then_file_then_row(two_files: list[str]) -> None:
    first, second = two_files
    index = built(two_files)
    everything = [(first, 2), (first, 0), (second, 0), (second, 1)]
    assert index.search_by_eval_range() == everything
    assert index.search_by_eval_range(min_eval=10) == everything[1:]
    assert index.search_by_eval_range(max_eval=10) == everything[:3]
    assert index.search_by_eval_range(10, 10) == everything[1:3]
    assert index.search_by_eval_range(11, 10) == []
    assert index.search_by_eval_range(offset=1, limit=2) == everything[1:3]
    assert index.search_by_eval_range(offset=9) == []
    assert index.search_by_eval_range(limit=0) == []


def test_counts_are_what_the_search_would_find(two_files: list[str]) -> None:
    index = built(two_files)
    assert index.count_eval_range() == 4
    for low in (None, -6, -5, 10, 300, 301):
        for high in (None, -6, -5, 10, 300):
            assert index.count_eval_range(low, high) == len(index.search_by_eval_range(low, high))


def test_bounds_beyond_16_bits_are_no_bounds(two_files: list[str]) -> None:
    assert built(two_files).count_eval_range(-100_000, 100_000) == 4
    assert built(two_files).count_eval_range(40_000, 100_000) == 0


def test_bounds_of_any_size_are_bounds(two_files: list[str]) -> None:
    index = built(two_files)
    for far in (2**63, 2**70, 2**200):
        assert index.count_eval_range(-far, far) == len(index.search_by_eval_range(-far, far)) == 4
        assert index.count_eval_range(far) == index.count_eval_range(max_eval=-far) == 0


@pytest.mark.parametrize("number", [-1, -(2**64), -(2**200), 2**64, 2**70, 2**200])
def test_counts_of_any_size_are_value_errors(number: int, two_files: list[str]) -> None:
    index, scanner = built(two_files), PathScanner()
    why = "cannot be negative" if number < 0 else "cannot be more than 18446744073709551615"
    calls: list[tuple[str, Callable[[], object]]] = [
        ("offset", lambda: index.search_by_eval_range(offset=number)),
        ("limit", lambda: index.search_by_eval_range(limit=number)),
        ("limit", lambda: index.search_id_prefix("", number)),
        ("limit", lambda: index.get_all_ids(number)),
        ("memory", lambda: index.build_from_files(memory=number)),
        ("max_depth", lambda: scanner.scan_directories(".", number)),
        ("limit", lambda: scanner.search_file_prefix("", number)),
        ("limit", lambda: scanner.search_directory_prefix("", number)),
    ]
    for name, call in calls:
        with pytest.raises(ValueError, match=f"{name} is .*: it {why}"):
            call()
    with pytest.raises(ValueError, match=r"num_records is .*: use 0 to 4294967295"):
        index.build_mock(number)
    assert len(index.get_all_ids(2**64 - 1)) == 4


def test_eval_search_stops_at_twenty_unless_told(tmp_path: Path) -> None:
    file = saved(tmp_path, "a", id=[str(n) for n in range(30)], eval=list(range(30)))
    index = built([file])
    assert index.search_by_eval_range() == [(file, row) for row in range(20)]
    assert len(index.search_by_eval_range(limit=100)) == 30
    assert index.search_by_eval_range(offset=28) == [(file, 28), (file, 29)]


def test_a_record_without_eval_is_found_by_id_only(two_files: list[str]) -> None:
    index = built(two_files)
    place = index.search_by_id("game1")
    assert place == (two_files[0], 1)
    assert place not in index.search_by_eval_range(limit=100)


def test_a_record_without_id_counts(two_files: list[str]) -> None:
    index = built(two_files)
    assert index.total_records() == 5
    assert (two_files[0], 2) in index.search_by_eval_range()


def test_a_repeated_id_is_its_first_record(tmp_path: Path) -> None:
    files = [saved(tmp_path, "a", id=["x", "x"]), saved(tmp_path, "b", id=["x"])]
    index = built(files)
    assert index.search_by_id("x") == (files[0], 0)
    assert index.get_all_ids() == ["x"]
    assert index.total_records() == 3


def test_streams_and_files_of_others(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "eval": pl.Series([1, 2], dtype=pl.Int16)})
    stream, zstd = tmp_path / "stream.feather", tmp_path / "zstd.arrow"
    frame.write_ipc_stream(stream)
    frame.with_columns(id="z" + pl.col("id")).write_ipc(zstd, compression="zstd")
    index = built([str(stream), str(zstd)])
    assert index.search_by_id("b") == (str(stream), 1)
    assert index.search_by_id("zb") == (str(zstd), 1)


def test_an_empty_file_and_no_files(tmp_path: Path) -> None:
    empty = tmp_path / "a.feather"
    save_hcpe_df(generate_hcpe_df(0), empty)
    for files in ([str(empty)], []):
        index = built(files)
        assert index.total_records() == 0
        assert index.get_all_ids() == []
        assert index.search_by_eval_range() == []


def test_nothing_is_found_before_the_build(two_files: list[str]) -> None:
    index = SearchIndex(two_files, "hcpe")
    assert index.total_records() == 0
    assert index.search_by_id("game1") is None
    assert index.file_paths() == two_files


def test_a_second_build_sees_the_files_anew(tmp_path: Path) -> None:
    file = saved(tmp_path, "a", id=["old"])
    index = built([file])
    saved(tmp_path, "a", id=["new", "newer"])
    index.build_from_files()
    assert index.get_all_ids() == ["new", "newer"]
    assert index.search_by_id("old") is None


def test_a_failed_build_keeps_what_was_there(tmp_path: Path) -> None:
    file = saved(tmp_path, "a", id=["old"])
    index = built([file])
    Path(file).write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"a\.feather"):
        index.build_from_files()
    assert index.get_all_ids() == ["old"]


def test_mock_records() -> None:
    index = SearchIndex(["somewhere.feather"], "hcpe")
    index.build_mock(100)
    assert index.total_records() == 100
    ids = index.get_all_ids()
    assert len(ids) == 100
    assert ids == sorted(ids)
    found = index.search_by_id(ids[0])
    assert found is not None
    assert found[0] == "somewhere.feather"
    assert index.count_eval_range() == 100


@pytest.mark.parametrize("name", ["hcpe", "HCPE", "Preprocessing", "stage1", "sTaGe2"])
def test_array_types_in_any_case(name: str) -> None:
    assert SearchIndex([], name).total_records() == 0


@pytest.mark.parametrize("name", ["", "hcp", "stage3", "hcpe "])
def test_an_unknown_array_type_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="array_type") as caught:
        SearchIndex([], name)
    assert name in str(caught.value)
    assert "preprocessing" in str(caught.value)


def test_a_missing_id_column_names_file_and_column(tmp_path: Path) -> None:
    file = saved(tmp_path, "noid", eval=[1])
    with pytest.raises(ValueError, match="id") as caught:
        built([file])
    assert file in str(caught.value)


def test_an_id_of_another_type_names_file_and_column(tmp_path: Path) -> None:
    file = saved(tmp_path, "float", id=[1.5])
    with pytest.raises(ValueError, match="id") as caught:
        built([file])
    assert file in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.feather")
    with pytest.raises(FileNotFoundError) as caught:
        built([missing])
    assert missing in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not arrow at all, but long enough to look", b"ARROW1\0\0"])
def test_an_unreadable_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.feather"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.feather"):
        built([str(path)])
