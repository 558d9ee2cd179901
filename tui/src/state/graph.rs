//! The jobs of a build as a graph: where each stands, and how the lines between them run. Jobs stand in layers, from left to
//! right: each to the right of all that it needs. Pure geometry: must not know states, the cursor or the screen.
//!
//! A job is two rows high. Lines come in at its first row and leave at its second one, so that no line that leaves ever
//! runs into one that comes in.

use std::collections::BTreeMap;

/// A job, as far as the graph cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Indices of the jobs that have to pass first.
    pub(super) needs: Vec<usize>,
    /// Columns that it takes.
    pub(super) width: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Of each job.
    pub places: Vec<Place>,
    /// What is drawn at a row and a column: mostly one piece, more where lines meet or cross.
    pub lines: BTreeMap<(usize, usize), Vec<Piece>>,
    pub width: usize,
    pub height: usize,
    /// Of each job: the needs that are no detour of another need, and what needs it in the same way.
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
    layers: Vec<Vec<Item>>,
    nets: Vec<Net>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub layer: usize,
    pub x: usize,
    pub y: usize,
    pub width: usize,
}

/// A cell of a line: the directions in which it goes on, and whose line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    net: usize,
    arms: u8,
}

pub const NORTH: u8 = 1;
pub const EAST: u8 = 2;
pub const SOUTH: u8 = 4;
pub const WEST: u8 = 8;
/// The end of a line, before a job.
pub const ARROW: u8 = 16;

/// What stands in a layer: a job, or the line of a job that goes on to a later layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Job(usize),
    Through(usize),
}

/// Jobs of one layer whose lines lead to the same items of the next: drawn as one line.
#[derive(Debug, PartialEq, Eq)]
struct Net {
    /// The layer that it leaves.
    layer: usize,
    from: Vec<Item>,
    to: Vec<Item>,
    /// The jobs at the very beginning, and those at the end of this stretch.
    sources: Vec<usize>,
    targets: Vec<usize>,
}

/// The rows that a job and the gap below it take: roomy, or close together.
const ROOMY: usize = 3;
const CLOSE: usize = 2;
/// Beside the tracks of a gutter: where lines leave, and the arrow.
const GUTTER: usize = 2;

/// A step along the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Left,
    Right,
    Up,
    Down,
}

impl Graph {
    /// Roomy where that is not too high, else close together. Between arrow and job are so many blanks.
    pub(super) fn new(nodes: &[Node], rows: usize, blank: usize) -> Self {
        let mut graph = Self::ranked(nodes);
        graph.order();
        let most = graph.layers.iter().map(Vec::len).max().unwrap_or(0);
        let pitch = if most * ROOMY <= rows + 1 { ROOMY } else { CLOSE };
        graph.place(nodes, most, (pitch, blank));
        graph
    }

    /// Which job stands in which layer, and what leads to what.
    fn ranked(nodes: &[Node]) -> Self {
        let layer = layers(nodes);
        // The wire may say anything: only what leads to the right is drawn, so a circle is cut open.
        let leads = |job: usize, need: usize| need < nodes.len() && layer[need] < layer[job];
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by_key(|job| layer[*job]);
        let mut before = vec![vec![false; nodes.len()]; nodes.len()];
        let mut needs = vec![Vec::new(); nodes.len()];
        for job in order {
            let mut direct: Vec<usize> = nodes[job].needs.iter().copied().filter(|need| leads(job, *need)).collect();
            direct.sort_unstable();
            direct.dedup();
            let detour = |need: &usize| direct.iter().any(|other| before[*other][*need]);
            needs[job] = direct.iter().copied().filter(|need| !detour(need)).collect();
            for need in direct {
                let (of_need, of_job) = (before[need].clone(), &mut before[job]);
                of_job.iter_mut().zip(of_need).for_each(|(mine, its)| *mine |= its);
                of_job[need] = true;
            }
        }
        let mut needed_by = vec![Vec::new(); nodes.len()];
        for (job, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|need| needed_by[*need].push(job));
        }
        let mut layers: Vec<Vec<Item>> = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
        for (job, at) in layer.iter().enumerate() {
            layers[*at].push(Item::Job(job));
        }
        for (job, needed_by) in needed_by.iter().enumerate() {
            let farthest = needed_by.iter().map(|other| layer[*other]).max().unwrap_or(0);
            for between in layers.iter_mut().take(farthest).skip(layer[job] + 1) {
                between.push(Item::Through(job));
            }
        }
        let places = layer.iter().map(|layer| Place { layer: *layer, ..Place::default() }).collect();
        let mut graph = Self { places, needs, needed_by, layers, ..Self::default() };
        graph.nets = graph.nets();
        graph
    }

    fn nets(&self) -> Vec<Net> {
        let mut nets: Vec<Net> = Vec::new();
        for (at, items) in self.layers.iter().enumerate() {
            for item in items {
                let (Item::Job(job) | Item::Through(job)) = *item;
                let layer_of = |other: &&usize| self.places[**other].layer;
                let targets: Vec<usize> =
                    self.needed_by[job].iter().filter(|other| layer_of(other) == at + 1).copied().collect();
                let mut to: Vec<Item> = targets.iter().map(|target| Item::Job(*target)).collect();
                if self.needed_by[job].iter().any(|other| self.places[*other].layer > at + 1) {
                    to.push(Item::Through(job));
                }
                if to.is_empty() {
                    continue;
                }
                let same = nets.iter_mut().find(|net| net.layer == at && net.to == to);
                match same {
                    Some(net) => {
                        net.from.push(*item);
                        net.sources.push(job);
                    }
                    None => nets.push(Net { layer: at, from: vec![*item], to, sources: vec![job], targets }),
                }
            }
        }
        nets
    }

    /// Puts what belongs together side by side, so that few lines cross.
    fn order(&mut self) {
        const SWEEPS: usize = 4;
        for sweep in 0..SWEEPS {
            let forwards = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 1..count {
                let (fixed, moved) = if forwards { (step - 1, step) } else { (count - step, count - step - 1) };
                let at = |item: &Item| self.layers[fixed].iter().position(|other| other == item);
                let mean = |item: &Item| {
                    let between = self.nets.iter().filter(|net| net.layer == fixed.min(moved));
                    let joined = between.flat_map(|net| {
                        let (mine, others) = if forwards { (&net.to, &net.from) } else { (&net.from, &net.to) };
                        if mine.contains(item) { others.as_slice() } else { &[] }
                    });
                    let places: Vec<usize> = joined.filter_map(at).collect();
                    (!places.is_empty()).then(|| places.iter().sum::<usize>() as f64 / places.len() as f64)
                };
                // What is joined to nothing stays about where it was.
                let mut weighed: Vec<(f64, Item)> = self.layers[moved]
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (mean(item).unwrap_or(index as f64), *item))
                    .collect();
                weighed.sort_by(|one, other| one.0.total_cmp(&other.0));
                self.layers[moved] = weighed.into_iter().map(|(_, item)| item).collect();
            }
        }
    }

    fn place(&mut self, nodes: &[Node], most: usize, (pitch, blank): (usize, usize)) {
        let layers = std::mem::take(&mut self.layers);
        let row = |layer: usize, item: &Item| {
            let items: &[Item] = layers.get(layer).map_or(&[], Vec::as_slice);
            let slot = items.iter().position(|other| other == item).unwrap_or(0);
            ((most - items.len()) / 2 + slot) * pitch
        };
        let mut x = 0;
        for (layer, items) in layers.iter().enumerate() {
            let widths = items.iter().map(|item| if let Item::Job(job) = item { nodes[*job].width } else { 1 });
            let width = widths.max().unwrap_or(1);
            for item in items {
                let y = row(layer, item);
                match item {
                    Item::Job(job) => self.places[*job] = Place { layer, x, y, width },
                    Item::Through(job) => self.through(*job, layer, (x, y), width),
                }
            }
            x += width;
            let mut here = Vec::new();
            for (index, net) in self.nets.iter().enumerate().filter(|(_, net)| net.layer == layer) {
                let leave: Vec<usize> = net.from.iter().map(|item| row(layer, item) + 1).collect();
                let come: Vec<usize> = net.to.iter().map(|item| row(layer + 1, item)).collect();
                here.push((index, leave, come));
            }
            let tracks = tracks(here.iter().map(|(_, leave, come)| ends(leave, come)));
            let used = tracks.iter().max().map_or(0, |last| last + 1);
            for ((net, leave, come), track) in here.into_iter().zip(tracks) {
                self.draw(net, (&leave, &come), (x, x + 1 + track, x + 1 + used), blank);
            }
            if layer + 1 < layers.len() {
                x += used + GUTTER + blank;
            }
        }
        self.layers = layers;
        (self.width, self.height) = (x, (most * pitch + 2).saturating_sub(pitch));
    }

    /// A line that passes a layer: it comes in at one row and leaves at the next.
    fn through(&mut self, job: usize, layer: usize, (x, y): (usize, usize), width: usize) {
        let passes = |net: &Net| net.layer == layer && net.from.contains(&Item::Through(job));
        let Some(net) = self.nets.iter().position(passes) else { return };
        self.add(net, x, y, WEST | SOUTH);
        self.add(net, x, y + 1, NORTH | EAST);
        (x + 1..x + width).for_each(|x| self.add(net, x, y + 1, EAST | WEST));
    }

    /// The lines of a net through a gutter: out of the jobs to the net's track, along it, and to what comes next.
    fn draw(&mut self, net: usize, rows: (&[usize], &[usize]), columns: (usize, usize, usize), blank: usize) {
        let ((leave, come), (left, track, arrow)) = (rows, columns);
        for y in leave {
            (left..track).for_each(|x| self.add(net, x, *y, EAST | WEST));
            self.add(net, track, *y, WEST);
        }
        let to = self.nets[net].to.clone();
        for (y, item) in come.iter().zip(to) {
            self.add(net, track, *y, EAST);
            (track + 1..arrow).for_each(|x| self.add(net, x, *y, EAST | WEST));
            let job = matches!(item, Item::Job(_));
            self.add(net, arrow, *y, if job { ARROW } else { EAST | WEST });
            if !job {
                (arrow + 1..=arrow + blank).for_each(|x| self.add(net, x, *y, EAST | WEST));
            }
        }
        let (top, bottom) = ends(leave, come);
        for y in top..bottom {
            self.add(net, track, y, SOUTH);
            self.add(net, track, y + 1, NORTH);
        }
    }

    fn add(&mut self, net: usize, x: usize, y: usize, arms: u8) {
        let pieces = self.lines.entry((y, x)).or_default();
        match pieces.iter_mut().find(|piece| piece.net == net) {
            Some(piece) => piece.arms |= arms,
            None => pieces.push(Piece { net, arms }),
        }
    }

    /// The directions in which the lines of a cell go on. Where two only cross, the one across is under a bridge, so that
    /// a crossing is never taken for a meeting.
    #[must_use]
    pub fn arms(pieces: &[Piece]) -> u8 {
        let is = |piece: &Piece, arms: u8| piece.arms == arms;
        let upright = pieces.iter().any(|piece| is(piece, NORTH | SOUTH));
        if upright && pieces.iter().all(|piece| is(piece, NORTH | SOUTH) || is(piece, EAST | WEST)) {
            return NORTH | SOUTH;
        }
        pieces.iter().fold(0, |arms, piece| arms | piece.arms)
    }

    /// Whether a cell belongs to a line from or to a job.
    #[must_use]
    pub fn touches(&self, pieces: &[Piece], job: usize) -> bool {
        let arms = Self::arms(pieces);
        pieces.iter().filter(|piece| piece.arms & arms == piece.arms).any(|piece| {
            let net = &self.nets[piece.net];
            net.sources.contains(&job) || net.targets.contains(&job)
        })
    }

    /// Whether a line leaves a job.
    #[must_use]
    pub fn leads_on(&self, job: usize) -> bool {
        self.needed_by.get(job).is_some_and(|others| !others.is_empty())
    }

    /// The job that a step leads to: along a line, or to the neighbour in the same layer.
    #[must_use]
    pub(super) fn walk(&self, from: usize, way: Way) -> Option<usize> {
        let here = *self.places.get(from)?;
        let nearest = |jobs: &[usize]| jobs.iter().copied().min_by_key(|job| self.places[*job].y.abs_diff(here.y));
        let beside = |job: &usize| self.places[*job].layer == here.layer;
        match way {
            Way::Left => nearest(&self.needs[from]),
            Way::Right => nearest(&self.needed_by[from]),
            Way::Up => (0..self.places.len())
                .filter(|job| beside(job) && self.places[*job].y < here.y)
                .max_by_key(|job| self.places[*job].y),
            Way::Down => (0..self.places.len())
                .filter(|job| beside(job) && self.places[*job].y > here.y)
                .min_by_key(|job| self.places[*job].y),
        }
    }

    /// The jobs as a list: layer by layer, and from above within each.
    #[must_use]
    pub fn listed(&self) -> Vec<usize> {
        let mut jobs: Vec<usize> = (0..self.places.len()).collect();
        jobs.sort_by_key(|job| (self.places[*job].layer, self.places[*job].y));
        jobs
    }
}

/// The layer of each job: one more than the last one of what it needs.
fn layers(nodes: &[Node]) -> Vec<usize> {
    let count = nodes.len();
    let mut layer = vec![0; count];
    // As often as the longest way is long; a circle, which no daemon sends, would never settle.
    for _ in 0..count {
        let mut settled = true;
        for (job, node) in nodes.iter().enumerate() {
            for need in node.needs.iter().filter(|need| **need < count) {
                if layer[job] <= layer[*need] && layer[*need] + 1 < count {
                    (layer[job], settled) = (layer[*need] + 1, false);
                }
            }
        }
        if settled {
            break;
        }
    }
    layer
}

/// The first and the last row of a net's upright line.
fn ends(leave: &[usize], come: &[usize]) -> (usize, usize) {
    let rows = || leave.iter().chain(come).copied();
    (rows().min().unwrap_or(0), rows().max().unwrap_or(0))
}

/// A track for each upright line: no two that share a row share a track.
fn tracks(lines: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let lines: Vec<(usize, usize)> = lines.collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|line| lines[*line]);
    let mut free_from: Vec<usize> = Vec::new();
    let mut tracks = vec![0; lines.len()];
    for line in order {
        let (top, bottom) = lines[line];
        let track = free_from.iter().position(|free| *free <= top).unwrap_or_else(|| {
            free_from.push(0);
            free_from.len() - 1
        });
        free_from[track] = bottom + 1;
        tracks[line] = track;
    }
    tracks
}

#[cfg(test)]
mod tests;
