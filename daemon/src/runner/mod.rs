//! The program inside the container, `windlassd runner`: takes a plan and the source from its standard input, runs the
//! steps as subprocesses and tells what happens in frames. Std threads and system calls; knows frames and the plan.
//! Must not know async code or the rest of the daemon, and never ask for users or groups by name: a static executable
//! cannot, in a stranger's image.
//!
//! Works as process 1 of a container and as an ordinary process (then as its descendants' reaper). Three threads besides
//! the one that unpacks: signals become [`Event`]s, [`job`] decides, [`pump`] carries bytes. Exit codes: [`code`].

mod collect; // files of the job's folder that the spec wants to keep
mod family; // the step's processes: start, reap, stop, kill all
mod job; // one step after the other; limits and cancellation
mod memory; // what the kernel says of memory: kills, peak
mod outlet; // frames leave here
mod pump; // from the steps' pipes to the outlet
mod script; // what a step executes: shell, script file, environment
mod unpack; // the source becomes the working folder

use std::error::Error;
use std::io::{self, BufReader};
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use self::unpack::UnpackError;
use crate::plan::AttemptPlan;
use crate::plan::feed::{FeedError, SourceReader, read_plan};

/// What the runner's exit code says.
pub mod code {
    pub const PASSED: u8 = 0;
    /// A step failed, or could not be started.
    pub const FAILED: u8 = 1;
    pub const CANCELLED: u8 = 3;
    pub const TIMED_OUT: u8 = 4;
    /// Plan or source did not arrive, or not whole. Nothing of the job ran.
    pub const BAD_FEED: u8 = 64;
    /// The runner could not do its own part: no place for the source, no way out for frames.
    pub const TROUBLE: u8 = 70;
}

/// What can happen to a runner; all of it comes through one channel.
#[derive(Debug)]
enum Event {
    /// The daemon wants the job to end.
    Term,
    /// A child process ended.
    Child,
    Plan(Box<AttemptPlan>),
    Unpacked,
    /// Plan or source are not to be had.
    NoSource(Failure),
    /// The pump has carried what was asked for.
    Settled,
    /// The pump has written its last frame.
    Done,
    /// Frames cannot be written any more.
    OutletBroken(io::Error),
}

/// Why a runner gives up before its job is done: words for standard error, and the exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    words: String,
}

/// `windlassd runner`.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            complain(&failure.words);
            ExitCode::from(failure.code)
        }
    }
}

fn run() -> Result<u8, Failure> {
    let (tell, events) = mpsc::channel();
    // First of all: process 1 is deaf to TERM as long as nobody handles it.
    watch_signals(tell.clone()).map_err(|error| trouble("cannot handle signals", &error))?;
    if family::is_first() {
        // Steps run as the same user: they shall not read the plan, with its token, out of this process' memory. Should
        // it fail, the job's own things are all there is to see. Outside of containers nothing is isolated, and the
        // local engine has to find us in /proc.
        let _ = nix::sys::prctl::set_dumpable(false);
    }
    family::adopt_orphans().map_err(|error| trouble("cannot become the reaper of my descendants", &error))?;
    let feeder = tell.clone();
    thread::spawn(move || take_feed(&feeder));
    loop {
        match events.recv().expect("this thread holds a sender itself") {
            Event::Plan(plan) => return job::run(*plan, &tell, events),
            Event::NoSource(failure) => return Err(failure),
            Event::Term => return Ok(code::CANCELLED),
            Event::Child | Event::Unpacked | Event::Settled | Event::Done | Event::OutletBroken(_) => {}
        }
    }
}

fn watch_signals(tell: Sender<Event>) -> io::Result<()> {
    // HUP is taken and ignored: the terminal that a daemon was started from may close.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGHUP])?;
    thread::spawn(move || {
        let mut told = false;
        for signal in signals.forever() {
            let event = match signal {
                // Asks what TERM asks, and changes nothing when it comes again: a daemon that was restarted in the middle of
                // a cancel cannot know whether its predecessor had come to it.
                SIGUSR1 if told => continue,
                SIGTERM | SIGINT | SIGUSR1 => {
                    told = true;
                    Event::Term
                }
                SIGCHLD => Event::Child,
                _ => continue,
            };
            if tell.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Reads the whole feed. In a thread of its own, so that TERM is heard while a feed is slow or never comes.
fn take_feed(tell: &Sender<Event>) {
    let tell_of = |event| tell.send(event).unwrap_or(()); // the main thread has left: so will the process
    let mut input = BufReader::with_capacity(128 << 10, io::stdin().lock());
    let plan = match read_plan(&mut input) {
        Ok(plan) => plan,
        Err(error) => return tell_of(Event::NoSource(bad_feed(&error))),
    };
    let workspace = plan.workspace.clone();
    tell_of(Event::Plan(Box::new(plan)));
    tell_of(match unpack::unpack(SourceReader::new(input), workspace.as_ref()) {
        Ok(()) => Event::Unpacked,
        Err(error) => Event::NoSource(match &error {
            UnpackError::Source(_) | UnpackError::Refused { .. } => bad_feed(&error),
            UnpackError::Write { .. } => trouble("cannot prepare the working folder", &error),
        }),
    });
}

fn bad_feed(error: &(dyn Error + 'static)) -> Failure {
    let hint = match error.downcast_ref() {
        Some(FeedError::Cut { .. }) => " (did the daemon die?)",
        _ => "",
    };
    Failure { code: code::BAD_FEED, words: format!("{}{hint}", with_causes(error)) }
}

fn trouble(what: &str, error: &dyn Error) -> Failure {
    Failure { code: code::TROUBLE, words: format!("{what}: {}", with_causes(error)) }
}

/// An error and its causes, each once.
fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

#[expect(clippy::print_stderr, reason = "the runner's own standard error is where an engine finds its last words")]
fn complain(words: &str) {
    eprintln!("windlass runner: {words}");
}
