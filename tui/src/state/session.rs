//! Where somebody was when they left, so that they find it again. Pure: what is kept, not where. Must not know files.

use serde::{Deserialize, Serialize};
use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::Topic;

use super::build::BuildPage;
use super::layout::Split;
use super::log::{LogPage, Start};
use super::{Effect, Page, State, View, subscribe};

/// What is kept from one run of the client to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// A view's name.
    pub view: String,
    pub filter: String,
    pub only_failed: bool,
    /// The selected build, and how far down the list it was.
    pub selected: Option<BuildNumber>,
    pub at: u64,
    pub watched: Vec<BuildNumber>,
    /// What was open over the view.
    pub build: Option<OpenBuild>,
    pub log: Option<OpenLog>,
    /// Where borders between panes were moved to.
    #[serde(default, skip_serializing_if = "Split::is_usual")]
    pub split: Split,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenBuild {
    pub number: BuildNumber,
    pub job: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenLog {
    pub log: AttemptId,
    /// The first line in view; none while the end is followed.
    pub line: Option<u64>,
}

impl State {
    /// What is worth being found again.
    #[must_use]
    pub fn session(&self) -> Session {
        let build = self.pages.iter().find_map(|page| match page {
            Page::Build(page) => Some(OpenBuild { number: page.number, job: page.job().map(|job| job.name.clone()) }),
            Page::Log(_) => None,
        });
        let log = self.pages.iter().find_map(|page| match page {
            Page::Log(page) => {
                let line = (!page.following()).then(|| page.top().0);
                Some(OpenLog { log: page.id.clone(), line })
            }
            Page::Build(_) => None,
        });
        Session {
            view: self.view.name().to_owned(),
            filter: self.builds.filter.clone(),
            only_failed: self.builds.only_failed,
            selected: self.builds.chosen(),
            at: self.builds.cursor.at as u64,
            watched: self.watches.numbers().collect(),
            build,
            log,
            split: self.split,
        }
    }

    /// Goes back to where somebody was, before anything is known of the daemon; in place of [`State::begin`].
    pub fn restore(&mut self, session: &Session) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.split = session.split;
        let height = usize::from(self.layout().list());
        self.view = View::ALL.into_iter().find(|view| view.name() == session.view).unwrap_or(self.view);
        self.look_again();
        self.builds.only_failed = session.only_failed;
        if !session.filter.trim().is_empty() {
            self.filter(session.filter.clone(), &mut effects);
        }
        self.builds.wish(session.selected, session.at);
        effects.extend(self.begin());
        for number in session.watched.iter().take(super::watch::MOST) {
            self.watch(*number, &mut effects);
        }
        if let Some(open) = &session.build {
            let (number, sub) = (open.number, self.fresh_sub());
            effects.push(subscribe(sub, Topic::Build { number }));
            self.pages.push(Page::Build(Box::new(BuildPage::new(number, sub, open.job.clone()))));
        }
        if let Some(open) = &session.log {
            let (sub, size) = (self.fresh_sub(), self.layout().log());
            let start = open.line.map_or(Start::End, Start::Line);
            self.pages.push(Page::Log(Box::new(LogPage::new(open.log.clone(), sub, start, size))));
        }
        self.builds.refilter(height);
        self.settle(&mut effects);
        effects
    }
}
