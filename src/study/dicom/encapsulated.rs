//! The compressed bytes of the first frame, gathered from the fragments of encapsulated pixel data (PS3.5 A.4).

use super::pixels::PixelFormat;
use super::source::Source;
use super::syntax::Coding;
use super::tags;
use crate::study::OpenError;

/// No frame is cut into more pieces.
const MAX_FRAGMENTS: usize = 100_000;

/// Reads the offset table and the fragments of the first frame, which together may not be larger than twice the image.
pub fn read_first_frame(source: &mut Source, format: &PixelFormat, coding: Coding) -> Result<Vec<u8>, OpenError> {
    let most = 2 * format.frame_bytes() + (1 << 20);
    let second_frame = match next_item(source)? {
        Some(length) => read_second_offset(source, length)?,
        None => return Err(no_fragments()),
    };
    let mut frame = Vec::new();
    let mut offset = 0;
    for _ in 0..MAX_FRAGMENTS {
        let Some(length) = next_item(source)? else { break };
        let starts_next = second_frame.is_some_and(|second| offset >= second);
        if format.frames > 1 && !frame.is_empty() && (starts_next || coding == Coding::Rle) {
            break;
        }
        if frame.len() as u64 + length > most {
            return Err(OpenError::damaged("its compressed pixel data is larger than the image"));
        }
        let start = frame.len();
        frame.resize(start + length as usize, 0);
        source.read(&mut frame[start..])?;
        if format.frames > 1 && start > 0 && second_frame.is_none() && is_codestream_start(&frame[start..]) {
            frame.truncate(start);
            break;
        }
        offset += length + 8;
    }
    if frame.is_empty() { Err(no_fragments()) } else { Ok(frame) }
}

/// The length of the next item; `None` at the end of the sequence or of the file.
fn next_item(source: &mut Source) -> Result<Option<u64>, OpenError> {
    let mut head = [0; 8];
    match source.read_some(&mut head)? {
        0 => return Ok(None),
        8 => {}
        _ => return Err(OpenError::truncated()),
    }
    let [g0, g1, e0, e1, l0, l1, l2, l3] = head;
    let tag = u32::from(u16::from_le_bytes([g0, g1])) << 16 | u32::from(u16::from_le_bytes([e0, e1]));
    let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    match tag {
        tags::SEQUENCE_END => Ok(None),
        tags::ITEM if length <= source.end().saturating_sub(source.position()) => Ok(Some(length)),
        tags::ITEM => Err(OpenError::truncated()),
        _ => Err(OpenError::damaged("the pieces of its compressed pixel data are out of order")),
    }
}

/// Where the second frame begins, by the Basic Offset Table.
fn read_second_offset(source: &mut Source, length: u64) -> Result<Option<u64>, OpenError> {
    if length < 8 {
        source.skip(length)?;
        return Ok(None);
    }
    let mut first_two = [0; 8];
    source.read(&mut first_two)?;
    source.skip(length - 8)?;
    let [.., a, b, c, d] = first_two;
    Ok(Some(u64::from(u32::from_le_bytes([a, b, c, d]))).filter(|offset| *offset > 0))
}

fn is_codestream_start(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8, 0xFF]) || bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51])
}

fn no_fragments() -> OpenError {
    OpenError::damaged("its compressed pixel data is empty")
}
