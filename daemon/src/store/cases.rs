//! Results of tests: recorded with the end of their attempt, so that they are there once or not at all. Must not know how
//! they are compared.

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::cases::TestCounts;
use windlass_protocol::id::AttemptId;

use super::{Store, StoreError, keeper, rows, signed, sql, text, unsigned};
use crate::results::{Case, MOST_CASES, MOST_OF_BUILD, MOST_TEXT_OF_BUILD, kept};

/// To be recorded with an attempt's end.
#[derive(Debug, Clone)]
pub struct NewResults {
    pub counts: TestCounts,
    /// From [`kept::pack`].
    pub cases: Vec<u8>,
}

/// The tests of one attempt.
#[derive(Debug, Clone)]
pub struct StoredCases {
    pub job: String,
    pub attempt: u32,
    pub counts: TestCounts,
    pub cases: Vec<Case>,
}

#[derive(Debug, FromRow)]
struct CountsRow {
    job: String,
    number: i64,
    tests: Option<String>,
}

impl NewResults {
    pub(super) fn counts_as_text(&self) -> String {
        text(serde_json::to_string(&self.counts).expect("counts are data that always serialises"))
    }
}

pub(super) async fn put(
    tx: &mut Transaction<'static, Any>,
    id: &AttemptId,
    results: &NewResults,
) -> Result<(), StoreError> {
    sqlx::query(sql!("cases_put"))
        .bind(signed(id.build))
        .bind(&id.job)
        .bind(i64::from(id.attempt))
        .bind(&results.cases)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("cases_put"))?;
    Ok(())
}

impl Store {
    /// The tests of a build: those of the newest attempt of each job that has any, in the order of the jobs. Those of a job for
    /// which there is no room any more are counted, and it is told that they are not listed.
    pub async fn cases(&self, build: u64) -> Result<Vec<StoredCases>, StoreError> {
        self.cases_within(build, MOST_OF_BUILD, MOST_TEXT_OF_BUILD).await
    }

    pub(super) async fn cases_within(
        &self,
        build: u64,
        most: usize,
        most_text: usize,
    ) -> Result<Vec<StoredCases>, StoreError> {
        let rows: Vec<CountsRow> = sqlx::query_as(sql!("cases_of_build"))
            .bind(signed(build))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("cases_of_build"))?;
        let (mut left, mut left_text) = (most as u64, most_text);
        let mut stored = Vec::with_capacity(rows.len());
        for CountsRow { job, number, tests } in rows {
            let mut counts: TestCounts =
                tests.map(|tests| rows::json("tests", &tests)).transpose()?.unwrap_or_default();
            let id = keeper::id(signed(build), job, number);
            let mut cases = Vec::new();
            let TestCounts { passed, failed, errors, skipped, .. } = counts;
            let listed = (passed + failed + errors + skipped).min(MOST_CASES as u64);
            if listed <= left && left_text > 0 {
                cases = self.cases_of(&id).await?;
                left -= listed;
                left_text = left_text.saturating_sub(cases.iter().map(Case::text_len).sum());
            } else {
                counts.troubles.push("its tests are counted and not listed: the build has too many".to_owned());
            }
            stored.push(StoredCases { job: id.job, attempt: id.attempt, counts, cases });
        }
        Ok(stored)
    }
}

/// A build whose results can be compared with others. `seq` is another one when it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
struct NumberRow {
    number: i64,
    seq: i64,
}

#[derive(Debug, FromRow)]
struct AttemptKey {
    build: i64,
    job: String,
    number: i64,
}

impl Store {
    /// Numbers and sequence numbers of the finished builds of a ref before build `before` that have tests, the newest first.
    pub async fn builds_with_tests(
        &self,
        repository: &str,
        reference: &str,
        before: u64,
        limit: u32,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let rows: Vec<NumberRow> = sqlx::query_as(sql!("cases_before"))
            .bind(repository.to_ascii_lowercase())
            .bind(text(reference))
            .bind(signed(before))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("cases_before"))?;
        Ok(rows.into_iter().map(|row| (unsigned(row.number), unsigned(row.seq))).collect())
    }

    /// Every attempt on a commit that has tests, the newest first; not more than a hundred.
    pub async fn tested_attempts(&self, repository: &str, sha: &str) -> Result<Vec<AttemptId>, StoreError> {
        let rows: Vec<AttemptKey> = sqlx::query_as(sql!("cases_same_commit"))
            .bind(repository.to_ascii_lowercase())
            .bind(sha)
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("cases_same_commit"))?;
        Ok(rows.into_iter().map(|row| keeper::id(row.build, row.job, row.number)).collect())
    }

    /// The tests of one attempt; none when it has none any more.
    pub async fn cases_of(&self, id: &AttemptId) -> Result<Vec<Case>, StoreError> {
        let piece: Option<Vec<u8>> = sqlx::query_scalar(sql!("cases_one"))
            .bind(signed(id.build))
            .bind(&id.job)
            .bind(i64::from(id.attempt))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("cases_one"))?;
        let Some(piece) = piece else { return Ok(Vec::new()) };
        let unpack = tokio::task::spawn_blocking(move || kept::unpack(&piece));
        let corrupt = |what: String| StoreError::Corrupt { what };
        unpack
            .await
            .map_err(|error| corrupt(error.to_string()))?
            .map_err(|error| corrupt(format!("results of tests {error}")))
    }
}
