//! How findings compare with groundtruth.

mod compare;

pub use compare::{Comparison, compare};
