//! Everything the client knows, and the only way it changes: [`State::update`]. Pure: the clock comes in as a value, what
//! is to be done goes out as effects. Must not know ratatui, sockets or the keyboard's library.

mod act;
mod act_line;
mod act_log;
mod act_mouse;
mod act_prompt;
mod act_view;
mod answer;
mod arrive;
pub mod artifacts;
mod batch;
pub mod build;
pub mod builds;
pub mod cache;
pub mod cases;
pub mod compare;
pub mod cursor;
pub mod dialog;
pub mod digest;
mod hand_out;
pub mod graph;
pub mod kept_lines;
pub mod layout;
pub mod log;
mod log_ask;
mod log_map;
mod log_move;
mod log_rows;
pub mod long;
mod map;
pub mod menu;
pub mod only;
mod others;
pub mod narrow;
pub mod overview;
pub mod pair;
mod patience;
mod pause;
pub mod picture;
mod replay;
pub mod search;
pub mod session;
mod said;
mod settle;
#[cfg(test)]
mod tests;
mod undo;
mod wakes;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use windlass_protocol::artifact::ArtifactView;
use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::{ClientMessage, Hello, Request, ServerMessage, Sub, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildRow, DeliveryView, QueueView, Status};

use crate::keymap::{Key, Keymap, Mode};
use artifacts::{Fetching, FileId};
use batch::Batch;
use build::BuildPage;
use builds::Builds;
use cursor::Cursor;
use dialog::Dialog;
use layout::{Border, Layout, Split};
use log::LogPage;
use menu::Menu;
use narrow::QueueFilter;
use others::Ours;
use overview::Overview;
use patience::Patience;
use undo::Done;
use watch::Watches;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    Key(Key),
    /// Text for the prompt; where none is open it is nothing, never keys.
    Paste(String),
    Click(Hit),
    /// Rows, downwards positive.
    Wheel(isize),
    /// What was clicked is held and moved to this column and row.
    Drag(u16, u16),
    /// It is let go.
    Drop,
    Resize(u16, u16),
    Connected(Hello),
    /// There is no connection; the next try comes after this many milliseconds.
    Lost {
        error: String,
        pause: u64,
    },
    Message(Box<ServerMessage>),
    Log(LogFrame),
    /// What became of an effect, in words.
    Told {
        text: String,
        bad: bool,
    },
    /// So much of a file that is being saved is here.
    Coming {
        file: FileId,
        bytes: u64,
    },
    /// It is here, or will not be: what to say about it.
    Came {
        file: FileId,
        text: String,
        bad: bool,
    },
    /// A command in words.
    Said(String),
    /// The moment that [`State::deadline`] named has come.
    Deadline,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Send(ClientMessage),
    Mouse(bool),
    Redraw,
    Suspend,
    /// Text for the clipboard. It holds no control character, but for line feeds between lines.
    Copy(String),
    /// A log for another program, or a file.
    Read(Reader, AttemptId),
    /// A file that a job left is to be saved where we were started.
    Fetch {
        build: BuildNumber,
        file: Box<ArtifactView>,
    },
    /// Another daemon, by its name in the configuration.
    Switch(String),
    /// Whoever looks elsewhere is to hear of this. The text is safe, and one line.
    Notify(String),
    Quit,
}

/// Who reads a log in our place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Pager,
    Editor,
    File,
}

/// What a place on the screen stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hit {
    View(View),
    Row(usize),
    Answer(usize),
    /// A row of the palette or the menu.
    Item(usize),
    /// Between two panes.
    Border(Border),
}

/// What can be looked at without opening anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    Builds,
    Queue,
    Deliveries,
    Repositories,
    Nodes,
}

impl View {
    pub const ALL: [Self; 5] = [Self::Builds, Self::Queue, Self::Deliveries, Self::Repositories, Self::Nodes];

    pub fn name(self) -> &'static str {
        match self {
            Self::Builds => "Builds",
            Self::Queue => "Queue",
            Self::Deliveries => "Deliveries",
            Self::Repositories => "Repositories",
            Self::Nodes => "Nodes",
        }
    }
}

/// What lies over a view; the last one is seen.
#[derive(Debug)]
pub enum Page {
    Build(Box<BuildPage>),
    Log(Box<LogPage>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    Filter,
    Search,
    /// Only these lines of a log.
    Only,
    /// Only these tests of a build.
    Tests,
    /// Only these of its files.
    Artifacts,
    /// A command by its name: the palette or the menu is open.
    Command,
}

/// Text that is being typed at the bottom.
#[derive(Debug)]
pub struct Prompt {
    pub kind: PromptKind,
    pub text: String,
    /// Which earlier search is shown, counted from the newest.
    older: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    pub bad: bool,
    until: Timestamp,
}

#[derive(Debug)]
pub enum Connection {
    /// Never had one.
    Connecting,
    Up(Hello),
    Lost {
        since: Timestamp,
        error: String,
        pause: u64,
    },
}

/// What was asked and is not answered yet.
#[derive(Debug)]
enum Pending {
    Excerpt {
        log: AttemptId,
    },
    Map {
        log: AttemptId,
        pattern: String,
    },
    /// One of a batch of orders.
    Order {
        about: String,
        build: BuildNumber,
        batch: u64,
    },
    Pause {
        about: String,
    },
    Search {
        sub: Sub,
        ask: search::Ask,
    },
    Deliveries,
    Repositories,
    Nodes,
    Artifacts {
        build: BuildNumber,
    },
    Results {
        branch: overview::Branch,
    },
    Replay {
        about: String,
    },
}

const QUEUE: Sub = 1;
const BUILDS: Sub = 2;
const FOUND: Sub = 3;
const FIRST_FREE: Sub = 10;
const FIRST_LOOK_UP: u64 = 1 << 32;

#[derive(Debug)]
pub struct State {
    pub now: Timestamp,
    /// How far the daemon's clock is ahead of ours, in milliseconds.
    ahead: i64,
    pub zone: TimeZone,
    /// Where the daemon is, for a person.
    pub place: String,
    pub connection: Connection,
    size: (u16, u16),
    /// Where borders were moved to, and the one that is held.
    split: Split,
    pub(super) held: Option<Border>,
    pub view: View,
    pub pages: Vec<Page>,
    pub builds: Builds,
    pub queue: Option<QueueView>,
    pub queue_cursor: Cursor,
    pub queue_filter: QueueFilter,
    pub deliveries: Option<Vec<DeliveryView>>,
    pub deliveries_cursor: Cursor,
    pub overview: Overview,
    pub prompt: Option<Prompt>,
    /// What can be chosen while a command is typed.
    pub menu: Option<Menu>,
    pub dialog: Option<Dialog>,
    /// The help is open, scrolled down by so many rows.
    pub help: Option<usize>,
    pub toasts: Vec<Toast>,
    searches: Vec<String>,
    /// Bookmarks of logs that are not open now.
    bookmarks: BTreeMap<AttemptId, BTreeSet<u64>>,
    pending: BTreeMap<u64, Pending>,
    patience: Patience,
    next_request: u64,
    next_look_up: u64,
    next_sub: Sub,
    animation: bool,
    pub mouse: bool,
    pub keys: Keymap,
    /// The daemons that the configuration names, and which one this is.
    pub profiles: Vec<String>,
    pub profile: Option<String>,
    pub watches: Watches,
    /// Files that were to be saved, and what became of them.
    pub fetches: BTreeMap<FileId, Fetching>,
    batches: BTreeMap<u64, Batch>,
    done: Vec<Done>,
    ours: Ours,
    /// The filter before it was typed at.
    filter_before: Option<String>,
}

impl State {
    #[must_use]
    pub fn new(place: String, size: (u16, u16), now: Timestamp, zone: TimeZone, animation: bool, mouse: bool) -> Self {
        Self {
            now,
            ahead: 0,
            zone,
            place,
            connection: Connection::Connecting,
            size,
            split: Split::default(),
            held: None,
            view: View::Builds,
            pages: Vec::new(),
            builds: Builds::default(),
            queue: None,
            queue_cursor: Cursor::default(),
            queue_filter: QueueFilter::default(),
            deliveries: None,
            deliveries_cursor: Cursor::default(),
            overview: Overview::default(),
            prompt: None,
            menu: None,
            dialog: None,
            help: None,
            toasts: Vec::new(),
            searches: Vec::new(),
            bookmarks: BTreeMap::new(),
            pending: BTreeMap::new(),
            patience: Patience::default(),
            next_request: 1,
            next_look_up: FIRST_LOOK_UP,
            next_sub: FIRST_FREE,
            animation,
            mouse,
            keys: Keymap::default(),
            profiles: Vec::new(),
            profile: None,
            watches: Watches::default(),
            fetches: BTreeMap::new(),
            batches: BTreeMap::new(),
            done: Vec::new(),
            ours: Ours::default(),
            filter_before: None,
        }
    }

    /// What to do before anything has happened: the link remembers subscriptions until there is a connection.
    pub fn begin(&mut self) -> Vec<Effect> {
        vec![subscribe(QUEUE, Topic::Queue), subscribe(BUILDS, self.builds.topic())]
    }

    /// The only way state changes. Pure: same state, same event, same result.
    pub fn update(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        self.now = now;
        self.toasts.retain(|toast| toast.until > now);
        let mut effects = Vec::new();
        match event {
            Event::Key(key) => self.key(key, &mut effects),
            Event::Paste(text) => self.paste(&text, &mut effects),
            Event::Click(hit) => self.click(hit, &mut effects),
            Event::Wheel(rows) => self.wheel(rows),
            Event::Drag(column, row) => self.drag(column, row),
            Event::Drop => self.held = None,
            Event::Resize(width, height) => {
                self.size = (width, height);
                // Also when it is the size that we know: it may have been another for a moment, and what stood there is gone.
                effects.push(Effect::Redraw);
                if self.layout().status_only() {
                    self.dialog = None; // a question that is not seen is not asked
                    self.close_menu();
                }
            }
            Event::Connected(hello) => self.connected(hello),
            Event::Lost { error, pause } => {
                let since = match self.connection {
                    Connection::Lost { since, .. } => since,
                    Connection::Connecting | Connection::Up(_) => now,
                };
                self.connection = Connection::Lost { since, error, pause };
            }
            Event::Message(message) => self.message(*message, &mut effects),
            Event::Log(frame) => self.log_frame(frame),
            Event::Told { text, bad } => self.toast(text, bad),
            Event::Coming { file, bytes } => self.file_is_coming(file, bytes),
            Event::Came { file, text, bad } => self.file_came(file, text, bad),
            Event::Said(text) => self.said(&text, &mut effects),
            Event::Deadline => {}
        }
        self.settle(&mut effects);
        effects
    }

    /// The daemon's clock: what durations are counted to.
    #[must_use]
    pub fn daemon_now(&self) -> Timestamp {
        Timestamp(self.now.0 + self.ahead)
    }

    #[must_use]
    pub fn layout(&self) -> Layout {
        let banner = !matches!(self.connection, Connection::Up(_));
        let on_queue = self.view == View::Queue && self.pages.is_empty();
        let notice = on_queue && self.queue.as_ref().is_some_and(|queue| !queue.pauses.is_empty());
        let split = self.split;
        let layout = Layout { width: self.size.0, height: self.size.1, banner, notice, details: None, split };
        match self.pages.last() {
            Some(Page::Build(page)) if page.view.is_some() && page.shows_jobs() => {
                let rows = u16::try_from(page.rows.len()).unwrap_or(u16::MAX);
                let shown = page.details.unwrap_or_else(|| layout.fits_details(rows));
                Layout { details: shown.then_some(rows), ..layout }
            }
            _ => layout,
        }
    }

    /// What is on the screen may be out of date.
    #[must_use]
    pub fn stale(&self) -> bool {
        matches!(self.connection, Connection::Lost { .. })
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        match (&self.dialog, &self.help, &self.prompt, self.pages.last()) {
            (Some(_), ..) => Mode::Dialog,
            (_, Some(_), ..) => Mode::Help,
            (_, _, Some(_), _) => Mode::Prompt,
            (.., Some(Page::Build(page))) if page.cases.is_some() => Mode::Tests,
            (.., Some(Page::Build(page))) if page.artifacts.is_some() => Mode::Artifacts,
            (.., Some(Page::Build(page))) if page.picture.is_some() => Mode::Graph,
            (.., Some(Page::Build(_))) => Mode::Build,
            (.., Some(Page::Log(_))) => Mode::Log,
            (.., None) => Mode::List,
        }
    }

    /// Whether all that is left of a build is being stopped. A row only tells that something is; the queue tells of what.
    #[must_use]
    pub fn is_stopping(&self, row: &BuildRow) -> bool {
        let unfinished = row.jobs.iter().filter(|job| job.status != Status::Finished).count();
        let queued = self.queue.iter().flat_map(|queue| &queue.jobs);
        let stopping = queued.filter(|job| job.id.build == row.number && job.cancelling).count();
        row.cancelling && row.status != Status::Finished && (unfinished <= 1 || stopping >= unfinished)
    }

    /// The build page below everything, if the build is being looked at.
    #[must_use]
    pub fn build_page(&self, number: u64) -> Option<&BuildPage> {
        self.pages.iter().find_map(|page| match page {
            Page::Build(page) if page.number == number => Some(&**page),
            _ => None,
        })
    }

    fn ask(&mut self, request: Request, pending: Pending, effects: &mut Vec<Effect>) {
        let id = self.next_request;
        self.next_request += 1;
        self.pending.insert(id, pending);
        self.patience.begin(id, self.now);
        effects.push(Effect::Send(ClientMessage::Request { id, request }));
    }

    /// Asks for what the screen shows. Such questions have numbers of their own: how many there were says nothing about what
    /// keys asked for.
    fn look_up(&mut self, request: Request, pending: Pending, effects: &mut Vec<Effect>) {
        let id = self.next_look_up;
        self.next_look_up += 1;
        self.pending.insert(id, pending);
        self.patience.begin(id, self.now);
        effects.push(Effect::Send(ClientMessage::Request { id, request }));
    }

    fn fresh_sub(&mut self) -> Sub {
        self.next_sub += 1;
        self.next_sub - 1
    }

    fn toast(&mut self, text: String, bad: bool) {
        const MOST: usize = 3;
        let until = Timestamp(self.now.0 + if bad { 8_000 } else { 4_000 });
        self.toasts.push(Toast { text, bad, until });
        let extra = self.toasts.len().saturating_sub(MOST);
        self.toasts.drain(..extra);
    }
}

fn subscribe(sub: Sub, topic: Topic) -> Effect {
    Effect::Send(ClientMessage::Subscribe { sub, topic, after: None })
}
