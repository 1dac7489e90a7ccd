//! Arrow data in and out of Python by the PyCapsule protocol, whoever made it.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>. Memory is shared and not copied, in
//! both directions: the exporter's release callback says when its owner may free it.

mod import;
mod nulls;
mod stream;

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, RecordBatchOptions, StructArray};
use arrow_schema::{ArrowError, SchemaRef};
use import::Refused;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use stream::Stream;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// Chunks of so many bytes are worth a batch of their own.
const CHUNK_BYTES: usize = 8 << 20;

/// A record batch. `polars.DataFrame(batch)`, `pyarrow.record_batch(batch)` and `pyarrow.table(batch)` take it, uncopied.
#[pyclass(frozen, name = "RecordBatch", module = "maou._rust.maou_io")]
pub(crate) struct PyRecordBatch(RecordBatch);

impl From<RecordBatch> for PyRecordBatch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

/// One batch out of any Arrow object. A stream of several is joined.
pub(crate) fn batch(object: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    match stream(object)? {
        Some((schema, batches)) => maou_io::concat(&schema, batches).map_err(invalid),
        None => array(object),
    }
}

/// What any Arrow object holds, to be written: its chunks, of which small ones are joined. To join all of a large frame would
/// take its memory once more.
pub(crate) fn chunks(object: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    match stream(object)? {
        Some((schema, batches)) => joined(&schema, batches).map_err(invalid),
        None => Ok(vec![array(object)?]),
    }
}

/// Batches out of a list of Arrow objects, one each; or out of one Arrow object, in its own chunks.
pub(crate) fn batches(objects: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    match stream(objects)? {
        Some((_, batches)) => Ok(batches),
        None if objects.hasattr("__arrow_c_array__")? => Ok(vec![array(objects)?]),
        None => objects.try_iter()?.map(|object| batch(&object?)).collect(),
    }
}

/// Consecutive batches, joined until they are [`CHUNK_BYTES`]; an empty one where there is none.
fn joined(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
    let (mut chunks, mut group, mut bytes) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        bytes += size(&batch);
        group.push(batch);
        if bytes >= CHUNK_BYTES {
            chunks.push(maou_io::concat(schema, std::mem::take(&mut group))?);
            bytes = 0;
        }
    }
    if !group.is_empty() || chunks.is_empty() {
        chunks.push(maou_io::concat(schema, group)?);
    }
    Ok(chunks)
}

/// Bytes of its rows, and not of those that it shares buffers with.
fn size(batch: &RecordBatch) -> usize {
    let of_rows = |column: &Arc<dyn Array>| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
    };
    batch.columns().iter().map(of_rows).sum()
}

// An exporter may ignore the schema that is requested, and has to say so by exporting its own. This one does: what a
// file holds is what its reader gets.
#[pymethods]
impl PyRecordBatch {
    /// The batch as capsules of a C schema and a C array.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let _ = requested_schema;
        let array = FFI_ArrowArray::new(&StructArray::from(self.0.clone()).to_data());
        // The value is dropped with the capsule, and calls its release callback unless a consumer has taken it out.
        Ok((self.__arrow_c_schema__(py)?, PyCapsule::new_with_value(py, array, ARRAY)?))
    }

    /// The batch as a capsule of a C stream that gives it once.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let reader = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
    }

    /// The schema as a capsule of a C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.schema_ref().as_ref()).map_err(invalid)?;
        PyCapsule::new_with_value(py, schema, SCHEMA)
    }

    /// Number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    /// Number of columns.
    #[getter]
    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    /// Names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        self.0.schema_ref().fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// Names of their Arrow types, as `describe_feather_file` has them.
    #[getter]
    fn column_types(&self) -> Vec<String> {
        self.0.schema_ref().fields().iter().map(|field| maou_io::type_name(field.data_type())).collect()
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    fn __repr__(&self) -> String {
        let columns: Vec<_> = self
            .0
            .schema_ref()
            .fields()
            .iter()
            .map(|field| format!("{}: {}", field.name(), field.data_type()))
            .collect();
        format!("<maou RecordBatch of {} rows: {}>", self.0.num_rows(), columns.join(", "))
    }
}

/// The batches of an object that can stream them, and their schema. Almost all can, and those that can do both may
/// refuse to give a single array.
fn stream(object: &Bound<'_, PyAny>) -> PyResult<Option<(SchemaRef, Vec<RecordBatch>)>> {
    if !object.hasattr("__arrow_c_stream__")? {
        return Ok(None);
    }
    let capsule = object.call_method0("__arrow_c_stream__")?;
    let pointer = contents::<FFI_ArrowArrayStream>(&capsule, STREAM)?;
    // SAFETY: a capsule of this name holds an initialized stream, and the capsule lives until the end of this function.
    // What is moved out leaves a released stream, which its destructor leaves alone.
    let mut stream = Stream::new(unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) }).map_err(invalid)?;
    let schema = stream.schema().map_err(invalid)?;
    let schema = Arc::new(import::schema(&schema).map_err(|refused| no_batch(object, refused))?);
    let mut batches = Vec::new();
    while let Some(array) = stream.next().map_err(invalid)? {
        batches.push(from_struct(&schema, array).map_err(invalid)?);
    }
    Ok(Some((schema, batches)))
}

/// The batch that an object is, in the form of a struct array.
fn array(object: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    if !object.hasattr("__arrow_c_array__")? {
        return Err(PyTypeError::new_err(format!(
            "expected Arrow data, which has __arrow_c_stream__ or __arrow_c_array__ (a polars DataFrame, a pyarrow Table \
             or RecordBatch), got {}",
            object.get_type().fully_qualified_name()?
        )));
    }
    let (schema_capsule, array_capsule): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
        object.call_method0("__arrow_c_array__")?.extract()?;
    let schema = contents::<FFI_ArrowSchema>(&schema_capsule, SCHEMA)?;
    // SAFETY: a capsule of this name holds an initialized schema, and the capsule outlives this borrow.
    let ffi_schema = unsafe { schema.as_ref() };
    let schema = Arc::new(import::schema(ffi_schema).map_err(|refused| no_batch(object, refused))?);
    let pointer = contents::<FFI_ArrowArray>(&array_capsule, ARRAY)?;
    // SAFETY: as for streams above.
    let ffi_array = unsafe { FFI_ArrowArray::from_raw(pointer.as_ptr()) };
    from_struct(&schema, ffi_array).map_err(invalid)
}

fn from_struct(schema: &SchemaRef, array: FFI_ArrowArray) -> Result<RecordBatch, ArrowError> {
    let rows = import::rows(array, schema)?;
    if rows.null_count() > 0 {
        return Err(ArrowError::InvalidArgumentError(
            "a record batch has no null rows, and this struct array has".to_owned(),
        ));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    import::no_panic(|| RecordBatch::try_new_with_options(Arc::clone(schema), rows.columns().to_vec(), &options))
}

fn contents<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<T>> {
    Ok(capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?.cast())
}

/// Arrow data that is damaged, or no table: a column, a list of numbers.
fn no_batch(object: &Bound<'_, PyAny>, refused: Refused) -> PyErr {
    let error = match refused {
        Refused::Damaged(error) => return invalid(error),
        Refused::NoTable(error) => error,
    };
    let name =
        object.get_type().fully_qualified_name().map_or_else(|_| "an object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("expected a table or record batch, got {name}: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` takes")]
fn invalid(error: ArrowError) -> PyErr {
    PyValueError::new_err(format!("cannot take the Arrow data: {error}"))
}
