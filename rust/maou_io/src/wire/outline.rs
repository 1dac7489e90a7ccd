//! What a batch message says of its batch.

use arrow_ipc::{CompressionType, RecordBatch};
use arrow_schema::Schema;

use super::body::{checked, pieces};
use super::frame::{Frame, Source};
use super::layout::nodes_of;
use crate::error::Result;

/// Of a batch of which no value was read.
pub(crate) struct Outline {
    pub(crate) rows: u64,
    /// Of each column.
    pub(crate) nulls: Vec<u64>,
    /// Of the body, decompressed.
    pub(crate) bytes: u64,
    pub(crate) codec: Option<&'static str>,
}

impl Outline {
    /// Of the batch in `frame`, which has the columns of `schema`.
    ///
    /// # Errors
    ///
    /// When a length is impossible.
    pub(crate) fn of(source: &Source, frame: &Frame, schema: &Schema) -> Result<Self> {
        let pieces = pieces(source, frame, None)?;
        let message = frame.message(source.path())?;
        let batch = checked(source, frame, &message)?;
        let problem = |problem| source.bad(format!("the message at byte {}: {problem}", frame.offset()));
        Ok(Self {
            // Not negative: that was checked.
            rows: batch.length() as u64,
            nulls: nulls(&batch, schema).map_err(problem)?,
            bytes: pieces.iter().map(|piece| piece.size as u64).fold(0, u64::saturating_add),
            codec: batch.compression().map(|compression| name(compression.codec())),
        })
    }
}

/// Of each column, which has been held against its number of values.
fn nulls(batch: &RecordBatch<'_>, schema: &Schema) -> Result<Vec<u64>, String> {
    let nodes = batch.nodes();
    let there = nodes.map_or(0, |nodes| nodes.len());
    let mut at = 0_usize;
    let mut count = |columns_nodes: usize| {
        let node = nodes.filter(|_| at < there).map(|nodes| nodes.get(at));
        at = at.saturating_add(columns_nodes);
        let nulls = node.and_then(|node| u64::try_from(node.null_count()).ok());
        nulls.ok_or_else(|| format!("{there} arrays, and the schema asks for more"))
    };
    schema.fields().iter().map(|field| count(nodes_of(field))).collect()
}

fn name(codec: CompressionType) -> &'static str {
    match codec {
        CompressionType::LZ4_FRAME => "LZ4",
        CompressionType::ZSTD => "ZSTD",
        _ => "unknown",
    }
}
