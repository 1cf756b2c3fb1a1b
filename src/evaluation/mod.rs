//! How findings compare with groundtruth.

mod compare;
mod rasterise;
mod spans;

pub use compare::{Comparison, HIT_IOU, Overlap, compare, is_hit, mass_box, outline_spans};
pub use rasterise::{bounding_box, fill_polygons, pixel_bounds};
pub use spans::Spans;
