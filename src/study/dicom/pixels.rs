//! The image's pixel format, checked, and its pixels as codes.
//!
//! A code is the stored value with the bits above Bits Stored cleared, plus 2^(bits − 1) for signed values, so that codes
//! run from 0 to 2^bits − 1.

use rayon::prelude::*;

use super::dataset::Dataset;
use super::source::Source;
use super::tags;
use crate::study::OpenError;
use crate::study::limits::check_size;

/// How stored values lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelFormat {
    pub rows: usize,
    pub columns: usize,
    /// 8 or 16.
    pub bits_allocated: u32,
    /// 1 to `bits_allocated`.
    pub bits_stored: u32,
    pub signed: bool,
    /// Only the first is shown; never allocate by it.
    pub frames: u64,
}

impl PixelFormat {
    /// Reads and checks the attributes; refuses what is not one grey image of 1 to 16 bits.
    pub fn of(dataset: &Dataset, warnings: &mut Vec<String>) -> Result<Self, OpenError> {
        let bits = |tag| dataset.word(tag).map(u32::from);
        let (Some(rows), Some(columns)) = (dataset.word(tags::ROWS), dataset.word(tags::COLUMNS)) else {
            return Err(OpenError::damaged("it does not state how many rows and columns its image has"));
        };
        check_size(usize::from(columns), usize::from(rows))?;
        check_grey(dataset, warnings)?;
        let bits_allocated = bits(tags::BITS_ALLOCATED).unwrap_or(16);
        if bits_allocated != 8 && bits_allocated != 16 {
            return Err(OpenError::new(format!(
                "The file's pixels take {bits_allocated} bits each; only 8 and 16 are read. Export it with 16 bits."
            )));
        }
        let bits_stored = bits(tags::BITS_STORED).unwrap_or(bits_allocated);
        if bits_stored == 0 || bits_stored > bits_allocated {
            return Err(OpenError::damaged(&format!(
                "it states {bits_stored} bits stored of {bits_allocated} allocated, which is impossible"
            )));
        }
        let high_bit = bits(tags::HIGH_BIT).unwrap_or(bits_stored - 1);
        if high_bit != bits_stored - 1 {
            return Err(OpenError::damaged(&format!("its high bit {high_bit} does not fit {bits_stored} bits stored")));
        }
        let signed = match dataset.word(tags::PIXEL_REPRESENTATION) {
            None | Some(0) => false,
            Some(1) => true,
            Some(_) => return Err(OpenError::damaged("it does not say whether its pixels are signed")),
        };
        let frames = frames(dataset, warnings);
        let (rows, columns) = (usize::from(rows), usize::from(columns));
        Ok(Self { rows, columns, bits_allocated, bits_stored, signed, frames })
    }

    /// Pixels of one frame.
    pub fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of one uncompressed frame.
    pub fn frame_bytes(&self) -> u64 {
        self.pixels() as u64 * u64::from(self.bits_allocated / 8)
    }

    /// code = stored value + offset.
    pub fn offset(&self) -> i32 {
        if self.signed { 1 << (self.bits_stored - 1) } else { 0 }
    }

    /// A 16-bit word of the pixel data as a code. Adding 2^(bits − 1) to a two's complement number of so many bits is the
    /// same as flipping its sign bit.
    fn code(&self, word: u16) -> u16 {
        let mask = ((1u32 << self.bits_stored) - 1) as u16;
        let flip = if self.signed { 1u16 << (self.bits_stored - 1) } else { 0 };
        (word & mask) ^ flip
    }

    /// Turns the words of the pixel data into codes, in place, and counts how often each code occurs.
    pub fn codes(&self, words: &mut [u16]) -> Vec<u32> {
        let add = |mut histogram: Vec<u32>, part: &mut [u16]| {
            self.add_codes(&mut histogram, part);
            histogram
        };
        words.par_chunks_mut(PART).fold(|| self.histogram(), add).reduce(|| self.histogram(), sum)
    }

    fn histogram(&self) -> Vec<u32> {
        vec![0; 1 << self.bits_stored]
    }

    fn add_codes(&self, histogram: &mut [u32], words: &mut [u16]) {
        let (eights, rest) = words.as_chunks_mut::<8>();
        for eight in eights {
            *eight = eight.map(|word| self.code(word));
            // Air, often half of the image, has one code: to count it pixel by pixel would be to wait for the same number.
            if *eight == [eight[0]; 8] {
                histogram[usize::from(eight[0])] += 8;
            } else {
                eight.iter().for_each(|code| histogram[usize::from(*code)] += 1);
            }
        }
        for word in rest {
            *word = self.code(*word);
            histogram[usize::from(*word)] += 1;
        }
    }
}

/// Words that are read or counted at a time.
const PART: usize = 1 << 19;

fn sum(mut a: Vec<u32>, b: Vec<u32>) -> Vec<u32> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// The first frame of uncompressed pixel data of `length` bytes as codes, and how often each occurs.
pub fn read_native(
    source: &mut Source,
    format: &PixelFormat,
    length: u64,
    big_endian: bool,
) -> Result<(Vec<u16>, Vec<u32>), OpenError> {
    let needed = format.frame_bytes();
    if length < needed {
        return Err(too_short(format));
    }
    let mut words = vec![0u16; format.pixels()];
    let swapped = big_endian != cfg!(target_endian = "big");
    if format.bits_allocated == 16 && !swapped {
        let histogram = read_words(source, format, &mut words)?;
        return Ok((words, histogram));
    }
    if format.bits_allocated == 16 {
        source.read(bytemuck::cast_slice_mut(&mut words))?;
        words.iter_mut().for_each(|word| *word = word.swap_bytes());
    } else {
        let mut bytes = vec![0; format.pixels()];
        source.read(&mut bytes)?;
        words.iter_mut().zip(bytes).for_each(|(word, byte)| *word = u16::from(byte));
    }
    let histogram = format.codes(&mut words);
    Ok((words, histogram))
}

/// Reads words and turns them into codes, part by part on all cores where the file allows that.
fn read_words(source: &mut Source, format: &PixelFormat, words: &mut [u16]) -> Result<Vec<u32>, OpenError> {
    let Some(file) = source.file_from_here(2 * words.len() as u64)? else {
        source.read(bytemuck::cast_slice_mut(words))?;
        return Ok(format.codes(words));
    };
    let add = |histogram: Result<Vec<u32>, OpenError>, (index, part): (usize, &mut [u16])| {
        let mut histogram = histogram?;
        file.read((2 * index * PART) as u64, bytemuck::cast_slice_mut(part))?;
        format.add_codes(&mut histogram, part);
        Ok(histogram)
    };
    let none = || Ok(format.histogram());
    words.par_chunks_mut(PART).enumerate().fold(none, add).reduce(none, |a, b| Ok(sum(a?, b?)))
}

pub fn too_short(format: &PixelFormat) -> OpenError {
    let PixelFormat { rows, columns, .. } = format;
    OpenError::damaged(&format!("its pixel data is too short for an image of {columns}×{rows} pixels"))
}

fn check_grey(dataset: &Dataset, warnings: &mut Vec<String>) -> Result<(), OpenError> {
    let samples = dataset.word(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = dataset.string(tags::PHOTOMETRIC);
    match photometric.as_deref() {
        Some("MONOCHROME1" | "MONOCHROME2") if samples == 1 => Ok(()),
        None if samples == 1 => {
            warnings.push("The file does not say whether its low values are black or white; black is assumed.".into());
            Ok(())
        }
        _ => Err(OpenError::new(
            "This DICOM file holds a colour image, and a mammogram is grey. Choose the original mammogram.",
        )),
    }
}

fn frames(dataset: &Dataset, warnings: &mut Vec<String>) -> u64 {
    let Some(stated) = dataset.string(tags::NUMBER_OF_FRAMES) else { return 1 };
    match stated.parse::<u64>() {
        Ok(1) => 1,
        Ok(frames) if frames > 1 => {
            warnings.push(format!("The file states {frames} frames; only the first is shown."));
            frames
        }
        _ => {
            warnings.push("The file's number of frames is malformed; one is assumed.".into());
            1
        }
    }
}
