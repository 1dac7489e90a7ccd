"""`maou data` index and search."""

from __future__ import annotations

import shlex
from pathlib import Path

import polars as pl
import pytest
from command_line import complaint, output, run

from maou.domain.data.rust_io import save_generic_df, save_hcpe_df, save_intermediate_df, save_stage1_df
from maou.infra.utility.records import generate_hcpe_df, generate_intermediate_df, generate_stage1_df

SearchIndex = pytest.importorskip(
    "maou._rust.maou_index", reason="the extension is not built: `cargo xtask build`"
).SearchIndex


@pytest.fixture
def files(tmp_path: Path, hcpe: pl.DataFrame) -> list[str]:
    save_hcpe_df(hcpe, tmp_path / "a.feather")
    save_hcpe_df(generate_hcpe_df(50, seed=9).with_columns(id="other " + pl.col("id")), tmp_path / "b.feather")
    return ["a.feather", "b.feather"]


def found(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[2:-2]]


def test_a_record_is_found_by_its_id(tmp_path: Path, files: list[str], hcpe: pl.DataFrame) -> None:
    printed = output("data", "search", *files, "--id", hcpe["id"][123], cwd=tmp_path)
    assert found(printed) == [["a.feather", "123"]]
    assert "cannot" not in complaint("data", "search", *files, "--id", "nobody", cwd=tmp_path)


def test_records_are_found_by_the_beginning_of_their_ids(tmp_path: Path, files: list[str]) -> None:
    printed = output("data", "search", *files, "--prefix", "game1.csa_10", cwd=tmp_path)
    assert [row[-1] for row in found(printed)] == [f"game1.csa_10{end}" for end in ("", *"0123456789")][:11]
    printed = output(
        "data", "search", *files, "--prefix", "game1.csa_10", "--offset", "2", "--limit", "2", cwd=tmp_path
    )
    assert [row[-1] for row in found(printed)] == ["game1.csa_101", "game1.csa_102"]


def test_records_are_found_by_evaluation(tmp_path: Path, files: list[str], hcpe: pl.DataFrame) -> None:
    low = hcpe.filter(pl.col("eval").is_between(-300, -100))
    printed = output("data", "search", "a.feather", "--eval", "-300:-100", "--show", "--limit", "500", cwd=tmp_path)
    header, *_ = printed.splitlines()
    assert header.split() == ["file", "row", *hcpe.columns]
    evals = [int(row[3]) for row in found(printed)]
    assert evals == low["eval"].sort().to_list()
    assert f"{low.height} of {low.height} with evaluations from -300 up to -100" in printed
    printed = output("data", "search", *files, "--eval", ":", "--offset", "10", "--limit", "5", cwd=tmp_path)
    assert len(found(printed)) == 5
    assert "5 of 300 with evaluations of any value" in printed


def test_shown_are_the_records_of_all_files(tmp_path: Path, files: list[str], hcpe: pl.DataFrame) -> None:
    printed = output("data", "search", *files, "--prefix", "", "--limit", "300", "--show", cwd=tmp_path)
    assert len(found(printed)) == 300
    by_row = {(row[0], int(row[1])): int(row[3]) for row in found(printed)}
    assert [by_row["a.feather", row] for row in range(250)] == hcpe["eval"].to_list()


def test_an_id_may_begin_with_a_dash_and_numbers_are_ids_too(tmp_path: Path) -> None:
    save_generic_df(generate_hcpe_df(1).with_columns(id=pl.lit("--id")), tmp_path / "a.feather")
    assert found(output("data", "search", "a.feather", "--id", "--id", cwd=tmp_path)) == [["a.feather", "0"]]
    positions = generate_stage1_df(5)
    save_stage1_df(positions, tmp_path / "b.feather")
    assert found(output("data", "search", "b.feather", "--id", str(positions["id"][4]), cwd=tmp_path)) == [
        ["b.feather", "4"]
    ]
    message = complaint("data", "search", "b.feather", "--eval", "0:", cwd=tmp_path)
    assert "no record with evaluations from 0; 5 records searched" in message


def test_what_cannot_be_searched(tmp_path: Path, files: list[str]) -> None:
    save_intermediate_df(generate_intermediate_df(3), tmp_path / "c.feather")
    message = complaint("data", "search", "c.feather", "--id", "1", cwd=tmp_path)
    assert "is intermediate, which has no index; say which to take: --type hcpe|" in message
    assert found(output("data", "search", "c.feather", "--type", "stage1", "--prefix", "", cwd=tmp_path))
    assert "name the index alone" in complaint("data", "search", "a.maouidx", *files, "--id", "1", cwd=tmp_path)
    for usage in (["--eval", "5"], ["--eval", "a:b"], ["--id", "1", "--prefix", "1"], [], ["--eval", f"{10**20}:"]):
        result = run("data", "search", *files, *usage, cwd=tmp_path)
        assert (result.returncode, "Traceback" in result.stderr) == (2, False)


@pytest.mark.parametrize("what", ["--eval=:", "--prefix=game"])
def test_numbers_may_be_as_large_as_they_are_counted(what: str, tmp_path: Path, files: list[str]) -> None:
    most = str((1 << 63) - 1)
    assert found(output("data", "search", *files, what, "--offset", "9", "--limit", most, cwd=tmp_path))
    message = complaint("data", "search", *files, what, "--offset", most, "--limit", most, cwd=tmp_path)
    assert "no record from 9,223,372,036,854,775,807 on" in message


def test_an_index_has_a_name_and_a_size(tmp_path: Path, files: list[str]) -> None:
    assert run("data", "index", *files, "-o", "a.idx", cwd=tmp_path).returncode == 2
    for memory in ("lots", "99999999999T"):
        assert run("data", "index", *files, "-o", "a.maouidx", "--memory", memory, cwd=tmp_path).returncode == 2


def test_an_index_file_finds_what_its_files_have(tmp_path: Path, files: list[str], hcpe: pl.DataFrame) -> None:
    printed = output("data", "index", *files, "-o", "索引.maouidx", "--memory", "64MiB", cwd=tmp_path)
    assert printed.startswith("索引.maouidx: 300 records of 2 files, ")
    search = ["data", "search", "索引.maouidx"]
    # It is searched from any directory.
    absolute = [str(tmp_path / name) for name in files]
    assert found(output(*search, "--id", hcpe["id"][7], cwd=tmp_path)) == [[absolute[0], "7"]]
    by_files = output("data", "search", *absolute, "--eval", "0:500", "--show", cwd=tmp_path)
    assert output(*search, "--eval", "0:500", "--show", cwd=tmp_path) == by_files
    by_files = output("data", "search", *absolute, "--prefix", "other", cwd=tmp_path)
    assert output(*search, "--prefix", "other", cwd=tmp_path) == by_files


def test_an_index_is_searched_from_another_directory(tmp_path: Path, files: list[str], hcpe: pl.DataFrame) -> None:
    # Its directory is made, and there are other files of the names where it is searched.
    output("data", "index", *files, "-o", "in/dices/a.maouidx", cwd=tmp_path)
    (tmp_path / "in" / "a.feather").write_bytes((tmp_path / "b.feather").read_bytes())
    search = ["data", "search", "dices/a.maouidx", "--id", hcpe["id"][7]]
    assert found(output(*search, cwd=tmp_path / "in")) == [[str(tmp_path / "a.feather"), "7"]]


def test_a_stale_index_says_how_to_bring_it_up_to_date(tmp_path: Path, files: list[str]) -> None:
    output("data", "index", *files, "-o", "a.maouidx", cwd=tmp_path)
    save_hcpe_df(generate_hcpe_df(10), tmp_path / "a.feather")
    message = complaint("data", "search", "a.maouidx", "--id", "game0.csa_1", cwd=tmp_path)
    absolute = shlex.join(str(tmp_path / name) for name in files)
    again = f"maou data index --type hcpe {absolute} -o a.maouidx\n"
    changed = f"{tmp_path / 'a.feather'} has changed since the index was built"
    assert message == f"maou: cannot search a.maouidx: {changed}; bring it up to date: {again}"
    assert "60 records of 2 files" in output("data", "index", *files, "-o", "a.maouidx", cwd=tmp_path)
    rows = found(output("data", "search", "a.maouidx", "--id", "game0.csa_1", cwd=tmp_path))
    assert rows == [[str(tmp_path / "a.feather"), "1"]]


def test_an_index_says_which_file_is_not_there(tmp_path: Path, files: list[str]) -> None:
    output("data", "index", *files, "-o", "a.maouidx", cwd=tmp_path)
    a, b = (tmp_path / name for name in files)
    a.unlink()
    message = complaint("data", "search", "a.maouidx", "--id", "1", cwd=tmp_path)
    again = f"maou data index --type hcpe {shlex.quote(str(b))} -o a.maouidx\n"
    assert message == (
        f"maou: cannot search a.maouidx: {a} is not there; put it back, or make the index without it: {again}"
    )
    b.unlink()
    message = complaint("data", "search", "a.maouidx", "--id", "1", cwd=tmp_path)
    assert f"{a} is not there; put it back, or make another index\n" in message


def test_an_index_of_relative_names_says_so(tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SearchIndex(files, "hcpe").build_from_files("a.maouidx")
    (tmp_path / "in").mkdir()
    message = complaint("data", "search", "../a.maouidx", "--id", "1", cwd=tmp_path / "in")
    assert "a.feather is not there: its path is relative to the directory that the index was built in" in message


def test_urls_are_neither_indexed_nor_searched(tmp_path: Path, files: list[str]) -> None:
    url = "https://host/a.feather"
    for command in (["index", *files, url, "-o", "a.maouidx"], ["search", f"{url}?sig=SECRET", "--id", "1"]):
        message = complaint("data", *command, cwd=tmp_path)
        assert message.startswith(f"maou: cannot index or search {url}: only local files can be")
    message = complaint("data", "index", *files, "-o", "s3://bucket/a.maouidx", cwd=tmp_path)
    assert message.startswith("maou: cannot write s3://bucket/a.maouidx: give a local path")
    assert sorted(path.name for path in tmp_path.iterdir()) == files


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_the_index_is_named_and_not_what_is_beside_it(tmp_path: Path, files: list[str]) -> None:
    message = complaint("data", "index", *files, "-o", "/proc/a.maouidx", cwd=tmp_path)
    assert message.startswith("maou: cannot write /proc/a.maouidx: No such file or directory")


def test_an_index_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "bad.maouidx").write_bytes(b"no index")
    assert "cannot open the index bad.maouidx: " in complaint(
        "data", "search", "bad.maouidx", "--id", "1", cwd=tmp_path
    )
    message = complaint("data", "search", "none.maouidx", "--id", "1", cwd=tmp_path)
    assert "cannot open none.maouidx: No such file or directory" in message
