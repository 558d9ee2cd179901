//! The queue at one moment, read once for a whole view however many jobs wait in it. Must not change anything.

use std::collections::HashMap;

use windlass_protocol::id::{AttemptId, JobId};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Estimate, Pause, WaitingFor};

use super::App;
use super::reasons::{self, Away, Group, Holds, Outlook};
use super::wiring::{self, History};
use crate::clock;
use crate::state::attempt::State;
use crate::store::{Attempt, OpenAttempt, QueueCounts, StoreError};

pub(super) struct Snapshot {
    pub(super) now: Timestamp,
    pub(super) counts: QueueCounts,
    pub(super) limit: u64,
    pub(super) pauses: Vec<Pause>,
    away: Option<Away>,
    room: Option<(u64, u64)>,
    history: History,
    outlook: Outlook,
}

/// Of one job of a build: what the build and the job know themselves.
pub(super) struct Asked<'a> {
    pub(super) repository: &'a str,
    pub(super) group: Option<&'a Group>,
    pub(super) needs: Vec<String>,
    pub(super) ahead: Option<u64>,
}

impl Snapshot {
    /// Without history: for rows, which tell no estimates.
    pub(super) async fn for_rows(app: &App) -> Result<Self, StoreError> {
        let now = clock::now();
        Ok(Self {
            now,
            counts: app.store.queue_counts().await?,
            limit: app.config.limits.jobs,
            pauses: wiring::pauses(app).await?,
            away: wiring::away(app),
            room: wiring::room(app),
            history: History::default(),
            outlook: Outlook::new(now, 0, &[], None),
        })
    }

    /// With what is needed to tell when the jobs of these repositories will start.
    pub(super) async fn read(app: &App, repositories: &[&str]) -> Result<Self, StoreError> {
        let mut snapshot = Self::for_rows(app).await?;
        // What holds a slot comes first there.
        let slots = u32::try_from(snapshot.counts.taken.min(u64::from(super::view::PAGE_CAP))).unwrap_or(0);
        let running = if slots == 0 { Vec::new() } else { app.store.open_attempts(slots).await? };
        snapshot.look_ahead(app, &running, repositories).await?;
        Ok(snapshot)
    }

    /// The same, where all that is open has been read already.
    pub(super) async fn of_open(app: &App, open: &[OpenAttempt]) -> Result<Self, StoreError> {
        let mut snapshot = Self::for_rows(app).await?;
        snapshot.look_ahead(app, open, &[]).await?;
        Ok(snapshot)
    }

    async fn look_ahead(&mut self, app: &App, open: &[OpenAttempt], more: &[&str]) -> Result<(), StoreError> {
        let repositories = open.iter().map(|open| open.repository.as_str()).chain(more.iter().copied());
        self.history = wiring::history(app, repositories).await?;
        let running: Vec<(Timestamp, Option<u64>)> = open
            .iter()
            .filter(|open| matches!(open.attempt.state, State::Claimed | State::Running))
            .map(|open| {
                let takes = self.history.median(&open.repository, &open.attempt.id.job);
                (open.attempt.started_at.unwrap_or(self.now), takes)
            })
            .collect();
        self.outlook = Outlook::new(self.now, self.limit, &running, self.history.typical());
        Ok(())
    }

    /// Why an attempt waits, and what there is to tell of when it starts and how long it takes.
    pub(super) fn of_attempt(
        &self,
        app: &App,
        attempt: &Attempt,
        asked: Asked<'_>,
    ) -> (Option<WaitingFor>, Option<Estimate>) {
        if attempt.state == State::Finished {
            return (None, None);
        }
        let takes = self.history.median(asked.repository, &attempt.id.job);
        let holds = Holds {
            back_off: wiring::back_off(attempt),
            pulling: (attempt.state == State::Claimed).then(|| wiring::pulling(app, &attempt.id)).flatten(),
            engine: attempt.site.as_ref().map(|site| site.engine.clone()),
            ..self.holds(asked)
        };
        let reason = reasons::waiting_for(attempt.state, holds, self.now);
        let estimate = reasons::estimate(reason.as_ref(), &self.outlook, takes);
        (reason, estimate)
    }

    /// What holds a job, as far as everybody is held by it.
    pub(super) fn holds<'a>(&'a self, asked: Asked<'a>) -> Holds<'a> {
        Holds {
            group: asked.group,
            needs: asked.needs,
            paused: reasons::paused(&self.pauses, asked.repository),
            away: self.away.as_ref(),
            room: self.room,
            ahead: asked.ahead,
            slots: (self.counts.taken, self.limit),
            ..Holds::default()
        }
    }
}

/// How many start before each of what is open.
pub(super) fn positions(open: &[OpenAttempt]) -> HashMap<AttemptId, u64> {
    // Wiring (queue): `waiting.positions(open)` knows the fair order; until then it is the order in which they are read.
    let waiting = open.iter().filter(|open| open.attempt.state == State::Waiting);
    waiting.zip(0..).map(|(open, ahead)| (open.attempt.id.clone(), ahead)).collect()
}

/// How many start before each waiting job of one build, in one read.
pub(super) async fn places(app: &App, waiting: &[AttemptId]) -> Result<HashMap<JobId, u64>, StoreError> {
    // Wiring (queue): `store.places(build, build, now)` with `waiting.position(place)`; until then what waits of a build is
    // taken to stand together.
    let Some(first) = waiting.first() else { return Ok(HashMap::new()) };
    let ahead = app.store.ahead_of(first).await?;
    Ok(waiting.iter().zip(ahead..).map(|(id, ahead)| (id.job_id(), ahead)).collect())
}
