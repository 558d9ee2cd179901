//! The queue at one moment, read once for a whole view however many jobs wait in it. Must not change anything.

use std::collections::HashMap;
use std::sync::Arc;

use windlass_protocol::id::{AttemptId, JobId};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Estimate, Pause, WaitingFor};

use super::App;
use super::reasons::{self, Away, Group, Holds, Outlook, Pulling};
use crate::clock;
use crate::config::{Config, Repository};
use crate::engine::Engine as _;
use crate::state::attempt::State;
use crate::store::{Attempt, History, OpenAttempt, QueueCounts, StoreError, StoredPause, Waiting};

pub(super) struct Snapshot {
    pub(super) now: Timestamp,
    pub(super) counts: QueueCounts,
    pub(super) limit: u64,
    pub(super) pauses: Vec<Pause>,
    /// The fair order.
    waiting: Waiting,
    config: Arc<Config>,
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
        let away = app.engines.away();
        let engine: Vec<&str> = away.iter().map(|away| away.engine).collect();
        let waiting = app.store.waiting(now, &engine).await?;
        Ok(Self {
            now,
            counts: waiting.counts,
            limit: app.config.limits.jobs,
            pauses: waiting.pauses.iter().cloned().map(told).collect(),
            waiting,
            config: Arc::clone(&app.config),
            away: away.map(|away| Away { engine: away.engine.to_owned(), since: away.since, why: away.why }),
            room: app.room.is_tight(),
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
        self.history = app.store.history(repositories).await?;
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
            back_off: back_off(attempt.not_before, attempt.because.as_deref()),
            pulling: (attempt.state == State::Claimed).then(|| pulling(app, &attempt.id)).flatten(),
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
            away: self.away.as_ref().filter(|away| self.runs_on(asked.repository, &away.engine)),
            room: self.room,
            ahead: asked.ahead,
            slots: (self.counts.taken, self.limit),
            ..Holds::default()
        }
    }

    fn runs_on(&self, repository: &str, engine: &str) -> bool {
        self.config.repository(repository).map(Repository::engine_kind) == Some(engine)
    }

    /// How many start before each of what is open, of what can start.
    pub(super) fn positions(&self, open: &[OpenAttempt]) -> HashMap<AttemptId, u64> {
        let positions = self.waiting.positions(open);
        open.iter().zip(positions).filter_map(|(open, ahead)| Some((open.attempt.id.clone(), ahead?))).collect()
    }

    /// How many start before each waiting job of one build, in one read.
    pub(super) async fn places(&self, app: &App, build: u64) -> Result<HashMap<JobId, u64>, StoreError> {
        let places = app.store.places(build, build, self.now).await?;
        Ok(places.into_iter().filter_map(|(job, place)| Some((job, self.waiting.position(&place)?))).collect())
    }
}

/// What is paused now: the whole queue first.
pub(super) async fn pauses(app: &App) -> Result<Vec<Pause>, StoreError> {
    Ok(app.store.pauses().await?.into_iter().map(told).collect())
}

fn told(pause: StoredPause) -> Pause {
    let StoredPause { repository, by, since, reason } = pause;
    Pause { repository, by, since, reason }
}

/// Until when an attempt is put off, and why there is this attempt.
pub(super) fn back_off(not_before: Timestamp, because: Option<&str>) -> Option<(Timestamp, String)> {
    (not_before.0 > 0).then(|| (not_before, because.unwrap_or_default().to_owned()))
}

fn pulling(app: &App, id: &AttemptId) -> Option<Pulling> {
    let progress = app.engines.pulling(id)?;
    Some(Pulling {
        image: progress.image,
        layers_done: progress.layers_done,
        layers: progress.layers,
        bytes: progress.bytes,
        total_bytes: progress.total_bytes,
    })
}
