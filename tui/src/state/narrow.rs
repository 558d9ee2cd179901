//! Lists that are at hand as a whole, narrowed as one types: deliveries and repositories. What is shown is what fits; the rest
//! is kept. Must not know how they are painted.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use windlass_protocol::glance::RepositoryView;
use windlass_protocol::view::DeliveryView;

use super::{State, View};

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

impl<T: Clone> Narrowed<T> {
    /// How many there are, shown or not.
    pub fn total(&self) -> usize {
        self.all.len()
    }

    pub fn is_on(&self) -> bool {
        !self.text.trim().is_empty()
    }

    fn fitting(&self, words: impl Fn(&T) -> String) -> Vec<T> {
        let pattern = Pattern::parse(&self.text, CaseMatching::Smart, Normalization::Smart);
        let (mut matcher, mut buffer) = (Matcher::new(Config::DEFAULT), Vec::new());
        let fits = |row: &&T| pattern.score(Utf32Str::new(&words(row), &mut buffer), &mut matcher).is_some();
        self.all.iter().filter(fits).cloned().collect()
    }
}

impl State {
    /// What was typed to narrow the list that is looked at; none of lists that cannot be narrowed like that.
    pub(super) fn narrowed_by(&self) -> Option<&str> {
        match self.view {
            View::Deliveries => Some(&self.overview.all_deliveries.text),
            View::Repositories => Some(&self.overview.all_repositories.text),
            View::Builds | View::Queue | View::Nodes => None,
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
            View::Builds | View::Queue | View::Nodes => {}
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
