//! Every key, in one table: the dispatcher, the help, the footer and the palette are made from it. Must not know what an
//! action does, nor which library reads the keyboard.

mod bound;

pub(crate) use bound::Wish;
pub use bound::{Bound, Keymap};
use serde::{Deserialize, Serialize};

/// A key with its modifiers. Shift is part of the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    Char(char),
    Ctrl(char),
    Function(u8),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

/// What the keyboard speaks to. Each mode has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// The lists: builds, queue, deliveries.
    List,
    /// One build: its jobs and steps.
    Build,
    /// The same as a graph.
    Graph,
    /// The tests of a build.
    Tests,
    /// The files that its jobs left.
    Artifacts,
    Log,
    /// Text is being typed: what is no key of this mode is text.
    Prompt,
    /// A question with a few answers.
    Dialog,
    Help,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Back,
    Close,
    Accept,
    Help,
    Suspend,
    Redraw,
    Resync,
    View(u8),
    NextView,
    PreviousView,
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    First,
    Last,
    Left,
    Right,
    Into,
    Graph,
    Tests,
    Artifacts,
    Details,
    NextFailed,
    PreviousFailed,
    OnlyFailed,
    Filter,
    Search,
    NextMatch,
    PreviousMatch,
    Mark,
    MarkRange,
    MarkAll,
    ClearMarks,
    Undo,
    Watch,
    Cancel,
    Kill,
    RetryFailed,
    RetryMenu,
    Pause,
    Replay,
    Follow,
    Times,
    Wrap,
    StepHeaders,
    Only,
    MoreContext,
    LessContext,
    Fold,
    FoldAll,
    Bookmark,
    NextBookmark,
    Bookmarks,
    Select,
    CopyLink,
    Beside,
    NextDifference,
    PreviousDifference,
    Copy,
    Pager,
    Editor,
    Save,
    Mouse,
    Palette,
    Menu,
    Erase,
    EraseWord,
    EraseAll,
    Older,
    Newer,
}

pub struct Binding {
    pub action: Action,
    pub modes: &'static [Mode],
    pub keys: &'static [Key],
    /// What it does, for the help.
    pub help: &'static str,
    /// A word for the footer, where it is worth the room there.
    pub footer: Option<&'static str>,
}

use Key::{Char, Ctrl, Function};
use Mode::{Artifacts, Build, Dialog, Graph, Help, List, Log, Prompt, Tests};

const EVERY: &[Mode] = &[List, Build, Graph, Tests, Artifacts, Log, Prompt, Dialog, Help];
const PAGES: &[Mode] = &[List, Build, Graph, Tests, Artifacts, Log];
const MOVES: &[Mode] = &[List, Build, Graph, Tests, Artifacts, Log, Help];

const fn bind(
    action: Action,
    modes: &'static [Mode],
    keys: &'static [Key],
    help: &'static str,
    footer: Option<&'static str>,
) -> Binding {
    Binding { action, modes, keys, help, footer }
}

/// The table. Order is the order of help and footer.
pub const TABLE: &[Binding] = &[
    bind(Action::Accept, &[Prompt], &[Key::Enter], "take what was typed", Some("accept")),
    bind(Action::Close, &[Prompt], &[Key::Esc], "leave without it", Some("clear")),
    bind(Action::Erase, &[Prompt], &[Key::Backspace], "erase a letter", None),
    bind(Action::EraseWord, &[Prompt], &[Ctrl('w')], "erase a word", None),
    bind(Action::EraseAll, &[Prompt], &[Ctrl('u')], "erase everything", None),
    bind(Action::Older, &[Prompt], &[Key::Up], "up in the list, or what was searched before", None),
    bind(Action::Newer, &[Prompt], &[Key::Down], "down in the list, or what was searched after", None),
    bind(Action::Accept, &[Dialog], &[Key::Enter, Char(' ')], "take the focused answer", Some("choose")),
    bind(Action::Up, &[Dialog], &[Key::Up, Key::Left, Key::BackTab, Char('k'), Char('h')], "answer before", None),
    bind(
        Action::Down,
        &[Dialog],
        &[Key::Down, Key::Right, Key::Tab, Char('j'), Char('l')],
        "answer after",
        Some("move"),
    ),
    bind(Action::Close, &[Dialog, Help], &[Key::Esc, Char('q')], "close", Some("close")),
    bind(Action::Close, &[Help], &[Char('?'), Function(1)], "close", None),
    bind(Action::Into, &[List], &[Key::Enter, Char('l'), Key::Right], "open", Some("open")),
    bind(Action::Into, &[Build], &[Key::Enter, Char('l'), Key::Right], "open the log", Some("log")),
    bind(Action::Into, &[Graph], &[Key::Enter], "open the log", Some("log")),
    bind(Action::Graph, &[Build], &[Char('D')], "the jobs as a graph", Some("graph")),
    bind(Action::Graph, &[Graph], &[Char('D')], "the jobs as a list", Some("list")),
    bind(Action::Tests, &[Build, Graph], &[Char('T')], "the tests: failed first, new ones, flaky ones", Some("tests")),
    bind(
        Action::Into,
        &[Tests],
        &[Key::Enter, Char('l'), Key::Right],
        "to its place in the log: its name, or what it says",
        Some("log"),
    ),
    bind(Action::Details, &[Tests], &[Char('d')], "more room for what it says, or less", Some("message")),
    bind(Action::Filter, &[Tests], &[Char('/')], "filter: words of job, suite, name or file", Some("filter")),
    bind(Action::OnlyFailed, &[Tests], &[Char('!')], "only what failed", Some("failed")),
    bind(Action::Artifacts, &[Build, Graph], &[Char('A')], "the files that its jobs left", Some("files")),
    bind(
        Action::Into,
        &[Artifacts],
        &[Key::Enter, Char('l'), Key::Right],
        "save the file in this folder",
        Some("save"),
    ),
    bind(Action::Filter, &[Artifacts], &[Char('/')], "filter: words of path or job", Some("filter")),
    bind(
        Action::Details,
        &[Build],
        &[Char('d')],
        "details: attempts side by side, and the last errors",
        Some("details"),
    ),
    bind(Action::Left, &[Graph], &[Char('h'), Key::Left], "to what it needs", None),
    bind(Action::Right, &[Graph], &[Char('l'), Key::Right], "to what needs it", None),
    bind(Action::Into, &[Log], &[Key::Enter], "show a cut line whole, or fold the step", None),
    bind(Action::Follow, &[Log], &[Char('f')], "follow the end", Some("follow")),
    bind(
        Action::Filter,
        &[List],
        &[Char('/')],
        "filter as you type: words; in builds also repo: branch: status: author: event:",
        Some("filter"),
    ),
    bind(Action::Search, &[Log], &[Char('/')], "search, a regular expression", Some("search")),
    bind(Action::NextMatch, &[Log], &[Char('n')], "next match", Some("next")),
    bind(Action::PreviousMatch, &[Log], &[Char('N')], "match before", None),
    bind(Action::NextFailed, &[Log], &[Char('e')], "next line that speaks of an error", Some("error")),
    bind(Action::PreviousFailed, &[Log], &[Char('E')], "one before that does", None),
    bind(Action::Cancel, PAGES, &[Char('x')], "cancel, after a question", Some("cancel")),
    bind(Action::Kill, PAGES, &[Char('X')], "kill at once, after a question", None),
    bind(
        Action::RetryFailed,
        &[List, Build, Graph],
        &[Char('r')],
        "retry what did not pass; on a job, that job",
        Some("retry"),
    ),
    bind(Action::RetryFailed, &[Tests], &[Char('r')], "retry the job of the test", Some("retry")),
    bind(Action::RetryFailed, &[Log], &[Char('r')], "retry this job", Some("retry")),
    bind(Action::RetryMenu, PAGES, &[Char('R')], "choose what to retry", None),
    bind(Action::Pause, &[List], &[Char('P')], "pause or resume the queue or a repository, after a question", None),
    bind(Action::Replay, &[List], &[Char('a')], "work on a delivery once more, after a question", Some("replay")),
    bind(Action::Mark, &[List], &[Char(' ')], "mark, for cancel and retry of many", None),
    bind(Action::MarkRange, &[List], &[Char('V')], "mark from here to where V is pressed again", None),
    bind(Action::MarkAll, &[List], &[Char('*')], "mark all that the filter shows", None),
    bind(Action::ClearMarks, &[List], &[Char('\\')], "clear the marks", None),
    bind(Action::Undo, PAGES, &[Char('u')], "undo within 5 s: a mark, a filter, a cancel of what had not begun", None),
    bind(
        Action::Watch,
        &[List, Build, Graph, Tests, Artifacts],
        &[Char('w')],
        "watch: be told when it ends, wherever you look",
        None,
    ),
    bind(Action::NextFailed, &[List, Build, Graph, Tests], &[Char('e')], "next that did not pass", None),
    bind(Action::PreviousFailed, &[List, Build, Graph, Tests], &[Char('E')], "one before that did not pass", None),
    bind(Action::OnlyFailed, &[List], &[Char('!')], "only what did not pass", None),
    bind(Action::Copy, &[List, Build, Graph], &[Char('y')], "copy the address, through the terminal", None),
    bind(Action::Copy, &[Tests], &[Char('y')], "copy the name of the test", None),
    bind(Action::Copy, &[Artifacts], &[Char('y')], "copy the SHA-256 of the file", Some("sha256")),
    bind(Action::Select, &[Log], &[Char('v')], "select lines, from here to the cursor", None),
    bind(Action::Copy, &[Log], &[Char('y')], "copy the selected lines, or this one", None),
    bind(Action::CopyLink, &[Log], &[Char('Y')], "copy a link to this line, or its address", None),
    bind(Action::Bookmark, &[Log], &[Char('m')], "bookmark this line, or no more", None),
    bind(Action::NextBookmark, &[Log], &[Char('\'')], "next bookmark", None),
    bind(Action::Bookmarks, &[Log], &[Char('"')], "the list of bookmarks", None),
    bind(Action::Pager, &[Build, Graph, Log], &[Char('p')], "read the log in $PAGER", None),
    bind(Action::Editor, &[Build, Graph, Log], &[Ctrl('e')], "open the log in $EDITOR", None),
    bind(Action::Save, &[Build, Graph, Log], &[Char('S')], "save the log's bytes in this folder", None),
    bind(Action::Save, &[Artifacts], &[Char('S')], "save the file in this folder", None),
    bind(Action::Beside, &[Log], &[Char('b')], "another attempt or job beside this log, or no more", None),
    bind(Action::NextDifference, &[Log], &[Char('>')], "to the next line that differs from the log beside", None),
    bind(Action::PreviousDifference, &[Log], &[Char('<')], "to the one before", None),
    bind(Action::Wrap, &[Log], &[Char('w')], "wrap long lines", Some("wrap")),
    bind(
        Action::Times,
        &[Log],
        &[Char('t')],
        "times: off, clock, since the start, since the line before",
        Some("times"),
    ),
    bind(Action::Only, &[Log], &[Char('&')], "only lines that match; after ! only those that do not", None),
    bind(Action::OnlyFailed, &[Log], &[Char('!')], "only lines that speak of an error", None),
    bind(Action::MoreContext, &[Log], &[Char('+')], "a line more around each of those", None),
    bind(Action::LessContext, &[Log], &[Char('-')], "a line less around each of those", None),
    bind(Action::Fold, &[Log], &[Char('z')], "fold or unfold the step", None),
    bind(Action::FoldAll, &[Log], &[Char('Z')], "fold every step, or unfold all", None),
    bind(Action::StepHeaders, &[Log], &[Char('H')], "hide or show where steps begin", None),
    bind(Action::Down, &[Help], &[Char('j'), Key::Down], "down", Some("down")),
    bind(Action::Up, &[Help], &[Char('k'), Key::Up], "up", Some("up")),
    bind(Action::PageDown, &[Help], &[Key::PageDown, Char(' ')], "a page down", Some("page down")),
    bind(Action::PageUp, &[Help], &[Key::PageUp], "a page up", Some("page up")),
    bind(Action::Up, PAGES, &[Char('k'), Key::Up], "up", None),
    bind(Action::Down, PAGES, &[Char('j'), Key::Down], "down", None),
    bind(Action::PageUp, PAGES, &[Key::PageUp], "a page up", None),
    bind(Action::PageDown, PAGES, &[Key::PageDown], "a page down", None),
    bind(Action::PageDown, &[Log], &[Char(' ')], "a page down", None),
    bind(Action::HalfUp, MOVES, &[Ctrl('u')], "half a page up", None),
    bind(Action::HalfDown, MOVES, &[Ctrl('d')], "half a page down", None),
    bind(Action::First, MOVES, &[Char('g'), Key::Home], "to the beginning", None),
    bind(Action::Last, &[List, Build, Graph, Tests, Artifacts, Help], &[Char('G'), Key::End], "to the end", None),
    bind(Action::Last, &[Log], &[Char('G'), Key::End], "to the end, and follow it", None),
    bind(Action::Left, &[Log], &[Char('h'), Key::Left], "to the left", None),
    bind(Action::Right, &[Log], &[Char('l'), Key::Right], "to the right", None),
    bind(Action::Back, &[List], &[Key::Esc], "clear the filter, or the marks", None),
    bind(
        Action::Back,
        &[Build],
        &[Key::Esc, Char('q'), Char('h'), Key::Left, Key::Backspace],
        "back to the list",
        Some("back"),
    ),
    bind(Action::Back, &[Graph], &[Key::Esc, Char('q'), Key::Backspace], "back to the list of jobs", Some("back")),
    bind(
        Action::Back,
        &[Tests],
        &[Key::Esc, Char('q'), Char('h'), Key::Left, Key::Backspace, Char('T')],
        "end the filter, or back to the jobs",
        Some("back"),
    ),
    bind(
        Action::Back,
        &[Artifacts],
        &[Key::Esc, Char('q'), Char('h'), Key::Left, Key::Backspace, Char('A')],
        "end the filter, or back to the jobs",
        Some("back"),
    ),
    bind(
        Action::Back,
        &[Log],
        &[Key::Esc, Char('q'), Key::Backspace],
        "end selection, search or filter, or back",
        Some("back"),
    ),
    bind(Action::View(1), PAGES, &[Char('1')], "builds", None),
    bind(Action::View(2), PAGES, &[Char('2')], "queue", None),
    bind(Action::View(3), PAGES, &[Char('3')], "deliveries", None),
    bind(Action::View(4), PAGES, &[Char('4')], "repositories", None),
    bind(Action::View(5), PAGES, &[Char('5')], "nodes", None),
    bind(Action::NextView, &[List, Build, Graph, Tests, Artifacts], &[Key::Tab, Char(']')], "next view", None),
    bind(Action::NextView, &[Log], &[Key::Tab, Char(']')], "next view; of two logs, the other one", None),
    bind(Action::PreviousView, PAGES, &[Key::BackTab, Char('[')], "view before", None),
    bind(Action::Mouse, PAGES, &[Function(2)], "mouse on or off; off, the terminal selects text", None),
    bind(Action::Resync, PAGES, &[Ctrl('r'), Function(5)], "ask the daemon for everything anew", None),
    bind(Action::Palette, PAGES, &[Char(':')], "any command, a line by its number, other daemons", None),
    bind(Action::Menu, PAGES, &[Char('.')], "what can be done with this row, and why not", None),
    bind(Action::Redraw, EVERY, &[Ctrl('l')], "paint everything anew", None),
    bind(Action::Suspend, EVERY, &[Ctrl('z')], "suspend", None),
    bind(Action::Help, PAGES, &[Char('?'), Function(1)], "this help", Some("help")),
    bind(Action::Quit, &[List], &[Char('q')], "quit the client; builds go on", Some("quit")),
    bind(Action::Quit, EVERY, &[Ctrl('c')], "quit the client; builds go on", None),
];

/// The sections of the help, in order.
pub const SECTIONS: [(Mode, &str); 9] = [
    (List, "In lists"),
    (Build, "In a build"),
    (Graph, "In the graph of a build"),
    (Tests, "In the tests of a build"),
    (Artifacts, "In the artifacts of a build"),
    (Log, "In a log"),
    (Prompt, "While typing"),
    (Dialog, "In a question"),
    (Help, "In this help"),
];

/// The row of the help at which the section of a mode begins: each has a title, and an empty row before the next.
#[must_use]
pub fn section(mode: Mode) -> usize {
    let before = SECTIONS.iter().take_while(|(other, _)| *other != mode);
    before.map(|(mode, _)| of(*mode).count() + 2).sum()
}

/// The rows of the whole help.
#[must_use]
pub fn help_rows() -> usize {
    SECTIONS.iter().map(|(mode, _)| of(*mode).count() + 2).sum::<usize>() - 1
}

/// The bindings of a mode, in the table's order.
fn of(mode: Mode) -> impl Iterator<Item = &'static Binding> {
    TABLE.iter().filter(move |binding| binding.modes.contains(&mode))
}

impl Key {
    /// How the key is written.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Char(' ') => "Space".to_owned(),
            Char(c) => c.to_string(),
            Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            Function(number) => format!("F{number}"),
            Self::BackTab => "Shift-Tab".to_owned(),
            Self::PageUp => "PgUp".to_owned(),
            Self::PageDown => "PgDn".to_owned(),
            Self::Up => "↑".to_owned(),
            Self::Down => "↓".to_owned(),
            Self::Left => "←".to_owned(),
            Self::Right => "→".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_two_actions_share_a_key_in_one_mode() {
        let mut taken: HashMap<(Mode, Key), Action> = HashMap::new();
        for binding in TABLE {
            for (mode, key) in binding.modes.iter().flat_map(|mode| binding.keys.iter().map(move |key| (*mode, *key))) {
                if let Some(other) = taken.insert((mode, key), binding.action) {
                    panic!("{} means {other:?} and {:?} in {mode:?}", key.name(), binding.action);
                }
            }
        }
    }

    #[test]
    fn keys_that_multiplexers_and_old_terminals_own_stay_free() {
        for key in TABLE.iter().flat_map(|binding| binding.keys) {
            assert!(!"abhijmsq[".chars().any(|c| *key == Ctrl(c)), "{} is bound", key.name());
        }
    }

    #[test]
    fn nothing_destructive_on_enter_arrows_or_ctrl() {
        for binding in TABLE
            .iter()
            .filter(|binding| matches!(binding.action, Action::Cancel | Action::Kill | Action::Pause | Action::Replay))
        {
            assert!(binding.keys.iter().all(|key| matches!(key, Char(c) if c.is_alphabetic())));
        }
    }

    #[test]
    fn every_mode_can_be_left_and_the_client_quit() {
        let keymap = Keymap::default();
        for mode in EVERY {
            assert_eq!(keymap.lookup(*mode, Ctrl('c')), Some(Action::Quit), "{mode:?}");
            assert!(keymap.lookup(*mode, Key::Esc).is_some(), "{mode:?}");
        }
    }
}
