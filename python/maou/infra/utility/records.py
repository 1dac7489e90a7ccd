"""Generated records: plausible values, the same for the same seed, for measurements and tests."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from maou.domain.data.schema import (
    MOVE_LABELS_NUM,
    get_hcpe_polars_schema,
    get_intermediate_polars_schema,
    get_preprocessing_polars_schema,
    get_stage1_polars_schema,
    get_stage2_polars_schema,
)

POSITIONS_PER_GAME = 110
"""About the length of a professional game."""

MOVES_PER_POSITION = 8
"""Moves with a share of a position's distribution."""

PIECES_NUM = 29
"""Empty square, and 14 pieces of each side."""

ENDGAME_STATUS = ("%TORYO", "%KACHI", "%SENNICHITE", "%CHUDAN")

FIRST_DATE = date(2020, 1, 1)


def generate_hcpe_df(num_records: int, seed: int = 0) -> pl.DataFrame:
    """HCPE frame of `num_records` positions of successive games; one game in ten has no ratings.

    Ids are unique within one seed. Raises ValueError for a negative number.
    """
    rng = _generator(num_records, seed)
    row = np.arange(num_records)
    game = row // POSITIONS_PER_GAME
    games = num_records // POSITIONS_PER_GAME + 1
    ratings = np.clip(rng.normal(1800, 300, (games, 2)), 0, 4000).astype(np.uint16)
    frame = pl.DataFrame(
        {
            "hcp": _packed_positions(rng, num_records),
            "eval": np.clip(rng.normal(0, 800, num_records), -32000, 32000).astype(np.int16),
            "bestMove16": rng.integers(1, 1 << 15, num_records, dtype=np.int16),
            "gameResult": rng.choice([0, 1, 2], games, p=[0.02, 0.52, 0.46]).astype(np.int8)[game],
            "partitioningKey": np.datetime64(FIRST_DATE) + rng.integers(0, 1500, games)[game],
            "ratings": pl.Series(ratings[game]).cast(pl.List(pl.UInt16)),
            "endgameStatus": np.array(ENDGAME_STATUS)[rng.choice(4, games, p=[0.9, 0.05, 0.03, 0.02])][game],
            "moves": rng.integers(60, 250, games, dtype=np.int16)[game],
            "game": game,
            "ply": row % POSITIONS_PER_GAME,
        }
    )
    has_ratings = pl.col("game") % 10 != 9
    return frame.with_columns(
        id=pl.format("game{}.csa_{}", "game", "ply"),
        ratings=pl.when(has_ratings).then("ratings").otherwise(pl.lit([], dtype=pl.List(pl.UInt16))),
    ).select(pl.col(name).cast(dtype) for name, dtype in get_hcpe_polars_schema().items())


def generate_preprocessing_df(num_records: int, seed: int = 0) -> pl.DataFrame:
    """Preprocessing frame of `num_records` positions, each with a distribution over a few moves.

    Ids are unique within one seed. Raises ValueError for a negative number.
    """
    rng = _generator(num_records, seed)
    moves = _moves(rng, num_records)
    shares = np.zeros((num_records, MOVE_LABELS_NUM), np.float32)
    np.put_along_axis(shares, moves, rng.dirichlet(np.ones(MOVES_PER_POSITION), num_records).astype(np.float32), 1)
    win_rates = np.zeros_like(shares)
    np.put_along_axis(win_rates, moves, rng.random(moves.shape, np.float32), 1)
    columns = {
        **_positions(rng, num_records),
        "moveLabel": shares,
        "moveWinRate": win_rates,
        "bestMoveWinRate": win_rates.max(axis=1, initial=0),
        "resultValue": rng.random(num_records, np.float32),
    }
    return _frame(columns, get_preprocessing_polars_schema())


def generate_intermediate_df(num_records: int, seed: int = 0) -> pl.DataFrame:
    """Intermediate frame of `num_records` positions; the counts of the moves add up to `count`.

    Ids are unique within one seed. Raises ValueError for a negative number.
    """
    rng = _generator(num_records, seed)
    counts = np.zeros((num_records, MOVE_LABELS_NUM), np.int32)
    moves = _moves(rng, num_records)
    np.put_along_axis(counts, moves, rng.integers(1, 50, moves.shape, dtype=np.int32), 1)
    total = counts.sum(axis=1, dtype=np.int32)
    columns = {
        **_positions(rng, num_records),
        "count": total,
        "moveLabelCount": counts,
        "winCount": (total * rng.random(num_records)).astype(np.float32),
    }
    return _frame(columns, get_intermediate_polars_schema())


def generate_stage1_df(num_records: int, seed: int = 0) -> pl.DataFrame:
    """Stage 1 frame of `num_records` positions with about a third of the squares reachable.

    Ids are unique within one seed. Raises ValueError for a negative number.
    """
    rng = _generator(num_records, seed)
    reachable = rng.random((num_records, 9, 9)) < 1 / 3
    columns = {**_positions(rng, num_records), "reachableSquares": reachable.astype(np.uint8)}
    return _frame(columns, get_stage1_polars_schema())


def generate_stage2_df(num_records: int, seed: int = 0) -> pl.DataFrame:
    """Stage 2 frame of `num_records` positions with about eighty legal moves each.

    Ids are unique within one seed. Raises ValueError for a negative number.
    """
    rng = _generator(num_records, seed)
    legal = rng.random((num_records, MOVE_LABELS_NUM)) < 80 / MOVE_LABELS_NUM
    columns = {**_positions(rng, num_records), "legalMovesLabel": legal.astype(np.uint8)}
    return _frame(columns, get_stage2_polars_schema())


def _generator(num_records: int, seed: int) -> np.random.Generator:
    if num_records < 0:
        raise ValueError(f"num_records must not be negative, got {num_records}")
    return np.random.default_rng(seed)


def _packed_positions(rng: np.random.Generator, num_records: int) -> pl.Series:
    packed = np.frombuffer(rng.bytes(32 * num_records), "V32")
    return pl.Series(packed.tolist(), dtype=pl.Binary)


def _positions(rng: np.random.Generator, num_records: int) -> dict[str, npt.NDArray[np.generic]]:
    # An odd factor permutes the 64-bit numbers, so that ids look like hashes and never repeat.
    first = rng.integers(0, 1 << 63, dtype=np.uint64)
    ids = (first + np.arange(num_records, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    pieces = rng.integers(1, PIECES_NUM, (num_records, 9, 9), dtype=np.uint8)
    occupied = rng.random((num_records, 9, 9)) < 0.4
    return {
        "id": ids,
        "boardIdPositions": pieces * occupied,
        "piecesInHand": rng.binomial(4, 0.1, (num_records, 14)).astype(np.uint8),
    }


def _moves(rng: np.random.Generator, num_records: int) -> npt.NDArray[np.int64]:
    # Distinct within a row: steps of at least one, from a start that leaves room for all of them.
    steps = rng.integers(1, MOVE_LABELS_NUM // MOVES_PER_POSITION, (num_records, MOVES_PER_POSITION))
    return steps.cumsum(axis=1)


def _frame(columns: dict[str, npt.NDArray[np.generic]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, columns[name]).cast(dtype) for name, dtype in schema.items()])
