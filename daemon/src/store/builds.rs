//! Builds and their jobs: made in one transaction with the delivery they come from, read one by one or as a page.

use std::collections::BTreeMap;

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{LogSummary, Outcome, Status};

use super::rows::{AttemptRow, BuildRow, SummaryRow};
use super::{Attempt, Store, StoreError, Summary, groups, next, signed, sql, text, unsigned};
use crate::event::BuildRequest;
use crate::failpoint;
use crate::plan::{CancelOlder, Concurrency, JobPlan};
use crate::state::again::Tried;
use crate::state::attempt::{State, Verdict};

/// What a build is; never changes.
#[derive(Debug, Clone)]
pub struct BuildFacts {
    /// `None`: nobody's webhook asked for it.
    pub delivery: Option<String>,
    /// Without `skip`: that is told by the jobs.
    pub request: BuildRequest,
    pub created_at: Timestamp,
}

/// A build to be made.
#[derive(Debug, Clone)]
pub struct NewBuild {
    /// From [`Store::next_build_number`].
    pub number: u64,
    pub facts: BuildFacts,
    pub jobs: Vec<NewJob>,
    /// What waits with a higher one starts first.
    pub priority: i64,
    /// Where its repository's jobs run: `docker` or `local`. `None`: not known.
    pub engine: Option<String>,
    /// The group whose builds run one at a time.
    pub concurrency: Option<Concurrency>,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub plan: JobPlan,
    pub first: FirstState,
}

/// Where a job's first attempt begins.
#[derive(Debug, Clone)]
pub enum FirstState {
    Blocked,
    Waiting,
    /// There is nothing to run: the spec is broken, the commit says `[skip ci]`. The log is written already.
    Finished {
        verdict: Verdict,
        log: LogSummary,
    },
}

#[derive(Debug, Clone)]
pub struct StoredBuild {
    pub number: u64,
    /// Its place in the order of changes.
    pub seq: u64,
    pub facts: BuildFacts,
    pub priority: i64,
    /// The group that it is in, and how it stands there.
    pub group: Option<StoredGroup>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGroup {
    pub name: String,
    pub turn: Turn,
}

/// How a build stands in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is its turn, and it has something left to run.
    Holds,
    /// Another build has the turn. `None`: for a moment nobody has.
    Waits { held_by: Option<u64> },
    /// Nothing of it is left to run.
    Over,
}

#[derive(Debug, Clone)]
pub struct StoredJob {
    pub plan: JobPlan,
    /// Oldest first, at least one.
    pub attempts: Vec<Attempt>,
}

/// A window of the list, newest first.
#[derive(Debug, Clone)]
pub struct BuildPage {
    pub total: u64,
    pub builds: Vec<(StoredBuild, Vec<Summary>)>,
}

/// Which builds. `None` means any.
#[derive(Debug, Clone, Default)]
pub struct PageFilter {
    pub repository: Option<String>,
    pub branch: Option<String>,
    pub event: Option<String>,
    pub author: Option<String>,
    pub status: Option<Status>,
    pub outcome: Option<Outcome>,
    pub text: Option<String>,
}

impl PageFilter {
    /// It asks for something besides words.
    fn has_facts(&self) -> bool {
        let names = [&self.repository, &self.branch, &self.event, &self.author];
        names.iter().any(|name| name.is_some()) || self.status.is_some() || self.outcome.is_some()
    }
}

/// Beyond this spread of numbers a page asks for its builds by their numbers instead of for the whole range.
const DENSE: u64 = 2_000;
/// So many at once: what `summary_of_some` has room for.
const SOME: usize = 50;

impl Store {
    /// Takes the next number; it stays unused when the build is never made.
    pub async fn next_build_number(&self) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let number = next(&mut writing.tx, "build").await?;
        writing.commit().await?;
        Ok(unsigned(number))
    }

    /// Makes a build and settles the delivery it comes from, together or not at all. Returns the older builds of its group
    /// that this one cancels.
    pub async fn create_build(&self, build: &NewBuild) -> Result<Vec<u64>, StoreError> {
        let mut writing = self.write().await?;
        let tx = &mut writing.tx;
        let facts = &build.facts;
        let request = &facts.request;
        let number = signed(build.number);
        let seq = next(tx, "change").await?;
        if let Some(delivery) = &facts.delivery {
            let settled = sqlx::query(sql!("delivery_settle"))
                .bind(delivery)
                .bind("accepted")
                .bind(None::<String>)
                .bind(facts.created_at.0)
                .execute(&mut **tx)
                .await
                .map_err(StoreError::at("delivery_settle"))?;
            if settled.rows_affected() == 0 {
                return Err(StoreError::Conflict { why: format!("delivery {delivery} was worked on already") });
            }
        }
        sqlx::query(sql!("build_insert"))
            .bind(number)
            .bind(seq)
            .bind(&facts.delivery)
            .bind(&request.repository)
            .bind(signed(request.repository_id))
            .bind(&request.clone_url)
            .bind(&request.event)
            .bind(&request.action)
            .bind(&request.r#ref)
            .bind(&request.branch)
            .bind(&request.tag)
            .bind(&request.base_branch)
            .bind(request.pull_request.map(signed))
            .bind(&request.sha)
            .bind(&request.title)
            .bind(&request.author)
            .bind(signed(request.commit_count))
            .bind(i64::from(request.from_fork))
            .bind(facts.created_at.0)
            .bind(build.priority)
            .bind(build.concurrency.as_ref().map(|concurrency| text(&concurrency.group)))
            .bind(&request.default_branch)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::at("build_insert"))?;
        sqlx::query(sql!("build_words"))
            .bind(number)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::at("build_words"))?;
        let lane = Lane { repository: request.repository.to_ascii_lowercase(), priority: build.priority };
        sqlx::query(sql!("repository_known"))
            .bind(&lane.repository)
            .bind(&build.engine)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::at("repository_known"))?;
        let mut outdated = Vec::new();
        if let Some(Concurrency { group, cancel: CancelOlder::Outdated }) = &build.concurrency {
            outdated = groups::cancel_older(tx, &lane.repository, group, build.number, facts.created_at).await?;
        }
        let all_over = build.jobs.iter().all(|job| matches!(job.first, FirstState::Finished { .. }));
        let its_turn = all_over || build.concurrency.is_none() || groups::enter(tx, build.number).await?;
        for (position, job) in (0_i64..).zip(&build.jobs) {
            let plan = serde_json::to_string(&job.plan).expect("a plan is data that always serialises");
            sqlx::query(sql!("job_insert"))
                .bind(number)
                .bind(&job.plan.name)
                .bind(position)
                .bind(plan)
                .execute(&mut **tx)
                .await
                .map_err(StoreError::at("job_insert"))?;
            let at = NewAttempt {
                build: number,
                job: &job.plan.name,
                number: 1,
                position,
                queued_at: facts.created_at,
                lane: &lane,
                not_before: Timestamp(0),
                because: None,
                tried: Tried::default(),
            };
            match &job.first {
                FirstState::Waiting if !its_turn => insert_attempt(tx, &at, &FirstState::Blocked).await?,
                first => insert_attempt(tx, &at, first).await?,
            }
        }
        failpoint::reached!("build.before-commit");
        writing.commit().await?;
        Ok(outdated)
    }

    pub async fn build(&self, number: u64) -> Result<StoredBuild, StoreError> {
        let row: Option<BuildRow> = sqlx::query_as(sql!("build_one"))
            .bind(signed(number))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("build_one"))?;
        row.map(StoredBuild::from).ok_or_else(|| StoreError::Missing { what: format!("build {number}") })
    }

    /// The jobs of a build in their order, with all attempts.
    pub async fn jobs(&self, number: u64) -> Result<Vec<StoredJob>, StoreError> {
        let plans: Vec<(String, String)> = sqlx::query_as(sql!("job_list"))
            .bind(signed(number))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("job_list"))?;
        let attempts: Vec<AttemptRow> = sqlx::query_as(sql!("attempt_of_build"))
            .bind(signed(number))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("attempt_of_build"))?;
        let mut by_job: BTreeMap<String, Vec<Attempt>> = BTreeMap::new();
        for row in attempts {
            let attempt = Attempt::try_from(row)?;
            by_job.entry(attempt.id.job.clone()).or_default().push(attempt);
        }
        plans
            .into_iter()
            .map(|(name, plan)| {
                let plan = serde_json::from_str(&plan)
                    .map_err(|error| StoreError::Corrupt { what: format!("plan of {number}/{name}: {error}") })?;
                Ok(StoredJob { plan, attempts: by_job.remove(&name).unwrap_or_default() })
            })
            .collect()
    }

    /// A window of the list of builds, with the newest attempt of each job.
    pub async fn build_page(&self, filter: &PageFilter, offset: u64, limit: u32) -> Result<BuildPage, StoreError> {
        let rows = self.page_rows(filter, offset, limit).await?;
        let total = match rows.first() {
            Some(row) => unsigned(row.total),
            // Outside of the list no row tells how long it is.
            None => self.page_rows(filter, 0, 1).await?.first().map_or(0, |row| unsigned(row.total)),
        };
        let builds: Vec<StoredBuild> = rows.into_iter().map(StoredBuild::from).collect();
        let mut summaries: BTreeMap<u64, Vec<Summary>> = BTreeMap::new();
        if let (Some(newest), Some(oldest)) = (builds.first(), builds.last()) {
            if newest.number - oldest.number <= DENSE {
                self.summaries(oldest.number, newest.number, &mut summaries).await?;
            } else {
                for some in builds.chunks(SOME) {
                    self.summaries_of(some, &mut summaries).await?;
                }
            }
        }
        let builds = builds
            .into_iter()
            .map(|build| {
                let jobs = summaries.remove(&build.number).unwrap_or_default();
                (build, jobs)
            })
            .collect();
        Ok(BuildPage { total, builds })
    }

    async fn page_rows(&self, filter: &PageFilter, offset: u64, limit: u32) -> Result<Vec<BuildRow>, StoreError> {
        let mut words = patterns(&text(filter.text.as_deref().unwrap_or(""))).into_iter();
        let (name, statement) = match (words.len(), filter.has_facts()) {
            (0, false) => ("build_newest", sql!("build_newest")),
            (0, true) => ("build_page", sql!("build_page")),
            _ => ("build_found", sql!("build_found")),
        };
        let mut query = sqlx::query_as(statement);
        if name != "build_newest" {
            query = query
                .bind(filter.repository.as_deref().map(text))
                .bind(filter.branch.as_deref().map(text))
                .bind(filter.event.as_deref().map(text))
                .bind(filter.author.as_deref().map(text))
                .bind(filter.status.map(|status| status.to_string()))
                .bind(filter.outcome.map(Outcome::word));
        }
        if name == "build_found" {
            query = query.bind(words.next()).bind(words.next()).bind(words.next());
        }
        query.bind(i64::from(limit)).bind(signed(offset)).fetch_all(&self.pool).await.map_err(StoreError::at(name))
    }

    async fn summaries(&self, from: u64, to: u64, into: &mut BTreeMap<u64, Vec<Summary>>) -> Result<(), StoreError> {
        let rows: Vec<SummaryRow> = sqlx::query_as(sql!("summary_of_builds"))
            .bind(signed(from))
            .bind(signed(to))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("summary_of_builds"))?;
        take_summaries(rows, into)
    }

    /// The same of at most [`SOME`] builds, wherever they are.
    async fn summaries_of(
        &self,
        builds: &[StoredBuild],
        into: &mut BTreeMap<u64, Vec<Summary>>,
    ) -> Result<(), StoreError> {
        // What is left over is no build's number.
        let numbers = builds.iter().map(|build| signed(build.number)).chain(std::iter::repeat(-1)).take(SOME);
        let query = numbers.fold(sqlx::query_as(sql!("summary_of_some")), |query, number| query.bind(number));
        let rows: Vec<SummaryRow> = query.fetch_all(&self.pool).await.map_err(StoreError::at("summary_of_some"))?;
        take_summaries(rows, into)
    }
}

fn take_summaries(rows: Vec<SummaryRow>, into: &mut BTreeMap<u64, Vec<Summary>>) -> Result<(), StoreError> {
    for row in rows {
        let summary = Summary::try_from(row)?;
        into.entry(summary.build).or_default().push(summary);
    }
    Ok(())
}

/// Where a new attempt belongs.
pub(super) struct NewAttempt<'a> {
    pub(super) build: i64,
    pub(super) job: &'a str,
    pub(super) number: i64,
    pub(super) position: i64,
    pub(super) queued_at: Timestamp,
    pub(super) lane: &'a Lane,
    pub(super) not_before: Timestamp,
    pub(super) because: Option<&'a str>,
    pub(super) tried: Tried,
}

/// Whose turn an attempt takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    /// In lower case.
    pub(super) repository: String,
    pub(super) priority: i64,
}

pub(super) async fn insert_attempt(
    tx: &mut sqlx::Transaction<'static, sqlx::Any>,
    at: &NewAttempt<'_>,
    first: &FirstState,
) -> Result<(), StoreError> {
    let (state, verdict, log) = match first {
        FirstState::Blocked => (State::Blocked, None, LogSummary::default()),
        FirstState::Waiting => (State::Waiting, None, LogSummary::default()),
        FirstState::Finished { verdict, log } => (State::Finished, Some(verdict), log.clone()),
    };
    sqlx::query(sql!("attempt_insert"))
        .bind(at.build)
        .bind(at.job)
        .bind(at.number)
        .bind(at.position)
        .bind(state.word())
        .bind(verdict.map(|verdict| verdict.outcome.word()))
        .bind(verdict.and_then(|verdict| verdict.reason.clone()))
        .bind(at.queued_at.0)
        .bind(verdict.map(|_| at.queued_at.0))
        .bind(signed(log.lines))
        .bind(signed(log.bytes))
        .bind(log.sha256)
        .bind(signed(log.dropped_bytes))
        .bind(&at.lane.repository)
        .bind(at.lane.priority)
        .bind(at.not_before.0)
        .bind(at.because.map(text))
        .bind(i64::from(at.tried.infrastructure))
        .bind(i64::from(at.tried.failure))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("attempt_insert"))?;
    Ok(())
}

/// One pattern for each word, in any order. There is room for three: what follows the second has to come in its order.
fn patterns(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (single, rest) = words.split_at(words.len().min(2));
    let mut patterns: Vec<String> = single.iter().map(|&word| like(&[word])).collect();
    if !rest.is_empty() {
        patterns.push(like(rest));
    }
    patterns
}

/// `%one%two%`, their own wildcards escaped. The database itself makes it lower case, as it does with what it compares:
/// each has its own idea of that beyond ASCII.
fn like(words: &[&str]) -> String {
    let mut pattern = String::from("%");
    for word in words {
        for c in word.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
    }
    pattern
}

impl From<BuildRow> for StoredBuild {
    fn from(row: BuildRow) -> Self {
        let request = BuildRequest {
            repository: row.repository,
            repository_id: unsigned(row.repository_id),
            clone_url: row.clone_url,
            event: row.event,
            action: row.action,
            r#ref: row.r#ref,
            branch: row.branch,
            tag: row.tag,
            base_branch: row.base_branch,
            default_branch: row.default_branch,
            pull_request: row.pull_request.map(unsigned),
            sha: row.sha,
            title: row.title,
            author: row.author,
            commit_count: unsigned(row.commit_count),
            from_fork: row.from_fork != 0,
            skip: None,
        };
        let facts = BuildFacts { delivery: row.delivery_id, request, created_at: Timestamp(row.created_at) };
        let group = row.group_name.map(|name| StoredGroup {
            name,
            turn: match row.group_state.as_deref() {
                Some("holds") => Turn::Holds,
                Some(_) => Turn::Waits { held_by: row.held_by.map(unsigned) },
                None => Turn::Over,
            },
        });
        Self { number: unsigned(row.number), seq: unsigned(row.seq), facts, priority: row.priority, group }
    }
}
