//! The job graph of a build on the screen: what of it is in view, and where keys lead in it. Which job is selected is the
//! page's. Must not know how it is painted.

use windlass_protocol::view::BuildView;

use super::build::{BuildPage, Row};
use super::cursor::{Cursor, Move};
use super::graph::{Graph, Node, Way};
use super::{Effect, Page, State};
use crate::keymap::Action;
use crate::safe_text::label;
use crate::words::Standing;

/// How wide a job is drawn: its name is cut at `name`, and what is shorter takes `least` all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measure {
    name: usize,
    /// Beside the word of its state: a glyph, blanks, how long it took.
    beside_word: usize,
    least: usize,
    blank: usize,
}

const WIDE: Measure = Measure { name: 24, beside_word: 9, least: 16, blank: 1 };
const NARROW: Measure = Measure { name: 12, beside_word: 6, least: 12, blank: 0 };

#[derive(Debug, Default)]
pub struct Picture {
    pub graph: Graph,
    nodes: Vec<Node>,
    size: (u16, u16),
    /// The first column and row in view.
    pub left: usize,
    pub top: usize,
    /// Times are told in three columns, so that more layers fit.
    pub narrow: bool,
    /// There is no room for a graph: its jobs stand one below the other, set in by what they need.
    pub list: bool,
}

impl Picture {
    /// Makes the graph anew where it changed, and keeps the selected job in view.
    fn settle(&mut self, view: &BuildView, selected: Option<usize>, size: (u16, u16)) {
        let (width, height) = (usize::from(size.0), usize::from(size.1));
        let wide = nodes(view, WIDE);
        if wide != self.nodes || size != self.size {
            self.graph = Graph::new(&wide, height, WIDE.blank);
            let fits = |graph: &Graph| graph.width <= width && graph.height <= height;
            self.narrow = !fits(&self.graph);
            if self.narrow {
                let narrow = Graph::new(&nodes(view, NARROW), height, NARROW.blank);
                // What has to be scrolled in any case is not made harder to read.
                self.narrow = fits(&narrow);
                self.graph = if self.narrow { narrow } else { std::mem::take(&mut self.graph) };
            }
            self.list = width < 58 || height < 8 || (!fits(&self.graph) && wide.len() <= height);
            (self.nodes, self.size) = (wide, size);
        }
        let Some(selected) = selected else { return };
        if self.list {
            let at = self.graph.listed().iter().position(|job| *job == selected).unwrap_or(0);
            let mut cursor = Cursor { at, top: self.top };
            cursor.settle(self.nodes.len(), height);
            (self.left, self.top) = (0, cursor.top);
            return;
        }
        let Some(place) = self.graph.places.get(selected) else { return };
        self.left = in_view(self.left, width, place.x, place.width, self.graph.width);
        self.top = in_view(self.top, height, place.y, 2, self.graph.height);
    }

    fn walk(&self, from: usize, way: Way) -> Option<usize> {
        match (self.list, way) {
            (true, Way::Up | Way::Down) => {
                let listed = self.graph.listed();
                let at = listed.iter().position(|job| *job == from)?;
                let at = if way == Way::Up { at.checked_sub(1)? } else { at + 1 };
                listed.get(at).copied()
            }
            _ => self.graph.walk(from, way),
        }
    }
}

/// Where a window of `size` begins so that a thing is in it; it moves no farther than it must.
fn in_view(begin: usize, size: usize, at: usize, length: usize, whole: usize) -> usize {
    let begin = begin.min(at);
    let begin = if at + length > begin + size { (at + length).saturating_sub(size).min(at) } else { begin };
    begin.min(whole.saturating_sub(size))
}

fn nodes(view: &BuildView, measure: Measure) -> Vec<Node> {
    let node = |job: &windlass_protocol::view::JobView| {
        let index = |need: &String| view.jobs.iter().position(|other| other.name == *need);
        let name = label(&job.name).width().min(measure.name);
        let timed = job.attempts.last().is_some_and(|attempt| attempt.started_at.is_some());
        let state = Standing::of_job(job).word().len() + if timed { measure.beside_word } else { 2 };
        let width = name.max(state).max(measure.least);
        Node { needs: job.needs.iter().filter_map(index).collect(), width }
    };
    view.jobs.iter().map(node).collect()
}

impl BuildPage {
    pub(super) fn settle_picture(&mut self, size: (u16, u16)) {
        let selected = self.job_index();
        if let (Some(picture), Some(view)) = (&mut self.picture, &self.view) {
            picture.settle(view, selected, size);
        }
    }
}

impl State {
    /// Shows the jobs of a build as a graph, or as a list again.
    pub(super) fn toggle_graph(&mut self) {
        let height = usize::from(self.layout().jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        if page.picture.take().is_some() {
            return;
        }
        page.picture = Some(Picture::default());
        // In a graph there is no row for the whole build, nor for a step.
        if let (Some(job), false) = (page.job_index(), matches!(page.selected(), Row::Job(_))) {
            page.select_job(job, height);
        }
    }

    pub(super) fn act_in_graph(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let height = usize::from(self.layout().jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        const MANY: usize = 5;
        let (way, steps) = match action {
            Action::Up => (Way::Up, 1),
            Action::Down => (Way::Down, 1),
            Action::Left => (Way::Left, 1),
            Action::Right => (Way::Right, 1),
            Action::PageUp | Action::HalfUp => (Way::Up, MANY),
            Action::PageDown | Action::HalfDown => (Way::Down, MANY),
            Action::First | Action::Last => {
                let listed = page.picture.as_ref().map(|picture| picture.graph.listed()).unwrap_or_default();
                let job = if action == Action::First { listed.first() } else { listed.last() };
                return job.into_iter().for_each(|job| page.select_job(*job, height));
            }
            Action::Back | Action::Graph => return page.picture = None,
            Action::Into => return self.open_log(effects),
            Action::Tests => return self.toggle_tests(effects),
            Action::Artifacts => return self.toggle_artifacts(),
            Action::NextFailed | Action::PreviousFailed => {
                return page.go_to_failed(action == Action::NextFailed, height);
            }
            _ => return,
        };
        for _ in 0..steps {
            let to = page.job_index().and_then(|from| page.picture.as_ref()?.walk(from, way));
            let Some(job) = to else { return };
            page.select_job(job, height);
        }
    }

    /// The details of the selected job: shown, or not any more.
    pub(super) fn toggle_details(&mut self) {
        let shown = self.layout().details.is_some();
        if let Some(Page::Build(page)) = self.pages.last_mut() {
            page.details = Some(!shown);
            page.go(Move::By(0), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_moves_no_farther_than_it_must() {
        // begin, size, at, length, whole, expected
        let table = [
            (0, 10, 3, 2, 40, 0),
            (0, 10, 9, 2, 40, 1),
            (20, 10, 5, 2, 40, 5),
            (20, 10, 25, 2, 40, 20),
            (35, 10, 38, 2, 40, 30),
            (5, 10, 3, 2, 8, 0),
            (0, 1, 7, 2, 40, 7),
        ];
        for (begin, size, at, length, whole, expected) in table {
            assert_eq!(in_view(begin, size, at, length, whole), expected, "{begin} {at}");
        }
    }
}
