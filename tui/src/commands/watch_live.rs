//! `windlass watch` on a terminal: the build as a tree that changes where it stands, until it has ended; the last tree stays.
//! Must not know what a tree looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use windlass_protocol::id::{Address, AttemptId};
use windlass_protocol::live::{LogWindow, ServerMessage, Sub, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildView, Status};

use super::output::Output;
use super::redraw::Redraw;
use super::session::{Session, find_job};
use super::tree::{self, Look};
use crate::exit::Failure;
use crate::link::LinkEvent;
use crate::safe_text::{Sgr, log_line};
use crate::screens::ascii;

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// How long a spinner stands still.
const TURN: Duration = Duration::from_millis(200);
/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(50);
/// The logs of so many jobs at once are looked at.
const LOGS: usize = 16;
const BUILD: Sub = 1;

struct Watching<'a> {
    address: &'a Address,
    view: Option<Box<BuildView>>,
    /// Whose log each subscription is of.
    logs: BTreeMap<Sub, AttemptId>,
    next_sub: Sub,
    /// Those that could not be looked at.
    refused: BTreeSet<AttemptId>,
    /// The last line of each job that runs.
    tails: BTreeMap<String, String>,
    trouble: Option<String>,
    redraw: Redraw,
    /// The terminal shows nothing else.
    ascii: bool,
    began: (Timestamp, Instant),
}

/// Follows a build until it, or the job that the address names, is finished.
pub(super) async fn until_ended(
    address: &Address,
    session: &mut Session,
    output: &mut Output,
) -> Result<BuildView, Failure> {
    let mut watching = Watching {
        address,
        view: None,
        logs: BTreeMap::new(),
        next_sub: BUILD + 1,
        refused: BTreeSet::new(),
        tails: BTreeMap::new(),
        trouble: None,
        redraw: Redraw::default(),
        ascii: ascii::wanted(|name| std::env::var(name).ok()),
        began: (session.now(), Instant::now()),
    };
    session.subscribe_as(BUILD, Topic::Build { number: address.build });
    let mut turn = tokio::time::interval(TURN);
    let mut painted: Option<tokio::time::Instant> = None;
    let mut dirty = false;
    loop {
        let frame = dirty.then(|| painted.map_or_else(tokio::time::Instant::now, |at| at + FRAME));
        tokio::select! {
            () = until(frame) => {
                watching.paint(output, false)?;
                (painted, dirty) = (Some(tokio::time::Instant::now()), false);
            }
            _ = turn.tick() => dirty = true,
            event = session.next() => {
                watching.hear(event?)?;
                watching.follow(session);
                dirty = true;
                if watching.ended()? {
                    watching.paint(output, true)?;
                    if let Some(view) = watching.view {
                        return Ok(*view);
                    }
                }
            }
        }
    }
}

async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Watching<'_> {
    fn hear(&mut self, event: LinkEvent) -> Result<(), Failure> {
        match event {
            LinkEvent::Message(message) => match *message {
                ServerMessage::Build { sub: BUILD, build, .. } => {
                    self.view = Some(build);
                    self.refused.clear();
                }
                ServerMessage::Ended { sub: BUILD, refusal } => return Err(refusal.into()),
                ServerMessage::Ended { sub, .. } => {
                    // There is no log yet, or none any more: asked again when something changed.
                    self.refused.extend(self.logs.remove(&sub));
                }
                _ => {}
            },
            LinkEvent::Log(LogFrame::Lines { sub, lines, .. }) => {
                let mut text = lines.iter().map(|line| log_line(&line.bytes, &mut Sgr::default()));
                let last = text.rfind(|line| !line.as_str().trim().is_empty());
                if let (Some(id), Some(last)) = (self.logs.get(&sub), last) {
                    self.tails.insert(id.job.clone(), last.as_str().to_owned());
                }
            }
            LinkEvent::Lost { error, .. } => self.trouble = Some(format!("no daemon, trying again: {error}")),
            LinkEvent::Connected(_) => self.trouble = None,
            LinkEvent::Log(_) => {}
        }
        Ok(())
    }

    /// Looks at the logs of what runs, and no longer at those of what does not.
    fn follow(&mut self, session: &mut Session) {
        let Some(view) = &self.view else { return };
        let number = view.build.number;
        let wanted = |name: &str| self.address.job.as_ref().is_none_or(|job| job == name);
        let running = view.jobs.iter().filter(|job| job.status == Status::Running && wanted(&job.name));
        let running = running.filter_map(|job| {
            let attempt = job.attempts.last()?;
            Some(AttemptId { build: number, job: job.name.clone(), attempt: attempt.number })
        });
        let running: Vec<AttemptId> = running.filter(|id| !self.refused.contains(id)).take(LOGS).collect();
        self.logs.retain(|sub, id| {
            let stays = running.contains(id);
            if !stays {
                session.unsubscribe(*sub);
                self.tails.remove(&id.job);
            }
            stays
        });
        for id in running {
            if !self.logs.values().any(|known| *known == id) {
                let window = LogWindow::Tail { count: 3 };
                session.subscribe_as(self.next_sub, Topic::Log { log: id.clone(), window });
                self.logs.insert(self.next_sub, id);
                self.next_sub += 1;
            }
        }
    }

    fn ended(&self) -> Result<bool, Failure> {
        let Some(view) = &self.view else { return Ok(false) };
        let status = match &self.address.job {
            Some(_) => find_job(view, self.address)?.status,
            None => view.build.status,
        };
        Ok(status == Status::Finished)
    }

    /// Paints what fits; at the end everything.
    fn paint(&mut self, output: &mut Output, whole: bool) -> Result<(), Failure> {
        let Some(view) = &self.view else { return Ok(()) };
        let (columns, height) = crossterm::terminal::size().map_or((80, 24), |(columns, rows)| (columns, rows));
        let (columns, height) = (usize::from(columns.max(1)), usize::from(height.max(2)));
        let passed = self.began.1.elapsed();
        let now = Timestamp(self.began.0.0.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(0)));
        let (job, trouble) = (self.address.job.as_deref(), self.trouble.as_deref());
        let rows = tree::rows(view, &Look { job, tails: &self.tails, trouble, now });
        let rows = if whole { rows } else { tree::fitted(rows, height - 1) };
        let turn = usize::try_from(passed.as_millis() / TURN.as_millis()).unwrap_or(0) % SPINNER.len();
        let spinner = if self.ascii { ['|', '/', '-', '\\'][turn % 4] } else { SPINNER[turn] };
        let lines = rows.iter().map(|row| row.line(columns, Some(spinner)));
        let lines = lines.map(|line| if self.ascii { line.in_ascii() } else { line });
        let painted = lines.map(|line| output.painted(&line)).collect();
        let bytes = self.redraw.frame(painted, columns, height);
        output.raw(bytes.as_bytes())?;
        output.flush()
    }
}
