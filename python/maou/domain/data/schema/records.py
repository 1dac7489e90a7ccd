"""The record types as tables; everything else in this package is derived from them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

MOVE_LABELS_NUM = 1496
"""Number of move labels: the length of a move distribution."""

BOARD_SHAPE = (9, 9)
"""Ranks and files of the board."""

PIECES_IN_HAND_NUM = 14
"""Seven kinds of pieces that can be held, for each of two sides."""


@dataclass(frozen=True)
class Field:
    """One column of a record type.

    Attributes:
        name: column name, the same in frames, files and arrays.
        frame: Polars dtype in a frame.
        scalar: numpy type of one element, or None for a column that arrays do not have.
        shape: shape of one value in an array; `()` for a scalar.
        stored: Polars dtype that exports as the Arrow type in files: an `Array` where every list has `shape`.
    """

    name: str
    frame: pl.DataType
    scalar: str | None
    shape: tuple[int, ...] = ()
    stored: pl.DataType | None = None

    @property
    def is_fixed_list(self) -> bool:
        """Whether every value is a list of exactly `shape`."""
        return self.stored is not None


@dataclass(frozen=True)
class Record:
    """A record type.

    Attributes:
        name: how messages call it.
        fields: the columns in file order.
        nullable: whether values may be null; for all columns or none.
    """

    name: str
    fields: tuple[Field, ...]
    nullable: bool


def _fixed(name: str, leaf: pl.DataType, scalar: str, *shape: int) -> Field:
    frame = leaf
    for _ in shape:
        frame = pl.List(frame)
    return Field(name, frame, scalar, shape, stored=pl.Array(leaf, shape))


_POSITION = (
    Field("id", pl.UInt64(), "u8"),
    _fixed("boardIdPositions", pl.UInt8(), "u1", *BOARD_SHAPE),
    _fixed("piecesInHand", pl.UInt8(), "u1", PIECES_IN_HAND_NUM),
)

HCPE = Record(
    "HCPE",
    (
        Field("hcp", pl.Binary(), "u1", (32,)),
        Field("eval", pl.Int16(), "i2"),
        Field("bestMove16", pl.Int16(), "i2"),
        Field("gameResult", pl.Int8(), "i1"),
        Field("id", pl.String(), "U128"),
        Field("partitioningKey", pl.Date(), "M8[D]"),
        Field("ratings", pl.List(pl.UInt16()), "u2", (2,)),
        Field("endgameStatus", pl.String(), "U16"),
        Field("moves", pl.Int16(), "i2"),
    ),
    nullable=True,
)

PREPROCESSING = Record(
    "preprocessing",
    (
        *_POSITION,
        # Half precision is what training takes; files keep single precision.
        _fixed("moveLabel", pl.Float32(), "f2", MOVE_LABELS_NUM),
        _fixed("moveWinRate", pl.Float32(), "f4", MOVE_LABELS_NUM),
        Field("bestMoveWinRate", pl.Float32(), None),
        Field("resultValue", pl.Float32(), "f2"),
    ),
    nullable=False,
)

INTERMEDIATE = Record(
    "intermediate",
    (
        *_POSITION,
        Field("count", pl.Int32(), "i4"),
        _fixed("moveLabelCount", pl.Int32(), "i4", MOVE_LABELS_NUM),
        Field("winCount", pl.Float32(), "f4"),
    ),
    nullable=False,
)

STAGE1 = Record(
    "stage 1",
    (*_POSITION, _fixed("reachableSquares", pl.UInt8(), "u1", *BOARD_SHAPE)),
    nullable=False,
)

STAGE2 = Record(
    "stage 2",
    (*_POSITION, _fixed("legalMovesLabel", pl.UInt8(), "u1", MOVE_LABELS_NUM)),
    nullable=False,
)
