//! How often a frame comes while work runs: often enough that progress is seen to move, and where drawing takes the processor
//! from the work, as without a graphics card on a loaded machine, only as often as leaves half of the time to the work.

use std::time::{Duration, Instant};

/// From the end of a frame to the next, where drawing is quick.
const QUICK: Duration = Duration::from_millis(28);
const SLOWEST: Duration = Duration::from_millis(300);
/// A frame that comes later after the one before is late: below, motion looks fluent.
const LATE: Duration = Duration::from_millis(50);
/// So many late frames in a row are no accident.
const LATE_FRAMES: u32 = 8;

#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    /// When the last frame asked for the next.
    asked: Option<Instant>,
    late: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: QUICK, asked: None, late: 0 }
    }
}

impl Pace {
    /// A frame begins.
    pub fn frame_begins(&mut self, now: Instant) {
        let Some(asked) = self.asked.take() else { return };
        let gap = now - asked;
        if gap > LATE.max(self.interval.mul_f32(1.4)) {
            self.late += 1;
            if self.late == LATE_FRAMES {
                (self.interval, self.late) = ((2 * gap).min(SLOWEST), 0);
            }
        } else {
            self.late = 0;
            self.interval = self.interval.mul_f32(0.97).max(QUICK);
        }
    }

    /// How long to wait for the next frame.
    pub fn next(&mut self, now: Instant) -> Duration {
        self.asked = Some(now);
        self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steadily_late_frames_slow_the_pace_and_it_recovers() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut frame = |took: u64| {
            pace.frame_begins(now);
            let interval = pace.next(now);
            now += interval.max(Duration::from_millis(took));
            interval
        };
        let quick: Vec<_> = (0..20).map(|i| frame(if i % 3 == 0 { 65 } else { 45 })).collect();
        assert!(quick.iter().all(|interval| *interval == QUICK), "{quick:?}");
        let slow: Vec<_> = (0..16).map(|_| frame(120)).collect();
        assert!(slow.iter().any(|interval| interval.as_millis() > 200), "{slow:?}");
        assert_eq!((0..100).map(|_| frame(5)).last(), Some(QUICK));
    }
}
