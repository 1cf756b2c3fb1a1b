//! Trouble in a job becomes one plain sentence, and the next job works.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::pipeline::Cancelled;

/// Why a job gave no result.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Someone asked for that; nothing to say.
    Cancelled,
    /// For the reader.
    Message(String),
}

/// Runs a job; an error or a panic in it becomes a sentence. `what` begins it: "The analysis".
///
/// What the job borrowed may be half-changed after a panic. The models keep no state between calls, and results are values,
/// so going on is sound.
pub fn guard<T>(what: &str, job: impl FnOnce() -> anyhow::Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.is::<Cancelled>() => Err(Failure::Cancelled),
        Ok(Err(error)) => Err(Failure::Message(sentence(&error))),
        Err(_) => Err(Failure::Message(format!(
            "{what} stopped on a defect in this program. Other images can still be read; please report what led to it."
        ))),
    }
}

/// The reader's words for an error.
fn sentence(error: &anyhow::Error) -> String {
    let whole = format!("{error:#}");
    if whole.to_lowercase().contains("out of memory") || whole.contains("OUT_OF_MEMORY") {
        return "The graphics card has too little free memory for the networks. Close other programs that use it, or start with \
                --device cpu."
            .into();
    }
    error.to_string()
}

/// An error, in words, when the machine has less than `bytes` of memory to spare. Where that cannot be known, no error.
pub fn check_memory(bytes: u64) -> anyhow::Result<()> {
    match available_memory() {
        Some(free) if free < bytes => anyhow::bail!(
            "The analysis needs about {} MB of free memory and {} MB are left. Close other programs and analyse again.",
            bytes >> 20,
            free >> 20
        ),
        _ => Ok(()),
    }
}

/// Bytes that can be had without swapping, as Linux counts them.
fn available_memory() -> Option<u64> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_sentence() {
        let result: Result<(), _> = guard("The analysis", || panic!("index 5 of 3"));
        let Err(Failure::Message(text)) = result else { panic!("a panic must fail the job") };
        assert!(text.starts_with("The analysis stopped on a defect"), "{text}");
        assert!(!text.contains("index 5"), "{text}");
    }

    #[test]
    fn errors_keep_their_sentence_and_cancelling_says_nothing() {
        assert_eq!(guard::<()>("x", || Err(Cancelled.into())), Err(Failure::Cancelled));
        assert_eq!(guard::<()>("x", || anyhow::bail!("No.")), Err(Failure::Message("No.".into())));
        let memory = guard::<()>("x", || anyhow::bail!("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")"));
        let Err(Failure::Message(text)) = memory else { panic!("must fail") };
        assert!(text.contains("graphics card"), "{text}");
    }

    #[test]
    fn memory_is_asked_of_the_machine() {
        assert!(check_memory(1 << 20).is_ok());
        if available_memory().is_some() {
            let text = check_memory(u64::MAX).unwrap_err().to_string();
            assert!(text.contains("MB are left"), "{text}");
        }
    }
}
