//! Subscriptions to builds and the queue: read, send what differs from what was sent last, sleep until woken.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use windlass_protocol::cases::CaseFilter;
use windlass_protocol::live::{BuildFilter, ServerMessage, Sub};
use windlass_protocol::view::{BuildRow, Status};

use super::{End, Outbox};
use crate::http::reasons::moves_by_itself;
use crate::http::{App, view};
use crate::wake::Woken;

/// Between two looks at least this long, and twice as long as a look took: a storm of changes becomes a few messages, and
/// a client costs at most a third of one core's time.
const PAUSE: Duration = Duration::from_millis(5);

/// So often what moves without being told of is looked at: an image that is pulled, an engine that does not answer.
const MOVING: Duration = Duration::from_secs(1);

/// Sleeps until something changed since `looked`, but not too shortly after; not for long when something moves by itself.
async fn rest(woken: &mut Woken, looked: Instant, moving: bool) {
    tokio::time::sleep(PAUSE.max(looked.elapsed() * 2)).await;
    if moving {
        let _ = tokio::time::timeout(MOVING, woken.changed()).await;
    } else {
        woken.changed().await;
    }
}

pub(super) async fn builds(
    app: &App,
    outbox: &Outbox,
    sub: Sub,
    filter: &BuildFilter,
    offset: u64,
    limit: u32,
    after: Option<u64>,
) -> Result<(), End> {
    let mut woken = app.wake.subscribe();
    let mut sent: HashMap<u64, BuildRow> = HashMap::new();
    let mut last: Option<(u64, Vec<u64>)> = None;
    loop {
        woken.mark_seen();
        let looked = Instant::now();
        // Read before the rows: a row may be newer than the number says, never older. Changes are committed in the order of
        // their numbers, so whoever has the newest row has everything before it.
        let before = app.store.last_change().await?;
        let (total, rows) = view::build_rows(app, filter, offset, limit).await?;
        let seq = rows.iter().map(|row| row.seq).max().unwrap_or(0).max(before);
        let order: Vec<u64> = rows.iter().map(|row| row.number).collect();
        // On a resumed subscription to the newest builds: what finished and did not change since is known to the client.
        // Further down a build may have slid into the window meanwhile, so there everything is sent.
        let known = |row: &BuildRow| {
            let unchanged = row.status == Status::Finished && after.is_some_and(|after| row.seq <= after);
            last.is_none() && offset == 0 && unchanged
        };
        let changed: Vec<BuildRow> =
            rows.iter().filter(|row| sent.get(&row.number) != Some(*row) && !known(row)).cloned().collect();
        let window = (total, order);
        if !changed.is_empty() || last.as_ref() != Some(&window) {
            let order = window.1.clone();
            outbox.say(&ServerMessage::Builds { sub, seq, total, offset, order, changed }).await?;
        }
        sent = rows.into_iter().map(|row| (row.number, row)).collect();
        last = Some(window);
        rest(&mut woken, looked, false).await;
    }
}

pub(super) async fn build(app: &App, outbox: &Outbox, sub: Sub, number: u64, after: Option<u64>) -> Result<(), End> {
    let mut woken = app.wake.subscribe();
    let mut sent = None;
    loop {
        woken.mark_seen();
        let looked = Instant::now();
        let build = view::build_view(app, number).await?;
        let seq = build.build.seq;
        let known = sent.is_none() && build.build.status == Status::Finished && after.is_some_and(|after| seq <= after);
        if sent.as_ref() != Some(&build) && !known {
            outbox.say(&ServerMessage::Build { sub, seq, build: Box::new(build.clone()) }).await?;
        }
        let moving = build.jobs.iter().filter_map(|job| job.waiting_for.as_ref()).any(moves_by_itself);
        sent = Some(build);
        rest(&mut woken, looked, moving).await;
    }
}

pub(super) async fn tests(
    app: &App,
    outbox: &Outbox,
    sub: Sub,
    number: u64,
    filter: &CaseFilter,
    offset: u64,
    limit: u32,
) -> Result<(), End> {
    let mut woken = app.wake.subscribe();
    let mut sent = None;
    loop {
        woken.mark_seen();
        let looked = Instant::now();
        let tests = view::tests_page(app, number, filter, offset, limit).await?;
        if sent.as_ref() != Some(&tests) {
            outbox.say(&ServerMessage::Tests { sub, tests: tests.clone() }).await?;
        }
        sent = Some(tests);
        rest(&mut woken, looked, false).await;
    }
}

pub(super) async fn queue(app: &App, outbox: &Outbox, sub: Sub) -> Result<(), End> {
    let mut woken = app.wake.subscribe();
    let mut sent = None;
    loop {
        woken.mark_seen();
        let looked = Instant::now();
        let queue = view::queue_view(app).await?;
        if sent.as_ref() != Some(&queue) {
            outbox.say(&ServerMessage::Queue { sub, queue: queue.clone() }).await?;
        }
        let moving = queue.jobs.iter().filter_map(|job| job.waiting_for.as_ref()).any(moves_by_itself);
        sent = Some(queue);
        rest(&mut woken, looked, moving).await;
    }
}
