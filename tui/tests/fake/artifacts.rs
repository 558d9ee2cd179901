//! What the fake daemon knows of files that jobs left: their real bytes. Must not know sockets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use windlass_protocol::artifact::{ArtifactCounts, ArtifactView, ArtifactsPage};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::Response;
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;

use super::world::World;

/// A file, as it is told and as it is.
#[derive(Clone)]
pub(crate) struct Artifact {
    pub(crate) view: ArtifactView,
    pub(crate) bytes: Vec<u8>,
}

impl World {
    /// The newest attempt of a job left these files, and these sentences.
    pub(crate) fn left(&mut self, number: u64, job: &str, files: &[(&str, &[u8])], troubles: &[&str]) {
        let attempt = self.job(number, job).attempts.last().map_or(1, |attempt| attempt.number);
        for (path, bytes) in files {
            let count = self.artifacts_of(number, Some(job), Some(attempt)).count();
            let view = ArtifactView {
                job: job.to_owned(),
                attempt,
                number: u32::try_from(count + 1).expect("few files"),
                path: (*path).to_owned(),
                bytes: bytes.len() as u64,
                sha256: hex::encode(Sha256::digest(bytes)),
                removed_at: None,
            };
            self.artifacts.entry(number).or_default().push(Artifact { view, bytes: bytes.to_vec() });
        }
        let views = self.artifacts_of(number, Some(job), Some(attempt));
        let (files, bytes) = views.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.view.bytes));
        let troubles = troubles.iter().map(|trouble| (*trouble).to_owned()).collect();
        let counts = ArtifactCounts { files, bytes, troubles, removed_at: None };
        if let Some(attempt) = self.job(number, job).attempts.last_mut() {
            attempt.artifacts = Some(counts);
        }
        self.touch(number);
    }

    /// They were removed to make room.
    pub(crate) fn remove_files(&mut self, number: u64, at: Timestamp) {
        for file in self.artifacts.entry(number).or_default() {
            file.view.removed_at = Some(at);
        }
        let jobs = self.builds.get_mut(&number).into_iter().flat_map(|view| &mut view.jobs);
        for known in jobs.flat_map(|job| &mut job.attempts).filter_map(|attempt| attempt.artifacts.as_mut()) {
            known.removed_at = Some(at);
        }
        self.touch(number);
    }

    /// Without an attempt: those of the newest one of each job.
    fn artifacts_of(&self, number: u64, job: Option<&str>, attempt: Option<u32>) -> impl Iterator<Item = &Artifact> {
        let newest = move |name: &str| {
            let jobs = &self.builds.get(&number)?.jobs;
            jobs.iter().find(|job| job.name == name)?.attempts.last().map(|attempt| attempt.number)
        };
        let of_job = move |file: &&Artifact| job.is_none_or(|job| file.view.job == job);
        let wanted = move |file: &&Artifact| Some(file.view.attempt) == attempt.or_else(|| newest(&file.view.job));
        self.artifacts.get(&number).into_iter().flatten().filter(of_job).filter(wanted)
    }

    pub(super) fn artifacts_page(
        &self,
        number: u64,
        job: Option<&str>,
        attempt: Option<u32>,
        (offset, limit): (u64, u32),
    ) -> Result<Response, Refusal> {
        let Some(view) = self.builds.get(&number) else {
            return Err(Refusal::new(RefusalCode::NotFound, format!("there is no build {number}")));
        };
        if let Some(name) = job.filter(|name| view.jobs.iter().all(|job| job.name != *name)) {
            return Err(Refusal::new(RefusalCode::NotFound, format!("build {number} has no job {name}")));
        }
        let all: Vec<&Artifact> = self.artifacts_of(number, job, attempt).collect();
        let jobs = view.jobs.iter().filter(|view| job.is_none_or(|job| view.name == job));
        let known = jobs.filter_map(|job| Some((&job.name, job.attempts.last()?.artifacts.as_ref()?)));
        let troubles = known.flat_map(|(job, known)| known.troubles.iter().map(move |words| format!("{job}: {words}")));
        let window = all.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(limit as usize);
        Ok(Response::Artifacts {
            artifacts: ArtifactsPage {
                build: number,
                total: all.len() as u64,
                bytes: all.iter().map(|file| file.view.bytes).sum(),
                offset,
                artifacts: window.map(|file| file.view.clone()).collect(),
                troubles: troubles.collect(),
            },
        })
    }

    pub(super) fn read_artifact(
        &self,
        of: &AttemptId,
        number: u32,
        from: u64,
        limit: u32,
    ) -> Result<Response, Refusal> {
        if self.stuck_from.is_some_and(|stuck| from >= stuck) {
            return Err(Refusal::new(RefusalCode::Unavailable, "not just now"));
        }
        let mut files = self.artifacts_of(of.build, Some(&of.job), Some(of.attempt));
        let file = files.find(|file| file.view.number == number && file.view.removed_at.is_none());
        let Some(file) = file.filter(|_| limit <= 1 << 20) else {
            return Err(Refusal::new(RefusalCode::NotFound, "there is no such file any more"));
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(file.bytes.len());
        let end = file.bytes.len().min(from + limit as usize);
        Ok(Response::Artifact { bytes: STANDARD.encode(&file.bytes[from..end]) })
    }
}
