//! Arrow data in and out of Python by the PyCapsule protocol, whoever made it.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>. Memory is shared and not copied, in
//! both directions: the exporter's release callback says when its owner may free it.

mod import;
mod nulls;
mod stream;
mod taken;

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, StructArray};
use arrow_schema::ArrowError;
use import::Refused;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use stream::Stream;
pub(crate) use taken::Taken;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// A record batch. `polars.DataFrame(batch)`, `pyarrow.record_batch(batch)` and `pyarrow.table(batch)` take it, uncopied.
#[pyclass(frozen, name = "RecordBatch", module = "maou._rust.maou_io")]
pub(crate) struct PyRecordBatch(RecordBatch);

impl From<RecordBatch> for PyRecordBatch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

/// What any Arrow object holds.
pub(crate) fn take(object: &Bound<'_, PyAny>) -> PyResult<Taken> {
    match stream(object)? {
        Some(taken) => Ok(taken),
        None => array(object),
    }
}

/// What is to be a batch each: the objects of a list; or the chunks of one Arrow object.
pub(crate) fn take_each(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Taken>> {
    match stream(objects)? {
        Some(taken) => Ok(taken.split()),
        None if objects.hasattr("__arrow_c_array__")? => Ok(vec![array(objects)?]),
        None => objects.try_iter()?.map(|object| take(&object?)).collect(),
    }
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

/// The arrays of an object that can stream them. Almost all can, and those that can do both may refuse to give a single
/// one.
fn stream(object: &Bound<'_, PyAny>) -> PyResult<Option<Taken>> {
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
    let mut arrays = Vec::new();
    while let Some(array) = stream.next().map_err(invalid)? {
        arrays.push(array);
    }
    Ok(Some(Taken { schema, arrays }))
}

/// The struct array that an object is.
fn array(object: &Bound<'_, PyAny>) -> PyResult<Taken> {
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
    let array = unsafe { FFI_ArrowArray::from_raw(pointer.as_ptr()) };
    Ok(Taken { schema, arrays: vec![array] })
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
