//! What attempts left to be kept: recorded with their end, so that it is there once or not at all; what is removed to make room
//! is noted before it is done. Must not know where the files are.

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::artifact::ArtifactCounts;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

use super::{Store, StoreError, keeper, rows, signed, sql, text, touch, unsigned};
use crate::artifacts::Artifact;
use crate::piece;

/// To be recorded with an attempt's end.
#[derive(Debug, Clone)]
pub struct NewArtifacts {
    counts: ArtifactCounts,
    /// One compressed piece; `None`: there are none.
    files: Option<Vec<u8>>,
}

/// What one attempt left.
#[derive(Debug, Clone)]
pub struct LeftByAttempt {
    pub job: String,
    pub attempt: u32,
    pub counts: ArtifactCounts,
    pub files: Vec<Artifact>,
}

/// Files that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptArtifacts {
    pub id: AttemptId,
    pub bytes: u64,
    pub kept_at: Timestamp,
}

#[derive(Debug, FromRow)]
struct LeftRow {
    job: String,
    number: i64,
    artifacts: String,
    artifacts_removed_at: Option<i64>,
    files: Option<Vec<u8>>,
}

#[derive(Debug, FromRow)]
struct KeptRow {
    build: i64,
    job: String,
    number: i64,
    bytes: i64,
    kept_at: i64,
}

impl NewArtifacts {
    #[must_use]
    pub fn new(counts: ArtifactCounts, files: &[Artifact]) -> Self {
        Self { counts, files: (!files.is_empty()).then(|| piece::pack(files)) }
    }

    pub(super) fn counts_as_text(&self) -> String {
        text(serde_json::to_string(&self.counts).expect("counts are data that always serialises"))
    }
}

pub(super) async fn put(
    tx: &mut Transaction<'static, Any>,
    id: &AttemptId,
    new: &NewArtifacts,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(files) = &new.files else { return Ok(()) };
    sqlx::query(sql!("artifacts_put"))
        .bind(signed(id.build))
        .bind(&id.job)
        .bind(i64::from(id.attempt))
        .bind(files)
        .bind(signed(new.counts.bytes))
        .bind(at.0)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("artifacts_put"))?;
    Ok(())
}

impl Store {
    /// What the newest attempt of each job of a build left, in the order of the jobs.
    pub async fn artifacts(&self, build: u64) -> Result<Vec<LeftByAttempt>, StoreError> {
        let rows: Vec<LeftRow> = sqlx::query_as(sql!("artifacts_of_build"))
            .bind(signed(build))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("artifacts_of_build"))?;
        rows.into_iter().map(LeftByAttempt::try_from).collect()
    }

    /// What one attempt left; `None`: nothing is kept of it, or it is not there or has not ended.
    pub async fn artifacts_of(&self, id: &AttemptId) -> Result<Option<LeftByAttempt>, StoreError> {
        let row: Option<LeftRow> = sqlx::query_as(sql!("artifacts_of_attempt"))
            .bind(signed(id.build))
            .bind(&id.job)
            .bind(i64::from(id.attempt))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("artifacts_of_attempt"))?;
        row.map(LeftByAttempt::try_from).transpose()
    }

    /// Those that were not removed on purpose, in the order in which they came; `after` is the last one of the page before.
    pub async fn kept_artifacts(
        &self,
        after: Option<&KeptArtifacts>,
        limit: u32,
    ) -> Result<Vec<KeptArtifacts>, StoreError> {
        let rows: Vec<KeptRow> = sqlx::query_as(sql!("keeper_artifacts"))
            .bind(after.map_or(i64::MIN, |kept| kept.kept_at.0))
            .bind(after.map_or(0, |kept| signed(kept.id.build)))
            .bind(after.map_or("", |kept| kept.id.job.as_str()))
            .bind(after.map_or(0, |kept| i64::from(kept.id.attempt)))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("keeper_artifacts"))?;
        let kept = |row: KeptRow| KeptArtifacts {
            id: keeper::id(row.build, row.job, row.number),
            bytes: unsigned(row.bytes),
            kept_at: Timestamp(row.kept_at),
        };
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Notes that artifacts are removed on purpose; to be called before it is done.
    pub async fn note_removed_artifacts(&self, ids: &[AttemptId], now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        for id in ids {
            for (name, statement) in [
                ("keeper_artifacts_removed", sql!("keeper_artifacts_removed")),
                ("keeper_artifacts_noted", sql!("keeper_artifacts_noted")),
            ] {
                sqlx::query(statement)
                    .bind(signed(id.build))
                    .bind(&id.job)
                    .bind(i64::from(id.attempt))
                    .bind(now.0)
                    .execute(&mut *writing.tx)
                    .await
                    .map_err(StoreError::at(name))?;
            }
            touch(&mut writing.tx, id.build).await?;
        }
        writing.commit().await
    }
}

/// Counts as they are kept, and when the files went.
pub(super) fn counts(text: &str, removed_at: Option<i64>) -> Result<ArtifactCounts, StoreError> {
    let counts: ArtifactCounts = rows::json("artifacts", text)?;
    Ok(ArtifactCounts { removed_at: removed_at.map(Timestamp), ..counts })
}

impl TryFrom<LeftRow> for LeftByAttempt {
    type Error = StoreError;

    fn try_from(row: LeftRow) -> Result<Self, StoreError> {
        let files = row.files.map(|files| piece::unpack(&files)).transpose();
        Ok(Self {
            job: row.job,
            attempt: u32::try_from(row.number).unwrap_or(u32::MAX),
            counts: counts(&row.artifacts, row.artifacts_removed_at)?,
            files: files
                .map_err(|error| StoreError::Corrupt { what: format!("artifacts {error}") })?
                .unwrap_or_default(),
        })
    }
}
