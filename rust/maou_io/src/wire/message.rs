//! The metadata of batch messages, written anew for a body that is laid out differently.

use arrow_ipc::{
    BodyCompressionBuilder, BodyCompressionMethod, Buffer, CompressionType, DictionaryBatchBuilder, FieldNode, Message,
    MessageBuilder, MessageHeader, RecordBatch, RecordBatchBuilder,
};
use flatbuffers::{FlatBufferBuilder, VerifierOptions};

/// How much larger a flatbuffer may be when all that its tables share is written out. Those of writers share the layouts
/// of tables, and some their strings; one that shares whole trees is made to take memory.
const SHARED: usize = 64;

/// How Arrow's metadata is verified.
pub(crate) fn limits(flatbuffer: &[u8]) -> VerifierOptions {
    VerifierOptions { max_apparent_size: flatbuffer.len().saturating_mul(SHARED), ..VerifierOptions::default() }
}

/// The batch in a batch message, or the values in a dictionary message.
pub(crate) fn record_batch<'a>(message: &Message<'a>) -> Option<RecordBatch<'a>> {
    message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()))
}

/// The flatbuffer of a message that is `message`, with its body's buffers at `buffers`. Nothing if it has no batch.
pub(crate) fn with_buffers(
    message: &Message<'_>,
    buffers: &[Buffer],
    body_len: usize,
    compression: Option<CompressionType>,
) -> Option<Vec<u8>> {
    let batch = record_batch(message)?;
    let nodes: Vec<FieldNode> = batch.nodes().iter().flatten().copied().collect();
    with_layout(message, (batch.length(), &nodes), buffers, body_len, compression)
}

/// As [`with_buffers`], with other rows and nodes too.
pub(crate) fn with_layout(
    message: &Message<'_>,
    (rows, nodes): (i64, &[FieldNode]),
    buffers: &[Buffer],
    body_len: usize,
    compression: Option<CompressionType>,
) -> Option<Vec<u8>> {
    let batch = record_batch(message)?;
    let mut builder = FlatBufferBuilder::new();
    let nodes = builder.create_vector(nodes);
    let buffers = builder.create_vector(buffers);
    let counts: Option<Vec<i64>> = batch.variadicBufferCounts().map(|counts| counts.iter().collect());
    let counts = counts.map(|counts| builder.create_vector(&counts));
    let compression = compression.map(|codec| {
        let mut compression = BodyCompressionBuilder::new(&mut builder);
        compression.add_method(BodyCompressionMethod::BUFFER);
        compression.add_codec(codec);
        compression.finish()
    });
    let mut rebuilt = RecordBatchBuilder::new(&mut builder);
    rebuilt.add_length(rows);
    rebuilt.add_nodes(nodes);
    rebuilt.add_buffers(buffers);
    if let Some(counts) = counts {
        rebuilt.add_variadicBufferCounts(counts);
    }
    if let Some(compression) = compression {
        rebuilt.add_compression(compression);
    }
    let mut header = rebuilt.finish().as_union_value();
    if let Some(dictionary) = message.header_as_dictionary_batch() {
        let data = flatbuffers::WIPOffset::new(header.value());
        let mut rebuilt = DictionaryBatchBuilder::new(&mut builder);
        rebuilt.add_id(dictionary.id());
        rebuilt.add_data(data);
        rebuilt.add_isDelta(dictionary.isDelta());
        header = rebuilt.finish().as_union_value();
    }
    let kind: MessageHeader = message.header_type();
    let mut rebuilt = MessageBuilder::new(&mut builder);
    rebuilt.add_version(message.version());
    rebuilt.add_header_type(kind);
    rebuilt.add_header(header);
    // A length in memory: far below 2^63.
    rebuilt.add_bodyLength(body_len as i64);
    let message = rebuilt.finish();
    builder.finish(message, None);
    Some(builder.finished_data().to_vec())
}
