//! What the reader is told beside the work: calm, dismissable, never modal.

use std::time::{Duration, Instant};

/// Good news leaves by itself.
const INFO_STAYS: Duration = Duration::from_secs(8);
/// Older ones make room.
const AT_MOST: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Debug)]
pub struct Notice {
    pub id: u64,
    pub tone: Tone,
    pub text: String,
    until: Option<Instant>,
}

/// The notices on show, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    shown: Vec<Notice>,
    next_id: u64,
}

impl Notices {
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        // Saying it twice does not help.
        self.shown.retain(|notice| notice.text != text);
        let until = (tone == Tone::Info).then(|| Instant::now() + INFO_STAYS);
        self.shown.push(Notice { id: self.next_id, tone, text, until });
        self.next_id += 1;
        let surplus = self.shown.len().saturating_sub(AT_MOST);
        self.shown.drain(..surplus);
    }

    pub fn dismiss(&mut self, id: u64) {
        self.shown.retain(|notice| notice.id != id);
    }

    /// Removes the newest; false when there was none.
    pub fn dismiss_newest(&mut self) -> bool {
        self.shown.pop().is_some()
    }

    /// Lets go of what has been shown long enough; the time until the next one goes.
    pub fn expire(&mut self, now: Instant) -> Option<Duration> {
        self.shown.retain(|notice| notice.until.is_none_or(|until| until > now));
        self.shown.iter().filter_map(|notice| notice.until).min().map(|until| until - now)
    }

    pub fn shown(&self) -> &[Notice] {
        &self.shown
    }
}
