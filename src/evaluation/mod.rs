//! How findings compare with groundtruth: of one image while it is read ([`compare`]), and over a data set ([`run`] →
//! [`summary`] → [`report`]).

pub mod cbis;
mod compare;
pub mod dataset;
pub mod froc;
mod marks;
pub mod measured;
pub mod metrics;
mod plot;
mod rasterise;
pub mod report;
pub mod run;
mod spans;
pub mod summary;

pub use compare::{Comparer, Comparison, HIT_IOU, Overlap, compare, is_hit, mass_box, outline_spans};
pub use rasterise::{bounding_box, fill_polygons, pixel_bounds};
pub use spans::Spans;
