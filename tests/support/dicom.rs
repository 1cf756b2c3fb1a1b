//! A small DICOM writer for tests, independent of the reader: it writes what it is told, right or wrong.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub const RLE: &str = "1.2.840.10008.1.2.5";
pub const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
pub const JPEG_EXTENDED: &str = "1.2.840.10008.1.2.4.51";
pub const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
pub const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
pub const JPEG_LS_LOSSY: &str = "1.2.840.10008.1.2.4.81";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

pub const HTJ2K: &str = "1.2.840.10008.1.2.4.201";

/// A 12-bit image of strong contrast, row by row.
pub fn pattern(columns: u16, rows: u16) -> Vec<u16> {
    let value = |x: u32, y: u32| ((x * 97 + y * 131 + (x * y) % 37 * 11) % 4096) as u16;
    (0..u32::from(rows)).flat_map(|y| (0..u32::from(columns)).map(move |x| value(x, y))).collect()
}

/// The value of an element.
#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    Words(Vec<u16>),
    Bytes(Vec<u8>),
    /// A sequence with items of stated length.
    Items(Vec<Vec<Element>>),
    /// A sequence with delimiters.
    DelimitedItems(Vec<Vec<Element>>),
    /// Encapsulated pixel data: fragments behind an offset table.
    Fragments(Vec<Vec<u8>>),
    /// Bytes under a false length.
    Claim(u32, Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Element {
    pub tag: u32,
    pub vr: [u8; 2],
    pub value: Value,
}

pub fn text(tag: u32, vr: &str, value: &str) -> Element {
    Element { tag, vr: letters(vr), value: Value::Text(value.into()) }
}

pub fn words(tag: u32, vr: &str, values: &[u16]) -> Element {
    Element { tag, vr: letters(vr), value: Value::Words(values.to_vec()) }
}

pub fn bytes(tag: u32, vr: &str, values: &[u8]) -> Element {
    Element { tag, vr: letters(vr), value: Value::Bytes(values.to_vec()) }
}

pub fn sequence(tag: u32, items: Vec<Vec<Element>>) -> Element {
    Element { tag, vr: *b"SQ", value: Value::Items(items) }
}

pub fn delimited(tag: u32, items: Vec<Vec<Element>>) -> Element {
    Element { tag, vr: *b"SQ", value: Value::DelimitedItems(items) }
}

pub fn fragments(pieces: Vec<Vec<u8>>) -> Element {
    Element { tag: 0x7FE0_0010, vr: *b"OB", value: Value::Fragments(pieces) }
}

pub fn claim(tag: u32, vr: &str, length: u32, content: &[u8]) -> Element {
    Element { tag, vr: letters(vr), value: Value::Claim(length, content.to_vec()) }
}

/// A code sequence item.
pub fn code(value: &str, scheme: &str) -> Vec<Element> {
    vec![text(0x0008_0100, "SH", value), text(0x0008_0102, "SH", scheme)]
}

fn letters(vr: &str) -> [u8; 2] {
    vr.as_bytes().try_into().expect("two letters")
}

/// A file being described: a transfer syntax and elements, later ones replacing earlier ones of the same tag.
#[derive(Clone, Debug)]
pub struct Dicom {
    pub syntax: &'static str,
    pub elements: Vec<Element>,
}

impl Dicom {
    /// A For Presentation left CC of `columns` × `rows` unsigned 12-bit pixels, without windows.
    pub fn mammogram(syntax: &'static str, columns: u16, rows: u16, pixels: &[u16]) -> Self {
        let elements = vec![
            text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.1.2"),
            text(0x0008_0018, "UI", "1.2.3.4.5"),
            text(0x0008_0020, "DA", "20260131"),
            text(0x0008_0060, "CS", "MG"),
            text(0x0008_0068, "CS", "FOR PRESENTATION"),
            text(0x0010_0010, "PN", "Phantom^Synthetic"),
            text(0x0010_0020, "LO", "SYN1"),
            text(0x0018_5101, "CS", "CC"),
            text(0x0020_000D, "UI", "1.2.3.4"),
            text(0x0020_000E, "UI", "1.2.3.4.1"),
            text(0x0020_0020, "CS", "A\\R"),
            text(0x0020_0062, "CS", "L"),
            words(0x0028_0002, "US", &[1]),
            text(0x0028_0004, "CS", "MONOCHROME2"),
            words(0x0028_0010, "US", &[rows]),
            words(0x0028_0011, "US", &[columns]),
            words(0x0028_0100, "US", &[16]),
            words(0x0028_0101, "US", &[12]),
            words(0x0028_0102, "US", &[11]),
            words(0x0028_0103, "US", &[0]),
            words(0x7FE0_0010, "OW", pixels),
        ];
        Self { syntax, elements }
    }

    /// Adds an element, or replaces the one with its tag.
    pub fn with(mut self, element: Element) -> Self {
        self.elements.retain(|e| e.tag != element.tag);
        self.elements.push(element);
        self.elements.sort_by_key(|e| e.tag);
        self
    }

    pub fn without(mut self, tag: u32) -> Self {
        self.elements.retain(|e| e.tag != tag);
        self
    }

    /// Bits stored with the high bit that belongs to them.
    pub fn bits(self, stored: u16) -> Self {
        self.with(words(0x0028_0101, "US", &[stored])).with(words(0x0028_0102, "US", &[stored - 1]))
    }

    pub fn signed(self) -> Self {
        self.with(words(0x0028_0103, "US", &[1]))
    }

    /// The data set alone.
    pub fn dataset(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_elements(&mut out, &self.elements, self.syntax != IMPLICIT, self.syntax == BIG_ENDIAN);
        out
    }

    /// The whole file.
    pub fn file(&self) -> Vec<u8> {
        let mut out = prefix(self.syntax);
        let dataset = self.dataset();
        out.extend(if self.syntax == DEFLATED { deflate(&dataset) } else { dataset });
        out
    }
}

/// Preamble, "DICM" and the file meta group.
pub fn prefix(syntax: &str) -> Vec<u8> {
    let mut meta = Vec::new();
    let elements = [text(0x0002_0002, "UI", "1.2.840.10008.5.1.4.1.1.1.2"), text(0x0002_0010, "UI", syntax)];
    write_elements(&mut meta, &elements, true, false);
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    let length = (meta.len() as u32).to_le_bytes();
    write_elements(&mut out, &[bytes(0x0002_0000, "UL", &length)], true, false);
    out.extend(meta);
    out
}

pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn write_elements(out: &mut Vec<u8>, elements: &[Element], explicit: bool, big: bool) {
    for element in elements {
        let (length, content) = content(&element.value, explicit, big);
        put_tag(out, element.tag, big);
        let long = matches!(&element.vr, b"OB" | b"OW" | b"SQ" | b"UN" | b"UT");
        if explicit {
            out.extend(element.vr);
            if long {
                out.extend([0, 0]);
                put_u32(out, length, big);
            } else {
                put_u16(out, length as u16, big);
            }
        } else {
            put_u32(out, length, big);
        }
        out.extend(content);
    }
}

/// The stated length and the bytes.
fn content(value: &Value, explicit: bool, big: bool) -> (u32, Vec<u8>) {
    let mut out = Vec::new();
    match value {
        Value::Text(text) => out.extend(text.bytes()),
        Value::Words(words) => words.iter().for_each(|word| put_u16(&mut out, *word, big)),
        Value::Bytes(bytes) => out.extend(bytes),
        Value::Items(items) => {
            for item in items {
                let mut inner = Vec::new();
                write_elements(&mut inner, item, explicit, big);
                put_tag(&mut out, 0xFFFE_E000, big);
                put_u32(&mut out, inner.len() as u32, big);
                out.extend(inner);
            }
        }
        Value::DelimitedItems(items) => {
            for item in items {
                put_tag(&mut out, 0xFFFE_E000, big);
                put_u32(&mut out, u32::MAX, big);
                write_elements(&mut out, item, explicit, big);
                put_tag(&mut out, 0xFFFE_E00D, big);
                put_u32(&mut out, 0, big);
            }
            put_tag(&mut out, 0xFFFE_E0DD, big);
            put_u32(&mut out, 0, big);
            return (u32::MAX, out);
        }
        Value::Fragments(pieces) => {
            put_tag(&mut out, 0xFFFE_E000, big);
            put_u32(&mut out, 0, big);
            for piece in pieces {
                let mut piece = piece.clone();
                piece.resize(piece.len().next_multiple_of(2), 0);
                put_tag(&mut out, 0xFFFE_E000, big);
                put_u32(&mut out, piece.len() as u32, big);
                out.extend(piece);
            }
            put_tag(&mut out, 0xFFFE_E0DD, big);
            put_u32(&mut out, 0, big);
            return (u32::MAX, out);
        }
        Value::Claim(length, bytes) => return (*length, bytes.clone()),
    }
    if out.len() % 2 == 1 {
        out.push(if matches!(value, Value::Text(_)) { b' ' } else { 0 });
    }
    (out.len() as u32, out)
}

fn put_tag(out: &mut Vec<u8>, tag: u32, big: bool) {
    put_u16(out, (tag >> 16) as u16, big);
    put_u16(out, tag as u16, big);
}

fn put_u16(out: &mut Vec<u8>, value: u16, big: bool) {
    out.extend(if big { value.to_be_bytes() } else { value.to_le_bytes() });
}

fn put_u32(out: &mut Vec<u8>, value: u32, big: bool) {
    out.extend(if big { value.to_be_bytes() } else { value.to_le_bytes() });
}

/// One RLE frame of 16-bit words (PS3.5 Annex G): runs of three or more as runs, the rest as literals.
pub fn rle_frame(words: &[u16]) -> Vec<u8> {
    let planes = [8, 0].map(|shift| pack_bits(&words.iter().map(|word| (word >> shift) as u8).collect::<Vec<_>>()));
    let offsets = [2, 64, 64 + planes[0].len() as u32];
    let mut out: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    out.resize(64, 0);
    planes.iter().for_each(|plane| out.extend(plane));
    out
}

fn pack_bits(plane: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    let run_at = |at: usize| plane[at..].iter().take(128).take_while(|byte| **byte == plane[at]).count();
    while at < plane.len() {
        let run = run_at(at);
        if run >= 3 {
            out.extend([(257 - run) as u8, plane[at]]);
            at += run;
        } else {
            let start = at;
            while at < plane.len() && at - start < 128 && run_at(at) < 3 {
                at += 1;
            }
            out.push((at - start - 1) as u8);
            out.extend(&plane[start..at]);
        }
    }
    out.resize(out.len().next_multiple_of(2), 128);
    out
}

/// A JPEG Lossless stream (process 14, predictor 1) of 16-bit words, Huffman codes of eight bits for each category.
pub fn jpeg_lossless(columns: u16, rows: u16, words: &[u16], precision: u8) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xC4, 0, 19 + 17, 0];
    // Seventeen categories, all of eight bits: codes 0 to 16.
    out.extend([0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(0..17);
    out.extend([0xFF, 0xC3, 0, 11, precision]);
    out.extend(rows.to_be_bytes());
    out.extend(columns.to_be_bytes());
    out.extend([1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0]);
    let mut bits = BitWriter::default();
    let width = usize::from(columns);
    for (i, word) in words.iter().enumerate() {
        let predicted = match (i % width, i / width) {
            (0, 0) => 1 << (precision - 1),
            (0, _) => i32::from(words[i - width]),
            _ => i32::from(words[i - 1]),
        };
        let difference = i32::from(i32::from(*word).wrapping_sub(predicted) as i16);
        let category = 32 - difference.unsigned_abs().leading_zeros();
        bits.put(category, 8);
        if category < 16 {
            let value = if difference < 0 { difference - 1 } else { difference };
            bits.put(value as u32 & ((1 << category) - 1), category);
        }
    }
    out.extend(bits.finish());
    out.extend([0xFF, 0xD9]);
    out
}

/// Entropy-coded bits, with a zero stuffed behind every 0xFF.
#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    pending: u32,
    count: u32,
}

impl BitWriter {
    fn put(&mut self, value: u32, bits: u32) {
        for i in (0..bits).rev() {
            self.pending = self.pending << 1 | (value >> i & 1);
            self.count += 1;
            if self.count == 8 {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let byte = self.pending as u8;
        self.out.push(byte);
        if byte == 0xFF {
            self.out.push(0);
        }
        (self.pending, self.count) = (0, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        while self.count > 0 {
            self.put(1, 1);
        }
        self.out
    }
}
