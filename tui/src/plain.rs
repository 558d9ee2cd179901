//! The client without a screen: a line for each change, commands in words. Nothing moves a cursor, so that a screen reader,
//! a braille line or a terminal that can do nothing can follow. Must not know what is said.

use std::io::{self, BufRead, IsTerminal, Write};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use windlass_protocol::id::AttemptId;

use crate::app::{self, Begun, Options};
use crate::exit::{Exit, Failure};
use crate::fetching::Fetches;
use crate::handover;
use crate::link::target::{Target, Wishes};
use crate::recording::Recorder;
use crate::signals::{Signals, Woken};
use crate::state::{Effect, Event, Reader};
use crate::voice::{self, Voice};

/// What the state takes the screen to be: so many lines of a log are read out at once.
const SIZE: (u16, u16) = (200, 24);
const PROMPT: &str = "windlass> ";

/// Runs until the reader leaves or a signal ends it.
pub(crate) async fn run(target: Target, options: Options, recorder: Option<Recorder>) -> Result<Exit, Failure> {
    let mut signals =
        Signals::listen().map_err(|error| Failure::Ours(format!("cannot listen for signals: {error}")))?;
    let begun = app::look_at(target, &options, SIZE, options.profile.clone(), false);
    let (sender, typed) = mpsc::channel(16);
    // Its own thread: it ends with the process, whatever it is waiting for.
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut plain = Plain {
        begun,
        switched_to: None,
        options,
        recorder,
        voice: Voice::default(),
        saving: FuturesUnordered::new(),
        fetches: Fetches::new(),
        prompt,
        prompted: false,
        quit: None,
    };
    plain.record();
    let result = plain.turn(typed, &mut signals).await;
    if let Err(words) = plain.keep() {
        plain.write(&[format!("! {words}")])?;
    }
    result
}

struct Plain {
    begun: Begun,
    /// The profile of the daemon that was switched to.
    switched_to: Option<String>,
    options: Options,
    recorder: Option<Recorder>,
    voice: Voice,
    /// Logs that are being written to files.
    saving: FuturesUnordered<JoinHandle<Result<String, String>>>,
    fetches: Fetches,
    /// Somebody types at a terminal.
    prompt: bool,
    /// The prompt is the last thing that was written.
    prompted: bool,
    quit: Option<Exit>,
}

impl Plain {
    async fn turn(&mut self, mut typed: mpsc::Receiver<String>, signals: &mut Signals) -> Result<Exit, Failure> {
        self.write(&["windlass: say help for what can be said, quit to leave".to_owned()])?;
        if let Some(words) = self.begun.told.take() {
            self.happen(Event::Told { text: words, bad: true })?;
        }
        self.say()?;
        loop {
            self.ask()?;
            tokio::select! {
                ending = signals.next() => match ending {
                    Woken::End(exit) => return Ok(exit),
                    Woken::Interrupt => return Ok(Exit::Interrupted),
                    Woken::Stop => nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP)
                        .map_err(|error| Failure::Ours(format!("cannot stop: {error}")))?,
                    Woken::Continued => self.prompted = false,
                },
                line = typed.recv() => {
                    self.prompted = false; // whoever typed it ended the line
                    let Some(line) = line else { return Ok(Exit::Ok) };
                    self.command(&line)?;
                }
                event = self.begun.link.next() => {
                    let mut next = event;
                    while let Some(event) = next {
                        self.happen(app::from_link(event))?;
                        next = self.begun.link.try_next();
                    }
                    self.say()?;
                }
                event = self.fetches.next() => {
                    self.happen(event)?;
                    self.say()?;
                }
                Some(saved) = self.saving.next() => {
                    let saved = saved.unwrap_or_else(|error| Err(format!("saving the log failed: {error}")));
                    self.happen(app::told(saved))?;
                    self.say()?;
                }
            }
            if let Some(exit) = self.quit {
                return Ok(exit);
            }
        }
    }

    fn command(&mut self, line: &str) -> Result<(), Failure> {
        match line.trim() {
            "" => {
                self.voice.again();
                self.say()
            }
            "help" | "?" => self.write(&voice::help(&self.begun.state)),
            command => {
                self.happen(Event::Said(command.to_owned()))?;
                self.say()
            }
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Failure> {
        let now = app::now();
        if let Some(recorder) = &mut self.recorder
            && let Err(words) = recorder.event(now, &event)
        {
            self.recorder = None;
            self.write(&[format!("! {words}")])?;
        }
        for effect in self.begun.state.update(now, event) {
            match effect {
                Effect::Send(message) => self.begun.link.send(message),
                Effect::Copy(text) => self.write(&[text])?,
                Effect::Read(Reader::File, id) => self.saving.push(tokio::spawn(handover::save(self.log(id)))),
                Effect::Fetch { build, file } => {
                    self.fetches.begin(self.begun.target.clone(), build, *file);
                }
                Effect::Switch(profile) => self.switch(profile)?,
                Effect::Quit => self.quit = Some(Exit::Ok),
                // Said as a toast too; and what only a screen has.
                Effect::Notify(_) | Effect::Read(..) | Effect::Mouse(_) | Effect::Redraw | Effect::Suspend => {}
            }
        }
        Ok(())
    }

    fn log(&self, id: AttemptId) -> handover::Log {
        handover::Log { id, switched_to: self.switched_to.clone() }
    }

    fn switch(&mut self, profile: String) -> Result<(), Failure> {
        let daemon = self.options.config.daemon(Some(&profile));
        match daemon.and_then(|daemon| Target::choose(Wishes::default(), daemon)) {
            Ok(target) => {
                let kept = self.keep();
                self.switched_to = Some(profile.clone());
                self.begun = app::look_at(target, &self.options, SIZE, Some(profile), false);
                self.voice = Voice::default();
                self.record();
                kept.or_else(|words| self.write(&[format!("! {words}")]))
            }
            Err(words) => self.write(&[format!("! {words}")]),
        }
    }

    fn record(&mut self) {
        if let Some(recorder) = &mut self.recorder
            && let Err(words) = recorder.begin(&self.begun.begin)
        {
            (self.recorder, self.begun.told) = (None, Some(words));
        }
    }

    fn keep(&self) -> Result<(), String> {
        self.begun.kept.as_ref().map_or(Ok(()), |kept| kept.write(self.begun.state.session()))
    }

    fn say(&mut self) -> Result<(), Failure> {
        let news = self.voice.news(&self.begun.state);
        self.write(&news)
    }

    fn write(&mut self, lines: &[String]) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if std::mem::take(&mut self.prompted) {
            out.write_all(b"\n")?;
        }
        for line in lines {
            writeln!(out, "{}", voice::safe(line))?;
        }
        out.flush()?;
        Ok(())
    }

    fn ask(&mut self) -> Result<(), Failure> {
        if self.prompt && !self.prompted {
            let mut out = io::stdout().lock();
            out.write_all(PROMPT.as_bytes())?;
            out.flush()?;
            self.prompted = true;
        }
        Ok(())
    }
}
