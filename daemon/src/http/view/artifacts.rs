//! Files that the jobs of a build left, window by window. Must not change anything.

use std::io::ErrorKind;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use windlass_protocol::artifact::{ArtifactView, ArtifactsPage};
use windlass_protocol::id::AttemptId;

use crate::http::App;
use crate::http::failure::Failure;
use crate::store::{LeftByAttempt, StoreError};

/// The longest page.
const PAGE_CAP: u32 = 500;
/// The most bytes of a file that are told at once.
const PIECE_CAP: u32 = 1 << 20;

/// A window of the files of a build: of the newest attempts of all jobs, of one, or of one attempt.
pub async fn artifacts_page(
    app: &App,
    number: u64,
    (job, attempt): (Option<&str>, Option<u32>),
    offset: u64,
    limit: u32,
) -> Result<ArtifactsPage, Failure> {
    let left = match (job, attempt) {
        (Some(job), Some(attempt)) => {
            let id = AttemptId { build: number, job: job.to_owned(), attempt };
            // Whoever asks for what there is not is told so.
            app.store.attempt(&id).await?;
            app.store.artifacts_of(&id).await?.into_iter().collect()
        }
        (Some(job), None) => {
            let jobs = app.store.jobs(number).await?;
            if !jobs.iter().any(|of| of.plan.name == job) {
                return Err(StoreError::Missing { what: format!("job {number}/{job}") }.into());
            }
            let mut left = app.store.artifacts(number).await?;
            left.retain(|of| of.job == job);
            left
        }
        (None, Some(_)) => return Err(Failure::invalid("an attempt is one of a job: name the job too")),
        (None, None) => {
            app.store.build(number).await?;
            app.store.artifacts(number).await?
        }
    };
    let all = left.iter().flat_map(|of| of.files.iter().enumerate().map(move |file| (of, file)));
    let view = |(of, (index, file)): (&LeftByAttempt, (usize, &crate::artifacts::Artifact))| ArtifactView {
        job: of.job.clone(),
        attempt: of.attempt,
        number: u32::try_from(index + 1).unwrap_or(u32::MAX),
        path: file.path.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        removed_at: of.counts.removed_at,
    };
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
    let troubles = left.iter().flat_map(|of| of.counts.troubles.iter().map(|what| format!("{}: {what}", of.job)));
    Ok(ArtifactsPage {
        build: number,
        total: left.iter().map(|of| of.files.len() as u64).sum(),
        bytes: left.iter().map(|of| of.counts.bytes).sum(),
        offset,
        artifacts: all.skip(skipped).take(limit.min(PAGE_CAP) as usize).map(view).collect(),
        troubles: troubles.collect(),
    })
}

/// Some bytes of a file, in Base64.
pub async fn artifact_piece(app: &App, id: &AttemptId, number: u32, from: u64, limit: u32) -> Result<String, Failure> {
    // Also says which files are there: what is being taken up is nobody's yet.
    let left = app.store.artifacts_of(id).await?;
    let known = left.as_ref().is_some_and(|of| number > 0 && number as usize <= of.files.len());
    if !known {
        return Err(StoreError::Missing { what: format!("artifact {number} of {id}") }.into());
    }
    let removed = || {
        let at = left.as_ref().and_then(|of| of.counts.removed_at);
        Failure::not_found(match at {
            Some(at) => {
                format!(
                    "artifact {number} of {id} was removed at {at} to keep within retention.artifacts: build it again"
                )
            }
            None => {
                format!("artifact {number} of {id} is not on the daemon's disk: `windlassd doctor` says what to do")
            }
        })
    };
    let (artifacts, of) = (app.artifacts.clone(), id.clone());
    let limit = u64::from(limit.min(PIECE_CAP));
    let read = tokio::task::spawn_blocking(move || artifacts.read(&of, number, from, limit)).await;
    match read.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(bytes) => Ok(STANDARD.encode(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(removed()),
        Err(error) => Err(Failure::internal(&error)),
    }
}
