//! Small PNG, TIFF and JPEG files for tests, written byte by byte so that they can be wrong.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A PNG of `depth` bits and PNG colour type `colour` whose rows are `rows`, each without its filter byte.
pub fn png(width: u32, height: u32, depth: u8, colour: u8, rows: &[Vec<u8>]) -> Vec<u8> {
    let data: Vec<u8> = rows.iter().flat_map(|row| std::iter::once(0).chain(row.iter().copied())).collect();
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([depth, colour, 0, 0, 0]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend(chunk(b"IHDR", &header));
    if colour == 3 {
        out.extend(chunk(b"PLTE", &[0, 0, 0, 255, 0, 0, 255, 255, 255]));
    }
    out.extend(chunk(b"IDAT", &zlib(&data)));
    out.extend(chunk(b"IEND", &[]));
    out
}

/// A grey PNG of 8 or 16 bits.
pub fn gray_png(width: u32, bits: u8, values: &[u16]) -> Vec<u8> {
    let sample = |value: &u16| if bits == 8 { vec![*value as u8] } else { value.to_be_bytes().to_vec() };
    let rows: Vec<Vec<u8>> = values.chunks(width as usize).map(|row| row.iter().flat_map(sample).collect()).collect();
    png(width, rows.len() as u32, bits, 0, &rows)
}

pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    let mut out = (data.len() as u32).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(data);
    out.extend(crc.sum().to_be_bytes());
    out
}

pub fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

/// What a TIFF says about itself.
#[derive(Clone, Copy)]
pub struct Tiff {
    pub width: u32,
    pub height: u32,
    pub bits: u16,
    /// 0 white is zero, 1 black is zero, 2 RGB, 3 palette.
    pub photometric: u16,
    /// 1 unsigned, 2 signed, 3 floating point.
    pub format: u16,
    pub samples: u16,
    /// The offset of the next directory.
    pub next: u32,
}

impl Tiff {
    pub const fn gray(width: u32, height: u32, bits: u16) -> Self {
        Self { width, height, bits, photometric: 1, format: 1, samples: 1, next: 0 }
    }

    /// A little-endian file of one strip.
    pub fn file(&self, data: &[u8]) -> Vec<u8> {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let mut entries: Vec<(u16, u16, u32, u32)> = vec![
            (256, LONG, 1, self.width),
            (257, LONG, 1, self.height),
            (258, SHORT, 1, u32::from(self.bits)),
            (259, SHORT, 1, 1),
            (262, SHORT, 1, u32::from(self.photometric)),
            (273, LONG, 1, 8),
            (277, SHORT, 1, u32::from(self.samples)),
            (278, LONG, 1, self.height),
            (279, LONG, 1, data.len() as u32),
            (339, SHORT, 1, u32::from(self.format)),
        ];
        let mut data = data.to_vec();
        data.resize(data.len().next_multiple_of(2), 0);
        if self.samples == 3 {
            entries[2] = (258, SHORT, 3, 8 + data.len() as u32);
            (0..3).for_each(|_| data.extend(self.bits.to_le_bytes()));
        }
        if self.photometric == 3 {
            entries.insert(9, (320, SHORT, 768, 8 + data.len() as u32));
            (0..768u16).for_each(|i| data.extend((i * 85).to_le_bytes()));
        }
        let mut out = b"II*\0".to_vec();
        out.extend((8 + data.len() as u32).to_le_bytes());
        out.extend(&data);
        out.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        out.extend(self.next.to_le_bytes());
        out
    }
}

/// The head of a JPEG stream up to its frame header.
pub fn jpeg_head(frame_marker: u8, precision: u8, width: u16, height: u16, components: u8) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8, 0xFF, frame_marker, 0, 8 + 3 * components, precision];
    out.extend(height.to_be_bytes());
    out.extend(width.to_be_bytes());
    out.push(components);
    (1..=components).for_each(|i| out.extend([i, 0x11, 0]));
    out
}
