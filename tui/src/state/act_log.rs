//! What keys do in a log: moving, searching, going from error to error. Must not know the daemon's answers nor the lists.

use std::ops::Range;

use super::log::{LogPage, Motion, Start};
use super::search::Search;
use super::{Effect, Page, Prompt, PromptKind, State};
use crate::keymap::Action;

impl State {
    pub(super) fn act_in_log(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        let (page, half) = (log.page(), (log.page() / 2).max(1));
        match action {
            Action::Up => log.go(Motion::Above),
            Action::Down => log.go(Motion::Below),
            Action::PageUp => log.go(Motion::Up(page)),
            Action::PageDown => log.go(Motion::Down(page)),
            Action::HalfUp => log.go(Motion::Up(half)),
            Action::HalfDown => log.go(Motion::Down(half)),
            Action::First => log.go(Motion::First),
            Action::Last => log.go(Motion::End),
            Action::Follow => log.toggle_follow(),
            Action::Left => log.sideways(false),
            Action::Right => log.sideways(true),
            Action::Wrap => (log.wrap, log.column) = (!log.wrap, 0),
            Action::Times => {
                log.next_times();
                log.fit_long();
            }
            Action::StepHeaders => log.headers = !log.headers,
            Action::Search => self.prompt = Some(Prompt { kind: PromptKind::Search, text: String::new(), older: None }),
            Action::NextMatch | Action::PreviousMatch => self.step_search(action == Action::NextMatch, effects),
            Action::NextFailed | Action::PreviousFailed => self.step_errors(action == Action::NextFailed, effects),
            Action::Beside | Action::NextDifference | Action::PreviousDifference => self.act_on_pair(action, effects),
            Action::Into
            | Action::Bookmark
            | Action::NextBookmark
            | Action::Bookmarks
            | Action::Select
            | Action::CopyLink => {
                self.act_on_line(action, effects);
            }
            Action::Only
            | Action::OnlyFailed
            | Action::MoreContext
            | Action::LessContext
            | Action::Fold
            | Action::FoldAll => self.act_on_view(action, effects),
            Action::Back if log.selection.is_some() => log.selection = None,
            Action::Back if log.search.is_some() => log.search = None,
            Action::Back if log.only.is_some() => {
                let folded = log.folded.clone();
                self.show(None, folded, effects);
            }
            Action::Back if log.pair.is_some() => self.leave_pair(effects),
            Action::Back => self.back(effects),
            _ => {}
        }
    }

    /// To the hit that is next from what is in view: from the hit that was gone to, if it is in view still.
    fn step_search(&mut self, forward: bool, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        let (lines, view, sub) = (log.lines(), log.view(), log.sub);
        let Some(search) = &mut log.search else {
            return self.toast("nothing was searched yet: press /".to_owned(), true);
        };
        let next = search.go(beyond(search.current, &view, forward), !forward, lines);
        self.follow_search(sub, next, effects);
    }

    /// The same with lines that speak of an error. The first time all of the log is asked about, so that they can be counted.
    fn step_errors(&mut self, forward: bool, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        log.forget_opening();
        let (lines, view, sub) = (log.lines(), log.view(), log.sub);
        let next = match &mut log.errors {
            Some(errors) => errors.go(beyond(errors.current, &view, forward), !forward, lines),
            None if forward => log.errors.insert(Search::errors()).begin(view.start, lines),
            None => log.errors.insert(Search::errors()).go(beyond(None, &view, false), true, lines),
        };
        self.follow_search(sub, next, effects);
    }

    /// Opens the log that the selected row of a build means: a failed one at its first error.
    pub(super) fn open_log(&mut self, effects: &mut Vec<Effect>) {
        let size = self.layout().log();
        let Some(Page::Build(page)) = self.pages.last() else { return };
        let Some((id, start)) = page.log() else {
            return self.toast("it has not begun, so there is no log yet".to_owned(), true);
        };
        let failing = page.failing_lines(&id).filter(|_| matches!(start, Start::EndOfStep(_)));
        let sub = self.fresh_sub();
        let bookmarks = self.bookmarks.get(&id).cloned().unwrap_or_default();
        let mut log = LogPage::new(id, sub, start, size);
        log.bookmarks = bookmarks;
        let next = failing.map(|(step, lines)| {
            let next = log.errors.insert(Search::errors()).begin(step.start, lines);
            log.opening = Some(step);
            next
        });
        self.pages.push(Page::Log(Box::new(log)));
        if let Some(next) = next {
            self.follow_opening(sub, next, effects);
        }
    }

    pub(super) fn search(&mut self, text: String, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        log.forget_opening();
        if text.is_empty() {
            log.search = None;
            return;
        }
        match Search::new(text.clone()) {
            Ok(mut search) => {
                let (next, sub) = (search.begin(log.top().0, log.lines()), log.sub);
                log.search = Some(search);
                self.searches.retain(|old| *old != text);
                self.searches.push(text);
                self.follow_search(sub, next, effects);
            }
            Err(error) => self.no_pattern(&text, &error),
        }
    }
}

/// Where to look on from: from the line that was gone to, if it is in view still; otherwise from the view. `None` is beyond
/// the log's beginning.
fn beyond(current: Option<u64>, view: &Range<u64>, forward: bool) -> Option<u64> {
    match (current.filter(|line| view.contains(line)), forward) {
        (Some(line), true) => Some(line + 1),
        (Some(line), false) => line.checked_sub(1),
        (None, true) => Some(view.start),
        (None, false) => view.start.checked_sub(1),
    }
}
