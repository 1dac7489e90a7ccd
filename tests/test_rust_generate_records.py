"""`python -m maou.infra.utility.generate_records`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from maou.domain.data import rust_io
from maou.infra.utility.game_records import GENERATORS
from maou.infra.utility.generate_records import main

pytest.importorskip("rsshogi", reason="rsshogi is not installed: `pip install 'maou[shogi]'`")

LOAD = {
    "hcpe": rust_io.load_hcpe_df,
    "preprocessing": rust_io.load_preprocessing_df,
    "intermediate": rust_io.load_intermediate_df,
    "stage1": rust_io.load_stage1_df,
    "stage2": rust_io.load_stage2_df,
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_file_holds_the_records(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "新しい フォルダ" / "記録 1.feather"
    assert main([kind, "100", str(out), "--seed", "4", "--batch-rows", "30"]) == 0
    assert LOAD[kind](out).equals(pl.concat(GENERATORS[kind](100, 4)))
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["hcpe", "2000", str(tmp_path / name), "--batch-rows", "700"]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_directory_gets_a_file_for_each_batch(tmp_path: Path) -> None:
    assert main(["stage1", "70", f"{tmp_path}/", "--batch-rows", "30"]) == 0
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [f"stage1_0000{number}.feather" for number in range(3)]
    assert [rust_io.load_stage1_df(path).height for path in files] == [30, 30, 10]


def test_what_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no directory")
    target = tmp_path / "file" / "out.feather"
    assert main(["hcpe", "10", str(target)]) == 1
    assert f"error: cannot write {target}" in capsys.readouterr().err


def test_a_url_is_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["hcpe", "10", "s3://bucket/games/"])
    assert "cannot write s3://bucket/games/: give a local path" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["hcpe", "0", "out.feather"])
    assert "positive" in capsys.readouterr().err
