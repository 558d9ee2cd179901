//! What tools say about the source of a build on the screen: asked from the daemon when something else is said than before, and,
//! when it is wished, a list with the place of each in the log. Must not know how it is painted, nor how it was read.

use windlass_protocol::annotation::{AnnotationCounts, AnnotationView, AnnotationsPage, Level};
use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::Request;

use super::build::BuildPage;
use super::cursor::{Cursor, Move};
use super::layout::Layout;
use super::log::{LogPage, Start};
use super::{Connection, Effect, Page, Pending, State};
use crate::annotated;
use crate::keymap::Action;

/// As many as the daemon gives at once, the worst first; `windlass annotations` prints the rest.
const MOST: u32 = 500;

/// What is known of it.
#[derive(Debug, Default)]
pub struct Annotations {
    /// Of what was asked: how much is said, and of which attempts.
    of: Option<(AnnotationCounts, Vec<(String, u32)>)>,
    /// Which question is the newest.
    asked: u64,
    pub page: Option<AnnotationsPage>,
    /// Why the daemon does not say it.
    pub refused: Option<String>,
    /// The list is shown instead of the jobs.
    pub list: Option<Cursor>,
}

impl Annotations {
    #[must_use]
    pub fn all(&self) -> &[AnnotationView] {
        self.page.as_ref().map_or(&[], |page| &page.annotations)
    }

    #[must_use]
    pub fn selected(&self) -> Option<&AnnotationView> {
        self.all().get(self.list?.at)
    }

    /// Whatever was asked before.
    pub(super) fn ask_again(&mut self) {
        self.of = None;
    }

    /// The nearest error before or after the cursor.
    fn error_from(&self, at: usize, forward: bool) -> Option<usize> {
        let is_error = |index: &usize| self.all()[*index].level == Level::Error;
        if forward { (at + 1..self.all().len()).find(is_error) } else { (0..at).rev().find(is_error) }
    }
}

/// Rows of the list below its titles, and of what the selected one says with the rule above it.
#[must_use]
pub fn rows(layout: Layout) -> (u16, u16) {
    super::cases::rows(layout, false)
}

impl BuildPage {
    /// What the daemon is to be asked about, unless that was done.
    fn unasked(&self) -> Option<(AnnotationCounts, Vec<(String, u32)>)> {
        let view = self.view.as_deref()?;
        let counts = view.annotations.clone().filter(|counts| counts.total() > 0)?;
        let newest = view.jobs.iter().filter_map(|job| Some((job, job.attempts.last()?)));
        let said = newest.filter(|(_, attempt)| attempt.annotations.is_some() || attempt.tests.is_some());
        let of = (counts, said.map(|(job, attempt)| (job.name.clone(), attempt.number)).collect());
        (self.annotations.of.as_ref() != Some(&of)).then_some(of)
    }

    /// The rest of the page speaks of the job whose annotation is selected.
    fn follow_annotation(&mut self, height: usize) {
        let job = self.annotations.selected().map(|annotation| annotation.job.clone());
        let index = job.and_then(|job| self.view.as_ref()?.jobs.iter().position(|other| other.name == job));
        if let Some(index) = index {
            self.select_job(index, height);
        }
    }
}

impl State {
    /// Asks for what is said about the build that is looked at, when it is something else than before.
    pub(super) fn settle_annotations(&mut self, effects: &mut Vec<Effect>) {
        let height = usize::from(rows(self.layout()).0);
        if self.stale() || !self.knows_annotations() {
            return;
        }
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let length = page.annotations.all().len();
        if let Some(list) = &mut page.annotations.list {
            list.settle(length, height);
        }
        let Some(of) = page.unasked() else { return };
        let number = page.number;
        page.annotations.of = Some(of);
        page.annotations.asked += 1;
        let pending = Pending::Annotations { build: number, asked: page.annotations.asked };
        self.look_up(Request::Annotations { number, offset: 0, limit: MOST }, pending, effects);
    }

    /// An answer, or why there is none.
    pub(super) fn take_annotations(&mut self, build: BuildNumber, asked: u64, answer: Result<AnnotationsPage, String>) {
        let (height, jobs) = (usize::from(rows(self.layout()).0), usize::from(self.layout().jobs()));
        let page = self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.number == build && page.annotations.asked == asked => Some(page),
            _ => None,
        });
        let Some(page) = page else { return };
        match answer {
            Ok(answer) => (page.annotations.page, page.annotations.refused) = (Some(answer), None),
            Err(why) => page.annotations.refused = Some(why),
        }
        let length = page.annotations.all().len();
        if let Some(list) = &mut page.annotations.list {
            list.settle(length, height);
            page.follow_annotation(jobs);
        }
    }

    fn knows_annotations(&self) -> bool {
        match &self.connection {
            Connection::Up(hello) => hello.capabilities.iter().any(|name| name == "annotations"),
            Connection::Connecting | Connection::Lost { .. } => true,
        }
    }

    /// Why there is nothing to be shown.
    pub(super) fn no_annotations(&self) -> Option<String> {
        let Some(Page::Build(page)) = self.pages.last() else { return None };
        if !self.knows_annotations() {
            return Some("this daemon is older than the client and knows of no annotations".to_owned());
        }
        let view = page.view.as_ref()?;
        let none = page.annotations.list.is_none() && view.annotations.is_none();
        none.then(|| "no tool said anything: `reports: { sarif: FILE }` of a job says where it does".to_owned())
    }

    /// Shows the list, or the jobs again.
    pub(super) fn toggle_annotations(&mut self) {
        if let Some(words) = self.no_annotations() {
            return self.toast(words, true);
        }
        let jobs = usize::from(self.layout().jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        page.annotations.list = match page.annotations.list {
            Some(_) => None,
            None => Some(Cursor::default()),
        };
        page.picture = None;
        page.follow_annotation(jobs);
    }

    pub(super) fn act_in_annotations(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let (height, jobs) = (usize::from(rows(layout).0), usize::from(layout.jobs()));
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some(at) = page.annotations.list.map(|list| list.at) else { return };
        let step = match action {
            Action::NextFailed | Action::PreviousFailed => {
                let error = page.annotations.error_from(at, action == Action::NextFailed);
                error.map(|index| Move::By(index as isize - at as isize))
            }
            _ => super::act::step(action, height),
        };
        let length = page.annotations.all().len();
        if let (Some(step), Some(list)) = (step, &mut page.annotations.list) {
            list.go(step, length, height);
            return page.follow_annotation(jobs);
        }
        match action {
            Action::Into => self.open_annotation(effects),
            Action::Back | Action::Annotations => self.toggle_annotations(),
            _ => {}
        }
    }

    /// A second click on the same one opens its log.
    pub(super) fn click_annotation(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let length = page.annotations.all().len();
        let Some(list) = &mut page.annotations.list else { return };
        if list.at == index {
            return self.open_annotation(effects);
        }
        let by = index as isize - list.at as isize;
        list.go(Move::By(by), length, usize::from(rows(layout).0));
        page.follow_annotation(usize::from(layout.jobs()));
    }

    /// Opens the log at the line that says so; what stands in a report is looked for.
    fn open_annotation(&mut self, effects: &mut Vec<Effect>) {
        let size = self.layout().log();
        let Some(Page::Build(page)) = self.pages.last() else { return };
        let Some(annotation) = page.annotations.selected() else { return };
        let id = AttemptId { build: page.number, job: annotation.job.clone(), attempt: annotation.attempt };
        let Some(line) = annotation.log_line else {
            let said = annotated::first_line(annotation).to_owned();
            return self.open_where(id, &said, None, effects);
        };
        let sub = self.fresh_sub();
        let mut log = LogPage::new(id.clone(), sub, Start::Around(line), size);
        log.bookmarks = self.bookmarks.get(&id).cloned().unwrap_or_default();
        self.pages.push(Page::Log(Box::new(log)));
    }
}
