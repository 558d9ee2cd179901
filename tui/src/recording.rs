//! A run of the client in a file: what came from the daemon and from the keyboard, with times, so that it can be seen again
//! without either. The state is pure, so the same events make the same screens. Must not know screens nor the terminal.
//!
//! A line of JSON for each thing. No token is in it, for none ever is an event; logs, names and keys are.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use windlass_protocol::live::{Hello, ServerMessage};
use windlass_protocol::log::LogFrame;
use windlass_protocol::time::Timestamp;

use crate::keymap::{Key, Keymap, Wish};
use crate::state::artifacts::FileId;
use crate::state::session::Session;
use crate::state::{Effect, Event, Hit, State};

/// Whoever changes what a line is, so that old recordings cannot be read, counts up.
const VERSION: u32 = 1;
/// The most bytes that a recording has.
const CAP: u64 = 64 << 20;

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Entry {
    /// The first one.
    Windlass {
        recording: u32,
        version: String,
    },
    Begin(Box<Begin>),
    Event {
        at: Timestamp,
        event: Box<Happened>,
    },
    /// There was no room for what came after.
    Full,
}

/// How the state begins: all that is not an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    pub(crate) at: Timestamp,
    pub(crate) place: String,
    pub(crate) size: (u16, u16),
    /// The name of the time zone.
    pub(crate) zone: String,
    pub(crate) animation: bool,
    pub(crate) mouse: bool,
    /// Keys that are not the usual ones.
    pub(crate) keys: Vec<Wish>,
    pub(crate) profiles: Vec<String>,
    pub(crate) profile: Option<String>,
    pub(crate) session: Option<Session>,
}

/// An event, as it is written: [`Event`] once more, on purpose. That one changes with the code, and a file that was written
/// before has to be read all the same.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Happened {
    Key(Key),
    Paste(String),
    Click(Hit),
    Wheel(isize),
    Drag(u16, u16),
    Drop,
    Resize(u16, u16),
    Connected(Hello),
    Lost {
        error: String,
        pause: u64,
    },
    Message(Box<ServerMessage>),
    /// The frame as it came, in base64.
    Log(String),
    Told {
        text: String,
        bad: bool,
    },
    Coming {
        file: FileId,
        bytes: u64,
    },
    Came {
        file: FileId,
        text: String,
        bad: bool,
    },
    Said(String),
    Deadline,
}

impl Begin {
    /// The state, and what is to be done before anything has happened.
    pub(crate) fn state(&self) -> (State, Vec<Effect>) {
        let zone = TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC);
        let mut state = State::new(self.place.clone(), self.size, self.at, zone, self.animation, self.mouse);
        state.keys = Keymap::with(&self.keys).unwrap_or_default();
        state.profiles.clone_from(&self.profiles);
        state.profile.clone_from(&self.profile);
        let effects = match &self.session {
            Some(session) => state.restore(session),
            None => state.begin(),
        };
        (state, effects)
    }
}

impl From<&Event> for Happened {
    fn from(event: &Event) -> Self {
        match event {
            Event::Key(key) => Self::Key(*key),
            Event::Paste(text) => Self::Paste(text.clone()),
            Event::Click(hit) => Self::Click(*hit),
            Event::Wheel(rows) => Self::Wheel(*rows),
            Event::Drag(column, row) => Self::Drag(*column, *row),
            Event::Drop => Self::Drop,
            Event::Resize(width, height) => Self::Resize(*width, *height),
            Event::Connected(hello) => Self::Connected(hello.clone()),
            Event::Lost { error, pause } => Self::Lost { error: error.clone(), pause: *pause },
            Event::Message(message) => Self::Message(message.clone()),
            Event::Log(frame) => Self::Log(STANDARD.encode(frame.encode())),
            Event::Told { text, bad } => Self::Told { text: text.clone(), bad: *bad },
            Event::Coming { file, bytes } => Self::Coming { file: file.clone(), bytes: *bytes },
            Event::Came { file, text, bad } => Self::Came { file: file.clone(), text: text.clone(), bad: *bad },
            Event::Said(text) => Self::Said(text.clone()),
            Event::Deadline => Self::Deadline,
        }
    }
}

impl Happened {
    fn event(self) -> Result<Event, String> {
        Ok(match self {
            Self::Key(key) => Event::Key(key),
            Self::Paste(text) => Event::Paste(text),
            Self::Click(hit) => Event::Click(hit),
            Self::Wheel(rows) => Event::Wheel(rows),
            Self::Drag(column, row) => Event::Drag(column, row),
            Self::Drop => Event::Drop,
            Self::Resize(width, height) => Event::Resize(width, height),
            Self::Connected(hello) => Event::Connected(hello),
            Self::Lost { error, pause } => Event::Lost { error, pause },
            Self::Message(message) => Event::Message(message),
            Self::Log(text) => {
                let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
                Event::Log(LogFrame::decode(&bytes).map_err(|error| error.to_string())?)
            }
            Self::Told { text, bad } => Event::Told { text, bad },
            Self::Coming { file, bytes } => Event::Coming { file, bytes },
            Self::Came { file, text, bad } => Event::Came { file, text, bad },
            Self::Said(text) => Event::Said(text),
            Self::Deadline => Event::Deadline,
        })
    }
}

/// Writes a recording.
pub(crate) struct Recorder {
    file: File,
    path: PathBuf,
    left: u64,
}

impl Recorder {
    /// A new file that only this user reads.
    pub(crate) fn create(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => format!("{} is there already: a recording is a new file", path.display()),
            _ => format!("cannot write {}: {error}", path.display()),
        })?;
        let mut recorder = Self { file, path: path.to_owned(), left: CAP };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        recorder.write(&Entry::Windlass { recording: VERSION, version })?;
        Ok(recorder)
    }

    pub(crate) fn begin(&mut self, begin: &Begin) -> Result<(), String> {
        self.write(&Entry::Begin(Box::new(begin.clone())))
    }

    pub(crate) fn event(&mut self, at: Timestamp, event: &Event) -> Result<(), String> {
        self.write(&Entry::Event { at, event: Box::new(event.into()) })
    }

    /// Each line at once: a recording is for the day when something breaks. `Err`: this was the last one, and why.
    fn write(&mut self, entry: &Entry) -> Result<(), String> {
        const LAST: usize = 64; // room for the word that it is full
        let fault = |error: std::io::Error| format!("the recording ends: {}: {error}", self.path.display());
        let mut line = serde_json::to_vec(entry).map_err(|error| fault(error.into()))?;
        line.push(b'\n');
        if (line.len() + LAST) as u64 > self.left {
            let mut full = serde_json::to_vec(&Entry::Full).map_err(|error| fault(error.into()))?;
            full.push(b'\n');
            self.file.write_all(&full).map_err(fault)?;
            return Err(format!("the recording is full ({} MB) and ends here", CAP >> 20));
        }
        self.left -= line.len() as u64;
        self.file.write_all(&line).map_err(fault)
    }
}

/// What happens next in a recording.
#[derive(Debug)]
pub(crate) enum Next {
    Begin(Box<Begin>),
    Event(Timestamp, Event),
}

/// Reads a recording, a line at a time.
pub(crate) struct Recording {
    lines: BufReader<File>,
    path: PathBuf,
    number: usize,
}

impl Recording {
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let length = file.metadata().map_err(|error| format!("cannot read {}: {error}", path.display()))?.len();
        if length > CAP {
            return Err(format!("{} is no recording: none is larger than {} MB", path.display(), CAP >> 20));
        }
        let mut recording = Self { lines: BufReader::new(file), path: path.to_owned(), number: 0 };
        match recording.entry()? {
            Some(Entry::Windlass { recording: VERSION, .. }) => Ok(recording),
            Some(Entry::Windlass { version, .. }) => {
                Err(format!("{} was made by windlass {version}, whose recordings are others", path.display()))
            }
            _ => Err(format!("{} is no recording of windlass", path.display())),
        }
    }

    /// None at the end. One that was cut off ends with its last whole line.
    pub(crate) fn next(&mut self) -> Result<Option<Next>, String> {
        match self.entry()? {
            Some(Entry::Begin(begin)) => Ok(Some(Next::Begin(begin))),
            Some(Entry::Event { at, event }) => {
                let event = event.event().map_err(|why| self.fault(&why))?;
                Ok(Some(Next::Event(at, event)))
            }
            Some(Entry::Windlass { .. }) => Err(self.fault("a recording begins once")),
            Some(Entry::Full) | None => Ok(None),
        }
    }

    fn entry(&mut self) -> Result<Option<Entry>, String> {
        let mut line = Vec::new();
        self.number += 1;
        self.lines.read_until(b'\n', &mut line).map_err(|error| self.fault(&error.to_string()))?;
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| self.fault(&error.to_string()))
    }

    fn fault(&self, why: &str) -> String {
        format!("{}: line {}: {why}", self.path.display(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use windlass_protocol::log::LogLine;

    use super::*;
    use crate::state::layout::Border;

    fn begin() -> Begin {
        Begin {
            at: Timestamp(1_700_000_000_000),
            place: "unix:s".to_owned(),
            size: (80, 24),
            zone: "Europe/Berlin".to_owned(),
            animation: true,
            mouse: false,
            keys: vec![Wish { mode: None, action: "copy".to_owned(), keys: vec!["c".to_owned()] }],
            profiles: Vec::new(),
            profile: None,
            session: Some(Session { filter: "repo:a".to_owned(), ..Session::default() }),
        }
    }

    #[test]
    fn what_was_recorded_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        let line = LogLine { at: 1, step: 0, open: false, raw_length: 3, bytes: b"\xff\x00\n".to_vec() };
        let events = [
            Event::Key(Key::Ctrl('d')),
            Event::Paste("x\u{202e}".to_owned()),
            Event::Wheel(-3),
            Event::Resize(200, 50),
            Event::Click(Hit::Row(3)),
            Event::Click(Hit::Border(Border::Logs)),
            Event::Drag(70, 9),
            Event::Drop,
            Event::Log(LogFrame::Lines { sub: 4, first: 7, lines: vec![line] }),
            Event::Message(Box::new(ServerMessage::Unknown)),
            Event::Told { text: "saved".to_owned(), bad: false },
            Event::Said("filter repo:a".to_owned()),
            Event::Deadline,
        ];
        let mut recorder = Recorder::create(&path).expect("a new file");
        recorder.begin(&begin()).expect("there is room");
        for (at, event) in (0..).zip(&events) {
            recorder.event(Timestamp(at), event).expect("there is room");
        }
        assert!(Recorder::create(&path).err().is_some_and(|words| words.contains("is there already")));
        let mut recording = Recording::open(&path).expect("it is one");
        let Ok(Some(Next::Begin(read))) = recording.next() else { panic!("it begins") };
        let (state, _) = read.state();
        assert_eq!((state.builds.filter.as_str(), state.zone.iana_name()), ("repo:a", Some("Europe/Berlin")));
        assert_eq!(state.keys.lookup(crate::keymap::Mode::List, Key::Char('c')), Some(crate::keymap::Action::Copy));
        for (at, event) in (0..).zip(&events) {
            let Ok(Some(Next::Event(when, read))) = recording.next() else { panic!("{event:?}") };
            assert_eq!((when, format!("{read:?}")), (Timestamp(at), format!("{event:?}")));
        }
        assert!(matches!(recording.next(), Ok(None)));
    }

    #[test]
    fn one_that_was_cut_off_ends_and_what_is_none_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        let mut recorder = Recorder::create(&path).expect("a new file");
        recorder.begin(&begin()).expect("there is room");
        recorder.event(Timestamp(1), &Event::Deadline).expect("there is room");
        let whole = std::fs::read(&path).expect("it is there");
        std::fs::write(&path, &whole[..whole.len() - 5]).expect("our own file");
        let mut recording = Recording::open(&path).expect("it is one");
        assert!(matches!(recording.next(), Ok(Some(Next::Begin(_)))) && matches!(recording.next(), Ok(None)));
        for (text, words) in [
            ("", "is no recording of windlass"),
            ("hello\n", "line 1: "),
            ("{\"windlass\":{\"recording\":7,\"version\":\"9.0\"}}\n", "was made by windlass 9.0"),
            ("{\"begin\":{}}\n", "line 1: missing field"),
        ] {
            std::fs::write(&path, text).expect("our own file");
            let fault = Recording::open(&path).err().unwrap_or_default();
            assert!(fault.contains(words), "{text:?}: {fault}");
        }
    }

    #[test]
    fn a_full_one_says_so_and_can_be_read_to_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        let mut recorder = Recorder::create(&path).expect("a new file");
        recorder.left = 500;
        let event = Event::Paste("x".repeat(100));
        let written = (0..9).take_while(|at| recorder.event(Timestamp(*at), &event).is_ok()).count();
        assert!((1..4).contains(&written), "{written}");
        let mut recording = Recording::open(&path).expect("it is one");
        let read = std::iter::from_fn(|| recording.next().expect("every line is whole")).count();
        assert_eq!(read, written);
        assert!(std::fs::read_to_string(&path).expect("it is there").ends_with("\"full\"\n"));
    }
}
