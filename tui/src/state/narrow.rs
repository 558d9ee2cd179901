//! Lists that are at hand as a whole, narrowed as one types: the queue, deliveries and repositories. What is shown is what
//! fits; the rest is kept. Must not know how they are painted.

use nucleo_matcher::pattern::{Atom, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use windlass_protocol::glance::RepositoryView;
use windlass_protocol::id::JobId;
use windlass_protocol::view::{DeliveryView, QueuedJob};

use super::{State, View};
use crate::waiting;

/// Everything that came, and what was typed to find some of it.
#[derive(Debug)]
pub struct Narrowed<T> {
    all: Vec<T>,
    pub text: String,
}

impl<T> Default for Narrowed<T> {
    fn default() -> Self {
        Self { all: Vec::new(), text: String::new() }
    }
}

/// What was typed to find some jobs of the queue, and which of its rows they are.
#[derive(Debug, Default)]
pub struct QueueFilter {
    pub text: String,
    rows: Vec<usize>,
}

impl QueueFilter {
    pub fn is_on(&self) -> bool {
        !self.text.trim().is_empty()
    }
}

impl<T: Clone> Narrowed<T> {
    /// How many there are, shown or not.
    pub fn total(&self) -> usize {
        self.all.len()
    }

    pub fn is_on(&self) -> bool {
        !self.text.trim().is_empty()
    }

    fn fitting(&self, words: impl Fn(&T) -> String) -> Vec<T> {
        let mut fits = fits(&self.text);
        self.all.iter().filter(|row| fits(&words(row))).cloned().collect()
    }
}

/// Whether what is said of a row is what was typed, loosely.
fn fits(text: &str) -> impl FnMut(&str) -> bool {
    let mut fits = fits_in_one(text);
    move |words| fits(&[words])
}

/// The same where a row has several texts: each word that was typed is looked for in each of them by itself.
fn fits_in_one(text: &str) -> impl FnMut(&[&str]) -> bool {
    let pattern = Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
    let (mut matcher, mut buffer) = (Matcher::new(Config::DEFAULT), Vec::new());
    move |texts| {
        let mut has = |atom: &Atom, text: &&str| atom.score(Utf32Str::new(text, &mut buffer), &mut matcher).is_some();
        pattern.atoms.iter().all(|atom| match atom.negative {
            true => texts.iter().all(|text| has(atom, text)),
            false => texts.iter().any(|text| has(atom, text)),
        })
    }
}

impl State {
    /// What was typed to narrow the list that is looked at; none of lists that cannot be narrowed like that.
    pub(super) fn narrowed_by(&self) -> Option<&str> {
        match self.view {
            View::Deliveries => Some(&self.overview.all_deliveries.text),
            View::Repositories => Some(&self.overview.all_repositories.text),
            View::Queue => Some(&self.queue_filter.text),
            View::Builds | View::Nodes => None,
        }
    }

    /// Shows only what fits.
    pub(super) fn narrow(&mut self, text: String) {
        match self.view {
            View::Deliveries => {
                self.overview.all_deliveries.text = text;
                self.show_deliveries();
            }
            View::Repositories => {
                self.overview.all_repositories.text = text;
                self.show_repositories();
            }
            View::Queue => {
                let selected = self.queued_job().map(|job| job.id.clone());
                self.queue_filter.text = text;
                self.show_queue(selected.as_ref());
            }
            View::Builds | View::Nodes => {}
        }
    }

    /// How many rows of the queue are shown.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        match self.queue_filter.is_on() {
            true => self.queue_filter.rows.len(),
            false => self.queue.as_ref().map_or(0, |queue| queue.jobs.len()),
        }
    }

    /// A row of the queue, as it is shown.
    #[must_use]
    pub fn queued(&self, index: usize) -> Option<&QueuedJob> {
        let index = if self.queue_filter.is_on() { *self.queue_filter.rows.get(index)? } else { index };
        self.queue.as_ref()?.jobs.get(index)
    }

    /// The selected row of the queue.
    #[must_use]
    pub fn queued_job(&self) -> Option<&QueuedJob> {
        self.queued(self.queue_cursor.at)
    }

    /// The queue or what was typed is another; this job stays selected, as long as it is shown.
    pub(super) fn show_queue(&mut self, selected: Option<&JobId>) {
        let (mut fits, now) = (fits_in_one(&self.queue_filter.text), self.daemon_now());
        let jobs = self.queue.iter().flat_map(|queue| &queue.jobs).enumerate();
        let mut is_shown = |job: &QueuedJob| {
            let why = waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now);
            let (id, status) = (job.id.to_string(), job.status.to_string());
            let branch = job.branch.as_deref().unwrap_or_default();
            fits(&[&id, &job.repository, &status, branch, &job.title, job.step.as_deref().unwrap_or(&why)])
        };
        self.queue_filter.rows = jobs.filter(|(_, job)| is_shown(job)).map(|(index, _)| index).collect();
        let at = (0..self.queue_len()).find(|index| self.queued(*index).map(|job| &job.id) == selected);
        if let (Some(at), true) = (at, selected.is_some()) {
            self.queue_cursor.at = at;
        }
    }

    pub(super) fn take_deliveries(&mut self, deliveries: Vec<DeliveryView>) {
        self.overview.all_deliveries.all = deliveries;
        self.show_deliveries();
    }

    pub(super) fn take_repositories(&mut self, repositories: Vec<RepositoryView>) {
        self.overview.all_repositories.all = repositories;
        self.show_repositories();
    }

    /// The selected one stays selected, as long as it is shown.
    fn show_deliveries(&mut self) {
        let selected = self.delivery().map(|delivery| delivery.delivery.clone());
        let shown = self.overview.all_deliveries.fitting(|delivery| {
            let parts = [&delivery.action, &delivery.repository, &delivery.reason];
            let parts: Vec<&str> = parts.into_iter().filter_map(Option::as_deref).collect();
            let builds: Vec<String> = delivery.builds.iter().map(|build| format!("#{build}")).collect();
            format!("{} {} {} {}", delivery.event, parts.join(" "), builds.join(" "), delivery.delivery)
        });
        let at = shown.iter().position(|delivery| Some(&delivery.delivery) == selected.as_ref());
        self.deliveries_cursor.at = at.unwrap_or(self.deliveries_cursor.at);
        self.deliveries = Some(shown);
    }

    fn show_repositories(&mut self) {
        let selected = self.overview.repository().map(|repository| repository.name.clone());
        let shown = self.overview.all_repositories.fitting(|repository| repository.name.clone());
        let at = shown.iter().position(|repository| Some(&repository.name) == selected.as_ref());
        let cursor = &mut self.overview.repositories_cursor;
        cursor.at = at.unwrap_or(cursor.at);
        self.overview.repositories = Some(shown);
    }
}
