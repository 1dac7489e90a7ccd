"""`maou data` index and search."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from command_line import complaint, output, run

from maou.domain.data.rust_io import save_generic_df, save_hcpe_df, save_intermediate_df, save_stage1_df
from maou.infra.utility.records import generate_hcpe_df, generate_intermediate_df, generate_stage1_df


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
    for usage in (["--eval", "5"], ["--eval", "a:b"], ["--id", "1", "--prefix", "1"], []):
        assert run("data", "search", *files, *usage, cwd=tmp_path).returncode == 2


def test_an_index_has_a_name_and_a_size(tmp_path: Path, files: list[str]) -> None:
    assert run("data", "index", *files, "-o", "a.idx", cwd=tmp_path).returncode == 2
    assert run("data", "index", *files, "-o", "a.maouidx", "--memory", "lots", cwd=tmp_path).returncode == 2


def test_an_index_file_finds_what_its_files_have(tmp_path: Path, files: list[str], hcpe: pl.DataFrame) -> None:
    printed = output("data", "index", *files, "-o", "索引.maouidx", "--memory", "64MiB", cwd=tmp_path)
    assert printed.startswith("索引.maouidx: 300 records of 2 files, ")
    search = ["data", "search", "索引.maouidx"]
    assert found(output(*search, "--id", hcpe["id"][7], cwd=tmp_path)) == [["a.feather", "7"]]
    by_files = output("data", "search", *files, "--eval", "0:500", "--show", cwd=tmp_path)
    assert output(*search, "--eval", "0:500", "--show", cwd=tmp_path) == by_files
    by_files = output("data", "search", *files, "--prefix", "other", cwd=tmp_path)
    assert output(*search, "--prefix", "other", cwd=tmp_path) == by_files


def test_a_stale_index_says_how_to_bring_it_up_to_date(tmp_path: Path, files: list[str]) -> None:
    output("data", "index", *files, "-o", "a.maouidx", cwd=tmp_path)
    save_hcpe_df(generate_hcpe_df(10), tmp_path / "a.feather")
    message = complaint("data", "search", "a.maouidx", "--id", "game0.csa_1", cwd=tmp_path)
    assert message.endswith("bring it up to date: maou data index a.feather b.feather -o a.maouidx\n")
    assert "60 records of 2 files" in output("data", "index", *files, "-o", "a.maouidx", cwd=tmp_path)
    assert found(output("data", "search", "a.maouidx", "--id", "game0.csa_1", cwd=tmp_path)) == [["a.feather", "1"]]


def test_an_index_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "bad.maouidx").write_bytes(b"no index")
    assert "cannot open bad.maouidx: " in complaint("data", "search", "bad.maouidx", "--id", "1", cwd=tmp_path)
    message = complaint("data", "search", "none.maouidx", "--id", "1", cwd=tmp_path)
    assert "cannot open none.maouidx: No such file or directory" in message
