//! How large a mammogram may be, and what is said about files that are not mammograms. Untrusted files meet these first.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::OpenError;

/// More pixels than any mammogram has: 24 cm × 30 cm of film scanned at 25 µm would be 115 million, at 43.5 µm 38 million.
pub const MAX_PIXELS: usize = 100_000_000;

/// Checks an image's size before anything is allocated by it.
pub fn check_size(width: usize, height: usize) -> Result<(), OpenError> {
    if width == 0 || height == 0 {
        return Err(OpenError::new(format!(
            "The file describes an image of {width}×{height} pixels, which holds nothing. Ask for it to be exported again."
        )));
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(OpenError::new(format!(
            "The file describes an image of {width}×{height} pixels; more than {} million are not opened. \
             Export it at a lower resolution.",
            MAX_PIXELS / 1_000_000
        )));
    }
    Ok(())
}

/// Runs a decoder made by others: a panic in it becomes `None`. It sees pixels and sizes only, never names or numbers of
/// patients, so its panic message cannot hold any.
pub fn guarded<T>(decode: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decode)).ok().flatten()
}

impl OpenError {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// `what` completes "The file is damaged: ".
    pub(crate) fn damaged(what: &str) -> Self {
        Self(format!("The file is damaged: {what}. Ask for it to be exported or sent again."))
    }

    pub(crate) fn truncated() -> Self {
        Self::damaged("it ends before its data does, or claims more bytes than it holds")
    }
}
