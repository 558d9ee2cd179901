//! A log on the screen, of any length: where in it we are, which lines that needs, what was searched. Only lines near the
//! view are held. Must not know sockets, colours or the other screens.

use std::ops::Range;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{LogHead, LogWindow, StepMark, Sub, Topic};
use windlass_protocol::log::LogLine;
use windlass_protocol::refusal::Refusal;

use super::cache::{Cache, Line};
use super::search::Search;

#[derive(Debug)]
pub struct LogPage {
    pub id: AttemptId,
    pub sub: Sub,
    pub head: Option<LogHead>,
    pub refused: Option<Refusal>,
    pub cache: Cache,
    position: Position,
    /// Where to begin; in force until the reader moves, because the rows above it are not known at once.
    start: Option<Start>,
    opened: Start,
    pub column: usize,
    pub wrap: bool,
    pub times: Times,
    pub headers: bool,
    pub search: Option<Search>,
    /// The lines that speak of an error, once they were asked for.
    pub errors: Option<Search>,
    /// The lines of the step that failed, while it is not known where in them the first error is.
    pub(super) opening: Option<Range<u64>>,
    /// Columns and rows of the whole area.
    size: (u16, u16),
    /// A preview has no gutter.
    pub preview: bool,
    asked: Option<LogWindow>,
}

/// A row of the log: the line, and the how-manieth of the rows that belong to it (headings of steps that begin there, then
/// the line's own rows).
pub type Place = (u64, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
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
    /// Not here yet, or skipped because lines come faster than they can be shown.
    Missing {
        number: u64,
    },
}

/// A motion through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    Up(usize),
    Down(usize),
    First,
    /// To the end, and follow it.
    End,
}

/// A view that is no more lines behind than this counts as being at the end.
const NEARLY: u64 = 20_000;
/// The most lines asked for at once.
const MOST: u32 = 1_000;

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
                Start::End | Start::EndOfStep(_) => Position::Follow,
            },
            start: Some(start),
            opened: start,
            column: 0,
            wrap: false,
            times: Times::Off,
            headers: true,
            search: None,
            errors: None,
            opening: None,
            size,
            preview: false,
            asked: None,
        }
    }

    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
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

    fn height(&self) -> usize {
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

    pub fn text_width(&self) -> usize {
        usize::from(self.size.0).saturating_sub(self.gutter() + self.times_width()).max(1)
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
    fn settle(&mut self) {
        let Some(head) = &self.head else { return };
        match self.start {
            None => {}
            Some(Start::End) => self.position = Position::Follow,
            Some(Start::Line(line)) => self.position = Position::At((line, 0)),
            Some(Start::Around(line)) => self.position = self.around(line),
            Some(Start::EndOfStep(step)) => {
                let next = head.steps.iter().find(|mark| usize::from(mark.step) > step);
                let end = next.map_or(self.end(), |mark| mark.first_line);
                self.position = Position::At(self.up((end, 0), self.height()));
            }
        }
    }

    /// The steps that begin at a line.
    fn steps_at(&self, line: u64) -> impl Iterator<Item = &StepMark> {
        let steps = self.head.iter().filter(|_| self.headers).flat_map(|head| &head.steps);
        steps.filter(move |mark| mark.first_line == line)
    }

    /// Where the text ends. While following that is the last line at hand: the head may know of lines that are still on
    /// their way, and the view must not show holes for them with every frame.
    fn text_end(&self) -> u64 {
        match self.cache.last() {
            Some(last) if self.following() && last + NEARLY > self.lines() => self.lines().min(last + 1),
            _ => self.lines(),
        }
    }

    /// One past the last line. Headings of steps that wrote nothing yet stand below the last line, as a line of their own.
    fn end(&self) -> u64 {
        let end = self.text_end();
        end + u64::from(self.steps_at(end).next().is_some())
    }

    fn rows_of(&self, line: u64) -> usize {
        if line >= self.text_end() {
            return 0;
        }
        match self.cache.get(line) {
            Some(line) if self.wrap => line.width.div_ceil(self.text_width()).max(1),
            _ => 1,
        }
    }

    fn block(&self, line: u64) -> usize {
        self.steps_at(line).count() + self.rows_of(line)
    }

    fn up(&self, (mut line, mut row): Place, mut by: usize) -> Place {
        while by > row {
            let Some(above) = line.checked_sub(1) else { return (0, 0) };
            by -= row;
            (line, row) = (above, self.block(above));
        }
        row -= by;
        (line, row)
    }

    fn down(&self, (mut line, mut row): Place, mut by: usize) -> Place {
        while line < self.end() {
            let left = self.block(line).saturating_sub(row);
            if by < left {
                return (line, row + by);
            }
            by -= left;
            (line, row) = (line + 1, 0);
        }
        (line, row)
    }

    /// The first row of a view that ends with the log.
    fn bottom(&self) -> Place {
        self.up((self.end(), 0), self.height())
    }

    /// The first row in view.
    pub fn top(&self) -> Place {
        match self.position {
            Position::At(place) if self.head.is_some() => place.min(self.bottom()),
            Position::At(place) => place,
            Position::Follow => self.bottom(),
        }
    }

    /// The lines in view.
    pub fn view(&self) -> Range<u64> {
        let (first, (last, row)) = (self.top().0, self.down(self.top(), self.height()));
        first..last + u64::from(row > 0)
    }

    /// How much of the log lies below the view, in lines.
    pub fn below(&self) -> u64 {
        let last = self.down(self.top(), self.height()).0;
        self.lines().saturating_sub(last)
    }

    /// The rows in view, from the top.
    pub fn shown(&self) -> Vec<Shown<'_>> {
        let mut rows = Vec::with_capacity(self.height());
        let (mut line, mut skip) = self.top();
        while line < self.end() && rows.len() < self.height() {
            let steps: Vec<_> = self.steps_at(line).collect();
            let text = self.rows_of(line);
            let count = steps.len() + text;
            for index in skip..count {
                rows.push(match (steps.get(index), self.cache.get(line)) {
                    (Some(step), _) => Shown::Step(step),
                    (None, Some(found)) => Shown::Line { number: line, row: index - steps.len(), line: found },
                    (None, None) => Shown::Missing { number: line },
                });
            }
            (line, skip) = (line + 1, 0);
        }
        rows.truncate(self.height());
        rows
    }

    pub(super) fn go(&mut self, motion: Motion) {
        let top = self.top();
        self.start = None;
        self.forget_opening();
        self.position = match motion {
            Motion::Up(by) => Position::At(self.up(top, by)),
            Motion::Down(_) if self.following() => Position::Follow,
            Motion::Down(by) => Position::At(self.down(top, by).min(self.bottom())),
            Motion::First => Position::At((0, 0)),
            Motion::End => Position::Follow,
        };
    }

    pub(super) fn page(&self) -> usize {
        self.height().saturating_sub(1).max(1)
    }

    pub(super) fn toggle_follow(&mut self) {
        self.position = if self.following() { Position::At(self.top()) } else { Position::Follow };
        self.start = None;
        self.forget_opening();
    }

    /// Shows a line with some of what stands before it.
    pub(super) fn reveal(&mut self, line: u64) {
        self.start = None;
        self.position = self.around(line);
    }

    fn around(&self, line: u64) -> Position {
        let heads = self.steps_at(line).count();
        Position::At(self.up((line, heads), self.height() / 3))
    }

    /// Begins at a line after all: what is around it may not have come yet.
    pub(super) fn begin_around(&mut self, line: u64) {
        self.start = Some(Start::Around(line));
        self.settle();
    }

    pub(super) fn sideways(&mut self, right: bool) {
        let by = (self.text_width() / 2).max(8);
        self.column = if right { self.column + by } else { self.column.saturating_sub(by) };
        // Not beyond the longest line in view.
        let longest = self.shown().into_iter().filter_map(|row| match row {
            Shown::Line { line, .. } => Some(line.width),
            _ => None,
        });
        let limit = longest.max().unwrap_or(0).saturating_sub(self.text_width() / 2);
        self.column = self.column.min(limit);
    }

    pub(super) fn next_times(&mut self) {
        self.times = match self.times {
            Times::Off => Times::Clock,
            Times::Clock => Times::SinceStart,
            Times::SinceStart => Times::SinceBefore,
            Times::SinceBefore => Times::Off,
        };
    }

    /// What to subscribe to so that everything in view comes; none when that is so already.
    pub(super) fn missing_window(&mut self) -> Option<Topic> {
        let height = self.height() as u64;
        let first = self.top().0;
        let wanted = if self.following()
            || (self.head.is_none() && !matches!(self.start, Some(Start::Line(_) | Start::Around(_))))
        {
            LogWindow::Tail { count: u32::try_from(height * 2).unwrap_or(MOST).clamp(20, MOST) }
        } else {
            let count = u32::try_from(height * 4).unwrap_or(MOST).clamp(20, MOST);
            LogWindow::Range { first: first.saturating_sub(height * 3 / 2), count }
        };
        let enough = match (self.asked, wanted) {
            (Some(LogWindow::Tail { count: old }), LogWindow::Tail { count }) => old >= count,
            (Some(LogWindow::Range { first: from, count }), LogWindow::Range { .. }) => {
                let (end, margin) = (from + u64::from(count), height / 2);
                let above = from == 0 || first >= from + margin;
                above && (end >= self.lines() || first + height + margin <= end)
            }
            _ => false,
        };
        if enough {
            return None;
        }
        self.asked = Some(wanted);
        Some(Topic::Log { log: self.id.clone(), window: wanted })
    }

    /// What was asked for is void: the subscription ended, or everything is to come anew.
    pub(super) fn forget_window(&mut self) {
        self.asked = None;
        self.refused = None;
    }
}
