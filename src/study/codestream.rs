//! Headers of JPEG and JPEG 2000 codestreams, read before a decoder sees them: what they claim must agree with what the file
//! says elsewhere, and must be decodable in bounded memory.

use super::OpenError;

/// What a codestream says about its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodestreamHeader {
    pub width: usize,
    pub height: usize,
    pub components: usize,
    /// Bits per sample.
    pub precision: u32,
    pub process: Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Baseline, extended or progressive DCT.
    JpegDct,
    JpegLossless,
    JpegLs,
    Jpeg2000,
}

impl CodestreamHeader {
    /// The fewest bytes that can hold such an image: each 8×8 block of a DCT takes two bits or more, each pixel of lossless
    /// JPEG one; for the others a ratio that no mammogram reaches.
    pub fn fewest_bytes(&self) -> usize {
        let pixels = self.width * self.height;
        match self.process {
            Process::JpegDct => pixels / 256,
            Process::JpegLossless => pixels / 8,
            Process::Jpeg2000 | Process::JpegLs => pixels / 1000,
        }
    }
}

/// Reads a JPEG stream up to its frame header (ITU-T T.81 B.2).
pub fn jpeg_header(bytes: &[u8]) -> Result<CodestreamHeader, OpenError> {
    let damaged = || OpenError::damaged("its JPEG data has no valid header");
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8]).ok_or_else(damaged)?;
    loop {
        let (marker, after) = next_marker(rest).ok_or_else(damaged)?;
        let segment = segment(after).ok_or_else(damaged)?;
        match marker {
            0xC0..=0xCF | 0xF7 if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => return frame_header(marker, segment),
            0xD8..=0xDA => return Err(damaged()),
            _ => rest = &after[segment.len() + 2..],
        }
    }
}

fn frame_header(marker: u8, segment: &[u8]) -> Result<CodestreamHeader, OpenError> {
    let &[precision, h1, h0, w1, w0, components, ..] = segment else {
        return Err(OpenError::damaged("its JPEG data has no valid header"));
    };
    let process = match (marker, precision) {
        (0xC0..=0xC2, 8) => Process::JpegDct,
        (0xC1, 12) => {
            return Err(OpenError::new(
                "The pixels of this file are written in 12-bit JPEG Extended (process 4), which this program does not \
                 read. Export it uncompressed or as JPEG Lossless.",
            ));
        }
        (0xC3, 2..=16) => Process::JpegLossless,
        (0xF7, 2..=16) => Process::JpegLs,
        _ => {
            return Err(OpenError::new(
                "The pixels of this file are written in a rare JPEG process, which this program does not read. \
                 Export it uncompressed or as JPEG Lossless.",
            ));
        }
    };
    Ok(CodestreamHeader {
        width: usize::from(u16::from_be_bytes([w1, w0])),
        height: usize::from(u16::from_be_bytes([h1, h0])),
        components: usize::from(components),
        precision: u32::from(precision),
        process,
    })
}

/// Whether a JPEG stream is closed by its end marker, apart from those of embedded previews, which come before the frame.
pub fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let is_pair = |second: u8| move |pair: &[u8]| pair == [0xFF, second];
    let end = bytes.windows(2).rposition(is_pair(0xD9));
    let scan = bytes.windows(2).rposition(is_pair(0xDA));
    matches!((end, scan), (Some(end), Some(scan)) if end > scan)
}

/// A marker's code and what follows it.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [0xFF, rest @ ..] = bytes else { return None };
    let fill = rest.iter().take_while(|b| **b == 0xFF).count();
    rest.get(fill).map(|marker| (*marker, &rest[fill + 1..]))
}

/// The content of a marker segment, behind its length.
fn segment(bytes: &[u8]) -> Option<&[u8]> {
    let &[high, low, ..] = bytes else { return None };
    bytes.get(2..usize::from(u16::from_be_bytes([high, low])))
}

const SOC: u8 = 0x4F;
const SIZ: u8 = 0x51;
const COD: u8 = 0x52;
const COC: u8 = 0x53;
const POC: u8 = 0x5F;
const PPM: u8 = 0x60;
const PPT: u8 = 0x61;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;

/// The most tiles, code blocks and precincts that a codestream may ask for, and the most quality layers: the decoder's memory
/// grows with them.
const MAX_TILES: usize = 4096;
const MAX_BLOCKS: usize = 400_000;
const MAX_LAYERS: u16 = 100;

/// Reads the main header and the tile-part headers of a JPEG 2000 codestream (ISO/IEC 15444-1 Annex A).
pub fn jpeg2000_header(bytes: &[u8]) -> Result<CodestreamHeader, OpenError> {
    let damaged = || OpenError::damaged("its JPEG 2000 data has no valid header");
    let mut rest = bytes.strip_prefix(&[0xFF, SOC]).ok_or_else(damaged)?;
    let mut size = None;
    let mut coded = false;
    loop {
        let (marker, after) = next_marker(rest).ok_or_else(damaged)?;
        let segment = segment(after).ok_or_else(damaged)?;
        match (marker, &size) {
            (SIZ, None) => size = Some(image_size(segment).ok_or_else(damaged)?),
            (COD, Some((header, tile))) if !coded => {
                check_coding_style(segment, header, *tile)?;
                coded = true;
            }
            (SOT, Some((header, _))) if coded => {
                check_tile_parts(rest)?;
                return Ok(*header);
            }
            (SIZ | COD | SOT, _) => return Err(damaged()),
            (COC | POC | PPM, _) => return Err(unusual()),
            _ => {}
        }
        rest = &after[segment.len() + 2..];
    }
}

/// The image and the size of its tiles; the claims are checked for plausibility here.
fn image_size(segment: &[u8]) -> Option<(CodestreamHeader, (usize, usize))> {
    let long = |at: usize| segment.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let (x1, y1, x0, y0) = (long(2)?, long(6)?, long(10)?, long(14)?);
    let (tile_width, tile_height, tile_x, tile_y) = (long(18)?, long(22)?, long(26)?, long(30)?);
    let components = usize::from(u16::from_be_bytes([*segment.get(34)?, *segment.get(35)?]));
    let &[depth, step_x, step_y, ..] = segment.get(36..)? else { return None };
    let (width, height) = (x1.checked_sub(x0)?, y1.checked_sub(y0)?);
    let anchored = (x0, y0, tile_x, tile_y, step_x, step_y) == (0, 0, 0, 0, 1, 1);
    if !anchored || tile_width == 0 || tile_height == 0 {
        return None;
    }
    if width.div_ceil(tile_width).checked_mul(height.div_ceil(tile_height))? > MAX_TILES {
        return None;
    }
    let precision = u32::from(depth & 0x7F) + 1;
    let header = CodestreamHeader { width, height, components, precision, process: Process::Jpeg2000 };
    Some((header, (tile_width.min(width), tile_height.min(height))))
}

/// Bounds layers, code blocks and precincts (A.6.1).
fn check_coding_style(segment: &[u8], header: &CodestreamHeader, tile: (usize, usize)) -> Result<(), OpenError> {
    let &[style, _, l1, l0, _, levels, block_width, block_height, _, _, ref precincts @ ..] = segment else {
        return Err(OpenError::damaged("its JPEG 2000 data has no valid header"));
    };
    let (width, height) = (u32::from(block_width & 15) + 2, u32::from(block_height & 15) + 2);
    let blocks_fit = width <= 10 && height <= 10 && width + height <= 12;
    if u16::from_be_bytes([l1, l0]) > MAX_LAYERS || levels > 32 || !blocks_fit {
        return Err(unusual());
    }
    let tiles = header.width.div_ceil(tile.0.max(1)) * header.height.div_ceil(tile.1.max(1));
    let pieces = |dx: u32, dy: u32, level: u32| {
        let across = (tile.0 >> level).max(1).div_ceil(1 << dx);
        let down = (tile.1 >> level).max(1).div_ceil(1 << dy);
        across * down * tiles
    };
    let mut count = pieces(width, height, 0);
    if style & 1 == 1 {
        for (resolution, size) in precincts.iter().enumerate() {
            let level = u32::from(levels).saturating_sub(resolution as u32);
            count = count.saturating_add(pieces(u32::from(size & 15), u32::from(size >> 4), level));
        }
    }
    if count > MAX_BLOCKS { Err(unusual()) } else { Ok(()) }
}

/// Follows the tile parts from one to the next: each lies inside the data and changes nothing that was checked.
fn check_tile_parts(mut rest: &[u8]) -> Result<(), OpenError> {
    let damaged = || OpenError::damaged("the tiles of its JPEG 2000 data do not fit together");
    while let Some((SOT, after)) = next_marker(rest) {
        let &[_, _, p3, p2, p1, p0, ..] = segment(after).ok_or_else(damaged)? else { return Err(damaged()) };
        let length = u32::from_be_bytes([p3, p2, p1, p0]) as usize;
        check_tile_header(&after[10..])?;
        if length == 0 {
            return Ok(());
        }
        rest = rest.get(length.max(14)..).ok_or_else(damaged)?;
    }
    Ok(())
}

fn check_tile_header(mut rest: &[u8]) -> Result<(), OpenError> {
    loop {
        match next_marker(rest) {
            Some((SOD, _)) => return Ok(()),
            Some((COD | COC | POC | PPT, _)) => return Err(unusual()),
            Some((_, after)) => {
                let segment = segment(after).ok_or_else(OpenError::truncated)?;
                rest = &after[segment.len() + 2..];
            }
            None => return Err(OpenError::damaged("the tiles of its JPEG 2000 data do not fit together")),
        }
    }
}

fn unusual() -> OpenError {
    OpenError::new(
        "The JPEG 2000 data of this file uses settings that no mammography device uses; it was not opened. \
         Export it uncompressed or as JPEG Lossless.",
    )
}
