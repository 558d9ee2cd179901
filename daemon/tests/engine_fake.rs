//! Fault scripts against a fake engine on a Unix socket: whatever it does, a job ends in a typed outcome in bounded time, or
//! says why it waits, and leaves nothing. Scheduler, executor, engine, log and database are the real ones.

#[path = "engine_fake/engine.rs"]
mod engine;
#[path = "engine_fake/faults.rs"]
mod faults;
#[path = "engine_fake/http.rs"]
mod http;
#[path = "engine_fake/inside.rs"]
mod inside;
#[path = "engine_common/plans.rs"]
mod plans;
#[path = "engine_fake/stream.rs"]
mod stream;
#[path = "engine_fake/story.rs"]
mod story;

use futures_util::StreamExt as _;
use serde_json::json;
use windlass_daemon::engine::TroubleKind::{Away, Fault as Faulty, Late, Nonsense, RateLimit, Registry};
use windlass_daemon::plan::Pull;
use windlass_protocol::view::Outcome::{Broken, Cancelled, Failed, OutOfMemory, Passed};

use engine::DIGEST;
use faults::{Call, Fault, always, once, though_done};
use inside::{Act, ended, good_day, output, ready, report, started};
use story::{Meanwhile, Script};

/// Scripts at once: most of their time they wait.
const AT_ONCE: usize = 8;

async fn play(scripts: Vec<Script>) {
    let all = scripts.len();
    let played = futures_util::stream::iter(scripts)
        .map(|script| async move { script.play().await.map_err(|why| format!("{}: {why}", script.name)) })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    let failed: Vec<_> = played.await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} of {all} scripts:\n{}", failed.len(), failed.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_good_day_a_job_passes() {
    let real = || Script::new("the real runner", vec![]).acts(vec![Act::Runner]);
    play(vec![
        Script::new("played frames", vec![]).logs("hello\n"),
        Script::new("played frames over standard output", vec![]).over_stdout().logs("hello\n"),
        real().runs("echo from a real runner").logs("from a real runner\n"),
        real().runs("echo from a real runner").over_stdout().logs("from a real runner\n"),
        real().runs("exit 7").ends(Failed, "exit code 7"),
        real().runs("echo up; sleep 600").meanwhile(Meanwhile::Cancel { force: false }).ends(Cancelled, "by ann"),
        Script::new("an image that has to be pulled", vec![])
            .pulls(vec![json!({ "id": "aa", "status": "Downloading", "progressDetail": { "current": 1, "total": 2 } })])
            .logs(DIGEST),
    ])
    .await;
}
