//! A job: its steps one after the other, up to the first that fails, then its `finally` steps whatever became of those;
//! limits; cancellation. Decides, and leaves doing to `family` (processes) and `pump` (bytes). Must not know system
//! calls or how frames look.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::collect::{self, Bounds, Found, Room};
use super::family::{self, Family};
use super::memory::Memory;
use super::outlet::Outlet;
use super::pump::{Carried, Pump, pipe};
use super::script::{self, Scripts};
use super::{Event, Failure, code, trouble};
use crate::frame::file::{FilePart, Purpose};
use crate::frame::{Body, How, StepEnd};
use crate::plan::{ARTIFACTS_TIMEOUT, AttemptPlan, MOST_REPORT, MOST_REPORT_BYTES, REPORTS_TIMEOUT, StepPlan};

/// What `finally` steps are told of how the steps before them ended: `passed`, `failed`, `timed_out`, `cancelled` or
/// `out_of_memory`.
const OUTCOME: &str = "WINDLASS_OUTCOME";

/// Runs a job whose plan has come and whose source is coming; returns the exit code.
pub(super) fn run(plan: AttemptPlan, tell: &Sender<Event>, events: Receiver<Event>) -> Result<u8, Failure> {
    if plan.job.steps.len() + plan.job.finally.len() > usize::from(u16::MAX) {
        return Err(Failure { code: code::BAD_FEED, words: "the plan has more steps than can be counted".to_owned() });
    }
    let pump = Outlet::open(&plan.transport)
        .and_then(|outlet| Pump::start(outlet, tell.clone()))
        .map_err(|error| trouble("cannot write frames", &error))?;
    let scripts = Scripts::new(plan.workspace.as_ref());
    let environment = script::environment(&plan, std::env::vars_os());
    let mut job = Job {
        events,
        pump,
        family: Family::default(),
        memory: Memory::find(),
        scripts,
        environment,
        terms: 0,
        limit: None,
        in_finally: false,
        unwanted_after: u32::MAX,
        unwanted: Arc::default(),
        plan: &plan,
    };
    job.run()
}

struct Job<'a> {
    plan: &'a AttemptPlan,
    events: Receiver<Event>,
    pump: Pump,
    family: Family,
    memory: Memory,
    scripts: Scripts,
    environment: BTreeMap<OsString, OsString>,
    /// How often the daemon asked for the end.
    terms: u32,
    /// For all steps together; later for all `finally` steps together.
    limit: Option<Limit>,
    /// The `finally` steps run: they are what a first TERM leads to, so only a second one stops them.
    in_finally: bool,
    /// More signals than these to end, and files that are being told are left out.
    unwanted_after: u32,
    unwanted: Arc<AtomicBool>,
}

/// When something has to be over.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at: Instant,
    limit_ms: u64,
    whole_job: bool,
}

/// What came of the steps.
#[derive(Debug, Default)]
struct Ended {
    /// The one that decided, if one did not pass.
    decided_by: Option<(u16, StepEnd)>,
    passed: usize,
}

/// A step is being stopped.
struct Stopping {
    how: How,
    kill_at: Instant,
}

impl Job<'_> {
    fn run(&mut self) -> Result<u8, Failure> {
        let ready = self.unpacked()?;
        let Ended { decided_by, passed } = if ready { self.steps()? } else { Ended::default() };
        // Also those of a step that passed, when TERM came before the next one.
        self.family.kill_all();
        // When TERM found nothing left to stop, it changed nothing.
        let complete = ready && passed == self.plan.job.steps.len();
        let cancelled = self.terms > 0 && !complete;
        let (code, outcome) = match decided_by.as_ref().map(|(_, end)| &end.how) {
            None if !cancelled => (code::PASSED, "passed"),
            None | Some(How::Cancelled) => (code::CANCELLED, "cancelled"),
            Some(How::TimedOut { .. }) => (code::TIMED_OUT, "timed_out"),
            Some(How::Exited(_) | How::Signalled(_) | How::NotStarted(_)) => (code::FAILED, "failed"),
        };
        if ready {
            let out_of_memory = decided_by.as_ref().is_some_and(|(_, end)| end.out_of_memory);
            self.finally(if out_of_memory { "out_of_memory" } else { outcome })?;
        }
        if ready {
            self.files()?;
        }
        self.pump.finish(decided_by, cancelled, self.memory.peak());
        self.wait_for(|event| matches!(event, Event::Done))?;
        Ok(code)
    }

    /// The steps, up to the first that does not pass.
    fn steps(&mut self) -> Result<Ended, Failure> {
        let plan = self.plan;
        let mut ended = Ended::default();
        self.pump.say(Body::Ready);
        self.limit = Limit::of(plan.job.timeout_ms, true);
        let last = plan.job.steps.len().saturating_sub(1);
        for (index, step) in plan.job.steps.iter().enumerate() {
            if self.terms > 0 {
                break;
            }
            let end = self.step(number(index), step, index == last)?;
            if end.how != How::Exited(0) {
                ended.decided_by = Some((number(index), end));
                break;
            }
            ended.passed += 1;
        }
        Ok(ended)
    }

    /// The `finally` steps: all of them, also when one fails, until their time together is over or a second TERM comes.
    /// How they end changes nothing about the job.
    fn finally(&mut self, outcome: &str) -> Result<(), Failure> {
        let plan = self.plan;
        let (first, last) = (plan.job.steps.len(), plan.job.finally.len().saturating_sub(1));
        self.in_finally = true;
        self.limit = Limit::of(plan.job.finally_timeout_ms, true);
        self.environment.insert(OUTCOME.into(), outcome.into());
        for (index, step) in plan.job.finally.iter().enumerate() {
            let why = if self.terms > 1 {
                "the job is to end at once"
            } else if self.limit.is_some_and(|limit| limit.at <= Instant::now()) {
                "the time for all `finally` steps together is over"
            } else {
                self.step(number(first + index), step, index == last)?;
                continue;
            };
            let left = plan.job.finally.len() - index;
            let steps = if left == 1 { "step is" } else { "steps are" };
            self.pump.say(Body::Notice { text: format!("[windlass] {why}: {left} `finally` {steps} left out") });
            break;
        }
        // The last one may have been left out, and then nobody has ended what earlier ones left behind.
        self.family.kill_all();
        Ok(())
    }

    /// Tells what is in the files that the spec names, whatever became of the steps: nothing of the job runs any more. Not
    /// when the job is to end at once, and artifacts not of a job that somebody stopped.
    fn files(&mut self) -> Result<(), Failure> {
        let plan = self.plan;
        let reports = Bounds {
            one: "a report",
            all: "reports",
            file_bytes: MOST_REPORT,
            bytes: MOST_REPORT_BYTES,
            telling: REPORTS_TIMEOUT,
        };
        self.leave(Purpose::Junit, &plan.job.reports.junit, reports, 1)?;
        self.leave(Purpose::Sarif, &plan.job.reports.sarif, reports, 1)?;
        let most = plan.artifact_bytes;
        let artifacts =
            Bounds { one: "an artifact", all: "artifacts", file_bytes: most, bytes: most, telling: ARTIFACTS_TIMEOUT };
        self.leave(Purpose::Artifact, &plan.job.artifacts, artifacts, 0)
    }

    /// Until more than `most_terms` signals came to end.
    fn leave(&mut self, of: Purpose, patterns: &[String], bounds: Bounds, most_terms: u32) -> Result<(), Failure> {
        if self.terms > most_terms {
            return Ok(());
        }
        let mut room = Room::new(bounds);
        self.unwanted_after = most_terms;
        for pattern in patterns {
            let mut told = Ok(());
            collect::find(self.plan.workspace.as_ref(), pattern, &mut room, &mut |found| {
                told = self.tell_of(of, bounds, found);
                told.is_ok() && self.terms <= most_terms
            });
            told?;
        }
        Ok(())
    }

    fn tell_of(&mut self, of: Purpose, bounds: Bounds, found: Found) -> Result<(), Failure> {
        match found {
            Found::File { path, file } => {
                let unwanted = Arc::clone(&self.unwanted);
                self.pump.carry(Carried { of, path, file, bounds, unwanted });
                self.wait_for(|event| matches!(event, Event::Settled))
            }
            Found::Nothing { path, why } => {
                self.pump.say(Body::File(FilePart::Refused { of, path, why }));
                Ok(())
            }
        }
    }

    /// Waits for the source. `false`: TERM came first.
    fn unpacked(&mut self) -> Result<bool, Failure> {
        while self.terms == 0 {
            match self.next(None)? {
                Some(Event::Unpacked) => return Ok(true),
                Some(Event::NoSource(failure)) => {
                    self.pump.say(Body::Notice { text: failure.words.clone() });
                    self.settle_all()?; // the notice is out
                    return Err(failure);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn step(&mut self, number: u16, step: &StepPlan, is_last: bool) -> Result<StepEnd, Failure> {
        let started = Instant::now();
        let kills_before = self.memory.kills();
        self.pump.say(Body::StepStarted { step: number });
        let (how, stopped) = match self.start(number, step) {
            Err(words) => (How::NotStarted(words), false),
            Ok(_script) => self.watch(step)?,
        };
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let job_ends = is_last || how != How::Exited(0) || self.terms > 0;
        if !stopped && !matches!(how, How::NotStarted(_)) {
            self.pump.settle();
            self.wait_for(|event| matches!(event, Event::Settled))?;
        }
        if job_ends || self.terms > 0 {
            self.family.kill_all();
            self.settle_all()?;
        }
        // Outside of a container others share our control group: then only a step that was killed can be meant.
        let concerned = family::is_first() || matches!(how, How::Signalled(9) | How::Exited(137));
        let out_of_memory = concerned && self.memory.kills() > kills_before;
        let end = StepEnd { how, duration_ms, out_of_memory };
        self.pump.say(Body::StepEnded { step: number, end: end.clone() });
        Ok(end)
    }

    /// Starts a step's process; what is returned has to live as long as that. Refused in words.
    fn start(&mut self, number: u16, step: &StepPlan) -> Result<Option<script::Script>, String> {
        let workspace = Path::new(&self.plan.workspace);
        let name = format!("step-{}", number + 1);
        let (mut command, script) = script::command(&step.run, &name, workspace, &self.environment, &mut self.scripts)?;
        let (reader, writer) = pipe().map_err(|error| format!("no pipe for its output: {error}"))?;
        let second = writer.try_clone().map_err(|error| format!("no pipe for its output: {error}"))?;
        command.stdout(writer).stderr(second);
        let started = self.family.start(&mut command);
        drop(command); // and with it our own ends for writing
        started.map_err(|error| script::why_not_started(&step.run, workspace, &error))?;
        self.pump.begin(number, reader);
        Ok(script)
    }

    /// Waits for the end of a step's process and brings it about when it is time. `true`: it was stopped.
    fn watch(&mut self, step: &StepPlan) -> Result<(How, bool), Failure> {
        let own = step.timeout_ms.and_then(|limit_ms| Limit::of(limit_ms, false));
        let limit = own.into_iter().chain(self.limit).min_by_key(|limit| limit.at);
        let mut stopping: Option<Stopping> = None;
        loop {
            match (&stopping, self.family.status()) {
                (None, Some(status)) => return Ok((how_it_ended(status), false)),
                // Its own children have the grace as well.
                (Some(stop), Some(_)) if !self.family.group_lives() => return Ok((stop.how.clone(), true)),
                _ => {}
            }
            let until = stopping.as_ref().map(|stop| stop.kill_at).or(limit.map(|limit| limit.at));
            match (self.next(until)?, &stopping) {
                (Some(Event::Term), Some(stop)) if self.terms > 1 => return Ok((stop.how.clone(), true)),
                (Some(Event::Term), None) if self.in_finally => {
                    if self.terms > 1 {
                        return Ok((How::Cancelled, true));
                    }
                }
                (Some(Event::Term), None) => stopping = Some(self.stop(How::Cancelled)),
                (Some(_), _) => {}
                (None, Some(stop)) => return Ok((stop.how.clone(), true)),
                (None, None) => {
                    if let Some(Limit { limit_ms, whole_job, .. }) = limit {
                        stopping = Some(self.stop(How::TimedOut { limit_ms, whole_job }));
                    }
                }
            }
        }
    }

    fn stop(&self, how: How) -> Stopping {
        self.family.terminate();
        // A grace without end would be none: a day is more than anybody waits.
        let grace = Duration::from_millis(self.plan.grace_ms).min(Duration::from_secs(86_400));
        Stopping { how, kill_at: Instant::now() + grace }
    }

    fn settle_all(&mut self) -> Result<(), Failure> {
        self.pump.settle_all();
        self.wait_for(|event| matches!(event, Event::Settled))
    }

    fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<(), Failure> {
        loop {
            if self.next(None)?.is_some_and(|event| wanted(&event)) {
                return Ok(());
            }
        }
    }

    /// The next event, after doing what always has to be done about it. `None`: it is time.
    fn next(&mut self, until: Option<Instant>) -> Result<Option<Event>, Failure> {
        let received = match until {
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.events.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let event = match received {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => unreachable!("`run` keeps a sender as long as this job lives"),
        };
        match &event {
            Event::Term => {
                self.terms += 1;
                self.unwanted.store(self.terms > self.unwanted_after, Ordering::Relaxed);
            }
            Event::Child => {
                self.family.reap();
            }
            Event::OutletBroken(error) => {
                self.family.kill_all();
                return Err(broken(error));
            }
            _ => {}
        }
        Ok(Some(event))
    }
}

fn broken(error: &io::Error) -> Failure {
    trouble("cannot write frames any more", error)
}

impl Limit {
    /// From now on. `None`: so long that it is none.
    fn of(limit_ms: u64, whole_job: bool) -> Option<Self> {
        let at = Instant::now().checked_add(Duration::from_millis(limit_ms))?;
        Some(Self { at, limit_ms, whole_job })
    }
}

fn number(index: usize) -> u16 {
    u16::try_from(index).expect("the number of steps is checked")
}

fn how_it_ended(status: ExitStatus) -> How {
    match (status.code(), status.signal()) {
        (Some(code), _) => How::Exited(code),
        (None, signal) => How::Signalled(signal.unwrap_or_default()),
    }
}
