//! The parts around the image. Each takes the window's data and pushes commands; none changes anything.

pub mod files;
pub mod findings;
pub mod help;
pub mod lambda;
pub mod layers;
pub mod notices;
pub mod parts;
pub mod reading;
pub mod status;
pub mod top_bar;
pub mod truth;
pub mod welcome;
