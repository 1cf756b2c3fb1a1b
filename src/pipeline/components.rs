//! The component tree (max-tree) of a grid: every 8-connected component of every threshold, each stored once.
//!
//! As the threshold falls, components appear, grow and merge. A component stays the same from its `level`, the smallest value in
//! it, down to just above its parent's level. So the components at a threshold t are those with parent level < t ≤ level:
//! one pass over the tree instead of a labelling of the grid.
//!
//! Built bottom-up by union-find over runs of equal cells, from the highest value to the lowest (Najman & Couprie,
//! "Building the component tree in quasi-linear time", 2006).

use rayon::prelude::*;

/// A component of the grid at the thresholds in (parent_level, level]. Columns and rows of cells, half-open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    pub level: f32,
    /// 0 for a component that no lower threshold merges or grows.
    pub parent_level: f32,
    /// The largest value in it.
    pub score: f32,
    pub x0: usize,
    pub y0: usize,
    pub x1: usize,
    pub y1: usize,
}

/// The components of `cells` (`[rows, columns]` row-major, values ≥ 0) at every threshold above 0, in no particular order.
pub fn component_tree(cells: &[f32], columns: usize) -> Vec<Component> {
    if columns == 0 {
        return Vec::new();
    }
    let runs = Runs::of(cells, columns);
    let mut forest = Forest { above: (0..runs.list.len() as u32).collect(), node: vec![NONE; runs.list.len()] };
    let mut tree = Tree::default();
    for index in runs.highest_first() {
        let run = runs.list[index as usize];
        let mut own = NONE;
        runs.for_each_neighbour(index, |neighbour| {
            let root = forest.root(neighbour);
            if forest.node[root as usize] != NONE && root != forest.root(index) {
                own = tree.join(own, forest.node[root as usize], run.value);
                forest.link(root, index);
            }
        });
        let own = tree.extend(own, &run);
        let root = forest.root(index);
        forest.node[root as usize] = own;
    }
    tree.finish()
}

const NONE: u32 = u32::MAX;

/// Neighbouring cells of one row with one value above 0.
#[derive(Clone, Copy, Debug)]
struct Run {
    value: f32,
    row: u32,
    x0: u32,
    x1: u32,
}

/// All runs, row by row, left to right.
struct Runs {
    list: Vec<Run>,
    /// Where each row begins in the list; one entry more than there are rows.
    starts: Vec<u32>,
}

impl Runs {
    fn of(cells: &[f32], columns: usize) -> Self {
        let per_row: Vec<Vec<Run>> =
            cells.par_chunks(columns).enumerate().map(|(y, row)| runs_of_row(row, y)).collect();
        let mut starts = Vec::with_capacity(per_row.len() + 1);
        starts.push(0);
        let mut list = Vec::with_capacity(per_row.iter().map(Vec::len).sum());
        for row in &per_row {
            list.extend_from_slice(row);
            starts.push(list.len() as u32);
        }
        Self { list, starts }
    }

    /// The runs' indices by falling value; equal values in the order of the list.
    fn highest_first(&self) -> impl Iterator<Item = u32> {
        // Positive floats order as their bits do.
        let key = |(i, run): (usize, &Run)| u64::from(!run.value.to_bits()) << 32 | i as u64;
        let mut keys: Vec<u64> = self.list.par_iter().enumerate().map(key).collect();
        keys.par_sort_unstable();
        keys.into_iter().map(|key| key as u32)
    }

    /// Calls `f` with each run that touches the run `index`, at a side or at a corner.
    fn for_each_neighbour(&self, index: u32, mut f: impl FnMut(u32)) {
        let run = self.list[index as usize];
        let row = run.row as usize;
        let in_row = self.starts[row]..self.starts[row + 1];
        if index > in_row.start && self.list[index as usize - 1].x1 == run.x0 {
            f(index - 1);
        }
        if index + 1 < in_row.end && self.list[index as usize + 1].x0 == run.x1 {
            f(index + 1);
        }
        let rows_beside = [row.checked_sub(1), Some(row + 1).filter(|r| r + 1 < self.starts.len())];
        for beside in rows_beside.into_iter().flatten() {
            let range = self.starts[beside] as usize..self.starts[beside + 1] as usize;
            let first = range.start + self.list[range.clone()].partition_point(|other| other.x1 < run.x0);
            for other in first..range.end {
                if self.list[other].x0 > run.x1 {
                    break;
                }
                f(other as u32);
            }
        }
    }
}

fn runs_of_row(row: &[f32], y: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut x = 0;
    for equal in row.chunk_by(|a, b| a == b) {
        if equal[0] > 0.0 {
            runs.push(Run { value: equal[0], row: y as u32, x0: x, x1: x + equal.len() as u32 });
        }
        x += equal.len() as u32;
    }
    runs
}

/// Union-find over runs; `node` is the tree's node of a root, or `NONE` before its value is reached.
struct Forest {
    above: Vec<u32>,
    node: Vec<u32>,
}

impl Forest {
    fn root(&mut self, mut run: u32) -> u32 {
        while self.above[run as usize] != run {
            let next = self.above[self.above[run as usize] as usize];
            self.above[run as usize] = next;
            run = next;
        }
        run
    }

    /// Puts the set of `root` under the root of `run`.
    fn link(&mut self, root: u32, run: u32) {
        let top = self.root(run);
        self.above[root as usize] = top;
    }
}

/// The components found so far.
#[derive(Default)]
struct Tree {
    nodes: Vec<Component>,
    /// Nodes that another of the same level has taken in.
    absorbed: Vec<bool>,
}

impl Tree {
    /// Makes `other` part of node `own` (or of a new node) at `level`, which is at most `other`'s; returns that node.
    fn join(&mut self, own: u32, other: u32, level: f32) -> u32 {
        let part = self.nodes[other as usize];
        if part.level == level {
            if own == NONE {
                return other;
            }
            self.absorbed[other as usize] = true;
        } else {
            self.nodes[other as usize].parent_level = level;
            if own == NONE {
                return self.push(Component { level, ..part });
            }
        }
        self.grow(own, &part);
        own
    }

    /// Adds a run to node `own`, or makes a node of it.
    fn extend(&mut self, own: u32, run: &Run) -> u32 {
        let (y, x0, x1) = (run.row as usize, run.x0 as usize, run.x1 as usize);
        let part = Component { level: run.value, parent_level: 0.0, score: run.value, x0, y0: y, x1, y1: y + 1 };
        if own == NONE {
            return self.push(part);
        }
        self.grow(own, &part);
        own
    }

    fn push(&mut self, node: Component) -> u32 {
        self.nodes.push(node);
        self.absorbed.push(false);
        self.nodes.len() as u32 - 1
    }

    fn grow(&mut self, own: u32, part: &Component) {
        let node = &mut self.nodes[own as usize];
        node.score = node.score.max(part.score);
        node.x0 = node.x0.min(part.x0);
        node.y0 = node.y0.min(part.y0);
        node.x1 = node.x1.max(part.x1);
        node.y1 = node.y1.max(part.y1);
    }

    fn finish(self) -> Vec<Component> {
        self.nodes.into_iter().zip(self.absorbed).filter(|(_, absorbed)| !absorbed).map(|(node, _)| node).collect()
    }
}
