//! What comes out of the database: rows by column name, and the domain values made of them.

use sqlx::FromRow;
use windlass_protocol::annotation::AnnotationCounts;
use windlass_protocol::artifact::ArtifactCounts;
use windlass_protocol::cases::TestCounts;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{LogSummary, Outcome, StepView};

use super::{StoreError, artifacts, unsigned};
use crate::plan::Site;
use crate::state::attempt::{Fault, State, Verdict};

#[derive(Debug, FromRow)]
pub(super) struct AttemptRow {
    build: i64,
    job: String,
    number: i64,
    current: i64,
    state: String,
    outcome: Option<String>,
    reason: Option<String>,
    exit_code: Option<i64>,
    signal: Option<i64>,
    site: Option<String>,
    token: Option<String>,
    queued_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    cancel_by: Option<String>,
    cancel_at: Option<i64>,
    cancel_force: i64,
    steps: String,
    log_lines: i64,
    log_bytes: i64,
    log_sha256: Option<String>,
    log_dropped: i64,
    priority: i64,
    not_before: i64,
    because: Option<String>,
    image_digest: Option<String>,
    tests: Option<String>,
    artifacts: Option<String>,
    artifacts_removed_at: Option<i64>,
    findings: Option<String>,
}

/// One attempt as the database has it.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: AttemptId,
    /// The newest of its job.
    pub current: bool,
    pub state: State,
    /// Exactly when finished.
    pub verdict: Option<Verdict>,
    pub site: Option<Site>,
    pub token: Option<String>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub cancel: Option<CancelAsked>,
    pub steps: Vec<StepView>,
    pub log: LogSummary,
    pub priority: i64,
    /// Not claimed before this moment, when it waits.
    pub not_before: Timestamp,
    /// Why there is this attempt, of all but the first.
    pub because: Option<String>,
    /// The image that it really ran.
    pub image_digest: Option<String>,
    /// What its reports say of its tests.
    pub tests: Option<TestCounts>,
    /// What it left to be kept.
    pub artifacts: Option<ArtifactCounts>,
    /// How much tools say about its source.
    pub findings: Option<AnnotationCounts>,
}

/// Somebody wants it stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelAsked {
    pub by: String,
    pub at: Timestamp,
    pub force: bool,
}

/// A job in a list: its newest attempt, without the bulk.
#[derive(Debug, Clone)]
pub struct Summary {
    pub build: u64,
    pub job: String,
    pub state: State,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Who wants it stopped, while it is not.
    pub cancelling: Option<String>,
    /// In lower case, as the queue has it.
    pub repository: String,
    pub priority: i64,
    pub not_before: Timestamp,
    pub because: Option<String>,
}

#[derive(Debug, FromRow)]
pub(super) struct SummaryRow {
    build: i64,
    job: String,
    state: String,
    outcome: Option<String>,
    reason: Option<String>,
    queued_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    cancel_by: Option<String>,
    cancel_at: Option<i64>,
    repository: String,
    priority: i64,
    not_before: i64,
    because: Option<String>,
}

pub(super) fn state(word: &str) -> Result<State, StoreError> {
    State::from_word(word).ok_or_else(|| StoreError::Corrupt { what: format!("state {word:?}") })
}

pub(super) fn outcome(word: Option<&str>) -> Result<Option<Outcome>, StoreError> {
    word.map(|word| Outcome::from_word(word).ok_or_else(|| StoreError::Corrupt { what: format!("outcome {word:?}") }))
        .transpose()
}

pub(super) fn json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { what: format!("{what}: {error}") })
}

impl AttemptRow {
    pub(super) fn id(&self) -> AttemptId {
        AttemptId {
            build: unsigned(self.build),
            job: self.job.clone(),
            attempt: u32::try_from(self.number).unwrap_or(u32::MAX),
        }
    }
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = StoreError;

    fn try_from(row: AttemptRow) -> Result<Self, StoreError> {
        let id = row.id();
        let small = |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok());
        let verdict = outcome(row.outcome.as_deref())?.map(|outcome| Verdict {
            outcome,
            reason: row.reason.clone(),
            exit_code: small(row.exit_code),
            signal: small(row.signal),
            // Only decided by when it ends.
            fault: Fault::None,
        });
        let cancel = match (row.cancel_by, row.cancel_at) {
            (Some(by), Some(at)) => Some(CancelAsked { by, at: Timestamp(at), force: row.cancel_force != 0 }),
            _ => None,
        };
        Ok(Self {
            id,
            current: row.current != 0,
            state: state(&row.state)?,
            verdict,
            site: row.site.map(|site| json("site", &site)).transpose()?,
            token: row.token,
            queued_at: Timestamp(row.queued_at),
            started_at: row.started_at.map(Timestamp),
            finished_at: row.finished_at.map(Timestamp),
            cancel,
            steps: json("steps", &row.steps)?,
            log: LogSummary {
                lines: unsigned(row.log_lines),
                bytes: unsigned(row.log_bytes),
                sha256: row.log_sha256,
                dropped_bytes: unsigned(row.log_dropped),
            },
            priority: row.priority,
            not_before: Timestamp(row.not_before),
            because: row.because,
            image_digest: row.image_digest,
            tests: row.tests.map(|tests| json("tests", &tests)).transpose()?,
            artifacts: row.artifacts.map(|text| artifacts::counts(&text, row.artifacts_removed_at)).transpose()?,
            findings: row.findings.map(|findings| json("findings", &findings)).transpose()?,
        })
    }
}

impl TryFrom<SummaryRow> for Summary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        let state = state(&row.state)?;
        Ok(Self {
            build: unsigned(row.build),
            job: row.job,
            outcome: outcome(row.outcome.as_deref())?,
            reason: row.reason,
            queued_at: Timestamp(row.queued_at),
            started_at: row.started_at.map(Timestamp),
            finished_at: row.finished_at.map(Timestamp),
            cancelling: row.cancel_by.filter(|_| row.cancel_at.is_some() && state != State::Finished),
            repository: row.repository,
            priority: row.priority,
            not_before: Timestamp(row.not_before),
            because: row.because,
            state,
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct BuildRow {
    pub(super) number: i64,
    pub(super) seq: i64,
    pub(super) delivery_id: Option<String>,
    pub(super) repository: String,
    pub(super) repository_id: i64,
    pub(super) clone_url: String,
    pub(super) event: String,
    pub(super) action: Option<String>,
    pub(super) r#ref: String,
    pub(super) branch: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) base_branch: Option<String>,
    pub(super) default_branch: Option<String>,
    pub(super) pull_request: Option<i64>,
    pub(super) sha: String,
    pub(super) title: String,
    pub(super) author: String,
    pub(super) commit_count: i64,
    pub(super) from_fork: i64,
    pub(super) created_at: i64,
    pub(super) priority: i64,
    pub(super) group_name: Option<String>,
    pub(super) group_state: Option<String>,
    pub(super) held_by: Option<i64>,
    pub(super) total: i64,
}
