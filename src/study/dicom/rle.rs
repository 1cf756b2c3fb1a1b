//! RLE Lossless (PS3.5 Annex G): PackBits, one segment per byte of a pixel, high byte first.

use super::pixels::{PixelFormat, too_short};
use crate::study::OpenError;

const HEADER: usize = 64;
const MAX_SEGMENTS: u32 = 15;

/// The frame as 16-bit words.
pub fn decode(frame: &[u8], format: &PixelFormat) -> Result<Vec<u16>, OpenError> {
    let bytes_per_pixel = (format.bits_allocated / 8) as usize;
    let offsets = segment_offsets(frame, bytes_per_pixel)?;
    let mut words = vec![0u16; format.pixels()];
    for (i, start) in offsets.iter().enumerate() {
        let end = offsets.get(i + 1).copied().unwrap_or(frame.len());
        let segment = frame.get(*start..end).ok_or_else(bad_header)?;
        unpack(segment, &mut words).ok_or_else(|| too_short(format))?;
    }
    Ok(words)
}

/// Where the segments begin, checked: as many as a pixel has bytes, ascending, inside the frame.
fn segment_offsets(frame: &[u8], expected: usize) -> Result<Vec<usize>, OpenError> {
    let header = frame.get(..HEADER).ok_or_else(bad_header)?;
    let fields: Vec<u32> = header.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
    let count = fields[0];
    if count > MAX_SEGMENTS || count as usize != expected {
        return Err(bad_header());
    }
    let offsets: Vec<usize> = fields[1..=expected].iter().map(|offset| *offset as usize).collect();
    let ascending = offsets.windows(2).all(|pair| pair[0] < pair[1]);
    let inside = offsets.iter().all(|offset| (HEADER..=frame.len()).contains(offset));
    if ascending && inside { Ok(offsets) } else { Err(bad_header()) }
}

/// Shifts each unpacked byte into its word; `None` when the segment ends before the words do.
fn unpack(segment: &[u8], words: &mut [u16]) -> Option<()> {
    let mut input = segment;
    let mut at = 0;
    while at < words.len() {
        let (&control, rest) = input.split_first()?;
        input = rest;
        let run = match control {
            0..=127 => usize::from(control) + 1,
            128 => continue,
            129..=255 => 257 - usize::from(control),
        };
        let until = (at + run).min(words.len());
        if control < 128 {
            let literal = input.get(..run)?;
            input = &input[run..];
            words[at..until].iter_mut().zip(literal).for_each(|(word, byte)| *word = *word << 8 | u16::from(*byte));
        } else {
            let (&byte, rest) = input.split_first()?;
            input = rest;
            words[at..until].iter_mut().for_each(|word| *word = *word << 8 | u16::from(byte));
        }
        at = until;
    }
    Some(())
}

fn bad_header() -> OpenError {
    OpenError::damaged("the segment table of its RLE pixel data is impossible")
}
