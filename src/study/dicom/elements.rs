//! The element structure of a DICOM file, walked before anything is believed: iteratively, forward only, every length
//! checked against what is left, nesting and counts bounded. It stops in front of the pixel data.

use super::dataset::{Dataset, Value};
use super::source::Source;
use super::tags;
use crate::study::OpenError;

const MAX_NESTING: usize = 64;
const MAX_ELEMENTS: usize = 250_000;
/// The largest value kept; a LUT has at most 65,536 words.
const MAX_VALUE: u64 = 1 << 18;
/// The most that is kept of all values.
const MAX_KEPT: u64 = 64 << 20;
const UNDEFINED: u32 = u32::MAX;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    pub explicit: bool,
    pub big_endian: bool,
}

/// What stands in front of the pixel data.
pub struct Header {
    pub dataset: Dataset,
    /// Whether elements name their type; some files do otherwise than their transfer syntax says.
    pub explicit: bool,
    /// Length of Pixel Data in bytes; `None` when it is encapsulated.
    pub pixel_length: Option<u64>,
}

/// Reads all elements up to Pixel Data; `source` then stands at its first byte.
pub fn read_header(source: &mut Source, layout: Layout) -> Result<Header, OpenError> {
    Walk { source, layout, levels: Vec::new(), elements: 0, kept: 0, started: false }.run()
}

/// Reads one element of the file meta group, which is always explicit and little endian; `None` at the group's end, with
/// the source back in front of the element that does not belong to it.
pub fn read_meta_element(source: &mut Source) -> Result<Option<(u32, Vec<u8>)>, OpenError> {
    let start = source.position();
    let mut head = [0; 8];
    if source.read_some(&mut head)? < head.len() || head[..2] != [2, 0] {
        source.seek(start)?;
        return Ok(None);
    }
    let tag = 0x0002_0000 | u32::from(u16::from_le_bytes([head[2], head[3]]));
    let length = if has_long_length([head[4], head[5]]) {
        let mut length = [0; 4];
        source.read(&mut length)?;
        u64::from(u32::from_le_bytes(length))
    } else {
        u64::from(u16::from_le_bytes([head[6], head[7]]))
    };
    if length > source.end().saturating_sub(source.position()) {
        return Err(OpenError::truncated());
    }
    if length > 1024 {
        source.skip(length)?;
        return Ok(Some((tag, Vec::new())));
    }
    let mut value = vec![0; length as usize];
    source.read(&mut value)?;
    Ok(Some((tag, value)))
}

/// Whether these are the letters of a value representation.
pub fn is_vr(vr: [u8; 2]) -> bool {
    const KNOWN: &[u8] = b"AEASATCSDADSDTFDFLISLOLTOBODOFOLOVOWPNSHSLSQSSSTSVTMUCUIULUNURUSUTUV";
    KNOWN.as_chunks::<2>().0.contains(&vr)
}

fn has_long_length(vr: [u8; 2]) -> bool {
    matches!(&vr, b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV")
}

struct Walk<'a> {
    source: &'a mut Source,
    layout: Layout,
    /// The sequences and items that are open, outermost first; the first is the data set itself.
    levels: Vec<Level>,
    elements: usize,
    kept: u64,
    started: bool,
}

struct Level {
    /// No element inside reaches further.
    end: u64,
    /// Ends with a delimiter, not at `end`.
    delimited: bool,
    explicit: bool,
    keep: bool,
    content: Content,
}

enum Content {
    Sequence(u32, Vec<Dataset>),
    Item(Dataset),
    /// Encapsulated bytes that are not the image's: an icon's.
    Fragments,
}

/// An element's head; `length` `None` is undefined.
struct Element {
    tag: u32,
    vr: [u8; 2],
    length: Option<u64>,
}

impl Walk<'_> {
    fn run(mut self) -> Result<Header, OpenError> {
        self.push(None, self.layout.explicit, true, Content::Item(Dataset::default()))?;
        loop {
            self.close_finished()?;
            if self.levels.len() == 1 && self.source.at_end()? {
                return Err(no_image());
            }
            let Some(element) = self.next_element()? else { return Err(no_image()) };
            if element.tag == tags::PIXEL_DATA && self.levels.len() == 1 {
                return self.finish(element.length);
            }
            self.enter(element)?;
        }
    }

    fn finish(mut self, pixel_length: Option<u64>) -> Result<Header, OpenError> {
        match self.levels.pop() {
            Some(Level { content: Content::Item(dataset), .. }) => {
                Ok(Header { dataset, explicit: self.layout.explicit, pixel_length })
            }
            _ => Err(OpenError::damaged("its sequences do not close")),
        }
    }

    fn top(&self) -> Result<&Level, OpenError> {
        self.levels.last().ok_or_else(|| OpenError::damaged("its sequences do not close"))
    }

    /// Opens a level of `length` bytes, or one that is delimited.
    fn push(&mut self, length: Option<u64>, explicit: bool, keep: bool, content: Content) -> Result<(), OpenError> {
        let limit = self.levels.last().map_or(self.source.end(), |level| level.end);
        if self.levels.len() > 2 * MAX_NESTING {
            return Err(OpenError::new(format!(
                "The file nests its data more than {MAX_NESTING} deep, which no mammogram does; it was not opened. \
                 Ask for it to be exported again."
            )));
        }
        let end = length.map_or(limit, |length| self.source.position().saturating_add(length));
        if end > limit {
            return Err(OpenError::truncated());
        }
        self.levels.push(Level { end, delimited: length.is_none(), explicit, keep, content });
        Ok(())
    }

    /// Closes the levels whose stated length is used up.
    fn close_finished(&mut self) -> Result<(), OpenError> {
        while self.levels.len() > 1 && !self.top()?.delimited && self.source.position() >= self.top()?.end {
            self.close()?;
        }
        Ok(())
    }

    /// Closes the innermost level and hands what it holds to the one around it.
    fn close(&mut self) -> Result<(), OpenError> {
        let inner = self.levels.pop();
        match (inner.filter(|level| level.keep).map(|level| level.content), self.levels.last_mut()) {
            (None | Some(Content::Fragments), Some(_)) => Ok(()),
            (Some(Content::Sequence(tag, items)), Some(Level { content: Content::Item(dataset), .. })) => {
                dataset.insert(tag, Value::Items(items));
                Ok(())
            }
            (Some(Content::Item(item)), Some(Level { content: Content::Sequence(_, items), .. })) => {
                items.push(item);
                Ok(())
            }
            _ => Err(OpenError::damaged("its sequences do not close")),
        }
    }

    /// The next element's head; `None` when the data set ends cleanly.
    fn next_element(&mut self) -> Result<Option<Element>, OpenError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(OpenError::damaged("it has more elements than any mammogram needs"));
        }
        let mut head = [0; 8];
        match self.source.read_some(&mut head)? {
            8 => {}
            0 if self.levels.len() == 1 => return Ok(None),
            _ => return Err(OpenError::truncated()),
        }
        let big = self.layout.big_endian;
        let tag = u32::from(word(&head[0..], big)) << 16 | u32::from(word(&head[2..], big));
        let vr = [head[4], head[5]];
        if !self.started {
            self.started = true;
            self.layout.explicit = is_vr(vr);
            if let Some(root) = self.levels.first_mut() {
                root.explicit = self.layout.explicit;
            }
        }
        let (vr, length) = if tag >> 16 == 0xFFFE || !self.top()?.explicit {
            (*b"UN", long(&head[4..], big))
        } else if !is_vr(vr) {
            return Err(OpenError::damaged("an element names no known type"));
        } else if has_long_length(vr) {
            let mut length = [0; 4];
            self.source.read(&mut length)?;
            (vr, long(&length, big))
        } else {
            (vr, u32::from(word(&head[6..], big)))
        };
        let length = if length == UNDEFINED { None } else { Some(u64::from(length)) };
        if self.source.position().saturating_add(length.unwrap_or(0)) > self.top()?.end {
            return Err(OpenError::truncated());
        }
        Ok(Some(Element { tag, vr, length }))
    }

    /// Takes an element in: opens, closes, keeps or skips.
    fn enter(&mut self, element: Element) -> Result<(), OpenError> {
        let (explicit, keep, delimited) = {
            let top = self.top()?;
            (top.explicit, top.keep, top.delimited)
        };
        match (&self.top()?.content, element.tag, element.length) {
            (Content::Sequence(..), tags::ITEM, length) => {
                self.push(length, explicit, keep, Content::Item(Dataset::default()))
            }
            (Content::Fragments, tags::ITEM, Some(length)) => self.source.skip(length),
            (Content::Sequence(..) | Content::Fragments, tags::SEQUENCE_END, _) if delimited => self.close(),
            (Content::Item(_), tags::ITEM_END, _) if delimited && self.levels.len() > 1 => self.close(),
            (Content::Item(_), tag, length) if tag >> 16 != 0xFFFE => {
                self.enter_item_element(Element { tag, length, ..element })
            }
            _ => Err(OpenError::damaged("its sequences and items are out of order")),
        }
    }

    fn enter_item_element(&mut self, element: Element) -> Result<(), OpenError> {
        let Element { tag, vr, length } = element;
        let explicit = self.top()?.explicit;
        let keep = self.top()?.keep;
        let kept_sequence = tags::KEPT_SEQUENCES.contains(&tag);
        let is_sequence = vr == *b"SQ" || (vr == *b"UN" && (length.is_none() || (!explicit && kept_sequence)));
        match length {
            None if tag == tags::PIXEL_DATA || !is_sequence => self.push(None, explicit, false, Content::Fragments),
            _ if is_sequence => {
                // A sequence of unknown type in an explicit file is written implicitly (PS3.5 6.2.2).
                let explicit = explicit && vr == *b"SQ";
                self.push(length, explicit, keep && kept_sequence, Content::Sequence(tag, Vec::new()))
            }
            Some(length) if keep && length <= MAX_VALUE && tags::KEPT_VALUES.contains(&tag) => {
                self.keep_value(tag, vr, length)
            }
            Some(length) => self.source.skip(length),
            None => Err(OpenError::damaged("an element has no length")),
        }
    }

    fn keep_value(&mut self, tag: u32, vr: [u8; 2], length: u64) -> Result<(), OpenError> {
        self.kept += length;
        if self.kept > MAX_KEPT {
            return Err(OpenError::damaged("it repeats its attributes without end"));
        }
        let mut bytes = vec![0; length as usize];
        self.source.read(&mut bytes)?;
        if self.layout.big_endian && matches!(&vr, b"US" | b"SS" | b"OW") {
            bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
        }
        if let Some(Level { content: Content::Item(dataset), .. }) = self.levels.last_mut() {
            dataset.insert(tag, Value::Bytes { vr, bytes });
        }
        Ok(())
    }
}

fn no_image() -> OpenError {
    OpenError::new("This DICOM file holds no image (no Pixel Data). Choose the image file of the mammogram.")
}

fn word(bytes: &[u8], big_endian: bool) -> u16 {
    let pair = [bytes[0], bytes[1]];
    if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
}

fn long(bytes: &[u8], big_endian: bool) -> u32 {
    let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}
