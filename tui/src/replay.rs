//! A recording seen again, without the daemon: in its own time or faster, or only its last frame as text. Must not know how
//! it was recorded.

use std::io;
use std::path::Path;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use tokio::time::Instant;
use windlass_protocol::time::Timestamp;

use crate::app::{hung_up, typed};
use crate::exit::{Exit, Failure};
use crate::hangup::Line;
use crate::recording::{Next, Recording};
use crate::screens;
use crate::signals::{Signals, Woken};
use crate::state::State;
use crate::terminal::Terminal;
use crate::theme::Theme;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(10);
/// So many events are taken in at most before a frame is painted.
const BATCH: usize = 256;

/// The last frame, as text.
pub(crate) fn dump(path: &Path, theme: Theme) -> Result<String, Failure> {
    let mut recording = Recording::open(path).map_err(Failure::Usage)?;
    let mut state = None;
    while let Some(next) = recording.next().map_err(Failure::Usage)? {
        take(&mut state, next);
    }
    let Some(state) = state else { return Err(Failure::Usage("nothing was recorded".to_owned())) };
    Ok(screens::as_text(&state, theme))
}

/// Shows it on the terminal, so many times as fast as it was. Space stops it and lets it go on, q leaves.
pub(crate) async fn run(path: &Path, speed: f64, theme: Theme, mouse: bool) -> Result<Exit, Failure> {
    let broken = |error: io::Error| Failure::Ours(format!("the terminal cannot be used: {error}"));
    let recording = Recording::open(path).map_err(Failure::Usage)?;
    let mut signals = Signals::listen().map_err(broken)?;
    let mut terminal = Terminal::enter(mouse).map_err(broken)?;
    let mut player = Player { recording, speed, theme, state: None, seen: 0, due: None, waiting: None, stopped: false };
    player.read_on()?;
    let line = Line::watched().map_err(broken)?;
    let result = player.turn(&mut terminal, &mut signals, &line).await;
    drop(terminal);
    result
}

struct Player {
    recording: Recording,
    speed: f64,
    theme: Theme,
    state: Option<State>,
    /// Events so far.
    seen: usize,
    /// What comes next, and when it happened.
    waiting: Option<(Timestamp, Next)>,
    /// When that is to happen here; none while it is stopped, or over.
    due: Option<Instant>,
    stopped: bool,
}

impl Player {
    async fn turn(&mut self, terminal: &mut Terminal, signals: &mut Signals, line: &Line) -> Result<Exit, Failure> {
        let gone = |error: io::Error| Failure::Ours(format!("the terminal went away: {error}"));
        let mut input = EventStream::new();
        let mut dirty = true;
        let mut painted: Option<Instant> = None;
        loop {
            let frame = dirty.then(|| painted.map_or_else(Instant::now, |at| at + FRAME));
            tokio::select! {
                biased;
                () = until(frame) => {
                    self.paint(terminal).map_err(gone)?;
                    (painted, dirty) = (Some(Instant::now()), false);
                }
                woken = signals.next() => match woken {
                    Woken::End(exit) => return Ok(exit),
                    Woken::Interrupt => return Ok(Exit::Interrupted),
                    Woken::Stop => terminal.suspend().map_err(gone)?,
                    Woken::Continued => terminal.resume().map_err(gone)?,
                },
                () = line.gone() => return Err(gone(hung_up())),
                event = typed(&mut input, line) => {
                    match event.map_err(gone)? {
                        Input::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                            KeyCode::Char('q') | KeyCode::Esc => return Ok(Exit::Ok),
                            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(Exit::Ok),
                            KeyCode::Char(' ') => {
                                self.stopped = !self.stopped;
                                self.due = (!self.stopped && self.waiting.is_some()).then(Instant::now);
                            }
                            _ => {}
                        },
                        Input::Resize(..) => terminal.redraw().map_err(gone)?,
                        _ => {}
                    }
                    dirty = true;
                }
                () = until(self.due) => {
                    let now = Instant::now();
                    for _ in 0..BATCH {
                        if self.due.is_none_or(|due| due > now) {
                            break;
                        }
                        self.step()?;
                    }
                    dirty = true;
                }
            }
        }
    }

    /// What was waited for happens.
    fn step(&mut self) -> Result<(), Failure> {
        let Some((at, next)) = self.waiting.take() else {
            self.due = None;
            return Ok(());
        };
        let due = self.due;
        take(&mut self.state, next);
        self.seen += 1;
        self.read_on()?;
        let gap = self.waiting.as_ref().map(|(next, _)| next.since(at));
        let pause = gap.map(|gap| Duration::from_millis(gap).div_f64(self.speed));
        self.due = pause.and_then(|pause| Some(due? + pause)).filter(|_| !self.stopped);
        Ok(())
    }

    fn read_on(&mut self) -> Result<(), Failure> {
        self.waiting = self.recording.next().map_err(Failure::Usage)?.map(|next| match &next {
            Next::Begin(begin) => (begin.at, next),
            Next::Event(at, _) => (*at, next),
        });
        if self.seen == 0 && self.waiting.is_some() {
            self.due = Some(Instant::now());
        }
        Ok(())
    }

    /// The recorded screen as far as it fits, and over its last row how far we are.
    fn paint(&self, terminal: &mut Terminal) -> io::Result<()> {
        let words = match (&self.waiting, self.stopped) {
            (None, _) => format!(" replay: the end, after {} events; q leaves ", self.seen),
            (Some(_), true) => format!(" replay: stopped at event {}; Space goes on, q leaves ", self.seen),
            (Some(_), false) => format!(" replay: event {}; Space stops, q leaves ", self.seen),
        };
        terminal.draw(|frame| screens::draw_replayed(self.state.as_ref(), &words, self.theme, frame))
    }
}

fn take(state: &mut Option<State>, next: Next) {
    match (next, state) {
        (Next::Begin(begin), state) => *state = Some(begin.state().0),
        (Next::Event(at, event), Some(state)) => {
            // What is to be done was done when it was recorded.
            let _ = state.update(at, event);
        }
        (Next::Event(..), None) => {}
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
