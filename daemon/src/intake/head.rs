//! A retry on the newest commit: what a build was made of (branch, tag, pull request) is looked up anew, and a build is made
//! of what is found. A delivery of our own, worked on like a webhook. Must not know who asks.

use super::planning::{self, PATIENCE};
use super::{Intake, made, not_listed};
use crate::clock;
use crate::event::{self, BuildRequest, Sha, clean};
use crate::failpoint;
use crate::git::{Commit, GitError};
use crate::spec;
use crate::store::{HeadRetry, StoreError};

/// Makes the build, or settles the delivery with the reason why there is none.
pub(super) async fn settle(intake: &Intake, delivery: &str, body: &str) -> anyhow::Result<()> {
    match request(intake, body).await? {
        Ok(request) => match intake.config.repository(&request.repository) {
            Some(entry) => made(planning::make_build(intake, delivery, request, entry).await),
            None => ignore(intake, delivery, &not_listed(&intake.config, &request).unwrap_or_default()).await,
        },
        Err(reason) => ignore(intake, delivery, &reason).await,
    }
}

async fn ignore(intake: &Intake, delivery: &str, reason: &str) -> anyhow::Result<()> {
    Ok(intake.store.ignore_delivery(delivery, reason, clock::now()).await?)
}

/// The inner error says in one sentence why there is nothing to build.
async fn request(intake: &Intake, body: &str) -> anyhow::Result<Result<BuildRequest, String>> {
    let Ok(retry) = serde_json::from_str::<HeadRetry>(body) else {
        return Ok(Err("not understood any more".to_owned()));
    };
    let mut request = match intake.store.build(retry.build).await {
        Ok(build) => build.facts.request,
        Err(StoreError::Missing { .. }) => return Ok(Err(format!("build {} is not kept any more", retry.build))),
        Err(error) => return Err(error.into()),
    };
    let Some(entry) = intake.config.repository(&request.repository) else {
        return Ok(Err(not_listed(&intake.config, &request).unwrap_or_default()));
    };
    match &entry.clone_url {
        Some(clone_url) => request.clone_url.clone_from(clone_url),
        // The entry may have named it when that build was made; a webhook may name nothing but https.
        None if !request.clone_url.starts_with("https://") => {
            let url = clean(&request.clone_url, 200);
            return Ok(Err(format!("the configuration does not name {url} any more: write clone_url into the entry")));
        }
        None => {}
    }
    let tip = match tip(intake, &request).await? {
        Ok(Some(tip)) => tip,
        Ok(None) => {
            return Ok(Err(format!(
                "{} is not in the repository any more: there is no newest commit to build",
                clean(&request.r#ref, 200)
            )));
        }
        Err(reason) => return Ok(Err(reason)),
    };
    failpoint::reached!("head.tip");
    let Some(tip) = Sha::parse(&tip) else {
        return Ok(Err(format!("the server names {} as the newest commit", clean(&tip, 100))));
    };
    if request.sha != tip.as_str() {
        request.sha = tip.as_str().to_owned();
        // Who wrote the new commits is not known; who wanted them built is.
        request.author = clean(&retry.by, 100);
        request.commit_count = 1;
        // A pull request keeps its title.
        if request.pull_request.is_none() {
            let commit = Commit { clone_url: &request.clone_url, sha: &request.sha, reference: &request.r#ref };
            if let Ok(looked) = intake.git.look(commit, spec::FILE, spec::MOST_BYTES as u64).await {
                request.title = event::title(&looked.message);
            }
        }
    }
    Ok(Ok(request))
}

/// The inner error is the server's, after some patience with it.
async fn tip(intake: &Intake, request: &BuildRequest) -> anyhow::Result<Result<Option<String>, String>> {
    let mut tries = PATIENCE.into_iter();
    loop {
        match intake.git.tip(&request.clone_url, &request.r#ref).await {
            Ok(tip) => return Ok(Ok(tip)),
            Err(error @ (GitError::Command { .. } | GitError::TooSlow { .. })) => {
                let Some(pause) = tries.next() else {
                    return Ok(Err(format!("the newest commit is not known: {error}")));
                };
                tracing::warn!(reference = request.r#ref, %error, "trying again in {} s", pause.as_secs());
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
