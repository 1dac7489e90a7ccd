use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_schema::ArrowError;

/// Runs Arrow's encoder or decoder, and turns a panic in it into an error.
///
/// Every length in a file that we know of is checked before the decoder sees it (`wire::frame`). The decoder still
/// slices buffers by offsets that it reads, and asserts instead of returning errors in places; a damaged file must not
/// end a training run that would have skipped it. The panic hook is left alone: it belongs to the program.
pub(crate) fn no_panic<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    // Nothing that `work` may leave half-changed is used after an error: a reader fuses, a writer is dropped.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(ArrowError::IpcError(format!("the Arrow library gave up ({message})")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let error = no_panic::<()>(|| panic!("offset {} out of range", 7)).unwrap_err();

        assert!(error.to_string().contains("offset 7 out of range"), "{error}");
    }
}
