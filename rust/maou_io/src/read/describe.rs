//! What a file says of itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_ipc::MessageHeader;
use arrow_schema::{DataType, Field, Schema};

use super::{BatchReader, Cursor, no_batch, open};
use crate::error::Result;
use crate::wire::Outline;

/// What [`describe`] finds in a file. Its values were not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// In the file's order.
    pub columns: Vec<ColumnDescription>,
    /// Rows in all batches.
    pub rows: u64,
    /// Record batches.
    pub batches: usize,
    /// Length of the file.
    pub bytes: u64,
    /// Bytes of the data of all batches, decompressed. Dictionaries do not count.
    pub uncompressed_bytes: u64,
    /// How the batches are compressed: `LZ4`, `ZSTD`, none, or both where batches differ.
    pub codecs: BTreeSet<&'static str>,
    /// Whether the file has checksums, which [`verify`](crate::verify) holds it against. Only *files* of maou have.
    pub checksums: bool,
}

/// A column as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// As the file has it; two columns may have one name.
    pub name: String,
    /// The Arrow type without its parameters, but for the widths of numbers and the lengths of lists: `Int16`,
    /// `FixedSizeList<UInt8, 14>`, `Dictionary<Utf8>`.
    pub arrow_type: String,
    /// Nulls in all batches. Those within lists and structs do not count.
    pub nulls: u64,
}

/// Reads what a file says of itself: its schema and the headers of its batches. Of the values nothing is read, but for
/// eight bytes of each compressed buffer, which say how large it is.
///
/// What it says is held against the length of the file, and otherwise believed.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) when the file cannot be opened or read, [`Error::Data`](crate::Error::Data) when it is no
/// Arrow IPC file, or its headers are damaged or cut.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Int16Array, RecordBatch};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("a.feather");
/// # let batch = RecordBatch::try_from_iter([("eval", Arc::new(Int16Array::from(vec![Some(1), None])) as _)])?;
/// maou_io::save_feather_file(&batch, &path)?;
/// let description = maou_io::describe(&path)?;
/// assert_eq!((description.rows, description.batches, description.checksums), (2, 1, true));
/// assert_eq!((&*description.columns[0].arrow_type, description.columns[0].nulls), ("Int16", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn describe(path: &Path) -> Result<Description> {
    let BatchReader { source, mut cursor, schema, .. } = BatchReader::open(path)?;
    let is_file = matches!(cursor, Cursor::File { .. });
    let mut description = Description {
        columns: columns(&schema),
        rows: 0,
        batches: 0,
        bytes: source.len(),
        uncompressed_bytes: 0,
        codecs: BTreeSet::new(),
        checksums: is_file && open::footer(&source)?.checksums.is_some(),
    };
    while let Some(frame) = cursor.advance(&source)? {
        match frame.kind() {
            MessageHeader::RecordBatch => description.add(&Outline::of(&source, &frame, &schema)?),
            MessageHeader::DictionaryBatch => {}
            kind => return Err(no_batch(&source, kind)),
        }
    }
    Ok(description)
}

impl Description {
    fn add(&mut self, batch: &Outline) {
        // Rows of nulls take no bytes: there can be any number.
        self.rows = self.rows.saturating_add(batch.rows);
        self.batches += 1;
        self.uncompressed_bytes = self.uncompressed_bytes.saturating_add(batch.bytes);
        self.codecs.extend(batch.codec);
        for (column, nulls) in self.columns.iter_mut().zip(&batch.nulls) {
            column.nulls = column.nulls.saturating_add(*nulls);
        }
    }
}

fn columns(schema: &Schema) -> Vec<ColumnDescription> {
    let column = |field: &Field| ColumnDescription {
        name: field.name().clone(),
        arrow_type: type_name(field.data_type()),
        nulls: 0,
    };
    schema.fields().iter().map(|field| column(field)).collect()
}

/// A type's name as Arrow's format has it, where one stands for several widths of times and decimals.
#[must_use]
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "Bool".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "Time".to_owned(),
        DataType::Timestamp(..) => "Timestamp".to_owned(),
        DataType::Duration(_) => "Duration".to_owned(),
        DataType::Interval(_) => "Interval".to_owned(),
        DataType::FixedSizeBinary(_) => "FixedSizeBinary".to_owned(),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "Decimal".to_owned()
        }
        DataType::List(item) => nested("List", [item]),
        DataType::LargeList(item) => nested("LargeList", [item]),
        DataType::ListView(item) => nested("ListView", [item]),
        DataType::LargeListView(item) => nested("LargeListView", [item]),
        DataType::FixedSizeList(item, length) => format!("FixedSizeList<{}, {length}>", type_name(item.data_type())),
        DataType::Struct(fields) => nested("Struct", fields),
        DataType::Map(entries, _) => nested("Map", [entries]),
        DataType::Union(fields, _) => nested("Union", fields.iter().map(|(_, field)| field)),
        DataType::RunEndEncoded(ends, values) => nested("RunEndEncoded", [ends, values]),
        DataType::Dictionary(_, values) => format!("Dictionary<{}>", type_name(values)),
        plain => plain.to_string(),
    }
}

fn nested<'a>(name: &str, fields: impl IntoIterator<Item = &'a Arc<Field>>) -> String {
    let names: Vec<String> = fields.into_iter().map(|field| type_name(field.data_type())).collect();
    if names.is_empty() { name.to_owned() } else { format!("{name}<{}>", names.join(", ")) }
}

#[cfg(test)]
mod tests;
