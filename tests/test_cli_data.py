"""`maou data` info, head, split, merge and verify."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from command_line import complaint, output, run
from pyarrow import feather

from maou.domain.data.rust_io import (
    load_generic_df,
    load_hcpe_df,
    save_generic_df,
    save_hcpe_df,
    save_intermediate_df,
    save_preprocessing_df,
    save_stage1_df,
    save_stage2_df,
)
from maou.infra.utility.records import (
    generate_hcpe_df,
    generate_intermediate_df,
    generate_preprocessing_df,
    generate_stage1_df,
    generate_stage2_df,
)

Saver = Callable[[pl.DataFrame, Path], None]

KINDS: list[tuple[str, pl.DataFrame, Saver]] = [
    ("hcpe", generate_hcpe_df(30), save_hcpe_df),
    ("preprocessing", generate_preprocessing_df(30), save_preprocessing_df),
    ("intermediate", generate_intermediate_df(30), save_intermediate_df),
    ("stage1", generate_stage1_df(30), save_stage1_df),
    ("stage2", generate_stage2_df(30), save_stage2_df),
    ("other", pl.DataFrame({"eval": [1.5] * 30}), save_generic_df),
]


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_info_tells_each_kind_of_records(tmp_path: Path) -> None:
    for kind, frame, save in KINDS:
        save(frame, tmp_path / f"{kind}.feather")
    names = [f"{kind}.feather" for kind, _, _ in KINDS]
    printed = output("data", "info", *names, cwd=tmp_path)
    assert [cells[1] for cells in lines(printed) if cells[:1] == ["kind"]] == [kind for kind, _, _ in KINDS]
    infos = json.loads(output("data", "info", "--json", *names, cwd=tmp_path))
    for info, (kind, frame, _) in zip(infos, KINDS, strict=True):
        assert info["kind"] == (kind if kind != "other" else None)
        assert (info["rows"], info["batches"], info["checksums"]) == (30, 1, True)
        assert [column["name"] for column in info["columns"]] == frame.columns
        assert info["bytes"] == (tmp_path / info["path"]).stat().st_size
        assert bool(info["distributions"]) == (kind == "hcpe")


def test_info_draws_the_evaluations_and_the_lengths_of_games(tmp_path: Path) -> None:
    evals = [None, 0, 0, 0, 10, 20, -30000]
    frame = generate_hcpe_df(7).with_columns(eval=pl.Series(evals, dtype=pl.Int16), moves=pl.lit(80, pl.Int16))
    save_hcpe_df(frame, tmp_path / "a.feather")
    printed = output("data", "info", "a.feather", cwd=tmp_path)
    assert "eval: -30,000 to 20, mean -4,995.0, median 0" in printed
    assert ["eval", "Int16", "Int16", "1"] in lines(printed)
    (bar,) = (line for line in printed.splitlines() if line.strip().startswith("80 "))
    assert bar.split()[:2] == ["80", "7"]
    assert set(bar.split()[2]) == {"█"}


def test_info_says_why_a_file_that_looks_like_records_is_other(tmp_path: Path) -> None:
    save_generic_df(generate_hcpe_df(3).with_columns(pl.col("eval").cast(pl.Int32)), tmp_path / "a.feather")
    printed = output("data", "info", "a.feather", cwd=tmp_path)
    assert "other (no hcpe: column 'eval': expected Int16, found Int32)" in printed


def test_info_describes_the_others_when_a_file_is_bad(tmp_path: Path, hcpe_file: Path) -> None:
    result = run("data", "info", "none.feather", hcpe_file, cwd=tmp_path)
    assert result.returncode == 1
    assert "rows       250 in 1 batch" in result.stdout
    assert "maou: cannot read none.feather: No such file or directory" in result.stderr
    infos = json.loads(run("data", "info", "--json", "none.feather", hcpe_file, cwd=tmp_path).stdout)
    assert [info.get("rows") for info in infos] == [None, 250]
    assert "cannot read none.feather" in infos[0]["error"]


def test_info_describes_the_others_when_polars_does_not_take_a_file(tmp_path: Path, hcpe_file: Path) -> None:
    # Polars panics, which is no `Exception`, and prints that by itself.
    feather.write_feather(pa.table({"x": pa.array([1], pa.decimal256(50, 2))}), tmp_path / "a.feather")
    result = run("data", "info", "a.feather", hcpe_file, cwd=tmp_path)
    assert result.returncode == 1
    assert "rows       250 in 1 batch" in result.stdout
    assert "maou: cannot read a.feather: Polars does not take its columns" in result.stderr
    assert "Traceback" not in result.stderr


def test_info_of_files_of_others(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    hcpe.write_ipc(tmp_path / "a.arrow", compression="zstd")
    hcpe.write_ipc_stream(tmp_path / "b.arrow", compression="uncompressed")
    a, b = json.loads(output("data", "info", "--json", "a.arrow", "b.arrow", cwd=tmp_path))
    assert (a["kind"], a["compression"], a["checksums"], a["rows"]) == ("hcpe", ["ZSTD"], False, 250)
    assert (b["kind"], b["compression"], b["checksums"], b["rows"]) == ("hcpe", [], False, 250)


@pytest.mark.parametrize("command", [["info"], ["head"], ["export", "--to", "a.csv"]])
def test_a_file_that_is_cut_is_one_line(command: list[str], tmp_path: Path, hcpe: pl.DataFrame) -> None:
    hcpe.write_ipc_stream(tmp_path / "対局 a.arrow", compression="uncompressed")
    whole = (tmp_path / "対局 a.arrow").read_bytes()
    # The schema is there, and most of the batch.
    (tmp_path / "対局 a.arrow").write_bytes(whole[:-500])
    told = complaint("data", command[0], "対局 a.arrow", *command[1:], cwd=tmp_path)
    assert told.startswith("maou: cannot read 対局 a.arrow: cannot read it as Arrow IPC: it is truncated or damaged")


@pytest.mark.parametrize("ending", ["png", "html"])
def test_info_plots(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: `pip install 'maou[plot]'`")
    name = "対局 $1$.feather"
    save_hcpe_df(generate_hcpe_df(200), tmp_path / name)
    output("data", "info", name, "--plot", f"out.{ending}", cwd=tmp_path)
    content = (tmp_path / f"out.{ending}").read_bytes()
    if ending == "png":
        assert content.startswith(b"\x89PNG")
    else:
        page = content.decode()
        assert page.count("<svg") == page.count("</svg>") == 1
        assert page.count("対局 $1$.feather: ") == 2
        # Nothing is fetched from anywhere.
        assert 'href="http' not in page
        assert "src=" not in page


def test_a_plot_needs_records_and_a_known_ending(tmp_path: Path) -> None:
    save_stage1_df(generate_stage1_df(3), tmp_path / "a.feather")
    assert "has to end with .png or .html" in complaint("data", "info", "a.feather", "--plot", "a.gif", cwd=tmp_path)
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: `pip install 'maou[plot]'`")
    assert "there is no HCPE file" in complaint("data", "info", "a.feather", "--plot", "a.png", cwd=tmp_path)
    assert not (tmp_path / "a.png").exists()


def test_head_shows_the_rows_that_are_wanted(tmp_path: Path, hcpe_file: Path, hcpe: pl.DataFrame) -> None:
    printed = output("data", "head", hcpe_file, "-n", "3", "--offset", "100", "--columns", "id,hcp", cwd=tmp_path)
    expected = [[str(row), hcpe["id"][row], hcpe["hcp"][row].hex()] for row in (100, 101, 102)]
    assert lines(printed) == [["row", "id", "hcp"], lines(printed)[1], *expected, [], ["3", "of", "250", "rows"]]
    assert len(lines(output("data", "head", hcpe_file, cwd=tmp_path))) == 2 + 10 + 2
    assert "5 of 250 rows" in output("data", "head", hcpe_file, "--offset", "245", cwd=tmp_path)


def test_head_keeps_a_row_on_a_line(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["a\nb\x1b[2Jc", None, "対局" * 40], "numbers": [[1, None], [], None]})
    save_generic_df(frame, tmp_path / "a.feather")
    _, _, first, second, third, *_ = output("data", "head", "a.feather", cwd=tmp_path).splitlines()
    assert first.split() == ["0", r"a\nb\x1b[2Jc", "[1,", "null]"]
    assert second.split() == ["1", "null", "[]"]
    assert third.split() == ["2", "対局" * 15 + "...", "null"]


def test_names_of_columns_stay_on_a_line(tmp_path: Path) -> None:
    save_generic_df(pl.DataFrame({"a\n\x1b[2J": [1], "全角\u3000空白": [2]}), tmp_path / "a.feather")
    shown = r"a\n\x1b[2J"
    header, _, row, *_ = output("data", "head", "a.feather", cwd=tmp_path).splitlines()
    assert header.split("  ") == ["row", shown, "全角\u3000空白"]
    assert row.split() == ["0", "1", "2"]
    assert [shown, "Int64", "Int64", "0"] in lines(output("data", "info", "a.feather", cwd=tmp_path))


def test_head_of_values_that_polars_cannot_show(tmp_path: Path) -> None:
    days = pa.array([2**31 - 1], pa.int32()).cast(pa.date32())
    feather.write_feather(pa.table({"x": days, "y": [1]}), tmp_path / "a.feather")
    result = run("data", "head", "a.feather", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "maou: cannot show a.feather: Polars cannot do it: out-of-range date\n" in result.stderr
    assert "Traceback" not in result.stderr
    output("data", "head", "a.feather", "--columns", "y", cwd=tmp_path)


def test_a_column_is_shown_once(tmp_path: Path, hcpe_file: Path) -> None:
    message = complaint("data", "head", hcpe_file, "--columns", "eval,id,eval", cwd=tmp_path)
    assert f"cannot read {hcpe_file}: column 'eval' would be there 2 times" in message


def test_head_of_nothing(tmp_path: Path, hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    save_hcpe_df(hcpe.clear(), tmp_path / "empty.feather")
    assert output("data", "head", "empty.feather", cwd=tmp_path) == "no rows\n"
    assert "cannot show row 250" in complaint("data", "head", hcpe_file, "--offset", "250", cwd=tmp_path)
    assert "no column `evil`" in complaint("data", "head", hcpe_file, "--columns", "evil", cwd=tmp_path)


def test_split_and_merge(tmp_path: Path, hcpe_file: Path, hcpe: pl.DataFrame) -> None:
    pieces = output("data", "split", hcpe_file, "-o", "分割", "--rows", "100", cwd=tmp_path).splitlines()
    assert [load_hcpe_df(tmp_path / piece).height for piece in pieces] == [100, 100, 50]
    merged = output("data", "merge", *pieces, "-o", ".", "--rows", "500", "--prefix", "対局", cwd=tmp_path)
    assert Path(merged.strip()).name == "対局_chunk0000.feather"
    assert load_hcpe_df(tmp_path / merged.strip()).equals(hcpe)


def test_a_file_that_need_not_be_split_says_so(tmp_path: Path, hcpe_file: Path) -> None:
    result = run("data", "split", hcpe_file, "-o", "out", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"{hcpe_file}\n")
    assert "it stays as it is" in result.stderr


def test_pieces_of_an_earlier_split_are_told(tmp_path: Path, hcpe_file: Path) -> None:
    split = ["data", "split", str(hcpe_file), "-o", "out", "--rows"]
    output(*split, "50", cwd=tmp_path)
    left = "left from an earlier split: out/hcpe_split000{}.feather{}; remove them before you merge\n"
    result = run(*split, "100", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, left.format(3, " and 1 more"))
    result = run(*split, "500", cwd=tmp_path)
    assert result.stderr.endswith(left.format(0, " and 4 more"))
    (tmp_path / "out" / "hcpe_split0003.feather").unlink()
    (tmp_path / "out" / "other_split0007.feather").touch()
    assert run(*split, "100", cwd=tmp_path).stderr == left.format(4, "")
    assert output(*split, "50", cwd=tmp_path)


def test_chunks_of_an_earlier_merge_are_told(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    for number in range(3):
        save_hcpe_df(hcpe, tmp_path / f"{number}.feather")
    merge = ["data", "merge", "0.feather", "1.feather", "2.feather", "-o", ".", "--rows"]
    output(*merge, "250", cwd=tmp_path)
    result = run(*merge, "500", cwd=tmp_path)
    assert result.stderr == "left from an earlier merge: merged_chunk0002.feather; remove them before you merge\n"


def test_a_merge_of_no_rows_says_so(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    save_hcpe_df(hcpe.clear(), tmp_path / "a.feather")
    for names, said in ((["a.feather"], "a.feather has"), (["a.feather"] * 2, "2 files have")):
        result = run("data", "merge", *names, "-o", "out", cwd=tmp_path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", f"{said} no rows: nothing to merge\n")


def test_files_of_different_columns_are_not_merged(tmp_path: Path, hcpe_file: Path) -> None:
    save_stage1_df(generate_stage1_df(3), tmp_path / "b.feather")
    assert "cannot merge" in complaint("data", "merge", hcpe_file, "b.feather", "-o", "out", cwd=tmp_path)


def test_verify_finds_every_bad_file(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    for name in ("a", "b", "c"):
        save_hcpe_df(hcpe, tmp_path / f"{name}.feather")
    hcpe.write_ipc(tmp_path / "polars.feather")
    good = output("data", "verify", "a.feather", "polars.feather", cwd=tmp_path)
    assert lines(good)[2:] == [
        ["a.feather", "250", "as", "it", "was", "written"],
        ["polars.feather", "250", "readable;", "has", "no", "checksums"],
    ]
    damage(tmp_path / "b.feather")
    result = run("data", "verify", "b.feather", "none.feather", "c.feather", cwd=tmp_path)
    assert result.returncode == 1
    assert [cells[0] for cells in lines(result.stdout) if cells[-1] == "BAD"] == ["b.feather", "none.feather"]
    assert "maou: cannot verify b.feather: it is damaged" in result.stderr
    assert "maou: cannot verify none.feather: No such file" in result.stderr
    assert "maou: 2 of 3 files cannot be used" in result.stderr
    assert load_generic_df(tmp_path / "c.feather").height == 250
