//! Arrow IPC on the disk: messages, compressed buffers, and the memory that they are read into.
//!
//! Arrow's own crate turns messages into arrays and arrays into messages. What lies between those and the file is here:
//! every length is checked before it is believed, and buffers are compressed and decompressed side by side.

mod body;
mod bytes;
mod checksum;
mod deflate;
mod dictionaries;
mod encode;
mod frame;
mod heap;
mod inflate;
mod input;
mod joint;
mod layout;
mod lz4;
mod lz4_offsets;
mod lz4_runs;
mod lz4_sequence;
mod mapping;
mod message;
mod outline;
mod output;
mod realign;
mod region;
mod rope;
mod rows;
mod spare;
mod stream;

pub(crate) use body::{Body, Plan, load, load_all, prefixes};
pub(crate) use checksum::{Checksums, Hasher};
pub(crate) use dictionaries::has_dictionaries;
pub use encode::Compression;
pub(crate) use encode::{FileEncoder, MAGIC};
pub(crate) use frame::{Frame, Source};
pub(crate) use joint::Joint;
pub(crate) use layout::wanted_buffers;
pub(crate) use message::limits;
pub(crate) use outline::Outline;
pub(crate) use rows::{ColumnStream, is_readable};
