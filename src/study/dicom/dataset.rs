//! The kept attributes of a DICOM data set and typed access to them. Whatever is malformed reads as absent.

use dicom::encoding::text::{SpecificCharacterSet, TextCodec};

use super::tags;

/// Attributes in file order. Values are little endian whatever the file was.
#[derive(Debug, Default)]
pub struct Dataset {
    elements: Vec<(u32, Value)>,
}

#[derive(Debug)]
pub enum Value {
    Bytes { vr: [u8; 2], bytes: Vec<u8> },
    Items(Vec<Dataset>),
}

impl Dataset {
    pub fn insert(&mut self, tag: u32, value: Value) {
        self.elements.push((tag, value));
    }

    fn get(&self, tag: u32) -> Option<&Value> {
        self.elements.iter().find(|(t, _)| *t == tag).map(|(_, value)| value)
    }

    /// The items of a sequence; none when it is absent.
    pub fn items(&self, tag: u32) -> &[Dataset] {
        match self.get(tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// The bytes of a value that is present and not empty.
    pub fn bytes(&self, tag: u32) -> Option<&[u8]> {
        match self.get(tag) {
            Some(Value::Bytes { bytes, .. }) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// The value representation, "UN" in implicit files.
    pub fn vr(&self, tag: u32) -> Option<[u8; 2]> {
        match self.get(tag) {
            Some(Value::Bytes { vr, .. }) => Some(*vr),
            _ => None,
        }
    }

    /// The part of a multi-frame data set that describes its first frame and holds `tag`, or this data set itself.
    pub fn describing(&self, tag: u32) -> &Dataset {
        let groups = [tags::FRAME_GROUPS, tags::SHARED_GROUPS];
        let macros = groups.iter().filter_map(|group| self.items(*group).first()).flat_map(|item| &item.elements);
        let mut candidates = macros.filter_map(|(_, value)| match value {
            Value::Items(items) => items.first(),
            Value::Bytes { .. } => None,
        });
        if self.get(tag).is_some() { self } else { candidates.find(|d| d.get(tag).is_some()).unwrap_or(self) }
    }

    /// 16-bit words.
    pub fn words(&self, tag: u32) -> Vec<u16> {
        let (words, _) = self.bytes(tag).unwrap_or_default().as_chunks::<2>();
        words.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
    }

    /// The first 16-bit word.
    pub fn word(&self, tag: u32) -> Option<u16> {
        self.words(tag).first().copied()
    }

    /// The values of a text attribute in plain letters, trimmed; empty ones stay in place.
    pub fn strings(&self, tag: u32) -> Vec<String> {
        let text = String::from_utf8_lossy(self.bytes(tag).unwrap_or_default());
        if text.is_empty() { Vec::new() } else { text.split('\\').map(trimmed).collect() }
    }

    /// The first value of a text attribute, when there is one.
    pub fn string(&self, tag: u32) -> Option<String> {
        self.strings(tag).into_iter().next().filter(|s| !s.is_empty())
    }

    /// Decimal strings; what is not a finite number is `None`.
    pub fn numbers(&self, tag: u32) -> Vec<Option<f64>> {
        self.strings(tag).iter().map(|s| s.parse().ok().filter(|x: &f64| x.is_finite())).collect()
    }

    /// The first decimal string, when it is a finite number.
    pub fn number(&self, tag: u32) -> Option<f64> {
        self.numbers(tag).first().copied().flatten()
    }

    /// Text in the file's own character set.
    pub fn human_text(&self, tag: u32) -> Option<String> {
        let bytes = self.bytes(tag)?;
        let names = self.strings(tags::CHARACTER_SET);
        let named = names.iter().find_map(|name| SpecificCharacterSet::from_code(name));
        let decoded = named.and_then(|set| set.decode(bytes).ok());
        Some(trimmed(&decoded.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())))
    }
}

pub fn trimmed(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}
