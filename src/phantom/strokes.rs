//! Ducts and vessels: thin bending lines of added grey, drawn into a coarse index for quick look-up.

use std::collections::HashMap;

use crate::random::Random;

/// Short straight pieces, found by the cell they touch.
pub struct Strokes {
    cells: HashMap<(i32, i32), Vec<Piece>>,
}

/// One line with its branches.
struct Stroke {
    from: (f64, f64),
    heading: f64,
    length: f64,
    width: f64,
    grey: f64,
    generations: usize,
}

#[derive(Clone, Copy)]
struct Piece {
    a: (f64, f64),
    b: (f64, f64),
    width: f64,
    grey: f64,
}

/// Side of an index cell in image heights.
const CELL: f64 = 0.02;

impl Strokes {
    /// Ducts that branch from the nipple and vessels that cross the breast; lengths in image heights.
    pub fn new(random: &mut Random, nipple: (f64, f64), depth: f64, half_height: f64) -> Self {
        let mut strokes = Self { cells: HashMap::new() };
        for _ in 0..6 + random.below(8) {
            let stroke = Stroke {
                from: nipple,
                heading: std::f64::consts::PI + random.range(-0.9, 0.9),
                length: depth * random.range(0.3, 0.7),
                width: random.range(0.0012, 0.0028),
                grey: random.range(0.02, 0.07),
                generations: 3,
            };
            strokes.branch(random, stroke);
        }
        for _ in 0..2 + random.below(6) {
            let stroke = Stroke {
                from: (random.range(0.0, 0.3) * depth, nipple.1 + random.range(-0.9, 0.9) * half_height),
                heading: random.range(-0.7, 0.7),
                length: depth * random.range(0.4, 0.9),
                width: random.range(0.0015, 0.0035),
                grey: random.range(0.03, 0.09),
                generations: 2,
            };
            strokes.branch(random, stroke);
        }
        strokes
    }

    /// The grey that the strokes add at a place.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        let Some(pieces) = self.cells.get(&cell(x, y)) else { return 0.0 };
        pieces.iter().map(|p| p.grey_at(x, y)).fold(0.0, f64::max)
    }

    fn branch(&mut self, random: &mut Random, stroke: Stroke) {
        const STEP: f64 = 0.008;
        let (mut at, mut heading, mut bend) = (stroke.from, stroke.heading, 0.0);
        let steps = (stroke.length / STEP) as usize;
        for i in 0..steps {
            bend = 0.85 * bend + random.range(-0.06, 0.06);
            heading += bend;
            let next = (at.0 + STEP * heading.cos(), at.1 + STEP * heading.sin());
            let fade = 1.0 - 0.6 * i as f64 / steps as f64;
            let (width, grey) = (stroke.width * fade, stroke.grey * fade);
            self.insert(Piece { a: at, b: next, width, grey });
            at = next;
            if stroke.generations > 0 && random.chance(0.05) {
                let turn = random.range(0.3, 0.7) * if random.chance(0.5) { 1.0 } else { -1.0 };
                let length = (steps - i) as f64 * STEP * random.range(0.5, 0.9);
                let generations = stroke.generations - 1;
                let child = Stroke { from: at, heading: heading + turn, length, width: width * 0.8, grey, generations };
                self.branch(random, child);
            }
        }
    }

    fn insert(&mut self, piece: Piece) {
        let reach = 3.0 * piece.width;
        let (x0, y0) = cell(piece.a.0.min(piece.b.0) - reach, piece.a.1.min(piece.b.1) - reach);
        let (x1, y1) = cell(piece.a.0.max(piece.b.0) + reach, piece.a.1.max(piece.b.1) + reach);
        for x in x0..=x1 {
            for y in y0..=y1 {
                self.cells.entry((x, y)).or_default().push(piece);
            }
        }
    }
}

fn cell(x: f64, y: f64) -> (i32, i32) {
    ((x / CELL).floor() as i32, (y / CELL).floor() as i32)
}

impl Piece {
    fn grey_at(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (self.b.0 - self.a.0, self.b.1 - self.a.1);
        let t = (((x - self.a.0) * dx + (y - self.a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        let distance = (x - self.a.0 - t * dx).hypot(y - self.a.1 - t * dy);
        let r = distance / self.width;
        if r > 3.0 { 0.0 } else { self.grey * (-r * r).exp() }
    }
}
