"""The files that are read: records of random games, or, without rsshogi, random ones.

Games are played for the first POOL_ROWS records only. Larger files repeat them with other ids: as far apart as they
are, no compressor notices, and playing games would take longer than all measurements.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import polars as pl

from maou.infra.utility import records
from maou.infra.utility.benchmark.cells import KINDS, Files
from maou.infra.utility.game_records import GENERATORS
from maou.infra.utility.generate_records import write_file

POOL_ROWS = {"hcpe": 131_072, "stage1": 65_536, "stage2": 32_768, "preprocessing": 8_192, "intermediate": 16_384}

ROW_BYTES = {"hcpe": 150, "stage1": 190, "stage2": 1_610, "preprocessing": 12_090, "intermediate": 6_110}
"""About what a record takes in memory as Arrow data."""

TWO_COLUMNS_BYTES = {kind: 35 if kind == "hcpe" else 22 for kind in KINDS}
"""The same for the two columns that are read alone."""

STORED_BYTES = {"hcpe": 150, "stage1": 190, "stage2": 400, "preprocessing": 600, "intermediate": 600}
"""The most that a record takes in a file; games take less than random columns."""

HAS_GAMES = importlib.util.find_spec("rsshogi") is not None

RANDOM: dict[str, Callable[[int], pl.DataFrame]] = {
    "hcpe": records.generate_hcpe_df,
    "stage1": records.generate_stage1_df,
    "stage2": records.generate_stage2_df,
    "preprocessing": records.generate_preprocessing_df,
    "intermediate": records.generate_intermediate_df,
}


def write_source(files: Files, kind: str, rows: int) -> None:
    """Write the file of maou's, a frame at a time."""
    write_file(kind, _frames(kind, rows), files.source)


def write_pieces(files: Files, rows_per_piece: int) -> list[str]:
    """Cut the file of maou's for the merge."""
    from maou._rust.maou_io import split_feather_file

    return split_feather_file(files.source, files.directory / "pieces", rows_per_piece)


def _frames(kind: str, rows: int) -> Iterator[pl.DataFrame]:
    pool = _pool(kind, min(rows, POOL_ROWS[kind]))
    for tile, start in enumerate(range(0, rows, len(pool))):
        yield pool.with_columns(_ids(kind, tile)).head(rows - start)


def _pool(kind: str, rows: int) -> pl.DataFrame:
    if HAS_GAMES:
        (frame,) = GENERATORS[kind](rows, batch_rows=rows)
        return frame
    return RANDOM[kind](rows)


def _ids(kind: str, tile: int) -> pl.Expr:
    if kind == "hcpe":
        return pl.concat_str(pl.lit("" if tile == 0 else f"{tile}-"), "id").alias("id")
    # An odd factor: a different mask for each tile.
    return pl.col("id") ^ pl.lit(tile * 0x9E3779B97F4A7C15 % (1 << 64), pl.UInt64)
