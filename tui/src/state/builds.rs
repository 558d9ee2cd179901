//! The list of builds: a window of what the daemon has, filtered as one types. Must not know the other screens.

mod marks;

use std::collections::{BTreeSet, HashMap};

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use windlass_protocol::id::BuildNumber;
use windlass_protocol::live::{BuildFilter, Topic};
use windlass_protocol::view::BuildRow;

use super::cursor::{Cursor, Move};
use crate::filter::Filter;
use crate::words;

/// Rows asked for at once, and how near to their edge the cursor may come before the window moves.
const WINDOW: u32 = 300;
const MARGIN: u64 = 60;

#[derive(Debug, Default)]
pub struct Builds {
    rows: HashMap<BuildNumber, BuildRow>,
    /// The window of all builds, newest first, and where it begins.
    order: Vec<BuildNumber>,
    offset: u64,
    total: u64,
    /// What the daemon found for the filter's words.
    found: Vec<BuildNumber>,
    /// The rows that the filter lets through; unused without one.
    visible: Vec<BuildNumber>,
    pub loaded: bool,
    pub filter: String,
    /// The same, understood.
    typed: Filter,
    pub only_failed: bool,
    pub cursor: Cursor,
    selected: Option<BuildNumber>,
    /// The build that is to be selected as soon as it is here, unless the reader moves before.
    wished: Option<BuildNumber>,
    pub marks: BTreeSet<BuildNumber>,
    /// The stretch that is being marked.
    range: Option<marks::Range>,
    /// It ended because its beginning went out of reach.
    pub(super) lost_range: bool,
    /// Where the window that was asked for begins.
    asked: u64,
}

/// A message about the builds, as it came.
pub(super) struct Window {
    pub(super) total: u64,
    pub(super) offset: u64,
    pub(super) order: Vec<BuildNumber>,
    pub(super) changed: Vec<BuildRow>,
}

impl Builds {
    pub fn filtered(&self) -> bool {
        self.only_failed || !self.filter.trim().is_empty()
    }

    /// How many rows the list has, loaded or not.
    pub fn len(&self) -> usize {
        if self.filtered() { self.visible.len() } else { usize::try_from(self.total).unwrap_or(usize::MAX) }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// What of the filter is not understood.
    pub fn problem(&self) -> Option<&str> {
        self.typed.problem.as_deref()
    }

    /// How many builds the filter looks at on this side.
    pub fn at_hand(&self) -> usize {
        self.order.len()
    }

    /// A row, if it is loaded.
    pub fn row(&self, index: usize) -> Option<&BuildRow> {
        self.rows.get(&self.number_at(index)?)
    }

    pub fn selected(&self) -> Option<&BuildRow> {
        self.row(self.cursor.at)
    }

    pub fn get(&self, number: BuildNumber) -> Option<&BuildRow> {
        self.rows.get(&number)
    }

    /// Every row that is here, without regard to a filter, the newest first.
    pub fn here(&self) -> impl Iterator<Item = &BuildRow> {
        self.order.iter().filter_map(|number| self.rows.get(number))
    }

    fn number_at(&self, index: usize) -> Option<BuildNumber> {
        if self.filtered() {
            return self.visible.get(index).copied();
        }
        let index = (index as u64).checked_sub(self.offset)?;
        self.order.get(usize::try_from(index).ok()?).copied()
    }

    /// The window of all builds changed. True: rows are missing, ask for the window anew.
    pub(super) fn all(&mut self, window: Window, height: usize) -> bool {
        self.rows.extend(window.changed.into_iter().map(|row| (row.number, row)));
        (self.order, self.offset, self.total, self.loaded) = (window.order, window.offset, window.total, true);
        self.forget();
        self.refilter(height);
        if self.typed.is_empty() {
            self.wished = None; // it would be here
        }
        self.order.iter().any(|number| !self.rows.contains_key(number))
    }

    /// What the daemon found for the filter changed.
    pub(super) fn found(&mut self, window: Window, height: usize) -> bool {
        self.rows.extend(window.changed.into_iter().map(|row| (row.number, row)));
        self.found = window.order;
        self.forget();
        self.refilter(height);
        self.wished = None;
        self.found.iter().any(|number| !self.rows.contains_key(number))
    }

    fn forget(&mut self) {
        let needed: BTreeSet<_> = self.order.iter().chain(&self.found).chain(&self.marks).copied().collect();
        self.rows.retain(|number, _| needed.contains(number));
    }

    /// The filter was typed at. The topic to ask the daemon for, or none when there is nothing to look for.
    pub(super) fn set_filter(&mut self, text: String, height: usize) -> Option<Topic> {
        self.typed = Filter::parse(&text);
        self.filter = text;
        let looks = !self.typed.is_empty();
        if !looks {
            self.found.clear();
        }
        let topic = looks.then(|| Topic::Builds { filter: self.typed.for_daemon(), offset: 0, limit: WINDOW });
        self.refilter(height);
        topic
    }

    /// Builds the visible rows anew, and keeps the same build selected.
    pub(super) fn refilter(&mut self, height: usize) {
        if self.filtered() {
            let mut visible: BTreeSet<BuildNumber> = self.fuzzy().collect();
            visible.extend(&self.found);
            let passes = |number: &BuildNumber| {
                let row = self.rows.get(number);
                row.is_some_and(|row| self.typed.fits(row.into()) && (!self.only_failed || words::is_bad(row.outcome)))
            };
            self.visible = visible.into_iter().rev().filter(passes).collect();
        }
        let wanted = self.wished.and_then(|number| self.place_of(number)).or_else(|| self.place_of(self.selected?));
        if let Some(index) = wanted {
            // The view moves along, so that new builds above do not push the selected one down the screen; except at the
            // top, where new builds are what one waits for.
            if self.cursor.top > 0 {
                self.cursor.top = (self.cursor.top + index).saturating_sub(self.cursor.at);
            }
            self.cursor.at = index;
        }
        self.cursor.settle(self.len(), height);
        self.selected = self.number_at(self.cursor.at);
        self.stretch();
    }

    /// Where a build stands in the list.
    fn place_of(&self, number: BuildNumber) -> Option<usize> {
        if self.filtered() {
            return self.visible.iter().position(|other| *other == number);
        }
        let index = self.order.iter().position(|other| *other == number)? as u64;
        usize::try_from(index + self.offset).ok()
    }

    /// The selected build, whether it is here yet or not.
    pub(super) fn chosen(&self) -> Option<BuildNumber> {
        self.wished.or(self.selected)
    }

    /// Selects a build as soon as it is here; it was so far down the list.
    pub(super) fn wish(&mut self, number: Option<BuildNumber>, at: u64) {
        (self.wished, self.asked) = (number, at.saturating_sub(u64::from(WINDOW) / 2));
    }

    fn fuzzy(&self) -> impl Iterator<Item = BuildNumber> {
        let pattern = Pattern::parse(&self.typed.words, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let fits = move |row: &&BuildRow| {
            let text = format!("{} {} {} {} {}", row.number, row.repository, words::branch(row), row.title, row.author);
            pattern.score(Utf32Str::new(&text, &mut buffer), &mut matcher).is_some()
        };
        self.order.iter().filter_map(|number| self.rows.get(number)).filter(fits).map(|row| row.number)
    }

    pub(super) fn go(&mut self, step: Move, height: usize) {
        self.cursor.go(step, self.len(), height);
        self.wished = None;
        self.selected = self.number_at(self.cursor.at);
        self.stretch();
    }

    pub(super) fn scroll(&mut self, by: isize, height: usize) {
        self.cursor.scroll(by, self.len(), height);
        self.wished = None;
        self.selected = self.number_at(self.cursor.at);
        self.stretch();
    }

    /// To the next row that did not pass, among those that are loaded.
    pub(super) fn go_to_failed(&mut self, forward: bool, height: usize) {
        let bad = |index: &usize| self.row(*index).is_some_and(|row| words::is_bad(row.outcome));
        let at = self.cursor.at;
        let index = if forward { (at + 1..self.len()).find(bad) } else { (0..at).rev().find(bad) };
        if let Some(index) = index {
            self.go(Move::By(index as isize - at as isize), height);
        }
    }

    /// The builds that an action speaks of: the marked ones, or the selected one.
    pub(super) fn targets(&self) -> Vec<BuildNumber> {
        if self.marks.is_empty() {
            self.selected().map(|row| row.number).into_iter().collect()
        } else {
            self.marks.iter().copied().collect()
        }
    }

    /// The window of all builds that the cursor needs.
    pub(super) fn topic(&self) -> Topic {
        Topic::Builds { filter: BuildFilter::default(), offset: self.asked, limit: WINDOW }
    }

    /// The window has to move, because the cursor comes near to its edge.
    pub(super) fn moved_window(&mut self) -> Option<Topic> {
        if self.filtered() || !self.loaded {
            return None;
        }
        let at = self.cursor.at as u64;
        let end = self.asked + u64::from(WINDOW);
        let low = self.asked > 0 && at < self.asked + MARGIN;
        let high = end < self.total && at + MARGIN > end;
        if !low && !high {
            return None;
        }
        self.asked = at.saturating_sub(u64::from(WINDOW) / 2);
        Some(self.topic())
    }
}
