//! A queue of twenty thousand jobs: how long its pages take, and whether a job's way from the queue to its end depends on
//! how many wait.

use std::time::{Duration, Instant};

use serde_json::json;
use windlass_protocol::live::{BuildFilter, ClientMessage, ServerMessage, Topic};
use windlass_tests::live::{Live, Told};
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository, wait_for};

use crate::{Goal, Row, median, ms, percentile};

const BUILDS: usize = 2_000;
const JOBS_EACH: usize = 10;
/// The builds come in over several repositories, as they would.
const REPOSITORIES: usize = 4;
const PAGES: u32 = 200;
const FEW: usize = 40;
/// Jobs that run one after the other while their pace is taken.
const PACE: u64 = 300;
/// The pace is the median over stretches of so many jobs.
const STRETCH: u64 = 10;
const FILLED: Duration = Duration::from_secs(600);

pub(crate) fn twenty_thousand() -> Vec<Row> {
    let (few, _) = pace(FEW);
    let (many, mut pages) = pace(BUILDS);
    vec![
        Row {
            what: "a page of 50 builds, 20,000 jobs waiting, p99",
            measured: percentile(&mut pages.builds, 99),
            unit: "ms",
            reference: None,
            goal: Goal::AtMost(50.0),
        },
        Row {
            what: "the queue's page, 20,000 jobs waiting, p99",
            measured: percentile(&mut pages.queue, 99),
            unit: "ms",
            reference: None,
            goal: Goal::AtMost(50.0),
        },
        Row {
            what: "job after job, 20,000 waiting",
            measured: many,
            unit: "ms",
            reference: Some(("400 waiting", few)),
            goal: Goal::AtMost(1.5),
        },
    ]
}

#[derive(Default)]
struct Pages {
    builds: Vec<f64>,
    queue: Vec<f64>,
}

/// Fills a queue with so many builds behind one gate, measures pages, opens the gate, and takes the pace of what follows:
/// milliseconds a job.
fn pace(builds: usize) -> (f64, Pages) {
    let repositories: Vec<Repository> =
        (0..REPOSITORIES).map(|number| Repository::new(&format!("acme/app{number}"))).collect();
    let mut options = DaemonOptions::local().jobs(1);
    for repository in &repositories {
        options = options.with(repository);
    }
    let gate = repositories[0].meeting_point().join("open");
    let daemon = Daemon::start(&options);
    let gated = format!("execute: ['until [ -e {} ]; do sleep 0.02; done']\n", gate.display());
    let first = repositories[0].commit("gate", &[(".windlass.yml", gated)], "the gate");
    let number = daemon.push(&repositories[0], &first);
    daemon.wait_until(number, "running", |build| build.status() == "running");

    // Jobs leave a byte each: how many have run is told by a file, not by a daemon that has to be asked.
    let ran = repositories[0].meeting_point().join("ran");
    let leave = format!("printf x >>{}", ran.display());
    let jobs: String = (0..JOBS_EACH).map(|job| format!("  j{job}: {{ execute: ['{leave}'] }}\n")).collect();
    let spec = format!("jobs:\n{jobs}");
    let heads: Vec<_> =
        repositories.iter().map(|repository| repository.commit("main", &[(".windlass.yml", &spec)], "jobs")).collect();
    for number in 0..builds {
        let of = number % REPOSITORIES;
        daemon.accept(&Delivery::push(&repositories[of], &heads[of]).changed(|body| body["unique"] = json!(number)));
    }
    let waiting = builds * JOBS_EACH;
    wait_for("the queue is filled", FILLED, || {
        let queue = daemon.json(&["queue"]);
        if queue["waiting"].as_u64() == Some(waiting as u64) { Ok(()) } else { Err(queue["waiting"].clone()) }
    });

    let mut pages = Pages::default();
    let mut live = Live::unix(&daemon);
    live.hello();
    for sub in 1..=PAGES {
        let offset = u64::from(sub) * 7 % builds as u64;
        let filter = BuildFilter::default();
        pages.builds.push(page(&mut live, sub, Topic::Builds { filter, offset, limit: 50 }));
        pages.queue.push(page(&mut live, PAGES + sub, Topic::Queue));
    }
    drop(live);

    let have_run = || std::fs::metadata(&ran).map_or(0, |seen| seen.len());
    std::fs::write(&gate, "").expect("a file");
    let (mut paces, mut last) = (Vec::new(), (Instant::now(), 0));
    let most = PACE.min(waiting as u64);
    wait_for("jobs have run", FILLED, || {
        let now = (Instant::now(), have_run());
        if now.1 - last.1 >= STRETCH {
            paces.push(ms(now.0 - last.0) / (now.1 - last.1) as f64);
            last = now;
        }
        if now.1 >= most { Ok(()) } else { Err(now.1) }
    });
    // The first stretch holds the wait for the gate itself.
    if paces.len() > 1 {
        paces.remove(0);
    }
    (median(paces), pages)
}

/// From the subscription to its first message.
fn page(live: &mut Live, sub: u32, topic: Topic) -> f64 {
    let start = Instant::now();
    live.say(&ClientMessage::Subscribe { sub, topic, after: None });
    live.until("a page", |told| match told {
        Told::Message(message) => match &**message {
            ServerMessage::Builds { sub: of, .. } | ServerMessage::Queue { sub: of, .. } => (*of == sub).then_some(()),
            _ => None,
        },
        _ => None,
    });
    let took = ms(start.elapsed());
    live.say(&ClientMessage::Unsubscribe { sub });
    took
}
