//! The Arrow schemas of the five record kinds, as this crate writes them.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// Number of move labels: the length of every move distribution.
pub const MOVE_LABELS_NUM: usize = 1496;

/// Ranks and files of a shogi board: the shape of every board feature is 9 × 9.
const BOARD_SIZE: i32 = 9;

/// Kinds of pieces in hand, seven for each side.
const HAND_SIZE: i32 = 14;

/// What a file's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Positions of game records, with evaluation and best move.
    Hcpe,
    /// Training features.
    Preprocessing,
    /// Counts per position, before they become training features.
    Intermediate,
    /// Reachable squares.
    Stage1,
    /// Legal moves.
    Stage2,
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Hcpe, Self::Preprocessing, Self::Intermediate, Self::Stage1, Self::Stage2];

    /// The name that users write: `hcpe`, `preprocessing`, `intermediate`, `stage1` or `stage2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hcpe => "hcpe",
            Self::Preprocessing => "preprocessing",
            Self::Intermediate => "intermediate",
            Self::Stage1 => "stage1",
            Self::Stage2 => "stage2",
        }
    }

    /// The schema of this kind.
    pub fn schema(self) -> SchemaRef {
        Arc::new(match self {
            Self::Hcpe => hcpe_schema(),
            Self::Preprocessing => preprocessing_schema(),
            Self::Intermediate => intermediate_schema(),
            Self::Stage1 => stage1_schema(),
            Self::Stage2 => stage2_schema(),
        })
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// HCPE: one position of a game record. Every field is nullable.
///
/// `hcp` is the Huffman-coded position (32 bytes), `eval` is in centipawns from the side to move, `gameResult` is 0 for
/// a draw, 1 when black wins and 2 when white wins, `ratings` is black's and white's, or empty.
pub fn hcpe_schema() -> Schema {
    Schema::new(vec![
        Field::new("hcp", DataType::LargeBinary, true),
        Field::new("eval", DataType::Int16, true),
        Field::new("bestMove16", DataType::Int16, true),
        Field::new("gameResult", DataType::Int8, true),
        Field::new("id", DataType::LargeUtf8, true),
        Field::new("partitioningKey", DataType::Date32, true),
        Field::new("ratings", DataType::LargeList(item(DataType::UInt16)), true),
        Field::new("endgameStatus", DataType::LargeUtf8, true),
        Field::new("moves", DataType::Int16, true),
    ])
}

/// Training features of one position. No field is nullable, and no list holds a null.
///
/// `boardIdPositions` is 9 × 9, `piecesInHand` is 14, `moveLabel` and `moveWinRate` are [`MOVE_LABELS_NUM`] long, and
/// `resultValue` and the win rates go from 0 to 1.
pub fn preprocessing_schema() -> Schema {
    Schema::new(with_position(vec![
        Field::new("moveLabel", moves(DataType::Float32), false),
        Field::new("moveWinRate", moves(DataType::Float32), false),
        Field::new("bestMoveWinRate", DataType::Float32, false),
        Field::new("resultValue", DataType::Float32, false),
    ]))
}

/// Aggregation per position: how often each move was played, and won.
pub fn intermediate_schema() -> Schema {
    Schema::new(with_position(vec![
        Field::new("count", DataType::Int32, false),
        Field::new("moveLabelCount", moves(DataType::Int32), false),
        Field::new("winCount", DataType::Float32, false),
    ]))
}

/// Stage 1: the squares that some piece can reach, 9 × 9 of 0 and 1.
pub fn stage1_schema() -> Schema {
    Schema::new(with_position(vec![Field::new("reachableSquares", board(), false)]))
}

/// Stage 2: the legal moves, [`MOVE_LABELS_NUM`] of 0 and 1.
pub fn stage2_schema() -> Schema {
    Schema::new(with_position(vec![Field::new("legalMovesLabel", moves(DataType::UInt8), false)]))
}

/// `fields` after the three that every kind but HCPE starts with.
fn with_position(fields: Vec<Field>) -> Vec<Field> {
    let mut all = vec![
        Field::new("id", DataType::UInt64, false),
        Field::new("boardIdPositions", board(), false),
        Field::new("piecesInHand", fixed_list(DataType::UInt8, HAND_SIZE), false),
    ];
    all.extend(fields);
    all
}

fn board() -> DataType {
    fixed_list(fixed_list(DataType::UInt8, BOARD_SIZE), BOARD_SIZE)
}

fn moves(value: DataType) -> DataType {
    fixed_list(value, MOVE_LABELS_NUM as i32)
}

fn fixed_list(value: DataType, length: i32) -> DataType {
    DataType::FixedSizeList(item(value), length)
}

/// A list's element. Nullable by declaration, as Polars and pyarrow write it, so that files of both origins have one
/// type; where nulls must not be, their absence is checked.
fn item(value: DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(value, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_columns() {
        let columns =
            |kind: RecordKind| kind.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();

        assert_eq!(columns(RecordKind::Hcpe).len(), 9);
        assert_eq!(columns(RecordKind::Preprocessing).len(), 7);
        assert_eq!(columns(RecordKind::Intermediate)[3..], ["count", "moveLabelCount", "winCount"]);
        assert_eq!(columns(RecordKind::Stage1)[3..], ["reachableSquares"]);
        assert_eq!(columns(RecordKind::Stage2)[3..], ["legalMovesLabel"]);
    }

    #[test]
    fn hcpe_is_nullable_and_preprocessing_is_not() {
        assert!(hcpe_schema().fields().iter().all(|field| field.is_nullable()));
        assert!(preprocessing_schema().fields().iter().all(|field| !field.is_nullable()));
    }
}
