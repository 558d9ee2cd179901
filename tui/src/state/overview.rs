//! The views that are asked for rather than subscribed to: deliveries, repositories, nodes, and the results of the selected
//! build's branch. Asked when they are looked at, and again when something changed, one question at a time. Must not know
//! how they are painted.

use std::collections::BTreeMap;

use windlass_protocol::glance::{BuildResult, NodeJob, NodeView, RepositoryView};
use windlass_protocol::id::JobId;
use windlass_protocol::live::Request;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildRow, DeliveryView};

use super::cursor::Cursor;
use super::narrow::Narrowed;
use super::{Connection, Effect, Pending, State, View};

/// Results asked for of each repository, and of a branch.
const RESULTS: u32 = 40;
/// What changes all the time is asked for no more often.
const PAUSE: i64 = 2_000;
/// Branches whose results are kept.
const BRANCHES: usize = 200;

#[derive(Debug, Default)]
pub struct Overview {
    /// Those that fit what was typed.
    pub repositories: Option<Vec<RepositoryView>>,
    pub all_repositories: Narrowed<RepositoryView>,
    pub all_deliveries: Narrowed<DeliveryView>,
    /// How many there are, though not all are told.
    pub repositories_total: u64,
    pub repositories_cursor: Cursor,
    pub nodes: Option<Vec<NodeView>>,
    pub nodes_cursor: Cursor,
    /// Of the branches that were selected lately.
    branches: BTreeMap<Branch, Vec<BuildResult>>,
    /// Whose results were asked for and did not come yet.
    asked_branch: Option<Branch>,
    /// The daemon does not know about results: it is older than this client.
    no_results: bool,
    /// What is shown is older than what is known to have changed.
    stale: bool,
    /// A question is under way.
    pub(super) asking: bool,
    asked_at: Option<Timestamp>,
}

/// A repository and a ref.
pub(super) type Branch = (String, String);

/// A row of the view of nodes.
#[derive(Debug, Clone, Copy)]
pub enum NodeRow<'a> {
    Node(&'a NodeView),
    Job(&'a NodeJob),
}

impl Overview {
    pub fn repository(&self) -> Option<&RepositoryView> {
        self.repositories.as_ref()?.get(self.repositories_cursor.at)
    }

    /// Each node, and below it the jobs that hold its slots.
    pub fn node_rows(&self) -> Vec<NodeRow<'_>> {
        let nodes = self.nodes.iter().flatten();
        nodes.flat_map(|node| std::iter::once(NodeRow::Node(node)).chain(node.jobs.iter().map(NodeRow::Job))).collect()
    }

    pub fn node_row(&self) -> Option<NodeRow<'_>> {
        self.node_rows().get(self.nodes_cursor.at).copied()
    }

    /// The job that the selected row of the nodes is.
    pub fn node_job(&self) -> Option<&JobId> {
        match self.node_row()? {
            NodeRow::Job(job) => Some(&job.id),
            NodeRow::Node(_) => None,
        }
    }

    /// How the newest builds of a build's branch ended, the newest first, if that is known.
    pub fn branch(&self, row: &BuildRow) -> Option<&[BuildResult]> {
        self.branches.get(&branch_of(row)).map(Vec::as_slice)
    }

    /// Builds changed: what is known of their branches is old.
    pub(super) fn changed<'a>(&mut self, rows: impl Iterator<Item = &'a BuildRow>) {
        self.stale = true;
        rows.for_each(|row| {
            self.branches.remove(&branch_of(row));
        });
    }

    pub(super) fn something_changed(&mut self) {
        self.stale = true;
    }

    /// What was asked for before is no longer to come.
    pub(super) fn reconnected(&mut self) {
        (self.stale, self.asking, self.asked_at) = (true, false, None);
        (self.asked_branch, self.no_results) = (None, false);
        self.branches.clear();
    }

    pub(super) fn take_branch(&mut self, branch: Branch, results: Vec<BuildResult>) {
        self.asked_branch = None;
        if self.branches.len() >= BRANCHES {
            self.branches.clear();
        }
        self.branches.insert(branch, results);
    }

    pub(super) fn refuse_branch(&mut self) {
        (self.asked_branch, self.no_results) = (None, true);
    }

    pub(super) fn settle(&mut self, height: usize) {
        let repositories = self.repositories.as_ref().map_or(0, Vec::len);
        self.repositories_cursor.settle(repositories, height);
        let nodes = self.node_rows().len();
        self.nodes_cursor.settle(nodes, height);
    }
}

fn branch_of(row: &BuildRow) -> Branch {
    (row.repository.clone(), row.r#ref.clone())
}

impl State {
    /// What is looked at is asked for without waiting.
    pub(super) fn look_again(&mut self) {
        self.overview.stale = true;
        self.overview.asked_at = None;
    }

    /// The question that the view needs answered.
    fn question(&self) -> Option<(Request, Pending)> {
        Some(match self.view {
            View::Deliveries => (Request::Deliveries { limit: 200 }, Pending::Deliveries),
            View::Repositories => (Request::Repositories { results: RESULTS }, Pending::Repositories),
            View::Nodes => (Request::Nodes, Pending::Nodes),
            View::Builds | View::Queue => return None,
        })
    }

    /// When to ask again for what changed, if that is to be waited for.
    pub(super) fn overview_deadline(&self) -> Option<Timestamp> {
        let waits = self.overview.stale && !self.overview.asking && self.question().is_some() && self.pages.is_empty();
        let up = matches!(self.connection, Connection::Up(_));
        self.overview.asked_at.filter(|_| waits && up).map(|at| Timestamp(at.0 + PAUSE))
    }

    /// Asks for what the view shows, when it is old and nothing is asked already.
    pub(super) fn settle_overview(&mut self, effects: &mut Vec<Effect>) {
        if !matches!(self.connection, Connection::Up(_)) {
            return;
        }
        self.settle_branch(effects);
        let early = self.overview.asked_at.is_some_and(|at| self.now.0 < at.0 + PAUSE);
        if !self.overview.stale || self.overview.asking || early || !self.pages.is_empty() {
            return;
        }
        let Some((request, pending)) = self.question() else { return };
        (self.overview.stale, self.overview.asking, self.overview.asked_at) = (false, true, Some(self.now));
        self.look_up(request, pending, effects);
    }

    /// Asks how the builds of the selected build's branch ended.
    fn settle_branch(&mut self, effects: &mut Vec<Effect>) {
        let shown = self.view == View::Builds && self.pages.is_empty() && self.layout().detail() > 0;
        if !shown || self.overview.no_results || self.overview.asked_branch.is_some() {
            return;
        }
        let Some(branch) = self.builds.selected().map(branch_of) else { return };
        if self.overview.branches.contains_key(&branch) {
            return;
        }
        self.overview.asked_branch = Some(branch.clone());
        let (repository, reference) = branch.clone();
        let request = Request::Results { repository, r#ref: Some(reference), limit: RESULTS };
        self.look_up(request, Pending::Results { branch }, effects);
    }

    /// Opens the builds of the selected repository.
    pub(super) fn builds_of_repository(&mut self, effects: &mut Vec<Effect>) {
        let Some(name) = self.overview.repository().map(|repository| repository.name.clone()) else { return };
        self.show_view(View::Builds, effects);
        self.builds.only_failed = false;
        self.filter(format!("repo:{name}"), effects);
    }
}
