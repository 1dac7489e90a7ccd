"""Random legal games of shogi, the same ones for the same seed.

The rules are rsshogi's (`pip install 'maou[shogi]'`). The players look at a few random moves, take what they can
capture, and see a mate in one more often than not, so that material swings, pieces promote, and a game ends
because somebody is lost. How long a game may last and how it ends otherwise is drawn beforehand, in about the
shares of computer games. A repetition is really played; a declaration or a loss on time is only drawn: nothing on
the board leads to it.

About 100,000 positions a second.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType

    from rsshogi.core import Board, Move

DRAW, BLACK_WINS, WHITE_WINS = 0, 1, 2
"""Results, as in `gameResult`."""

MAX_PLIES = 320
"""A game that gets there is a draw, as in computer tournaments."""

ENDINGS = {
    "%TORYO": 0.865,
    "%TIME_UP": 0.045,
    "%KACHI": 0.025,
    "%SENNICHITE": 0.025,
    "%JISHOGI": 0.015,
    "%CHUDAN": 0.025,
}
"""How games end, in the words of CSA, and their shares of the games in which nobody is mated before. A mate is a
`%TORYO` too."""

GLANCES = 3
"""Random moves that a player chooses from."""

MATE_SEEN = 0.7
"""Share of mates in one that are played."""

PIECE_VALUES = {"p": 90, "l": 320, "n": 400, "s": 500, "g": 560, "b": 870, "r": 1000}
"""Centipawns."""

PROMOTED_VALUES = {"+p": 420, "+l": 480, "+n": 500, "+s": 530, "+b": 1150, "+r": 1300}

PROMOTION_GAIN = 200


@dataclass(frozen=True)
class Game:
    """A finished game; the lists have one entry for each move."""

    number: int
    result: int
    """DRAW, BLACK_WINS or WHITE_WINS."""
    status: str
    """How it ended, a key of ENDINGS or `%ILLEGAL_MOVE` (a perpetual check)."""
    is_mate: bool
    moves: list[Move]
    positions: list[bytes]
    """Before each move, Huffman-coded as Apery does: 32 bytes."""
    material: list[int]
    """Before each move, what black is ahead, in centipawns."""


class _Plan(NamedTuple):
    status: str
    plies: int


class _End(NamedTuple):
    result: int
    status: str
    is_mate: bool = False


def play_games(seed: int = 0) -> Iterator[Game]:
    """Games without end. Game n depends on `seed` and n only.

    Raises:
        ImportError: without rsshogi; the message names what to install.
    """
    shogi = _rsshogi()
    for number in itertools.count():
        yield _play(shogi, number, random.Random(f"{seed}/{number}"))


def replay(game: Game) -> Iterator[Board]:
    """The board before each move. It is one board that changes."""
    board = _rsshogi().Board()
    for move in game.moves:
        yield board
        board.push_move(move)


def _play(shogi: ModuleType, number: int, rng: random.Random) -> Game:
    plan = _plan(rng)
    board = shogi.Board()
    values = _piece_values(shogi)
    moves: list[Move] = []
    positions: list[bytes] = []
    material = [0]
    while True:
        legal = board.legal_moves()
        end = _end(board, legal, plan, len(moves), material[-1])
        if end is not None:
            material.pop()
            return Game(number, end.result, end.status, end.is_mate, moves, positions, material)
        move = _choose(board, legal, values, rng)
        if plan.status == "%SENNICHITE" and len(moves) >= plan.plies:
            move = _step_back(legal, moves) or move
        gain = _gain(board, move, values)
        material.append(material[-1] + (gain if len(moves) % 2 == 0 else -gain))
        positions.append(board.to_hcp())
        moves.append(move)
        board.push_move(move)


def _plan(rng: random.Random) -> _Plan:
    (status,) = rng.choices(list(ENDINGS), list(ENDINGS.values()))
    if status == "%JISHOGI":
        return _Plan(status, MAX_PLIES)
    return _Plan(status, min(max(round(rng.lognormvariate(4.7, 0.3)), 24), MAX_PLIES - 60))


def _end(board: Board, legal: Sequence[Move], plan: _Plan, ply: int, material: int) -> _End | None:
    mover, opponent = (BLACK_WINS, WHITE_WINS) if ply % 2 == 0 else (WHITE_WINS, BLACK_WINS)
    if not legal:
        return _End(opponent, "%TORYO", is_mate=True)
    repetition = board.repetition_state().to_usi()
    if repetition == "rep_draw":
        return _End(DRAW, "%SENNICHITE")
    if repetition in {"rep_win", "rep_lose"}:
        return _End(mover if repetition == "rep_win" else opponent, "%ILLEGAL_MOVE")
    if ply >= MAX_PLIES:
        return _End(DRAW, "%JISHOGI")
    if ply < plan.plies:
        return None
    if plan.status == "%CHUDAN":
        return _End(DRAW, plan.status)
    if plan.status == "%SENNICHITE" and ply < plan.plies + 40:
        return None
    ahead = material if ply % 2 == 0 else -material
    if plan.status == "%KACHI":
        return _End(mover, plan.status) if ahead > 0 else None
    if plan.status == "%TIME_UP":
        return _End(opponent, plan.status)
    return _End(opponent, "%TORYO") if ahead < 0 else None


def _choose(board: Board, legal: Sequence[Move], values: Sequence[int], rng: random.Random) -> Move:
    mate = board.solve_mate_in_one()
    if mate is not None and rng.random() < MATE_SEEN:
        return mate.to_move()
    # `random()` alone is promised to give the same numbers in every Python.
    seen = [legal[int(rng.random() * len(legal))] for _ in range(GLANCES)]
    return max(seen, key=lambda move: _gain(board, move, values))


def _step_back(legal: Sequence[Move], moves: Sequence[Move]) -> Move | None:
    if len(moves) < 2 or moves[-2].is_drop():
        return None
    last = moves[-2]
    back = (move for move in legal if not move.is_drop() and not move.is_promotion())
    return next((move for move in back if (move.from_sq, move.to_sq) == (last.to_sq, last.from_sq)), None)


def _gain(board: Board, move: Move, values: Sequence[int]) -> int:
    captured: int = board.piece_on(move.to_sq).value
    return values[captured] + (PROMOTION_GAIN if move.is_promotion() else 0)


def _piece_values(shogi: ModuleType) -> list[int]:
    values = [0] * 32
    for name, value in (PIECE_VALUES | PROMOTED_VALUES).items():
        values[shogi.Piece.from_usi(name).value] = value
        values[shogi.Piece.from_usi(name.upper()).value] = value
    return values


def _rsshogi() -> ModuleType:
    try:
        import rsshogi.core
    except ImportError as error:
        raise ImportError("games need rsshogi: `pip install 'maou[shogi]'`") from error
    core: ModuleType = rsshogi.core
    return core
