//! The entry functions, which `cargo test` calls as well, under libFuzzer.

#[path = "../../rust/maou_io/tests/hostile/arrays.rs"]
mod arrays;
#[path = "../../rust/maou_io/tests/hostile/bound.rs"]
mod bound;
#[path = "../../rust/maou_io/tests/hostile/directory.rs"]
mod directory;
#[path = "../../rust/maou_io/tests/hostile/entry.rs"]
mod entry;
#[path = "../../rust/maou_index/tests/hostile/entry.rs"]
mod index_entry;
#[path = "../../rust/maou_io/tests/hostile/model.rs"]
mod model;

#[global_allocator]
static ALLOCATOR: bound::Bounded = bound::Bounded;

/// What a target gives its input to.
pub type Entry = fn(&[u8]);

pub const FILE: Entry = entry::file;
pub const STREAM: Entry = entry::stream;
pub const SCHEMA: Entry = entry::schema;
pub const SPARSE: Entry = entry::sparse;
pub const SPLIT_MERGE: Entry = entry::split_merge;
pub const INDEX: Entry = index_entry::index;
