"""Boards of rsshogi as the columns of preprocessing and stage records.

Everything is seen by the side to move: for white the board is turned round and the sides change places, so that own
pieces are 1 to 14 and the opponent's 15 to 28, and own moves go up. Squares are [rank][file] with the file 1 first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rsshogi.core import Board, Move
    from rsshogi.types import Color, PieceType

PIECES = ("P", "L", "N", "S", "G", "B", "R", "K", "+P", "+L", "+N", "+S", "+B", "+R")
"""The pieces of one side, in the order of `boardIdPositions` (from 1) and, the first seven, of `piecesInHand`."""

HAND = PIECES[:7]

GOLD_DROPS = 1496 - 3 * 81
"""The first of the last three blocks of labels: drops of a gold, a bishop and a rook on each square."""


def board_ids(board: Board) -> npt.NDArray[np.uint8]:
    """Pieces by square, shape (9, 9)."""
    black, white = _piece_ids()
    by_square = np.array([piece.value for piece in board.to_position_state().board], np.uint8)
    return _by_rank(black[by_square] if board.turn.is_black() else white[by_square[::-1]])


def pieces_in_hand(board: Board) -> npt.NDArray[np.uint8]:
    """Counts of pieces in hand, shape (14,): seven of the side to move, seven of the other."""
    hands = (board.hand(board.turn), board.hand(board.turn.flip()))
    return np.array([hand.count(piece) for hand in hands for piece in _hand_pieces()], np.uint8)


def reachable_squares(moves: Sequence[Move], turn: Color) -> npt.NDArray[np.uint8]:
    """1 where a piece on the board can go by one of `moves`, shape (9, 9). Drops do not count."""
    reachable = np.zeros(81, np.uint8)
    reachable[[move.to_sq.value for move in moves if not move.is_drop()]] = 1
    return _by_rank(reachable if turn.is_black() else reachable[::-1])


def move_labels(moves: Sequence[Move], turn: Color) -> npt.NDArray[np.int64]:
    """Labels from 0 to 1495, one for each of `moves`; moves of one position have different ones.

    A label stands for a direction (eight, and two of the knight), whether the piece promotes, and the square where it
    arrives; or for a piece that is dropped and the square. Only what can occur is numbered: that makes 1496.
    """
    from rsshogi.policy import compact_move_label

    return _label_order()[np.array([compact_move_label(move, turn) for move in moves], np.int64)]


def _by_rank(squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    # Squares are numbered down the files.
    by_rank: npt.NDArray[np.uint8] = squares.reshape(9, 9).transpose()
    return by_rank


@cache
def _piece_ids() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    from rsshogi.types import Piece

    black, white = np.zeros(32, np.uint8), np.zeros(32, np.uint8)
    for number, name in enumerate(PIECES, start=1):
        own, other = Piece.from_usi(name).value, Piece.from_usi(name.lower()).value
        black[own] = white[other] = number
        black[other] = white[own] = number + len(PIECES)
    return black, white


@cache
def _hand_pieces() -> list[PieceType]:
    from rsshogi.types import Piece

    return [Piece.from_usi(name).piece_type for name in HAND]


@cache
def _label_order() -> npt.NDArray[np.int64]:
    # rsshogi's compact labels, but that it has drops of a bishop and a rook before those of a gold.
    order = np.arange(1496)
    order[GOLD_DROPS:] = np.concatenate([order[-162:], order[GOLD_DROPS : GOLD_DROPS + 81]])
    return order
