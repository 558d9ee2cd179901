//! A client over the live socket that looks at the newest builds and follows every log from its first byte to its last,
//! through all kills. Must not know who kills.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{BuildFilter, ClientMessage, Request, Response, ServerMessage, Sub, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::view::{BuildView, Status};

use super::ledger::{Ledger, Shared};
use super::load::Place;
use crate::live::{Live, Told};
use crate::wait::came_true;

/// Between two looks at the list of builds.
const LOOK: Duration = Duration::from_millis(150);
/// Older ones are asked for one by one, as long as there is something to follow.
const NEWEST: u32 = 60;

/// Follows until all is over, over as many connections as it takes.
pub(super) fn follow(place: &Place, shared: &Shared) {
    while !shared.is_over() {
        match Live::at(&place.socket) {
            Ok(live) => Client { live, shared, subs: BTreeMap::new(), next: 1 }.run(),
            Err(_) => drop(came_true(Duration::from_millis(20), || shared.is_over())),
        }
    }
}

struct Client<'a> {
    live: Live,
    shared: &'a Shared,
    subs: BTreeMap<Sub, AttemptId>,
    next: Sub,
}

impl Client<'_> {
    /// To the connection's end.
    fn run(mut self) {
        let mut looked: Option<Instant> = None;
        while !self.shared.is_over() {
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                let newest = Request::Builds { filter: BuildFilter::default(), offset: 0, limit: NEWEST };
                let older = self.shared.unfollowed(NEWEST as usize).into_iter().map(|number| Request::Build { number });
                for request in older.chain([newest]) {
                    if !self.live.try_say(&ClientMessage::Request { id: 1, request }) {
                        return;
                    }
                }
            }
            match self.live.next(LOOK / 3) {
                None => {}
                Some(Told::Closed) => return,
                Some(Told::Log(frame)) => self.bytes(&frame),
                Some(Told::Message(message)) => self.take(*message),
            }
        }
    }

    fn bytes(&self, frame: &LogFrame) {
        let LogFrame::Bytes { sub, offset, bytes } = frame else { return };
        let Some(id) = self.subs.get(sub) else { return };
        self.shared.note(|ledger| {
            let log = ledger.followed.entry(id.clone()).or_default();
            let (have, finished) = (log.bytes.len() as u64, log.finished);
            log.bytes.extend_from_slice(bytes);
            if *offset != have || finished {
                ledger
                    .faults
                    .push(format!("{id}: bytes came for offset {offset}, {have} were there (finished: {finished})"));
            }
        });
    }

    fn take(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Response { response: Response::Builds { builds, .. }, .. } => {
                for build in &builds {
                    self.look_at(build);
                }
                self.shared.show(builds);
            }
            ServerMessage::Response { response: Response::Build { build }, .. } => {
                self.look_at(&build);
                self.shared.show(vec![*build]);
            }
            ServerMessage::LogHead { sub, head } if head.finished => {
                let Some(id) = self.subs.remove(&sub) else { return };
                self.shared.note(|ledger| {
                    let log = ledger.followed.entry(id.clone()).or_default();
                    log.finished = true;
                    let have = log.bytes.len() as u64;
                    if have != head.bytes {
                        ledger.faults.push(format!("{id}: its end was told after {have} of {} bytes", head.bytes));
                    }
                });
            }
            // It is asked for again at the next look.
            ServerMessage::Ended { sub, .. } => drop(self.subs.remove(&sub)),
            _ => {}
        }
    }

    fn look_at(&mut self, build: &BuildView) {
        for job in &build.jobs {
            for attempt in &job.attempts {
                let id = AttemptId { build: build.build.number, job: job.name.clone(), attempt: attempt.number };
                let outcome = attempt.outcome.map(|outcome| outcome.word());
                self.shared.note(|ledger| seen(ledger, &id, outcome));
                let begun = attempt.started_at.is_some() || attempt.status == Status::Finished;
                if !begun || self.subs.values().any(|followed| *followed == id) {
                    continue;
                }
                let (from, finished) = self.shared.followed(&id);
                if !finished {
                    let (sub, topic) = (self.next, Topic::LogBytes { log: id.clone(), from });
                    self.next += 1;
                    if self.live.try_say(&ClientMessage::Subscribe { sub, topic, after: None }) {
                        self.subs.insert(sub, id);
                    }
                }
            }
        }
    }
}

/// What was over once stays over, and as it was.
fn seen(ledger: &mut Ledger, id: &AttemptId, outcome: Option<&'static str>) {
    match (ledger.ends.get(id), outcome) {
        (None, Some(outcome)) => drop(ledger.ends.insert(id.clone(), outcome.to_owned())),
        (Some(before), now) if Some(before.as_str()) != now => {
            ledger.faults.push(format!("{id}: was {before}, and later {}", now.unwrap_or("not finished")));
        }
        _ => {}
    }
}
