//! The tests of a build on the screen: a window of what the daemon has, narrowed as one types, and the message of the
//! selected one. Must not know how they are painted, nor how they are compared.

use windlass_protocol::cases::{CaseFilter, CaseKind, CaseView, TestsPage};
use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::{ClientMessage, Sub, Topic};
use windlass_protocol::refusal::Refusal;

use super::build::BuildPage;
use super::cursor::{Cursor, Move};
use super::layout::Layout;
use super::log::{LogPage, Start};
use super::search::Search;
use super::{Connection, Effect, Page, Prompt, PromptKind, State, subscribe};
use crate::keymap::Action;
use crate::tested;

/// Rows asked for at once, and how near to their edge the cursor may come before the window moves.
const WINDOW: u32 = 300;
const MARGIN: u64 = 60;
/// What of a message's line is looked for in the log.
const LOOKED_FOR: usize = 120;

#[derive(Debug)]
pub struct Cases {
    pub sub: Sub,
    /// The window as it came last.
    pub page: Option<TestsPage>,
    /// Why the daemon does not show them.
    pub refused: Option<Refusal>,
    pub cursor: Cursor,
    /// What was typed to find some.
    pub text: String,
    /// Only those that failed.
    pub only_failed: bool,
    /// The message has most of the room.
    pub large: bool,
    /// Where the window that was asked for begins.
    asked: u64,
}

impl Cases {
    fn new(sub: Sub) -> Self {
        let cursor = Cursor::default();
        Self { sub, page: None, refused: None, cursor, text: String::new(), only_failed: false, large: false, asked: 0 }
    }

    pub fn len(&self) -> usize {
        self.page.as_ref().map_or(0, |page| usize::try_from(page.total).unwrap_or(usize::MAX))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn filtered(&self) -> bool {
        self.only_failed || !self.text.trim().is_empty()
    }

    /// A row, if it is here.
    pub fn row(&self, index: usize) -> Option<&CaseView> {
        let page = self.page.as_ref()?;
        let index = (index as u64).checked_sub(page.offset)?;
        page.cases.get(usize::try_from(index).ok()?)
    }

    pub fn selected(&self) -> Option<&CaseView> {
        self.row(self.cursor.at)
    }

    fn topic(&self, number: BuildNumber) -> Topic {
        let text = self.text.trim();
        let filter = CaseFilter {
            text: (!text.is_empty()).then(|| text.to_owned()),
            only: self.only_failed.then_some(CaseKind::Failed),
        };
        Topic::Tests { number, filter, offset: self.asked, limit: WINDOW }
    }

    fn take(&mut self, page: TestsPage, height: usize) {
        self.refused = None;
        self.page = Some(page);
        self.cursor.settle(self.len(), height);
    }

    /// The window has to move so that what is around the cursor is here.
    fn moved_window(&mut self, number: BuildNumber) -> Option<Topic> {
        let page = self.page.as_ref()?;
        let (at, total) = (self.cursor.at as u64, page.total);
        let end = self.asked + u64::from(WINDOW);
        let near = (at < self.asked + MARGIN && self.asked > 0) || (at + MARGIN >= end && end < total);
        let wanted = at.saturating_sub(u64::from(WINDOW) / 2);
        if !near || wanted == self.asked {
            return None;
        }
        self.asked = wanted;
        Some(self.topic(number))
    }

    /// The nearest failed test before or after the cursor that is here.
    fn failed_from(&self, forward: bool) -> Option<usize> {
        let failed = |index: &usize| self.row(*index).is_some_and(|case| case.outcome.is_failure());
        let at = self.cursor.at;
        if forward { (at + 1..self.len()).find(failed) } else { (0..at).rev().find(failed) }
    }
}

/// Rows of the list below its titles, and of the message with the rule above it.
#[must_use]
pub fn rows(layout: Layout, large: bool) -> (u16, u16) {
    let all = layout.build().saturating_sub(1);
    let message = match (large, all) {
        (true, _) => all * 2 / 3,
        (false, 10..) => all / 3,
        (false, _) => 0,
    };
    (all - message, message)
}

impl BuildPage {
    /// The rest of the page speaks of the job whose test is selected.
    fn follow_case(&mut self, height: usize) {
        let job = self.cases.as_ref().and_then(|cases| cases.selected()).map(|case| case.job.clone());
        let index = job.and_then(|job| self.view.as_ref()?.jobs.iter().position(|other| other.name == job));
        if let Some(index) = index {
            self.select_job(index, height);
        }
    }
}

impl State {
    /// Shows the tests of the build, or its jobs again.
    pub(super) fn toggle_tests(&mut self, effects: &mut Vec<Effect>) {
        if let Some(words) = self.no_tests() {
            return self.toast(words, true);
        }
        let sub = self.fresh_sub();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        match page.cases.take() {
            Some(cases) => effects.push(Effect::Send(ClientMessage::Unsubscribe { sub: cases.sub })),
            None => {
                let cases = Cases::new(sub);
                effects.push(subscribe(sub, cases.topic(page.number)));
                (page.cases, page.picture) = (Some(Box::new(cases)), None);
            }
        }
    }

    /// Why there are no tests to be shown.
    pub(super) fn no_tests(&self) -> Option<String> {
        let Some(Page::Build(page)) = self.pages.last() else { return None };
        if let Connection::Up(hello) = &self.connection
            && !hello.capabilities.iter().any(|name| name == "tests")
        {
            return Some("this daemon is older than the client and knows of no tests".to_owned());
        }
        let none = page.cases.is_none() && page.view.as_ref().is_some_and(|view| view.tests.is_none());
        none.then(|| "no test was reported: `reports: { junit: FILE }` of a job says where its results are".to_owned())
    }

    pub(super) fn act_in_tests(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let jobs = usize::from(layout.jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some(cases) = &mut page.cases else { return };
        let height = usize::from(rows(layout, cases.large).0);
        if let Some(step) = super::act::step(action, height) {
            cases.cursor.go(step, cases.len(), height);
            return page.follow_case(jobs);
        }
        match action {
            Action::NextFailed | Action::PreviousFailed => {
                if let Some(index) = cases.failed_from(action == Action::NextFailed) {
                    let by = index as isize - cases.cursor.at as isize;
                    cases.cursor.go(Move::By(by), cases.len(), height);
                    page.follow_case(jobs);
                }
            }
            Action::Into => self.open_case(effects),
            Action::Details => cases.large = !cases.large,
            Action::Filter => {
                let text = cases.text.clone();
                self.prompt = Some(Prompt { kind: PromptKind::Tests, text, older: None });
            }
            Action::OnlyFailed => {
                let (text, only_failed) = (cases.text.clone(), !cases.only_failed);
                self.narrow_tests(text, only_failed, effects);
            }
            Action::Back if cases.filtered() => self.narrow_tests(String::new(), false, effects),
            Action::Back | Action::Tests => self.toggle_tests(effects),
            _ => {}
        }
    }

    /// A second click on the same test opens its log.
    pub(super) fn click_test(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some(cases) = &mut page.cases else { return };
        if cases.cursor.at == index {
            return self.open_case(effects);
        }
        let by = index as isize - cases.cursor.at as isize;
        cases.cursor.go(Move::By(by), cases.len(), usize::from(rows(layout, cases.large).0));
        page.follow_case(usize::from(layout.jobs()));
    }

    /// What was typed in the prompt.
    pub(super) fn filter_tests(&mut self, text: String, effects: &mut Vec<Effect>) {
        let Some(Page::Build(page)) = self.pages.last() else { return };
        let only_failed = page.cases.as_ref().is_some_and(|cases| cases.only_failed);
        self.narrow_tests(text, only_failed, effects);
    }

    fn narrow_tests(&mut self, text: String, only_failed: bool, effects: &mut Vec<Effect>) {
        // What still comes for the old question is not mistaken for an answer to this one.
        let sub = self.fresh_sub();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let number = page.number;
        let Some(cases) = &mut page.cases else { return };
        if cases.text == text && cases.only_failed == only_failed {
            return;
        }
        effects.push(Effect::Send(ClientMessage::Unsubscribe { sub: cases.sub }));
        (cases.sub, cases.text, cases.only_failed, cases.asked) = (sub, text, only_failed, 0);
        cases.cursor = Cursor::default();
        effects.push(subscribe(sub, cases.topic(number)));
    }

    /// Opens the log of the selected test's attempt where it speaks of the test: at its name, or else at what it says.
    fn open_case(&mut self, effects: &mut Vec<Effect>) {
        let Some(Page::Build(page)) = self.pages.last() else { return };
        let Some(case) = page.cases.as_ref().and_then(|cases| cases.selected()) else { return };
        let id = AttemptId { build: page.number, job: case.job.clone(), attempt: case.attempt };
        let (name, said) = (case.name.clone(), tested::headline(case).map(pattern));
        self.open_where(id, &name, said, effects);
    }

    /// Opens a log at the first line with a text; where there is none, at one that matches something else.
    pub(super) fn open_where(&mut self, id: AttemptId, text: &str, said: Option<String>, effects: &mut Vec<Effect>) {
        let size = self.layout().log();
        let Some(Page::Build(page)) = self.pages.last() else { return };
        let lines = page.attempt(&id).map_or(0, |attempt| attempt.log.lines);
        let Ok(mut search) = Search::new(pattern(text)) else { return };
        let sub = self.fresh_sub();
        let bookmarks = self.bookmarks.get(&id).cloned().unwrap_or_default();
        let mut log = LogPage::new(id, sub, Start::End, size);
        let next = search.begin(0, lines);
        (log.bookmarks, log.search, log.instead) = (bookmarks, Some(search), said);
        self.pages.push(Page::Log(Box::new(log)));
        self.follow_search(sub, next, effects);
    }

    /// The name of a test is not in its log: what it said may be. Whether that is looked for.
    pub(super) fn search_instead(&mut self, sub: Sub, effects: &mut Vec<Effect>) -> bool {
        let Some(log) = self.log_of(sub) else { return false };
        let lines = log.lines();
        let nothing = log.search.as_ref().is_some_and(Search::found_nothing);
        let Some(mut search) = log.instead.take().filter(|_| nothing).and_then(|said| Search::new(said).ok()) else {
            return false;
        };
        let next = search.begin(0, lines);
        log.search = Some(search);
        self.follow_search(sub, next, effects);
        true
    }

    pub(super) fn take_tests(&mut self, sub: Sub, tests: TestsPage) {
        let (layout, jobs) = (self.layout(), usize::from(self.layout().jobs()));
        if let Some(page) = self.page_of_tests(sub)
            && let Some(cases) = &mut page.cases
        {
            cases.take(tests, usize::from(rows(layout, cases.large).0));
            page.follow_case(jobs);
        }
    }

    /// The page whose tests a subscription is for.
    pub(super) fn page_of_tests(&mut self, sub: Sub) -> Option<&mut BuildPage> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.cases.as_ref().is_some_and(|cases| cases.sub == sub) => Some(&mut **page),
            _ => None,
        })
    }

    /// Asks for what is around the cursor.
    pub(super) fn settle_tests(&mut self, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let number = page.number;
        let Some(cases) = &mut page.cases else { return };
        cases.cursor.settle(cases.len(), usize::from(rows(layout, cases.large).0));
        if let Some(topic) = cases.moved_window(number) {
            effects.push(subscribe(cases.sub, topic));
        }
    }

    /// Asks for everything anew.
    pub(super) fn resync_tests(&mut self, effects: &mut Vec<Effect>) {
        for page in &self.pages {
            if let Page::Build(page) = page
                && let Some(cases) = &page.cases
            {
                effects.push(subscribe(cases.sub, cases.topic(page.number)));
            }
        }
    }
}

/// Finds exactly this text.
fn pattern(text: &str) -> String {
    let text: String = text.chars().take(LOOKED_FOR).collect();
    regex::escape(&text)
}
