//! A log on the screen, of any length: where in it we are, what is shown of it, what was searched. Only lines near the
//! view are held. Must not know sockets, colours or the other screens.

use std::collections::BTreeSet;
use std::ops::Range;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{LineRun, LogHead, LogView, StepMark, Sub};
use windlass_protocol::log::LogLine;
use windlass_protocol::refusal::Refusal;

use super::cache::{Cache, Line};
use super::kept_lines::KeptLines;
use super::log_ask::Asked;
pub use super::log_ask::Looking;
pub use super::log_map::{Tick, TickMark};
use super::long::Long;
use super::map::Map;
use super::only::{self, Only};
use super::pair::Pair;
use super::search::Search;
use crate::safe_text::SafeLine;

#[derive(Debug)]
pub struct LogPage {
    pub id: AttemptId,
    pub sub: Sub,
    pub head: Option<LogHead>,
    pub refused: Option<Refusal>,
    pub cache: Cache,
    pub(super) position: Position,
    /// The row that keys speak of, unless the end is followed: then it is the last one.
    pub(super) cursor: Place,
    /// Where to begin; in force until the reader moves, because the rows above it are not known at once.
    pub(super) start: Option<Start>,
    opened: Start,
    pub column: usize,
    pub wrap: bool,
    pub times: Times,
    pub headers: bool,
    /// Only some lines are shown.
    pub only: Option<Only>,
    /// Steps of which only the heading is shown, by their index.
    pub folded: BTreeSet<u16>,
    /// What of the log the daemon is asked for, because of these two; none: every line.
    pub(super) wanted: Option<LogView>,
    /// Which lines those are, as far as it is known.
    pub kept: Option<KeptLines>,
    /// Something else is wanted than what `kept` speaks of, and nothing of it has come yet.
    pub(super) outdated: bool,
    pub search: Option<Search>,
    /// What is to be looked for when that is nowhere.
    pub(super) instead: Option<String>,
    /// The lines that speak of an error, once they were asked for.
    pub errors: Option<Search>,
    pub bookmarks: BTreeSet<u64>,
    /// The one line that is shown in its whole length.
    pub long: Option<Long>,
    /// The log that is shown beside this one.
    pub pair: Option<Box<Pair>>,
    /// Lines are being selected: from this one to the one with the cursor.
    pub selection: Option<u64>,
    /// Where lines that speak of an error are, and where hits.
    pub(super) error_map: Map,
    pub hit_map: Map,
    /// The lines of the step that failed, while it is not known where in them the first error is.
    pub(super) opening: Option<Range<u64>>,
    /// Columns and rows of the whole area.
    size: (u16, u16),
    /// A preview has no gutter.
    pub preview: bool,
    pub(super) asked: Option<Asked>,
}

/// A row of the log: the line, and the how-manieth of the rows that belong to it (headings of steps that begin there, then
/// the line's own rows).
pub type Place = (u64, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Follow,
    At(Place),
}

/// Where a log opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    End,
    Line(u64),
    /// A line with some of what stands before it.
    Around(u64),
    /// The last lines of the step with this index.
    EndOfStep(usize),
    /// The row with the cursor, with so many rows above it.
    Under(Place, usize),
}

/// What stands before each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Off,
    Clock,
    SinceStart,
    SinceBefore,
}

/// A row that is in view.
#[derive(Debug)]
pub enum Shown<'a> {
    Step(&'a StepMark),
    /// `row` counts from 0 inside of a wrapped line.
    Line {
        number: u64,
        row: usize,
        line: &'a Line,
    },
    /// A row of the line that is shown in its whole length.
    Long {
        number: u64,
        row: usize,
        text: &'a SafeLine,
    },
    /// Not here yet, or skipped because lines come faster than they can be shown.
    Missing {
        number: u64,
    },
    /// Lines were left out here.
    Gap,
    /// The daemon is still looking which lines are to be shown here.
    Hole,
}

/// A motion through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    /// The cursor by a row.
    Above,
    Below,
    /// What is in view by so many rows, and the cursor with it.
    Up(usize),
    Down(usize),
    First,
    /// To the end, and follow it.
    End,
}

/// A view that is no more lines behind than this counts as being at the end.
pub(super) const NEARLY: u64 = 20_000;

impl LogPage {
    pub(super) fn new(id: AttemptId, sub: Sub, start: Start, size: (u16, u16)) -> Self {
        Self {
            id,
            sub,
            head: None,
            refused: None,
            cache: Cache::default(),
            position: match start {
                Start::Line(line) | Start::Around(line) => Position::At((line, 0)),
                Start::Under(place, _) => Position::At(place),
                Start::End | Start::EndOfStep(_) => Position::Follow,
            },
            cursor: (0, 0),
            start: Some(start),
            opened: start,
            column: 0,
            wrap: false,
            times: Times::Off,
            headers: true,
            only: None,
            folded: BTreeSet::new(),
            wanted: None,
            kept: None,
            outdated: false,
            search: None,
            instead: None,
            errors: None,
            bookmarks: BTreeSet::new(),
            long: None,
            pair: None,
            selection: None,
            error_map: Map::default(),
            hit_map: Map::default(),
            opening: None,
            size,
            preview: false,
            asked: None,
        }
    }

    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
        self.fit_long();
        self.settle();
    }

    pub(super) fn opened_at(&self) -> Start {
        self.opened
    }

    pub fn following(&self) -> bool {
        self.position == Position::Follow
    }

    pub fn lines(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.lines)
    }

    pub fn finished(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.finished)
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.size
    }

    pub(super) fn height(&self) -> usize {
        usize::from(self.size.1)
    }

    /// Columns before the text: the line's number and a mark.
    pub fn gutter(&self) -> usize {
        match self.size.0 {
            _ if self.preview => 0,
            60.. => self.lines().max(100).ilog10() as usize + 3,
            _ => 1,
        }
    }

    pub fn times_width(&self) -> usize {
        if self.times == Times::Off { 0 } else { 13 }
    }

    pub(super) fn fit_long(&mut self) {
        let width = self.text_width();
        if let Some(long) = &mut self.long {
            long.fit(width);
        }
    }

    /// Every subscription of this page.
    pub(super) fn subs(&self) -> impl Iterator<Item = Sub> {
        let own = [Some(self.sub), self.long.as_ref().map(|long| long.sub)].into_iter().flatten();
        own.chain(self.pair.iter().flat_map(|pair| pair.subs()))
    }

    pub fn text_width(&self) -> usize {
        usize::from(self.size.0).saturating_sub(self.gutter() + self.times_width() + self.map_width()).max(1)
    }

    pub(super) fn take_head(&mut self, head: LogHead) {
        self.head = Some(head);
        self.settle();
    }

    pub(super) fn take_lines(&mut self, first: u64, lines: Vec<LogLine>) {
        let near = self.top().0;
        self.cache.insert(first, lines, near);
        self.settle();
    }

    /// The reader went elsewhere before the first error was known.
    pub(super) fn forget_opening(&mut self) {
        if self.opening.take().is_some() {
            self.errors = None;
        }
    }

    /// Brings the view to where it has to begin, as far as that is known.
    pub(super) fn settle(&mut self) {
        let Some(head) = &self.head else { return };
        match self.start {
            None if self.preview || self.following() => {}
            // Rows came or went above it, or the view became smaller.
            None => self.keep_cursor_in_view(),
            Some(Start::End) => self.position = Position::Follow,
            Some(Start::Line(line)) => (self.position, self.cursor) = (Position::At((line, 0)), (line, 0)),
            Some(Start::Around(line)) => self.around(line),
            Some(Start::EndOfStep(step)) => {
                let next = head.steps.iter().find(|mark| usize::from(mark.step) > step);
                let end = next.map_or(self.end(), |mark| mark.first_line);
                self.position = Position::At(self.up((end, 0), self.height()));
                self.cursor = self.up((end, 0), 1);
            }
            Some(Start::Under(cursor, rows)) if !self.outdated => {
                self.position = Position::At(self.up(self.nearest(cursor), rows));
            }
            Some(Start::Under(..)) => {}
        }
    }

    /// Takes in which lines are to be shown.
    pub(super) fn take_rows(&mut self, from: u64, to: u64, runs: &[LineRun]) {
        if self.wanted.is_none() {
            return;
        }
        if std::mem::take(&mut self.outdated) || self.kept.is_none() {
            self.kept = Some(KeptLines::at(from));
        }
        let near = self.top().0;
        if let Some(kept) = &mut self.kept {
            kept.take(from, to, runs, near);
        }
        self.settle();
    }

    /// Other lines are to be shown from now on. What is in view stays until the first of them come; the line with the
    /// cursor stays where it is. Returns the subscription that has to end.
    pub(super) fn show(&mut self, only: Option<Only>, folded: BTreeSet<u16>, sub: Sub) -> Option<Sub> {
        let wanted = only::view(only.as_ref(), &folded);
        // On a line's text the cursor stays on it, whatever will stand before it then.
        let cursor = self.line().map_or(self.cursor(), |line| (line, usize::MAX));
        let rows = self.rows_above_cursor();
        (self.only, self.folded) = (only, folded);
        if wanted == self.wanted {
            return None;
        }
        self.wanted = wanted;
        self.outdated = self.wanted.is_some();
        if !self.outdated {
            self.kept = None;
        }
        if !self.following() {
            self.cursor = cursor;
            self.start = Some(Start::Under(cursor, rows));
        }
        self.asked = None;
        self.settle();
        Some(std::mem::replace(&mut self.sub, sub))
    }

    pub(super) fn next_times(&mut self) {
        self.times = match self.times {
            Times::Off => Times::Clock,
            Times::Clock => Times::SinceStart,
            Times::SinceStart => Times::SinceBefore,
            Times::SinceBefore => Times::Off,
        };
    }
}
