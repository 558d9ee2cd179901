//! The jobs of a build as a graph; where there is no room for one, as a list that is set in by what each job needs. Must not
//! know how the graph is laid out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildView, JobView, Status};

use super::Hits;
use super::builds::standing_words;
use crate::state::build::{BuildPage, Row};
use crate::state::graph::{ARROW, EAST, Graph, NORTH, SOUTH, WEST};
use crate::state::picture::Picture;
use crate::state::{Hit, State};
use crate::theme::{Theme, Tone, tone_of};
use crate::widgets::text::Words;
use crate::words::{self, Standing};

pub(super) fn paint(
    state: &State,
    (page, view, picture): (&BuildPage, &BuildView, &Picture),
    theme: Theme,
    area: Rect,
    hits: &mut Hits,
    buffer: &mut Buffer,
) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let selected = page.job_index();
    let mut window = Window { picture, area, theme, buffer };
    let now = state.daemon_now();
    if picture.list {
        for (index, job) in picture.graph.listed().into_iter().enumerate() {
            let Some(row) = index.checked_sub(picture.top).filter(|row| *row < usize::from(area.height)) else {
                continue;
            };
            let place = Rect { y: area.y + row as u16, height: 1, ..area };
            window.item(view, job, selected == Some(job), now, place);
            add_hit(page, job, place, hits);
        }
        return;
    }
    window.lines(selected);
    for (index, job) in view.jobs.iter().enumerate() {
        let place = window.job(index, job, selected == Some(index), now);
        if let Some(place) = place {
            add_hit(page, index, place, hits);
        }
    }
    window.beyond();
}

fn add_hit(page: &BuildPage, job: usize, place: Rect, hits: &mut Hits) {
    if let Some(row) = page.rows.iter().position(|row| *row == Row::Job(job)) {
        hits.add(place, Hit::Row(row));
    }
}

/// The part of the graph that is in view.
struct Window<'a> {
    picture: &'a Picture,
    area: Rect,
    theme: Theme,
    buffer: &'a mut Buffer,
}

impl Window<'_> {
    /// Where on the screen a cell of the graph is, if it is in view.
    fn cell(&self, x: usize, y: usize) -> Option<(u16, u16)> {
        let column = u16::try_from(x.checked_sub(self.picture.left)?).ok()?;
        let row = u16::try_from(y.checked_sub(self.picture.top)?).ok()?;
        let inside = column < self.area.width && row < self.area.height;
        inside.then_some((self.area.x + column, self.area.y + row))
    }

    fn lines(&mut self, selected: Option<usize>) {
        let graph = &self.picture.graph;
        let rows = (self.picture.top, 0)..(self.picture.top + usize::from(self.area.height), 0);
        for ((y, x), pieces) in graph.lines.range(rows) {
            let Some((column, row)) = self.cell(*x, *y) else { continue };
            let own = selected.is_some_and(|job| graph.touches(pieces, job));
            let style = self.theme.style(if own { Tone::Accent } else { Tone::Dim });
            self.buffer.set_string(column, row, sign(Graph::arms(pieces)), style);
        }
    }

    /// Returns its place on the screen.
    fn job(&mut self, index: usize, job: &JobView, selected: bool, now: Timestamp) -> Option<Rect> {
        let graph = &self.picture.graph;
        let place = *graph.places.get(index)?;
        let standing = Standing::of_job(job);
        let name = Words::from((if selected { Tone::Accent } else { Tone::Strong }, &job.name));
        let time = time(job, now, self.picture.narrow);
        let state = standing_words(standing).and(Tone::Dim, format!(" {time}"));
        let own = graph.leads_on(index).then_some(if selected { Tone::Accent } else { Tone::Dim });
        let mut shown: Option<Rect> = None;
        for (row, words) in [name, state].into_iter().enumerate() {
            // A job that stands half beyond the edge is shown from its beginning, as far as it fits.
            let Some((x, y)) = self.cell(place.x.max(self.picture.left), place.y + row) else { continue };
            let hidden = self.picture.left.saturating_sub(place.x);
            let width = (place.width.saturating_sub(hidden) as u16).min(self.area.right() - x);
            if width == 0 {
                continue;
            }
            let line = Rect { x, y, width, height: 1 };
            let used = words.paint(line, Style::new(), self.theme, self.buffer);
            if let (1, Some(tone)) = (row, own) {
                for x in x + used + 1..line.right() {
                    self.buffer.set_string(x, y, "─", self.theme.style(tone));
                }
            }
            if selected {
                let marked = Rect { width: used.max(1), ..line };
                self.buffer.set_style(marked, self.theme.selected());
            }
            shown = Some(shown.map_or(line, |above| above.union(line)));
        }
        shown
    }

    /// A job of the list.
    fn item(&mut self, view: &BuildView, index: usize, selected: bool, now: Timestamp, place: Rect) {
        let (Some(job), Some(at)) = (view.jobs.get(index), self.picture.graph.places.get(index)) else { return };
        let standing = Standing::of_job(job);
        let state = format!("{} {:<9} ", standing.glyph(), standing.word());
        let mut words = Words::from((tone_of(standing), state)).and(Tone::Dim, "  ".repeat(at.layer.min(8)));
        if at.layer > 0 {
            words = words.and(Tone::Dim, "└ ");
        }
        words = words.and(Tone::Strong, &job.name);
        if !job.needs.is_empty() {
            words = words.and(Tone::Dim, format!("  needs {}", job.needs.join(", ")));
        }
        let time = Words::from((Tone::Dim, time(job, now, false)));
        let room = place.width.saturating_sub(time.width() as u16 + 1);
        words.paint(Rect { width: room, ..place }, Style::new(), self.theme, self.buffer);
        time.paint_right(place, Style::new(), self.theme, self.buffer);
        if selected {
            self.buffer.set_style(place, self.theme.selected());
        }
    }

    /// Arrows where the graph goes on beyond the edges.
    fn beyond(&mut self) {
        let (picture, area) = (self.picture, self.area);
        let (right, bottom) = (picture.left + usize::from(area.width), picture.top + usize::from(area.height));
        let style = self.theme.style(Tone::Accent);
        let middle = area.y + area.height / 2;
        if picture.left > 0 {
            self.buffer.set_string(area.x.saturating_sub(1), middle, "‹", style);
        }
        if right < picture.graph.width {
            self.buffer.set_string(area.right(), middle, "›", style);
        }
        let more = [
            (picture.top > 0, area.y, "above", "▴"),
            (bottom < picture.graph.height, area.bottom().saturating_sub(1), "below", "▾"),
        ];
        for (more, y, word, sign) in more {
            if more {
                let words = Words::from((Tone::Accent, format!(" {sign} more {word} ")));
                words.paint_right(Rect { y, height: 1, ..area }, Style::new(), self.theme, self.buffer);
            }
        }
    }
}

/// How long the newest attempt took or has taken, in at most six columns, or three.
fn time(job: &JobView, now: Timestamp, narrow: bool) -> String {
    let Some(attempt) = job.attempts.last().filter(|_| job.status != Status::Waiting) else { return String::new() };
    let Some(started) = attempt.started_at else { return String::new() };
    let ms = attempt.finished_at.unwrap_or(now).since(started);
    if narrow {
        return match ms / 1_000 {
            seconds @ 0..60 => format!("{seconds}s"),
            seconds @ 60..3_600 => format!("{}m", seconds / 60),
            seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
            seconds => format!("{}d", seconds / 86_400),
        };
    }
    match (ms, attempt.finished_at) {
        (600_000..3_600_000, _) => format!("{}m", ms / 60_000),
        (_, Some(_)) => words::duration(ms),
        (_, None) => words::running_duration(ms),
    }
}

fn sign(arms: u8) -> &'static str {
    const NES: u8 = NORTH | EAST | SOUTH;
    const NSW: u8 = NORTH | SOUTH | WEST;
    const ESW: u8 = EAST | SOUTH | WEST;
    const NEW: u8 = NORTH | EAST | WEST;
    if arms & ARROW != 0 {
        return "▸";
    }
    // One arm alone ends in the middle of nothing; it does not happen, and a line is the least wrong picture of it.
    const UPRIGHT: u8 = NORTH | SOUTH;
    match arms {
        NORTH | SOUTH | UPRIGHT => "│",
        _ if arms == NORTH | EAST => "╰",
        _ if arms == NORTH | WEST => "╯",
        _ if arms == EAST | SOUTH => "╭",
        _ if arms == SOUTH | WEST => "╮",
        NES => "├",
        NSW => "┤",
        ESW => "┬",
        NEW => "┴",
        _ if arms == NES | WEST => "┼",
        _ => "─",
    }
}
