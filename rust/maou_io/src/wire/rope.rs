//! What Arrow's encoder gives: the bytes of messages, in pieces that share the arrays' own memory.

use arrow_buffer::Buffer;
use arrow_ipc::Message;
use arrow_schema::ArrowError;

/// Bytes in several buffers, one after the other.
#[derive(Debug, Default)]
struct Rope {
    /// Each with the number of bytes before it.
    pieces: Vec<(usize, Buffer)>,
    len: usize,
}

/// A message, before its body is compressed.
#[derive(Debug)]
pub(crate) struct RawMessage {
    /// The flatbuffer and what pads it.
    metadata: Buffer,
    /// Those of the body, in the order of the metadata; nothing for a schema.
    pub(crate) buffers: Vec<Buffer>,
}

/// What precedes a message: a marker and the length of its metadata.
const PREFIX: usize = 8;

impl RawMessage {
    pub(crate) fn message(&self) -> Result<Message<'_>, ArrowError> {
        arrow_ipc::root_as_message(&self.metadata).map_err(|error| ArrowError::IpcError(error.to_string()))
    }

    pub(crate) fn metadata(&self) -> &[u8] {
        &self.metadata
    }
}

/// The messages in `buffers`, in order.
pub(crate) fn messages(buffers: Vec<Buffer>) -> Result<Vec<RawMessage>, ArrowError> {
    let mut rope = Rope::default();
    for buffer in buffers.into_iter().filter(|buffer| !buffer.is_empty()) {
        let start = rope.len;
        rope.len += buffer.len();
        rope.pieces.push((start, buffer));
    }
    let mut messages = Vec::new();
    let mut at = 0;
    while at < rope.len {
        let (message, next) = rope.message(at)?;
        messages.push(message);
        at = next;
    }
    Ok(messages)
}

impl Rope {
    /// The message at `at`, and where the next one begins.
    fn message(&self, at: usize) -> Result<(RawMessage, usize), ArrowError> {
        let prefix = self.slice(at, PREFIX)?;
        let length = prefix[4..].first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
        let length = usize::try_from(length).map_err(|_| odd())?;
        let body = at + PREFIX + length;
        let metadata = self.collected(at + PREFIX, length)?;
        let mut raw = RawMessage { metadata, buffers: Vec::new() };
        let message = raw.message()?;
        let body_len = usize::try_from(message.bodyLength()).map_err(|_| odd())?;
        let mut buffers = Vec::new();
        if let Some(batch) = super::message::record_batch(&message) {
            for place in batch.buffers().into_iter().flatten() {
                let place = usize::try_from(place.offset()).ok().zip(usize::try_from(place.length()).ok());
                let (offset, len) = place.ok_or_else(odd)?;
                buffers.push(self.slice(body + offset, len)?);
            }
        }
        raw.buffers = buffers;
        Ok((raw, body + body_len))
    }

    /// Bytes that lie in one piece: no copy.
    fn slice(&self, start: usize, len: usize) -> Result<Buffer, ArrowError> {
        if len == 0 {
            return Ok(Buffer::default());
        }
        let index = self.pieces.partition_point(|(before, _)| *before <= start).checked_sub(1).ok_or_else(odd)?;
        let (before, piece) = &self.pieces[index];
        let offset = start - before;
        if offset + len > piece.len() {
            return Err(odd());
        }
        Ok(piece.slice_with_length(offset, len))
    }

    /// Bytes that may lie in two: metadata and its padding.
    fn collected(&self, start: usize, len: usize) -> Result<Buffer, ArrowError> {
        let first = self.pieces.partition_point(|(before, _)| *before <= start).saturating_sub(1);
        let mut bytes = Vec::with_capacity(len);
        for (before, piece) in &self.pieces[first..] {
            if bytes.len() == len {
                break;
            }
            let from = (start + bytes.len()).checked_sub(*before).ok_or_else(odd)?;
            let to = piece.len().min(from + len - bytes.len());
            bytes.extend_from_slice(piece.get(from..to).ok_or_else(odd)?);
        }
        if bytes.len() == len { Ok(Buffer::from(bytes)) } else { Err(odd()) }
    }
}

fn odd() -> ArrowError {
    ArrowError::IpcError("the encoder gave a message that is not whole".to_owned())
}
