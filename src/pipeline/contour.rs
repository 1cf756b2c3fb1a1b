//! Marching squares with linear interpolation.

use crate::findings::Contour;
use crate::raster::ProbabilityMap;

/// The boundaries of `map` ≥ `level`, in the map's pixel coordinates (pixel centres at .5); the map is taken to be 0 outside.
pub fn contours(_map: &ProbabilityMap, _level: f32) -> Vec<Contour> {
    todo!()
}
