//! Large memory in large pages: with the usual ones of 4 KiB the processor looks up addresses so often that it shows.

/// Zeros.
pub fn zeros(length: usize) -> Vec<f32> {
    // Not yet there: memory of this size comes from the system, page by page as it is first touched.
    let values = vec![0.0; length];
    advise(&values);
    values
}

/// Asks for pages of 2 MiB where the memory holds whole ones. Where there are none, nothing happens.
#[cfg(target_os = "linux")]
fn advise(values: &[f32]) {
    use rustix::mm::{Advice, madvise};
    const LARGE: usize = 2 << 20;
    let bytes = values.as_ptr_range();
    let (start, end) = ((bytes.start as usize).next_multiple_of(LARGE), bytes.end as usize / LARGE * LARGE);
    if start < end {
        let start = bytes.start.wrapping_byte_add(start - bytes.start as usize);
        // SAFETY: these are whole pages inside the slice, and their content stays.
        let _ = unsafe { madvise(start.cast_mut().cast(), end - start as usize, Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: &[f32]) {}
