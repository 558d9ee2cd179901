//! What tools say about the source of an attempt: recorded with its end, so that it is there once or not at all. Must not
//! know how it was read.

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::annotation::AnnotationCounts;
use windlass_protocol::id::AttemptId;

use super::{Store, StoreError, rows, signed, sql, text};
use crate::findings::{Finding, kept};

/// To be recorded with an attempt's end.
#[derive(Debug, Clone)]
pub struct NewFindings {
    pub counts: AnnotationCounts,
    /// From [`kept::pack`].
    pub findings: Vec<u8>,
}

/// What is said of one attempt.
#[derive(Debug, Clone)]
pub struct StoredFindings {
    pub job: String,
    pub attempt: u32,
    pub counts: AnnotationCounts,
    /// The worst first.
    pub findings: Vec<Finding>,
}

#[derive(Debug, FromRow)]
struct FindingsRow {
    job: String,
    number: i64,
    piece: Vec<u8>,
    counts: Option<String>,
}

pub(super) async fn put(
    tx: &mut Transaction<'static, Any>,
    id: &AttemptId,
    found: &NewFindings,
) -> Result<(), StoreError> {
    let counts = serde_json::to_string(&found.counts).expect("counts are data that always serialises");
    sqlx::query(sql!("findings_put"))
        .bind(signed(id.build))
        .bind(&id.job)
        .bind(i64::from(id.attempt))
        .bind(&found.findings)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("findings_put"))?;
    sqlx::query(sql!("findings_count"))
        .bind(signed(id.build))
        .bind(&id.job)
        .bind(i64::from(id.attempt))
        .bind(text(counts))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("findings_count"))?;
    Ok(())
}

impl Store {
    /// What is said of a build: of the newest attempt of each job of which anything is, in the order of the jobs.
    pub async fn findings(&self, build: u64) -> Result<Vec<StoredFindings>, StoreError> {
        let rows: Vec<FindingsRow> = sqlx::query_as(sql!("findings_of_build"))
            .bind(signed(build))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("findings_of_build"))?;
        // Some milliseconds where there are thousands of them.
        let unpack = tokio::task::spawn_blocking(|| rows.into_iter().map(StoredFindings::try_from).collect());
        unpack.await.unwrap_or_else(|error| Err(StoreError::Corrupt { what: format!("annotations: {error}") }))
    }
}

impl TryFrom<FindingsRow> for StoredFindings {
    type Error = StoreError;

    fn try_from(row: FindingsRow) -> Result<Self, StoreError> {
        Ok(Self {
            attempt: u32::try_from(row.number).unwrap_or(u32::MAX),
            counts: row.counts.map(|counts| rows::json("findings", &counts)).transpose()?.unwrap_or_default(),
            findings: kept::unpack(&row.piece).map_err(|error| StoreError::Corrupt { what: error.to_string() })?,
            job: row.job,
        })
    }
}
