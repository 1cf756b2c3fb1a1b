//! What an image's histogram says about its grey levels.

/// Of the pixels that are not padding, in modality values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    pub least: f64,
    pub greatest: f64,
    /// The 0.1 percentile.
    pub dark: f64,
    /// The 99.9 percentile.
    pub bright: f64,
}

impl Statistics {
    pub const EMPTY: Self = Self { least: 0.0, greatest: 1.0, dark: 0.0, bright: 1.0 };
}

/// `histogram` counts codes; `padding` is left out; `value` gives a code's modality value. `None` when nothing is left.
///
/// The percentile q is the smallest code that at least the share q of the pixels does not exceed; where modality values fall
/// as codes rise, the two percentiles change places.
pub fn statistics(histogram: &[u32], padding: Option<(u16, u16)>, value: impl Fn(u16) -> f64) -> Option<Statistics> {
    let is_padding = |code: u16| padding.is_some_and(|(first, last)| (first..=last).contains(&code));
    let present: Vec<(u16, u64)> = (0..=u16::MAX)
        .zip(histogram)
        .filter(|(code, count)| **count > 0 && !is_padding(*code))
        .map(|(code, count)| (code, u64::from(*count)))
        .collect();
    let total: u64 = present.iter().map(|(_, count)| count).sum();
    let percentile = |per_mille: u64| {
        let mut below = 0;
        let reached = |(_, count): &&(u16, u64)| {
            below += count;
            below * 1000 >= total * per_mille
        };
        present.iter().find(reached).map(|(code, _)| value(*code))
    };
    let (a, b) = (percentile(1)?, percentile(999)?);
    let values = || present.iter().map(|(code, _)| value(*code));
    Some(Statistics {
        least: values().fold(f64::INFINITY, f64::min),
        greatest: values().fold(f64::NEG_INFINITY, f64::max),
        dark: a.min(b),
        bright: a.max(b),
    })
}
