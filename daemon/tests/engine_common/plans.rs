//! Plans and a source for stories about engines. Must not know which engine they are for.

use std::collections::BTreeMap;
use std::path::Path;

use windlass_daemon::engine::Source;
use windlass_daemon::plan::{
    AttemptPlan, Command, JobPlan, Network, Pull, Reports, Resources, Retry, StepPlan, Transport,
};

/// A job with these scripts as its steps.
pub(crate) fn plan(job: &str, image: Option<&str>, scripts: &[&str]) -> AttemptPlan {
    let step = |(index, script): (usize, &&str)| StepPlan {
        name: format!("step {index}"),
        run: Command::Script((*script).to_owned()),
        timeout_ms: None,
    };
    AttemptPlan {
        id: format!("1/{job}#1").parse().expect("an attempt's id"),
        job: JobPlan {
            name: job.to_owned(),
            needs: Vec::new(),
            image: image.map(str::to_owned),
            environment: BTreeMap::new(),
            steps: scripts.iter().enumerate().map(step).collect(),
            timeout_ms: 600_000,
            network: Network::None,
            resources: Resources::default(),
            finally: Vec::new(),
            finally_timeout_ms: 0,
            pull: Pull::default(),
            retry: Retry::default(),
            reports: Reports::default(),
            artifacts: Vec::new(),
        },
        environment: BTreeMap::from([("CI".to_owned(), "true".to_owned())]),
        grace_ms: 2000,
        artifact_bytes: 1 << 30,
        transport: Transport::Stdout,
        workspace: String::new(),
        token: "token".to_owned(),
    }
}

/// A source with one file, `hello.txt`.
pub(crate) fn source(folder: &Path) -> Source {
    let archive = folder.join("source.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&archive).expect("made"));
    let content = b"hello from the source\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, "hello.txt", &content[..]).expect("appended");
    builder.into_inner().expect("ended");
    Source { archive }
}
