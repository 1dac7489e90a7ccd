"""Records of random games, in frames of any size: what goes into files that should look like real ones.

The same seed gives the same records, whatever the size of the frames, with the same versions of maou, NumPy and
rsshogi. Boards, moves and legal moves are real; evaluations, ratings, dates and how often a move was played are
drawn, and agree with the game and with each other. `records` is faster, and random in all columns.

HCPE records come at some 50,000 a second, the others, whose positions do not repeat, at some 10,000.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from maou.domain.data.schema import MOVE_LABELS_NUM
from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Record
from maou.infra.utility.features import board_ids, move_labels, pieces_in_hand, reachable_squares
from maou.infra.utility.games import BLACK_WINS, DRAW, Game, play_games, replay

if TYPE_CHECKING:
    from rsshogi.core import Board, Move

Columns = dict[str, Any]

MATE_EVAL = 32_000
"""Evaluation of a mate on the board; it shrinks by one for each move that it is away."""

MATE_HORIZON = 9
"""Plies from which a mate is seen."""

WIN_RATE_SCALE = 600.0
"""Centipawns that make a win rate of 73 %."""

FIRST_DATE = date(2020, 1, 1)

GAMES_PER_DAY = 200

UNRATED_SHARE = 0.1

OPENING_PLIES = 12
"""Positions up to here are looked up among all earlier games: later ones do not occur twice by chance."""

MOST_VISITS = 10_000
"""No position occurred in more games."""

PREFERENCE = 0.6
"""How often a move is played, as a share of the next better one."""


class _Position(NamedTuple):
    """What is known of a position that occurs for the first time."""

    number: int
    board: Board
    legal: list[Move]
    labels: npt.NDArray[np.int64]
    played: int
    visits: int
    win_rate: float
    rng: np.random.Generator


def generate_hcpe(num_records: int, seed: int = 0, batch_rows: int = 65_536) -> Iterator[pl.DataFrame]:
    """HCPE frames of `batch_rows` records (the last may have fewer), `num_records` in all, game after game.

    Raises:
        ValueError: for a negative number or an empty batch.
        ImportError: without rsshogi.
    """
    rows = (_hcpe_columns(game, _rng(seed, game)) for game in play_games(seed))
    return _frames(rows, HCPE, num_records, batch_rows)


def generate_preprocessing(num_records: int, seed: int = 0, batch_rows: int = 2_048) -> Iterator[pl.DataFrame]:
    """Preprocessing frames of positions that differ; otherwise as `generate_hcpe`."""
    return _frames(map(_preprocessing_row, _positions(seed)), PREPROCESSING, num_records, batch_rows)


def generate_intermediate(num_records: int, seed: int = 0, batch_rows: int = 2_048) -> Iterator[pl.DataFrame]:
    """Intermediate frames of the positions, counts and wins of `generate_preprocessing` with this seed."""
    return _frames(map(_intermediate_row, _positions(seed)), INTERMEDIATE, num_records, batch_rows)


def generate_stage1(num_records: int, seed: int = 0, batch_rows: int = 65_536) -> Iterator[pl.DataFrame]:
    """Stage 1 frames of the positions of `generate_preprocessing` with this seed."""
    return _frames(map(_stage1_row, _positions(seed)), STAGE1, num_records, batch_rows)


def generate_stage2(num_records: int, seed: int = 0, batch_rows: int = 8_192) -> Iterator[pl.DataFrame]:
    """Stage 2 frames of the positions of `generate_preprocessing` with this seed."""
    return _frames(map(_stage2_row, _positions(seed)), STAGE2, num_records, batch_rows)


GENERATORS: dict[str, Callable[..., Iterator[pl.DataFrame]]] = {
    "hcpe": generate_hcpe,
    "preprocessing": generate_preprocessing,
    "intermediate": generate_intermediate,
    "stage1": generate_stage1,
    "stage2": generate_stage2,
}
"""By the name of the record."""


def _frames(rows: Iterator[Columns], record: Record, num_records: int, batch_rows: int) -> Iterator[pl.DataFrame]:
    if num_records < 0:
        raise ValueError(f"num_records must not be negative, got {num_records}")
    if batch_rows < 1:
        raise ValueError(f"batch_rows must be positive, got {batch_rows}")
    return _cut(rows, record, num_records, batch_rows)


def _cut(rows: Iterator[Columns], record: Record, left: int, batch_rows: int) -> Iterator[pl.DataFrame]:
    held: list[Columns] = []
    count = 0
    while left > 0:
        target = min(left, batch_rows)
        while count < target:
            held.append(next(rows))
            count += len(held[-1]["id"])
        joined = {field.name: _join([columns[field.name] for columns in held]) for field in record.fields}
        yield _frame({name: values[:target] for name, values in joined.items()}, record)
        held = [{name: values[target:] for name, values in joined.items()}]
        count -= target
        left -= target


def _join(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    if isinstance(parts[0], pl.Series):
        return pl.concat(parts)
    return [value for part in parts for value in part]


def _frame(columns: Columns, record: Record) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(field.name, columns[field.name]).cast(field.frame) for field in record.fields])


def _hcpe_columns(game: Game, rng: np.random.Generator) -> Columns:
    plies = len(game.moves)
    return {
        "hcp": game.positions,
        "eval": _evals(game, rng),
        "bestMove16": np.array([move.to_apery().value for move in game.moves], np.int16),
        "gameResult": np.full(plies, game.result, np.int8),
        "id": [f"game{game.number}.csa_{ply}" for ply in range(plies)],
        "partitioningKey": np.full(plies, np.datetime64(FIRST_DATE) + game.number // GAMES_PER_DAY),
        "ratings": pl.Series([_ratings(rng)], dtype=pl.List(pl.UInt16)).new_from_index(0, plies),
        "endgameStatus": [game.status] * plies,
        "moves": np.full(plies, plies, np.int16),
    }


def _ratings(rng: np.random.Generator) -> list[int]:
    black = rng.normal(2600, 450)
    players = np.clip([black, rng.normal(black, 200)], 500, 4800)
    return [] if rng.random() < UNRATED_SHARE else [int(rating) for rating in players]


def _evals(game: Game, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Centipawns for the side to move: material, a random walk, and what is to come."""
    plies = len(game.moves)
    progress = np.arange(plies) / max(plies, 1)
    outcome = {DRAW: 0, BLACK_WINS: 1}.get(game.result, -1)
    black = 0.35 * np.array(game.material[:plies]) + rng.normal(0, 45, plies).cumsum() + 70
    black = black * (1 - 0.7 * progress if outcome == 0 else 1) + outcome * 1500 * progress**2
    if game.is_mate:
        distance = np.arange(plies, 0, -1)
        black = np.where(distance <= MATE_HORIZON, outcome * (MATE_EVAL - distance), black)
    side = 1 - 2 * (np.arange(plies) % 2)
    evals: npt.NDArray[np.int16] = np.clip(black * side, -MATE_EVAL, MATE_EVAL).round().astype(np.int16)
    return evals


def _positions(seed: int) -> Iterator[_Position]:
    openings: set[int] = set()
    for game in play_games(seed):
        rng = _rng(seed, game)
        evals = _evals(game, rng)
        seen: set[int] = set()
        for ply, board in enumerate(replay(game)):
            number = _hash(game.positions[ply])
            known = openings if ply <= OPENING_PLIES else seen
            if number in known:
                continue
            known.add(number)
            legal = board.legal_moves()
            win_rate = 1 / (1 + np.exp(-evals[ply] / WIN_RATE_SCALE))
            played = legal.index(game.moves[ply])
            labels = move_labels(legal, board.turn)
            yield _Position(number, board, legal, labels, played, _visits(ply, rng), float(win_rate), rng)


def _position_row(position: _Position) -> Columns:
    return {
        "id": np.array([position.number], np.uint64),
        "boardIdPositions": board_ids(position.board)[np.newaxis],
        "piecesInHand": pieces_in_hand(position.board)[np.newaxis],
    }


def _preprocessing_row(position: _Position) -> Columns:
    labels, counts, wins = _played(position)
    win_rates = (wins / counts).astype(np.float32)
    return {
        **_position_row(position),
        "moveLabel": _spread(labels, counts / counts.sum(), np.float32),
        "moveWinRate": _spread(labels, win_rates, np.float32),
        "bestMoveWinRate": win_rates[[counts.argmax()]],
        "resultValue": np.array([wins.sum() / counts.sum()], np.float32),
    }


def _intermediate_row(position: _Position) -> Columns:
    labels, counts, wins = _played(position)
    return {
        **_position_row(position),
        "count": counts.sum(keepdims=True).astype(np.int32),
        "moveLabelCount": _spread(labels, counts, np.int32),
        "winCount": wins.sum(keepdims=True).astype(np.float32),
    }


def _stage1_row(position: _Position) -> Columns:
    reachable = reachable_squares(position.legal, position.board.turn)
    return {**_position_row(position), "reachableSquares": reachable[np.newaxis]}


def _stage2_row(position: _Position) -> Columns:
    return {**_position_row(position), "legalMovesLabel": _spread(position.labels, 1, np.uint8)}


def _played(
    position: _Position,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels of the moves that were played, how often each was, and how often it won."""
    rng, labels = position.rng, position.labels
    order = rng.permutation(len(labels))
    # The move of this game is the favourite.
    favourite = int(np.flatnonzero(order == position.played)[0])
    order[[0, favourite]] = order[[favourite, 0]]
    counts = rng.multinomial(position.visits, _shares(len(labels)))
    counts_played = counts[counts > 0]
    rate = np.clip(position.win_rate + rng.normal(0, 0.05, len(counts_played)), 0, 1)
    return labels[order[counts > 0]], counts_played, rng.binomial(counts_played, rate)


def _visits(ply: int, rng: np.random.Generator) -> int:
    """Games in which a position occurred: many near the start, few later on, and sometimes many there too."""
    usual = 1 + 2000 * np.exp(-ply / 3)
    return int(min(usual * (1 + rng.pareto(1.5)), MOST_VISITS))


@cache
def _shares(moves: int) -> npt.NDArray[np.float64]:
    weights = PREFERENCE ** np.arange(moves)
    shares: npt.NDArray[np.float64] = weights / weights.sum()
    return shares


def _spread(labels: npt.NDArray[np.int64], values: Any, dtype: Any) -> npt.NDArray[Any]:
    row = np.zeros((1, MOVE_LABELS_NUM), dtype)
    row[0, labels] = values
    return row


def _hash(position: bytes) -> int:
    """64 bits. rsshogi's own hash would do as well, but may differ in its next version."""
    return int.from_bytes(hashlib.blake2b(position, digest_size=8).digest(), "little")


def _rng(seed: int, game: Game) -> np.random.Generator:
    return np.random.default_rng([seed % (1 << 64), game.number])
