//! The C stream interface, a call at a time.

use std::ffi::{CStr, c_int};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::ArrowError;

/// A stream that has not been released. It is when this is dropped.
pub(super) struct Stream(FFI_ArrowArrayStream);

impl Stream {
    pub(super) fn new(stream: FFI_ArrowArrayStream) -> Result<Self, ArrowError> {
        if stream.release().is_none() {
            return Err(failed("the Arrow stream was taken out of its capsule before"));
        }
        Ok(Self(stream))
    }

    /// The schema of every array.
    pub(super) fn schema(&mut self) -> Result<FFI_ArrowSchema, ArrowError> {
        let get_schema = self.0.get_schema().ok_or_else(|| failed("an Arrow stream without get_schema"))?;
        let mut schema = FFI_ArrowSchema::empty();
        // SAFETY: the stream is not released, and `schema` is there to be written to.
        let code = unsafe { get_schema(&raw mut self.0, &raw mut schema) };
        if code == 0 { Ok(schema) } else { Err(self.error(code)) }
    }

    /// The next array; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<FFI_ArrowArray>, ArrowError> {
        let get_next = self.0.get_next().ok_or_else(|| failed("an Arrow stream without get_next"))?;
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: as for the schema.
        let code = unsafe { get_next(&raw mut self.0, &raw mut array) };
        if code == 0 { Ok((!array.is_released()).then_some(array)) } else { Err(self.error(code)) }
    }

    /// What the producer says of the call that just failed.
    fn error(&mut self, code: c_int) -> ArrowError {
        let message = self.0.get_last_error().and_then(|get_last_error| {
            // SAFETY: the last call failed. What it returns is null, or text until the next call.
            let message = unsafe { get_last_error(&raw mut self.0) };
            // SAFETY: as above.
            (!message.is_null()).then(|| unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned())
        });
        failed(format!("its producer failed with {code}: {}", message.as_deref().unwrap_or("no message")))
    }
}

fn failed(problem: impl Into<String>) -> ArrowError {
    ArrowError::CDataInterface(problem.into())
}
