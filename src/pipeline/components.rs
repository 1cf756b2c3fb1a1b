//! The component tree (max-tree) of a grid: every 8-connected component of every threshold, each stored once.
//!
//! As the threshold falls, components appear, grow and merge. A component stays the same from its `level`, the smallest value in
//! it, down to just above its parent's level. So the components at a threshold t are those with parent level < t ≤ level:
//! one pass over the tree instead of a labelling of the grid.
//!
//! Built by union-find over flat zones (8-connected cells of one value), from the highest value to the lowest (Najman &
//! Couprie, "Building the component tree in quasi-linear time", 2006). Boxes give few zones, however many cells.

/// A component of the grid at the thresholds in (parent_level, level]. Columns and rows of cells, half-open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    pub level: f32,
    /// 0 for a component that no lower threshold merges or grows.
    pub parent_level: f32,
    /// The largest value in it.
    pub score: f32,
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
}

impl Component {
    /// Takes in the extent and the score of a part.
    fn grow(&mut self, part: &Self) {
        self.score = self.score.max(part.score);
        self.x0 = self.x0.min(part.x0);
        self.y0 = self.y0.min(part.y0);
        self.x1 = self.x1.max(part.x1);
        self.y1 = self.y1.max(part.y1);
    }
}

/// The components of `cells` (`[rows, columns]` row-major, values ≥ 0) at every threshold above 0, in no particular order.
pub fn component_tree(cells: &[f32], columns: usize) -> Vec<Component> {
    if columns == 0 {
        return Vec::new();
    }
    let Zones { zones, mut sets, mut edges, .. } = Zones::of(cells, columns);
    // Highest zones first, each with its edges. Positive floats order as their bits do.
    let rank = |zone: u32| u64::from(!zones[zone as usize].level.to_bits()) << 32 | u64::from(zone);
    edges.iter_mut().for_each(|(lower, _)| *lower = sets.root(*lower));
    edges.sort_unstable_by_key(|(lower, _)| rank(*lower));
    let mut order: Vec<u32> = (0..zones.len() as u32).filter(|zone| sets.root(*zone) == *zone).collect();
    order.sort_unstable_by_key(|zone| rank(*zone));

    let mut tree = Tree::default();
    let mut node = vec![NONE; zones.len()];
    let mut edges = edges.into_iter().peekable();
    for zone in order {
        let part = zones[zone as usize];
        let mut own = NONE;
        // The zones of higher value that this one touches have their components already.
        while let Some((_, higher)) = edges.next_if(|(lower, _)| *lower == zone) {
            let other = sets.root(higher);
            if other != zone {
                own = tree.join(own, node[other as usize], part.level);
                sets.put_under(other, zone);
            }
        }
        node[zone as usize] = tree.extend(own, part);
    }
    tree.finish()
}

const NONE: u32 = u32::MAX;

/// The flat zones of a grid, and which touch at a side or at a corner.
#[derive(Default)]
struct Zones {
    /// As components of their own; only those that are roots of `sets` are whole.
    zones: Vec<Component>,
    sets: Sets,
    /// (lower, higher) by value; some more than once.
    edges: Vec<(u32, u32)>,
    /// Per zone the higher one of its last edge: neighbours on many rows give few edges.
    last: Vec<u32>,
}

/// Neighbouring cells of one row with one value above 0.
struct Run {
    value: f32,
    x0: u32,
    x1: u32,
    zone: u32,
}

impl Zones {
    fn of(cells: &[f32], columns: usize) -> Self {
        let mut zones = Self::default();
        let (mut above, mut here): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
        for (y, row) in cells.chunks(columns).enumerate() {
            here.clear();
            let (mut first, mut x1) = (0, 0);
            for equal in row.chunk_by(|a, b| a == b) {
                let x0 = x1;
                x1 += equal.len() as u32;
                if equal[0] <= 0.0 {
                    continue;
                }
                first += above[first..].iter().take_while(|run| run.x1 < x0).count();
                let touching = above[first..].iter().take_while(|run| run.x0 <= x1);
                let run = zones.place(equal[0], (x0, x1, y as u32), touching, here.last());
                here.push(run);
            }
            std::mem::swap(&mut above, &mut here);
        }
        let whole: Vec<u32> = (0..zones.zones.len() as u32).map(|zone| zones.sets.root(zone)).collect();
        for (part, root) in whole.into_iter().enumerate() {
            let part = zones.zones[part];
            zones.zones[root as usize].grow(&part);
        }
        zones
    }

    /// Adds a run to the zone of its value that it touches in the row above, or to a new one.
    fn place<'a>(
        &mut self,
        value: f32,
        (x0, x1, y): (u32, u32, u32),
        above: impl Iterator<Item = &'a Run> + Clone,
        left: Option<&'a Run>,
    ) -> Run {
        let run = Component { level: value, parent_level: 0.0, score: value, x0, y0: y, x1, y1: y + 1 };
        let mut equal = above.clone().filter(|other| other.value == value).map(|other| other.zone);
        let zone = match equal.next() {
            Some(zone) => {
                self.zones[zone as usize].grow(&run);
                zone
            }
            None => {
                self.zones.push(run);
                self.last.push(NONE);
                self.sets.add()
            }
        };
        equal.for_each(|other| self.sets.join(zone, other));
        let different = above.filter(|other| other.value != value);
        // Runs of one row that touch differ in value.
        for other in different.chain(left.filter(|left| left.x1 == x0)) {
            let (lower, higher) = if value < other.value { (zone, other.zone) } else { (other.zone, zone) };
            if self.last[lower as usize] != higher {
                self.last[lower as usize] = higher;
                self.edges.push((lower, higher));
            }
        }
        Run { value, x0, x1, zone }
    }
}

/// Disjoint sets with path halving.
#[derive(Default)]
struct Sets {
    above: Vec<u32>,
}

impl Sets {
    fn add(&mut self) -> u32 {
        self.above.push(self.above.len() as u32);
        self.above.len() as u32 - 1
    }

    fn root(&mut self, mut item: u32) -> u32 {
        while self.above[item as usize] != item {
            let next = self.above[self.above[item as usize] as usize];
            self.above[item as usize] = next;
            item = next;
        }
        item
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.above[a.max(b) as usize] = a.min(b);
    }

    /// Puts the set of the root `root` under the root `top`.
    fn put_under(&mut self, root: u32, top: u32) {
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
        self.nodes[own as usize].grow(&part);
        own
    }

    /// Adds a zone to node `own`, or makes a node of it.
    fn extend(&mut self, own: u32, zone: Component) -> u32 {
        if own == NONE {
            return self.push(zone);
        }
        self.nodes[own as usize].grow(&zone);
        own
    }

    fn push(&mut self, node: Component) -> u32 {
        self.nodes.push(node);
        self.absorbed.push(false);
        self.nodes.len() as u32 - 1
    }

    fn finish(self) -> Vec<Component> {
        self.nodes.into_iter().zip(self.absorbed).filter(|(_, absorbed)| !absorbed).map(|(node, _)| node).collect()
    }
}
