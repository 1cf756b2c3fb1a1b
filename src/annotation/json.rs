//! Parts of a JSON file, read without keeping the rest: a data set's file may describe thousands of images, and a hostile one
//! may expand to many times its size.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::DeserializeOwned};

use super::TruthError;
use super::collect::MAX_POINTS;

/// The elements of the array under `key` of the top-level object that `keep` wants; an error when there are more than `max`.
/// Empty without such a key.
pub fn filter_array<T: DeserializeOwned>(
    bytes: &[u8],
    key: &str,
    max: usize,
    keep: &dyn Fn(&T) -> bool,
) -> Result<Vec<T>, TruthError> {
    let mut found = Vec::new();
    let seed = ObjectSeed { key, array: ArraySeed { found: &mut found, max, keep } };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let damaged = |_| TruthError("The JSON file is damaged, or its entries are not those of its format.".into());
    seed.deserialize(&mut deserializer).map_err(damaged)?;
    deserializer.end().map_err(damaged)?;
    Ok(found)
}

/// The names of the top-level object's keys that are among `keys`, as far as the file is JSON.
pub fn keys_present<'k>(bytes: &[u8], keys: &[&'k str]) -> Vec<&'k str> {
    let mut present = Vec::new();
    let seed = KeysSeed { keys, present: &mut present };
    // A damaged file shows its keys up to the damage: enough to say what it wants to be.
    seed.deserialize(&mut serde_json::Deserializer::from_slice(bytes)).ok();
    present
}

/// Numbers of a bounded array: `[x, y, …]`.
#[derive(Default)]
pub struct Numbers(pub Vec<f64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Vec::new();
        ArraySeed { found: &mut found, max: 2 * MAX_POINTS, keep: &|_: &f64| true }.deserialize(deserializer)?;
        Ok(Self(found))
    }
}

/// Reads the array under one key into place and skips the others.
struct ObjectSeed<'a, T> {
    key: &'a str,
    array: ArraySeed<'a, T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ObjectSeed<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectSeed<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let ArraySeed { found, max, keep } = self.array;
        while let Some(name) = map.next_key::<String>()? {
            if name == self.key {
                map.next_value_seed(ArraySeed { found: &mut *found, max, keep })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Appends the wanted elements of an array.
struct ArraySeed<'a, T> {
    found: &'a mut Vec<T>,
    max: usize,
    keep: &'a dyn Fn(&T) -> bool,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ArraySeed<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ArraySeed<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<T>()? {
            if (self.keep)(&element) {
                if self.found.len() >= self.max {
                    return Err(A::Error::custom("too many elements"));
                }
                self.found.push(element);
            }
        }
        Ok(())
    }
}

struct KeysSeed<'a, 'k> {
    keys: &'a [&'k str],
    present: &'a mut Vec<&'k str>,
}

impl<'de> DeserializeSeed<'de> for KeysSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeysSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if let Some(key) = self.keys.iter().find(|key| **key == name)
                && !self.present.contains(key)
            {
                self.present.push(key);
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
