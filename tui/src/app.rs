//! The only loop of the terminal client: wait for keys, the link, signals or a deadline; drain what is queued; update;
//! carry out effects; paint once if something changed. Must not know what events mean.

use std::io::{self, Write};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use crossterm::event::{Event as Input, EventStream, KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::tz::TimeZone;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::failpoint;
use crate::fetching::Fetches;
use crate::handover;
use crate::hangup::Line;
use crate::kept::{self, Keeper, Kept};
use crate::keymap::Key;
use crate::link::target::{Target, Wishes};
use crate::link::{Link, LinkEvent};
use crate::notify::Notifier;
use crate::recording::{Begin, Recorder};
use crate::safe_text::label;
use crate::screens::{self, Hits};
use crate::signals::{Signals, Woken};
use crate::state::{Effect, Event, Reader, State};
use crate::terminal::Terminal;
use crate::theme::Theme;
use crate::words;

/// What the command line asks of the client.
pub(crate) struct Options {
    pub(crate) theme: Theme,
    pub(crate) animation: bool,
    pub(crate) mouse: bool,
    /// Nothing is taken up from the last time.
    pub(crate) fresh: bool,
    /// Keys, and the daemons that can be switched to.
    pub(crate) config: Config,
    /// Which of them this is, if it is one of them.
    pub(crate) profile: Option<String>,
}

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(10);
const WHEEL: isize = 3;
/// The most events taken in before a frame is due.
const BATCH: usize = 256;

/// Runs until the reader leaves or a signal ends it.
pub(crate) async fn run(target: Target, options: Options, recorder: Option<Recorder>) -> Result<Exit, Failure> {
    let broken = |error: io::Error| Failure::Ours(format!("the terminal cannot be used: {error}"));
    let mut signals = Signals::listen().map_err(broken)?;
    let size = crossterm::terminal::size().map_err(broken)?;
    let mut terminal = Terminal::enter(options.mouse).map_err(broken)?;
    let begun = look_at(target, &options, size, options.profile.clone(), options.mouse);
    let notifier = Notifier::new(options.config.notify);
    let mut app = App {
        state: begun.state,
        keeper: Keeper::new(begun.kept),
        recorder,
        notifier,
        options,
        link: begun.link,
        hits: Hits::default(),
        quit: None,
        reading: None,
        saving: FuturesUnordered::new(),
        target: begun.target,
        switched_to: None,
        fetches: Fetches::new(),
        told: begun.told,
    };
    app.record(&begun.begin);
    let line = Line::watched().map_err(broken)?;
    let result = app.turn(&mut terminal, &mut signals, &line).await;
    drop(terminal);
    if let Err(words) = app.keep() {
        let _ = writeln!(io::stderr(), "windlass: {}", label(words));
    }
    match result {
        Ok(exit) => {
            app.farewell();
            Ok(exit)
        }
        Err(error) => Err(Failure::Ours(format!("the terminal went away: {error}"))),
    }
}

/// What there is when one begins with a daemon.
pub(crate) struct Begun {
    pub(crate) begin: Begin,
    pub(crate) state: State,
    pub(crate) link: Link,
    /// Where the daemon is.
    pub(crate) target: Target,
    pub(crate) kept: Option<Kept>,
    /// What went wrong with what was kept.
    pub(crate) told: Option<String>,
}

/// Begins with a daemon.
pub(crate) fn look_at(
    target: Target,
    options: &Options,
    size: (u16, u16),
    profile: Option<String>,
    mouse: bool,
) -> Begun {
    let place = target.place.to_string();
    let kept = Kept::of(&place, profile.as_deref());
    let session = match &kept {
        Some(kept) if !options.fresh => kept.read(),
        _ => Ok(None),
    };
    let told = session.as_ref().err().cloned();
    let begin = Begin {
        at: now(),
        place,
        size,
        zone: TimeZone::system().iana_name().unwrap_or("UTC").to_owned(),
        animation: options.animation,
        mouse,
        keys: options.config.key_wishes(),
        profiles: options.config.profiles().map(str::to_owned).collect(),
        profile,
        session: session.unwrap_or_default(),
    };
    let link = Link::open(target.clone());
    let (mut state, effects) = begin.state();
    state.zone = TimeZone::system(); // also where it has no name
    for effect in effects {
        if let Effect::Send(message) = effect {
            link.send(message);
        }
    }
    Begun { begin, state, link, target, kept, told }
}

struct App {
    state: State,
    /// Of this daemon's session.
    keeper: Keeper,
    recorder: Option<Recorder>,
    options: Options,
    link: Link,
    hits: Hits,
    notifier: Notifier,
    quit: Option<Exit>,
    /// Somebody else is to have the terminal, to read this log.
    reading: Option<(Reader, AttemptId)>,
    /// Logs that are being written to files.
    saving: FuturesUnordered<JoinHandle<Result<String, String>>>,
    target: Target,
    /// The profile of the daemon that was switched to.
    switched_to: Option<String>,
    fetches: Fetches,
    /// What went wrong and is still to be said.
    told: Option<String>,
}

impl App {
    async fn turn(&mut self, terminal: &mut Terminal, signals: &mut Signals, line: &Line) -> io::Result<Exit> {
        let mut input = EventStream::new();
        let mut painted = Instant::now();
        if let Some(words) = self.told.take() {
            self.happen(told(Err(words)), terminal)?;
        }
        self.paint(terminal)?;
        let mut dirty = false;
        loop {
            let frame = dirty.then(|| painted + FRAME);
            let deadline = self.state.deadline().map(|at| {
                let left = at.0.saturating_sub(now().0).max(1);
                Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(1))
            });
            tokio::select! {
                biased;
                () = until(frame) => {
                    self.paint(terminal)?;
                    (painted, dirty) = (Instant::now(), false);
                }
                ending = signals.next() => match ending {
                    Woken::End(exit) => return Ok(exit),
                    Woken::Interrupt => return Ok(Exit::Interrupted),
                    Woken::Stop => {
                        terminal.suspend()?;
                        dirty = true;
                    }
                    Woken::Continued => {
                        terminal.resume()?;
                        dirty = true;
                    }
                },
                () = line.gone() => return Err(hung_up()),
                event = typed(&mut input, line) => {
                    let mut next = Some(event);
                    let mut room = BATCH;
                    while let Some(event) = next {
                        let event = event?;
                        if matches!(event, Input::Resize(..)) {
                            line.look_again();
                        }
                        if let Some(event) = self.translate(event) {
                            self.happen(event, terminal)?;
                            self.keeper.touched();
                            dirty = true;
                        }
                        room -= 1;
                        next = if room == 0 { None } else { at_hand(&mut input, line).await };
                    }
                }
                event = self.link.next() => {
                    let mut next = event;
                    let mut room = BATCH;
                    while let Some(event) = next {
                        self.happen(from_link(event), terminal)?;
                        dirty = true;
                        room -= 1;
                        next = if room == 0 { None } else { self.link.try_next() };
                    }
                }
                Some(saved) = self.saving.next() => {
                    let saved = saved.unwrap_or_else(|error| Err(format!("saving the log failed: {error}")));
                    self.happen(told(saved), terminal)?;
                    dirty = true;
                }
                event = self.fetches.next() => {
                    self.happen(event, terminal)?;
                    dirty = true;
                }
                () = until(deadline) => {
                    self.happen(Event::Deadline, terminal)?;
                    dirty = true;
                }
                woken = self.keeper.next() => match woken {
                    kept::Woken::Due => self.keeper.keep(self.state.session()),
                    kept::Woken::Failed(words) => self.told = Some(words),
                },
            }
            if let Some(words) = self.told.take() {
                self.happen(told(Err(words)), terminal)?;
                dirty = true;
            }
            if let Some(exit) = self.quit {
                return Ok(exit);
            }
            if let Some((reader, id)) = self.reading.take() {
                drop(input); // it would take the other's keys
                terminal.lend();
                let read = handover::read(reader, &self.log(id), signals).await;
                terminal.resume()?;
                input = EventStream::new();
                match read {
                    Ok(None) => {}
                    Ok(Some(exit)) => return Ok(exit),
                    Err(words) => self.happen(told(Err(words)), terminal)?,
                }
                // It may have another size by now.
                let (width, height) = crossterm::terminal::size()?;
                self.happen(Event::Resize(width, height), terminal)?;
                dirty = true;
            }
        }
    }

    fn happen(&mut self, event: Event, terminal: &mut Terminal) -> io::Result<()> {
        failpoint::at("event");
        let now = now();
        if let Some(recorder) = &mut self.recorder
            && let Err(words) = recorder.event(now, &event)
        {
            (self.recorder, self.told) = (None, Some(words));
        }
        for effect in self.state.update(now, event) {
            match effect {
                Effect::Send(message) => self.link.send(message),
                Effect::Mouse(on) => terminal.set_mouse(on)?,
                Effect::Redraw => terminal.redraw()?,
                Effect::Suspend => terminal.suspend()?,
                Effect::Copy(text) => {
                    if !terminal.copy(&text)? {
                        self.told = Some("it is too long for a terminal's clipboard".to_owned());
                    }
                }
                Effect::Read(Reader::File, id) => self.saving.push(tokio::spawn(handover::save(self.log(id)))),
                Effect::Read(reader, id) => self.reading = Some((reader, id)),
                Effect::Fetch { build, file } => self.fetches.begin(self.target.clone(), build, *file),
                Effect::Switch(profile) => self.switch(profile)?,
                Effect::Notify(text) => terminal.say(&self.notifier.bytes(&text))?,
                Effect::Quit => self.quit = Some(Exit::Ok),
            }
        }
        Ok(())
    }

    fn log(&self, id: AttemptId) -> handover::Log {
        handover::Log { id, switched_to: self.switched_to.clone() }
    }

    /// To another daemon. The command line and the environment spoke of the first one, its token least of all goes along.
    fn switch(&mut self, profile: String) -> io::Result<()> {
        let name = profile.clone();
        let config = &self.options.config;
        match config.daemon(Some(&profile)).and_then(|daemon| Target::choose(Wishes::default(), daemon)) {
            Ok(target) => {
                let (size, mouse) = (crossterm::terminal::size()?, self.state.mouse);
                self.told = self.keep().err();
                let begun = look_at(target, &self.options, size, Some(profile), mouse);
                self.record(&begun.begin);
                self.told = self.told.take().or(begun.told);
                (self.state, self.link, self.keeper) = (begun.state, begun.link, Keeper::new(begun.kept));
                self.target = begun.target;
                self.switched_to = Some(name);
            }
            Err(words) => self.told = Some(words),
        }
        Ok(())
    }

    fn paint(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        // A new size that comes together with a key may not be told: the library that reads both takes the key alone.
        let (width, height) = crossterm::terminal::size()?;
        let layout = self.state.layout();
        if (width, height) != (layout.width, layout.height) {
            self.happen(Event::Resize(width, height), terminal)?;
        }
        self.hits = terminal.draw(|frame| {
            failpoint::at("frame");
            screens::draw(&self.state, self.options.theme, frame)
        })?;
        Ok(())
    }

    fn translate(&self, input: Input) -> Option<Event> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                translate_key(key.code, key.modifiers).map(Event::Key)
            }
            Input::Mouse(mouse) => match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => self.hits.at(mouse.column, mouse.row).map(Event::Click),
                MouseEventKind::Drag(MouseButton::Left) if self.state.holds() => {
                    Some(Event::Drag(mouse.column, mouse.row))
                }
                MouseEventKind::Up(MouseButton::Left) if self.state.holds() => Some(Event::Drop),
                MouseEventKind::ScrollUp => Some(Event::Wheel(-WHEEL)),
                MouseEventKind::ScrollDown => Some(Event::Wheel(WHEEL)),
                _ => None,
            },
            Input::Paste(text) => Some(Event::Paste(text)),
            Input::Resize(width, height) => Some(Event::Resize(width, height)),
            _ => None,
        }
    }

    /// From here on it is another state that is recorded.
    fn record(&mut self, begin: &Begin) {
        if let Some(recorder) = &mut self.recorder
            && let Err(words) = recorder.begin(begin)
        {
            (self.recorder, self.told) = (None, Some(words));
        }
    }

    /// Keeps where we are in what we look at, for the next time.
    fn keep(&mut self) -> Result<(), String> {
        self.keeper.finish(self.state.session())
    }

    /// Leaving stops nothing; whoever leaves while something runs is told so.
    fn farewell(&self) {
        if self.state.coming() > 0 {
            let words = words::plural(self.state.coming(), "file");
            let _ = writeln!(io::stdout(), "{words} still coming, of which nothing was kept (windlass artifacts)");
        }
        let running = self.state.queue.as_ref().map_or(0, |queue| queue.running);
        if running > 0 {
            let words = words::plural(running, "job");
            let _ = writeln!(io::stdout(), "{words} still running; leaving the client stops nothing (windlass queue)");
        }
    }
}

pub(crate) fn from_link(event: LinkEvent) -> Event {
    match event {
        LinkEvent::Connected(hello) => Event::Connected(hello),
        LinkEvent::Lost { error, pause } => {
            Event::Lost { error: error.to_string(), pause: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) }
        }
        LinkEvent::Message(message) => Event::Message(message),
        LinkEvent::Log(frame) => Event::Log(frame),
    }
}

pub(crate) fn told(words: Result<String, String>) -> Event {
    match words {
        Ok(text) => Event::Told { text, bad: false },
        Err(text) => Event::Told { text, bad: true },
    }
}

fn translate_key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    if modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    Some(match code {
        KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::F(number) => Key::Function(number),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => return None,
    })
}

/// The next input. The terminal is asked each time whether it is there: see `hangup`.
pub(crate) async fn typed(input: &mut EventStream, line: &Line) -> io::Result<Input> {
    std::future::poll_fn(|context| read(input, line, context)).await
}

/// The next input, if it is there already. Asks with this task's own waker: the stream keeps the first waker it is given,
/// so looking with an empty one would lose the wake-up for the key after.
async fn at_hand(input: &mut EventStream, line: &Line) -> Option<io::Result<Input>> {
    std::future::poll_fn(|context| match read(input, line, context) {
        Poll::Ready(event) => Poll::Ready(Some(event)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn read(input: &mut EventStream, line: &Line, context: &mut Context<'_>) -> Poll<io::Result<Input>> {
    if line.is_gone() {
        return Poll::Ready(Err(hung_up()));
    }
    input.poll_next_unpin(context).map(|event| event.unwrap_or_else(|| Err(hung_up())))
}

pub(crate) fn hung_up() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
