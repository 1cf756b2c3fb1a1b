//! The findings as JSON: the contract of `mammoscope read` and of the window's export.

use serde::{Deserialize, Serialize};

/// One read image, all coordinates in image pixels.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub findings: Vec<FindingReport>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FindingReport {
    pub r#box: [usize; 4],
}
