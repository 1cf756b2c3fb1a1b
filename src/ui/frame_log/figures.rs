//! The frame log as JSON; all times in milliseconds.

use serde_json::{Value, json};

use super::{FrameLog, Gap, Image, milliseconds};

/// So many of the longest frames are listed.
const LISTED: usize = 12;

impl FrameLog {
    pub(super) fn figures(&self) -> Value {
        let image = |image: &Image| {
            json!({
                "asked_ms": milliseconds(self.started, image.asked),
                "opened_ms": image.opened_ms,
                "shown_ms": image.shown_ms,
            })
        };
        let drag = self.drag.as_ref().map(|drag| drag.gaps.as_slice()).unwrap_or_default();
        json!({
            "window_ms": self.window_ms,
            "first_frame_ms": self.first_frame_ms,
            "models_ms": self.models_ms,
            "images": self.images.iter().map(image).collect::<Vec<_>>(),
            "while_inferring": frames(&self.gaps),
            "while_dragging_lambda": frames(drag),
        })
    }
}

fn frames(gaps: &[Gap]) -> Value {
    let mut longest: Vec<&Gap> = gaps.iter().collect();
    longest.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    json!({
        "frames": gaps.len(),
        "gap": spread(gaps.iter().map(|gap| gap.ms)),
        "busy": spread(gaps.iter().map(|gap| gap.frame.busy_ms)),
        "layout": spread(gaps.iter().map(|gap| gap.frame.layout_ms)),
        "frames_with_a_candidate_without_contour": gaps.iter().filter(|gap| gap.frame.bare_candidates > 0).count(),
        "longest": longest.into_iter().take(LISTED).map(listed).collect::<Vec<_>>(),
    })
}

fn listed(gap: &Gap) -> Value {
    json!({"ms": gap.ms, "at_ms": gap.at_ms, "layout_ms": gap.frame.layout_ms, "busy_ms": gap.frame.busy_ms})
}

fn spread(values: impl Iterator<Item = f64>) -> Value {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values.get((values.len().saturating_sub(1) as f64 * part) as usize).copied();
    json!({"median": at(0.5), "p99": at(0.99), "longest": at(1.0)})
}
