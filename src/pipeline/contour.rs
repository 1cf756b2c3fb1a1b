//! Marching squares with linear interpolation (Lorensen & Cline's cubes in two dimensions).
//!
//! A cell is the square between four neighbouring pixel centres. Values are taken to be 0 outside the map, so every boundary
//! closes. Seen along a contour the inside lies to the right (y down): outer boundaries run clockwise on the screen, holes
//! the other way.

use crate::findings::Contour;
use crate::raster::ProbabilityMap;
use crate::space::ImagePoint;

/// A crossing keeps this distance from the pixel centres, so that a value equal to the level still lies inside its contour.
const CLEARANCE: f64 = 1e-3;

/// The boundaries of `map` ≥ `level`, in the map's pixel coordinates (pixel centres at .5); the map is taken to be 0 outside.
///
/// Closed polygons, holes included, in the order of the first cell each enters from above. A pixel centre lies inside them (even-odd) exactly
/// where `map` ≥ `level`. A saddle, two opposite corners inside, is joined where the bilinear surface through the four values
/// reaches the level at its saddle point. `level` must be positive: without that, all of the outside would lie inside.
pub fn contours(map: &ProbabilityMap, level: f32) -> Vec<Contour> {
    if map.width() == 0 || map.height() == 0 || level.is_nan() || level <= 0.0 {
        return Vec::new();
    }
    let mut tracer = Tracer::new(map, level);
    let mut found = Vec::new();
    for y in 0..tracer.rows {
        for x in 0..tracer.columns {
            // A contour goes around some pixel centre, past it downwards on one hand and upwards on the other; so every
            // contour enters some cell from above.
            if tracer.begins_at(x, y, Side::Top) {
                found.push(tracer.follow(x, y, Side::Top));
            }
        }
    }
    found
}

/// A side of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Top,
    Right,
    Bottom,
    Left,
}

/// Which corners of a cell lie inside.
const TOP_LEFT: u8 = 1;
const TOP_RIGHT: u8 = 2;
const BOTTOM_RIGHT: u8 = 4;
const BOTTOM_LEFT: u8 = 8;

/// Cell (x, y) lies between the centres of pixels (x − 1, y − 1) and (x, y).
struct Tracer<'a> {
    map: &'a ProbabilityMap,
    level: f32,
    columns: usize,
    rows: usize,
    /// Per cell the corners inside, low bits; and the sides a contour has been followed through on entering, high bits.
    cells: Vec<u8>,
}

impl<'a> Tracer<'a> {
    fn new(map: &'a ProbabilityMap, level: f32) -> Self {
        let (columns, rows) = (map.width() + 1, map.height() + 1);
        let mut cells = vec![0; columns * rows];
        for y in 0..map.height() {
            let (above, below) = cells[y * columns..(y + 2) * columns].split_at_mut(columns);
            for (x, &value) in map.row(y).iter().enumerate() {
                if value >= level {
                    above[x] |= BOTTOM_RIGHT;
                    above[x + 1] |= BOTTOM_LEFT;
                    below[x] |= TOP_RIGHT;
                    below[x + 1] |= TOP_LEFT;
                }
            }
        }
        Self { map, level, columns, rows, cells }
    }

    /// Whether a contour that has not been followed yet enters the cell through `side`.
    fn begins_at(&self, x: usize, y: usize, side: Side) -> bool {
        let cell = self.cells[y * self.columns + x];
        let corners = cell & 15;
        corners != 0 && corners != 15 && cell & entered(side) == 0 && enters(corners, side)
    }

    /// The whole contour that enters the cell through `side`.
    fn follow(&mut self, mut x: usize, mut y: usize, mut side: Side) -> Contour {
        let mut points = Vec::new();
        loop {
            let index = y * self.columns + x;
            if self.cells[index] & entered(side) != 0 {
                return Contour { points };
            }
            self.cells[index] |= entered(side);
            points.push(self.crossing(x, y, side));
            // Out through one side, into the neighbour through its opposite.
            match self.exit(x, y, side) {
                Side::Top => (y, side) = (y - 1, Side::Bottom),
                Side::Bottom => (y, side) = (y + 1, Side::Top),
                Side::Left => (x, side) = (x - 1, Side::Right),
                Side::Right => (x, side) = (x + 1, Side::Left),
            }
        }
    }

    /// The side through which a contour that entered the cell through `side` leaves it.
    fn exit(&self, x: usize, y: usize, side: Side) -> Side {
        use Side::{Bottom, Left, Right, Top};
        let corners = self.cells[y * self.columns + x] & 15;
        let saddle = corners == TOP_LEFT | BOTTOM_RIGHT || corners == TOP_RIGHT | BOTTOM_LEFT;
        if saddle {
            // Apart, a contour turns right around its own corner; joined, left around the corner outside.
            let joined = self.saddle_is_inside(x, y);
            return match (side, joined) {
                (Top, true) | (Bottom, false) => Right,
                (Right, true) | (Left, false) => Bottom,
                (Bottom, true) | (Top, false) => Left,
                (Left, true) | (Right, false) => Top,
            };
        }
        [Top, Right, Bottom, Left].into_iter().find(|exit| *exit != side && leaves(corners, *exit)).unwrap_or(side)
    }

    /// Whether the bilinear surface through the four corners of a saddle cell is inside at its saddle point.
    fn saddle_is_inside(&self, x: usize, y: usize) -> bool {
        let value = |dx, dy| f64::from(self.value(x + dx, y + dy));
        let (a, b, c, d) = (value(0, 0), value(1, 0), value(0, 1), value(1, 1));
        (a * d - b * c) / (a + d - b - c) >= f64::from(self.level)
    }

    /// Where the level is crossed on a side of a cell.
    fn crossing(&self, x: usize, y: usize, side: Side) -> ImagePoint {
        let (from, to) = match side {
            Side::Top => ((0, 0), (1, 0)),
            Side::Right => ((1, 0), (1, 1)),
            Side::Bottom => ((0, 1), (1, 1)),
            Side::Left => ((0, 0), (0, 1)),
        };
        let a = f64::from(self.value(x + from.0, y + from.1));
        let b = f64::from(self.value(x + to.0, y + to.1));
        let part = ((f64::from(self.level) - a) / (b - a)).clamp(CLEARANCE, 1.0 - CLEARANCE);
        let (x, y) = (x as f64 - 0.5, y as f64 - 0.5);
        ImagePoint::new(
            x + from.0 as f64 + (to.0 - from.0) as f64 * part,
            y + from.1 as f64 + (to.1 - from.1) as f64 * part,
        )
    }

    /// The value at the corner that pixel (x − 1, y − 1) gives; 0 outside the map. NaN counts as 0.
    fn value(&self, x: usize, y: usize) -> f32 {
        if x == 0 || y == 0 || x > self.map.width() || y > self.map.height() {
            return 0.0;
        }
        let value = self.map.get(x - 1, y - 1);
        if value.is_nan() { 0.0 } else { value }
    }
}

/// The bit that marks that a contour was followed into a cell through `side`.
fn entered(side: Side) -> u8 {
    16 << side as u8
}

/// The corners at the ends of a side: on the left hand of one who walks in through it, and on the right hand.
fn hands(side: Side) -> (u8, u8) {
    match side {
        Side::Top => (TOP_RIGHT, TOP_LEFT),
        Side::Right => (BOTTOM_RIGHT, TOP_RIGHT),
        Side::Bottom => (BOTTOM_LEFT, BOTTOM_RIGHT),
        Side::Left => (TOP_LEFT, BOTTOM_LEFT),
    }
}

/// Whether a contour with the inside to its right enters through `side`.
fn enters(corners: u8, side: Side) -> bool {
    let (left, right) = hands(side);
    corners & right != 0 && corners & left == 0
}

/// Whether a contour with the inside to its right leaves through `side`.
fn leaves(corners: u8, side: Side) -> bool {
    let (left, right) = hands(side);
    corners & left != 0 && corners & right == 0
}
