//! Record batches as an Arrow IPC file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::{IpcSchemaEncoder, metadata_to_fb};
use arrow_ipc::writer::{DictionaryTracker, StreamEncoder};
use arrow_ipc::{Block, Buffer as Place, CompressionType, FooterBuilder, MessageHeader, MetadataVersion};
use arrow_schema::{ArrowError, Metadata, Schema};
use flatbuffers::FlatBufferBuilder;

use super::checksum::{Checksums, Hasher};
use super::deflate;
use super::dictionaries::Dictionaries;
use super::message::with_buffers;
use super::rope::{self, RawMessage};

/// How the buffers of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As LZ4 frames of independent blocks.
    #[default]
    Lz4,
    /// As they are, each at a multiple of 64 bytes: who maps the file into memory needs no copy.
    None,
}

/// A file that is being written.
pub(crate) struct FileEncoder {
    sink: Sink,
    compression: Compression,
    encoder: StreamEncoder,
    schema: Schema,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
    known: HashSet<i64>,
    without_rows: Dictionaries,
    checksums: Checksums,
}

/// A file and the bytes before the next.
struct Sink {
    file: File,
    at: u64,
    /// Small writes, gathered.
    pending: Vec<u8>,
}

pub(crate) const MAGIC: &[u8; 6] = b"ARROW1";
/// Messages begin at multiples of it: the first behind the magic, as in a stream.
const MESSAGE_ALIGNMENT: usize = 8;
/// Bodies begin at multiples of it.
const ALIGNMENT: usize = 64;
const CONTINUATION: [u8; 4] = [0xff; 4];
/// What precedes a message's metadata: the marker and its length.
const PREFIX: usize = 8;
/// A place in a body that is not known yet. Not zero: the flatbuffer would leave out zeros, and be shorter.
const UNKNOWN: i64 = 1;
const GATHERED: usize = 256 << 10;
/// Bytes that are hashed and then written, while they are in the cache.
const CHUNK: usize = 1 << 20;

impl FileEncoder {
    /// Begins a file for batches of `schema`.
    pub(crate) fn new(file: File, schema: &Schema, compression: Compression) -> Result<Self, ArrowError> {
        let mut encoder = Self {
            sink: Sink { file, at: 0, pending: Vec::new() },
            compression,
            encoder: StreamEncoder::try_new(schema)?,
            schema: schema.clone(),
            dictionaries: Vec::new(),
            batches: Vec::new(),
            known: HashSet::new(),
            without_rows: Dictionaries::of(schema),
            checksums: Checksums::default(),
        };
        encoder.sink.write(MAGIC)?;
        encoder.sink.align(MESSAGE_ALIGNMENT)?;
        Ok(encoder)
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let batches = self.without_rows.pass(batch)?;
        batches.iter().try_for_each(|batch| self.encode(batch))
    }

    /// Writes the end, and gives the file back.
    pub(crate) fn finish(mut self) -> Result<File, ArrowError> {
        self.without_rows.rest().iter().try_for_each(|batch| self.encode(batch))?;
        let encoder = std::mem::replace(&mut self.encoder, StreamEncoder::try_new(&Schema::empty())?);
        let mut end = encoder.finish()?;
        // Behind the schema, where no batch has brought it, stands an end of the stream, which is ours to write.
        end.pop();
        for message in rope::messages(end)? {
            self.message(&message)?;
        }
        self.sink.write(&CONTINUATION)?;
        self.sink.write(&[0; 4])?;
        let footer = self.footer();
        self.sink.write(&footer)?;
        let len = i32::try_from(footer.len()).map_err(|_| too_large("a footer"))?;
        self.sink.write(&len.to_le_bytes())?;
        self.sink.write(MAGIC)?;
        self.sink.flush()?;
        Ok(self.sink.file)
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let buffers = self.encoder.encode(batch)?;
        for message in rope::messages(buffers)? {
            self.message(&message)?;
        }
        Ok(())
    }

    fn message(&mut self, raw: &RawMessage) -> Result<(), ArrowError> {
        let message = raw.message()?;
        match message.header_type() {
            MessageHeader::Schema => {
                let header = header(raw.metadata(), self.sink.header_len(raw.metadata().len()))?;
                self.sink.write(&header)?;
                self.checksums.message(Hasher::default(), &header);
            }
            MessageHeader::DictionaryBatch => {
                let id = message.header_as_dictionary_batch().map(|dictionary| dictionary.id());
                if !id.is_some_and(|id| self.known.insert(id)) {
                    let problem = "its batches have different dictionaries, and an Arrow file has one for each column";
                    return Err(ArrowError::InvalidArgumentError(problem.to_owned()));
                }
                let block = self.batch(raw)?;
                self.dictionaries.push(block);
            }
            _ => {
                let block = self.batch(raw)?;
                self.batches.push(block);
            }
        }
        Ok(())
    }

    /// The body first, then the metadata before it, which says how long each buffer has become.
    fn batch(&mut self, raw: &RawMessage) -> Result<Block, ArrowError> {
        let message = raw.message()?;
        let metadata = |places: &[Place], len: usize| {
            with_buffers(&message, places, len, self.compression.codec())
                .ok_or_else(|| ArrowError::IpcError("a message without a batch".to_owned()))
        };
        let unknown = vec![Place::new(UNKNOWN, UNKNOWN); raw.buffers.len()];
        let reserved = self.sink.header_len(metadata(&unknown, 1)?.len());
        let start = self.sink.skip(reserved)?;
        let mut hasher = Hasher::default();
        let write = |bytes: &[u8]| {
            hasher.update(bytes);
            self.sink.write(bytes)
        };
        let lens = match self.compression {
            Compression::Lz4 => deflate::compress(&raw.buffers, write)?,
            Compression::None => write_plain(&raw.buffers, write)?,
        };
        let mut body_len = 0;
        let mut places = Vec::with_capacity(lens.len());
        for len in lens {
            // Lengths in memory: far below 2^63.
            places.push(Place::new(body_len as i64, len as i64));
            body_len += self.compression.padded(len);
        }
        let padding = body_len.next_multiple_of(ALIGNMENT) - body_len;
        self.sink.write(&[0; ALIGNMENT][..padding])?;
        hasher.update(&[0; ALIGNMENT][..padding]);
        body_len += padding;
        let header = header(&metadata(&places, body_len)?, reserved)?;
        self.sink.write_at(start, &header)?;
        self.checksums.message(hasher, &header);
        let header_len = i32::try_from(reserved).map_err(|_| too_large("a message's metadata"))?;
        Ok(Block::new(start as i64, header_len, body_len as i64))
    }

    fn footer(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector(&self.dictionaries);
        let batches = builder.create_vector(&self.batches);
        let mut tracker = DictionaryTracker::new(true);
        let schema = IpcSchemaEncoder::new()
            .with_dictionary_tracker(&mut tracker)
            .schema_to_fb_offset(&mut builder, &self.schema);
        let metadata = Metadata::from_iter([(Checksums::KEY.to_owned(), self.checksums.to_string())]);
        let metadata = metadata_to_fb(&mut builder, &metadata);
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        footer.add_custom_metadata(metadata);
        let footer = footer.finish();
        builder.finish(footer, None);
        builder.finished_data().to_vec()
    }
}

impl Compression {
    fn codec(self) -> Option<CompressionType> {
        match self {
            Self::Lz4 => Some(CompressionType::LZ4_FRAME),
            Self::None => None,
        }
    }

    /// As many bytes as `len` and what pads it.
    fn padded(self, len: usize) -> usize {
        match self {
            Self::Lz4 => deflate::padded(len),
            Self::None => len.next_multiple_of(ALIGNMENT),
        }
    }
}

impl std::fmt::Debug for FileEncoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FileEncoder").field("at", &self.sink.at).finish_non_exhaustive()
    }
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        if bytes.len() >= GATHERED {
            self.flush()?;
            return self.file.write_all(bytes);
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= GATHERED { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn align(&mut self, alignment: usize) -> io::Result<()> {
        let padding = self.at.next_multiple_of(alignment as u64) - self.at;
        // Less than the alignment.
        self.write(&[0; ALIGNMENT][..padding as usize])
    }

    /// Leaves room for `len` bytes, and says where it begins.
    fn skip(&mut self, len: usize) -> io::Result<u64> {
        let start = self.at;
        self.flush()?;
        self.at = self.file.seek(SeekFrom::Current(len as i64))?;
        Ok(start)
    }

    /// Of a message that begins here: so many bytes that its body begins where bodies do.
    fn header_len(&self, flatbuffer: usize) -> usize {
        let start = (self.at % ALIGNMENT as u64) as usize;
        (start + PREFIX + flatbuffer).next_multiple_of(ALIGNMENT) - start
    }

    /// Writes where room was left.
    fn write_at(&mut self, start: u64, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.file.seek(SeekFrom::Start(start))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::Start(self.at))?;
        Ok(())
    }
}

/// Gives `buffers` to `write` as they are, each padded, and says how long each of them is without.
fn write_plain(buffers: &[Buffer], mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Vec<usize>> {
    for buffer in buffers {
        buffer.chunks(CHUNK).try_for_each(&mut write)?;
        write(&[0; ALIGNMENT][..Compression::None.padded(buffer.len()) - buffer.len()])?;
    }
    Ok(buffers.iter().map(Buffer::len).collect())
}

/// The marker, the length, the flatbuffer, and zeros up to `len`.
fn header(flatbuffer: &[u8], len: usize) -> Result<Vec<u8>, ArrowError> {
    let metadata_len = i32::try_from(len - PREFIX).map_err(|_| too_large("a message's metadata"))?;
    let mut header = Vec::with_capacity(len);
    header.extend(CONTINUATION);
    header.extend(metadata_len.to_le_bytes());
    header.extend_from_slice(flatbuffer);
    header.resize(len, 0);
    Ok(header)
}

fn too_large(what: &str) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("{what} of more than 2 GiB"))
}
