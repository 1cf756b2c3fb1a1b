//! The boundary of a set of grid cells, along the cells' edges.

use crate::findings::Contour;
use crate::space::ImagePoint;

/// Directions of travel, each a quarter turn to the right (y down) of the one before: the bit of each in a vertex's ways out.
const EAST: usize = 0;
const SOUTH: usize = 1;
const WEST: usize = 2;
const NORTH: usize = 3;

/// The closed polygons around the cells `kept` says are inside, holes included, with the inside to the right of each.
///
/// Cell (i, j) spans xs[i]..xs[i + 1] × ys[j]..ys[j + 1] and has the index j · (xs.len() − 1) + i. Cells that touch at a corner alone
/// are joined there. Polygons have a point at each turn and nowhere else.
pub fn trace(xs: &[usize], ys: &[usize], kept: impl Fn(usize) -> bool) -> Vec<Contour> {
    if xs.len() < 2 || ys.len() < 2 {
        return Vec::new();
    }
    let mut ways = ways_out(xs.len(), ys.len(), kept);
    let mut contours = Vec::new();
    for start in 0..ways.len() {
        // The topmost vertex of a boundary has a way out to the east or, for a hole, to the south.
        while let Some(direction) = (0..4).find(|d| ways[start] >> d & 1 == 1) {
            contours.push(follow(&mut ways, start, direction, xs, ys));
        }
    }
    contours
}

/// Per vertex of the grid, the directions in which a boundary edge leaves it.
fn ways_out(across: usize, down: usize, kept: impl Fn(usize) -> bool) -> Vec<u8> {
    let (columns, rows) = (across - 1, down - 1);
    let mut ways = vec![0_u8; across * down];
    let mut above = vec![false; columns];
    for row in 0..=rows {
        let mut left = false;
        for (column, above) in above.iter_mut().enumerate() {
            let here = row < rows && kept(row * columns + column);
            let vertex = row * across + column;
            match (*above, here) {
                (false, true) => ways[vertex] |= 1 << EAST,
                (true, false) => ways[vertex + 1] |= 1 << WEST,
                _ => {}
            }
            match (left, here) {
                (false, true) => ways[vertex + across] |= 1 << NORTH,
                (true, false) => ways[vertex] |= 1 << SOUTH,
                _ => {}
            }
            left = here;
            *above = here;
        }
        if left {
            ways[row * across + columns] |= 1 << SOUTH;
        }
    }
    ways
}

/// The polygon that leaves `start` in `direction`; its edges are removed from `ways`.
fn follow(ways: &mut [u8], start: usize, mut direction: usize, xs: &[usize], ys: &[usize]) -> Contour {
    let across = xs.len();
    let mut points = Vec::new();
    let mut vertex = start;
    loop {
        points.push(ImagePoint::new(xs[vertex % across] as f64, ys[vertex / across] as f64));
        // Straight on until the boundary turns.
        loop {
            ways[vertex] &= !(1 << direction);
            vertex = match direction {
                EAST => vertex + 1,
                SOUTH => vertex + across,
                WEST => vertex - 1,
                _ => vertex - across,
            };
            // Left first, which joins cells that touch at a corner.
            let turns = [direction + 3, direction, direction + 1].map(|d| d % 4);
            match turns.into_iter().find(|d| ways[vertex] >> d & 1 == 1) {
                Some(next) if next == direction => {}
                Some(next) => {
                    direction = next;
                    break;
                }
                None => return Contour { points },
            }
        }
    }
}
