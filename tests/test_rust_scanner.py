"""The scanner of directories and feather files."""

from __future__ import annotations

from pathlib import Path

import pytest

from maou._rust.maou_index import PathScanner


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("2023/01/a.feather", "2023/01/b.feather", "2023/note.txt", "2024/c.feather", "top.feather"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "tree" / "2023" / "trap.feather").mkdir()
    return tmp_path / "tree"


def names(base: Path, paths: list[str]) -> list[str]:
    return [str(Path(path).relative_to(base)) for path in paths]


def test_directories(tree: Path) -> None:
    found = names(tree, PathScanner().scan_directories(str(tree)))
    assert found == ["2023", "2023/01", "2023/trap.feather", "2024"]


@pytest.mark.parametrize(("depth", "count"), [(0, 0), (1, 2), (2, 4), (3, 4)])
def test_directories_to_a_depth(depth: int, count: int, tree: Path) -> None:
    assert len(PathScanner().scan_directories(str(tree), max_depth=depth)) == count


def test_five_levels_unless_told(tmp_path: Path) -> None:
    (tmp_path / "1/2/3/4/5/6").mkdir(parents=True)
    assert names(tmp_path, PathScanner().scan_directories(str(tmp_path)))[-1] == "1/2/3/4/5"


def test_files(tree: Path) -> None:
    found = names(tree, PathScanner().scan_feather_files(str(tree)))
    assert found == ["2023/01/a.feather", "2023/01/b.feather", "2024/c.feather", "top.feather"]


def test_files_of_one_directory(tree: Path) -> None:
    assert names(tree, PathScanner().scan_feather_files(str(tree), recursive=False)) == ["top.feather"]


def test_prefix_search_covers_what_was_scanned(tree: Path) -> None:
    scanner = PathScanner()
    assert scanner.search_file_prefix(str(tree)) == []
    scanner.scan_feather_files(str(tree))
    scanner.scan_directories(str(tree))
    assert names(tree, scanner.search_file_prefix(f"{tree}/2023")) == [
        "2023/01/a.feather",
        "2023/01/b.feather",
    ]
    assert names(tree, scanner.search_file_prefix(f"{tree}/2023", limit=1)) == ["2023/01/a.feather"]
    assert names(tree, scanner.search_directory_prefix(f"{tree}/2024")) == ["2024"]
    assert names(tree, scanner.search_directory_prefix(str(tree), 1)) == ["2023"]
    assert scanner.search_file_prefix("/elsewhere") == []


def test_default_limits(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / f"d{number:03}").mkdir()
        (tmp_path / f"f{number:03}.feather").touch()
    scanner = PathScanner()
    assert len(scanner.scan_directories(str(tmp_path))) == 120
    assert len(scanner.scan_feather_files(str(tmp_path))) == 120
    assert len(scanner.search_directory_prefix("")) == 50
    assert len(scanner.search_file_prefix("")) == 100


def test_a_scan_is_remembered_within_the_time_to_live(tree: Path) -> None:
    scanner = PathScanner(ttl_seconds=3600)
    before = scanner.scan_feather_files(str(tree))
    (tree / "late.feather").touch()
    assert scanner.scan_feather_files(str(tree)) == before


def test_without_a_time_to_live_every_scan_looks(tree: Path) -> None:
    scanner = PathScanner(ttl_seconds=0)
    scanner.scan_feather_files(str(tree))
    (tree / "late.feather").touch()
    assert f"{tree}/late.feather" in scanner.scan_feather_files(str(tree))


def test_staleness(tree: Path) -> None:
    fresh, never = PathScanner(3600), PathScanner(0)
    assert fresh.is_stale()
    for scanner in (fresh, never):
        scanner.scan_directories(str(tree))
    assert not fresh.is_stale()
    assert never.is_stale()


def test_a_missing_base_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for scan in (PathScanner().scan_directories, PathScanner().scan_feather_files):
        with pytest.raises(FileNotFoundError) as caught:
            scan(missing)
        assert missing in str(caught.value)


def test_a_file_as_base_is_an_error(tree: Path) -> None:
    with pytest.raises(OSError, match=r"top\.feather"):
        PathScanner().scan_directories(str(tree / "top.feather"))


def test_links_to_directories_are_not_followed(tree: Path) -> None:
    (tree / "loop").symlink_to(tree)
    assert len(PathScanner().scan_feather_files(str(tree))) == 4


def test_cache_stats_count_what_is_remembered(tree: Path) -> None:
    scanner = PathScanner(60)
    empty = scanner.cache_stats()
    scanner.scan_directories(str(tree))
    scanner.scan_feather_files(str(tree))
    assert scanner.cache_stats() != empty
