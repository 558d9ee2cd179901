//! The table of keys as a person has it: the defaults, and what they wish otherwise. A wish that cannot be is told with its
//! reason. Must not know where wishes are written.

use serde::{Deserialize, Serialize};

use super::Key::{Char, Ctrl, Function};
use super::{Action, Key, Mode, SECTIONS, TABLE};

/// What keys do, in one mode.
#[derive(Debug, Clone)]
pub struct Bound {
    pub mode: Mode,
    pub action: Action,
    pub keys: Vec<Key>,
    pub help: &'static str,
    pub footer: Option<&'static str>,
    /// The wish that set these keys.
    wish: Option<usize>,
}

/// Every binding of every mode, in the table's order.
#[derive(Debug, Clone)]
pub struct Keymap(Vec<Bound>);

/// Other keys for an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Everywhere the action exists, or only here.
    pub(crate) mode: Option<Mode>,
    pub(crate) action: String,
    pub(crate) keys: Vec<String>,
}

impl Default for Keymap {
    fn default() -> Self {
        let every = TABLE.iter().flat_map(|binding| binding.modes.iter().map(move |mode| (*mode, binding)));
        let bound = every.map(|(mode, binding)| Bound {
            mode,
            action: binding.action,
            keys: binding.keys.to_vec(),
            help: binding.help,
            footer: binding.footer,
            wish: None,
        });
        Self(bound.collect())
    }
}

impl Keymap {
    /// What a key does in a mode.
    #[must_use]
    pub fn lookup(&self, mode: Mode, key: Key) -> Option<Action> {
        self.of(mode).find(|bound| bound.keys.contains(&key)).map(|bound| bound.action)
    }

    /// The bindings of a mode, in the table's order.
    pub fn of(&self, mode: Mode) -> impl Iterator<Item = &Bound> {
        self.0.iter().filter(move |bound| bound.mode == mode)
    }

    /// The defaults with these wishes. `Err`: what is wrong with which of them.
    pub(crate) fn with(wishes: &[Wish]) -> Result<Self, Vec<(usize, String)>> {
        let mut keymap = Self::default();
        let mut faults = Vec::new();
        // A wish for one mode goes before one for all, wherever it stands.
        let general = wishes.iter().enumerate().filter(|(_, wish)| wish.mode.is_none());
        for (at, wish) in general.chain(wishes.iter().enumerate().filter(|(_, wish)| wish.mode.is_some())) {
            if let Err(words) = keymap.take(at, wish) {
                faults.push((at, words));
            }
        }
        keymap.check(&mut faults);
        if faults.is_empty() { Ok(keymap) } else { Err(faults) }
    }

    fn take(&mut self, at: usize, wish: &Wish) -> Result<(), String> {
        let name = &wish.action;
        let Some(action) = TABLE.iter().map(|binding| binding.action).find(|action| action.name() == *name) else {
            return Err(format!("{name} is no action: the help (?) lists them, and so does the palette (:)"));
        };
        let keys = wish.keys.iter().map(|text| Key::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let destructive = matches!(action, Action::Cancel | Action::Kill | Action::Pause | Action::Replay);
        if let Some(key) = keys.iter().find(|key| destructive && !matches!(key, Char(c) if c.is_alphabetic())) {
            return Err(format!("{name} on {}: what stops something is a letter, nothing else", key.name()));
        }
        let fits = |bound: &&mut Bound| bound.action == action && wish.mode.is_none_or(|mode| mode == bound.mode);
        let mut done: Vec<Mode> = Vec::new();
        for bound in self.0.iter_mut().filter(fits) {
            // Where the action stands twice in a mode, the first has the keys.
            let first = !done.contains(&bound.mode);
            bound.keys = if first { keys.clone() } else { Vec::new() };
            bound.wish = Some(at);
            done.push(bound.mode);
        }
        match (done.is_empty(), wish.mode) {
            (true, Some(mode)) => Err(format!("{name} does nothing {}", mode.place())),
            _ => Ok(()),
        }
    }

    fn check(&self, faults: &mut Vec<(usize, String)>) {
        for (mode, _) in SECTIONS {
            for (index, bound) in self.0.iter().enumerate().filter(|(_, bound)| bound.mode == mode) {
                for key in &bound.keys {
                    let same = self.0[index + 1..].iter().filter(|other| other.mode == mode);
                    for other in same.filter(|other| other.keys.contains(key)) {
                        let (one, two) = (bound.action.name(), other.action.name());
                        let words = format!("{} means both {one} and {two} {}", key.name(), mode.place());
                        let at = bound.wish.into_iter().chain(other.wish).max();
                        faults.extend(at.map(|at| (at, words)));
                    }
                    if let (Mode::Prompt, Char(_), Some(at)) = (mode, key, bound.wish) {
                        let name = bound.action.name();
                        faults.push((at, format!("{} is text {}, it cannot be {name}", key.name(), mode.place())));
                    }
                }
                let needed = matches!(bound.action, Action::Quit | Action::Close | Action::Accept);
                let others = || self.of(mode).filter(|other| other.action == bound.action);
                if let (true, Some(at)) = (needed && others().all(|other| other.keys.is_empty()), bound.wish) {
                    faults.push((at, format!("{} needs a key {}", bound.action.name(), mode.place())));
                }
            }
        }
        faults.sort();
        faults.dedup();
    }
}

impl Mode {
    /// How a table of wishes for this mode alone is called.
    #[must_use]
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::List => "in-lists",
            Self::Build => "in-build",
            Self::Graph => "in-graph",
            Self::Tests => "in-tests",
            Self::Artifacts => "in-artifacts",
            Self::Log => "in-log",
            Self::Prompt => "in-prompt",
            Self::Dialog => "in-question",
            Self::Help => "in-help",
        }
    }

    fn place(self) -> &'static str {
        match self {
            Self::List => "in lists",
            Self::Build => "in a build",
            Self::Graph => "in the graph of a build",
            Self::Tests => "in the tests of a build",
            Self::Artifacts => "in the artifacts of a build",
            Self::Log => "in a log",
            Self::Prompt => "while typing",
            Self::Dialog => "in a question",
            Self::Help => "in the help",
        }
    }
}

impl Action {
    /// How it is written in a file: `RetryFailed` is `retry-failed`.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            match c {
                '(' => name.push('-'),
                ')' => {}
                c if c.is_uppercase() && !name.is_empty() => name.extend(['-', c.to_ascii_lowercase()]),
                c => name.push(c.to_ascii_lowercase()),
            }
        }
        name
    }
}

impl Key {
    /// The key that is written so: as the help shows it, or in letters.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let named = [
            ("Space", Char(' ')),
            ("Enter", Self::Enter),
            ("Esc", Self::Esc),
            ("Tab", Self::Tab),
            ("Shift-Tab", Self::BackTab),
            ("Backspace", Self::Backspace),
            ("Up", Self::Up),
            ("Down", Self::Down),
            ("Left", Self::Left),
            ("Right", Self::Right),
            ("Home", Self::Home),
            ("End", Self::End),
            ("PgUp", Self::PageUp),
            ("PgDn", Self::PageDown),
        ];
        if let Some((_, key)) = named.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(*key);
        }
        let mut letters = text.chars();
        if let (Some(letter), None) = (letters.next(), letters.next())
            && !letter.is_control()
        {
            return Ok(Char(letter));
        }
        let function = text.strip_prefix(['F', 'f']).and_then(|number| number.parse().ok());
        if let Some(number @ 1..=12) = function {
            return Ok(Function(number));
        }
        let mut ctrl = text.strip_prefix("Ctrl-").unwrap_or_default().chars();
        match (ctrl.next(), ctrl.next()) {
            (Some(letter), None) if letter.is_ascii_graphic() => Ok(Ctrl(letter.to_ascii_lowercase())),
            _ => {
                Err(format!("{text:?} is no key: write x, X, Ctrl-X, F5, Space, Enter, Esc, Tab, Shift-Tab, PgUp, Up"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(mode: Option<Mode>, action: &str, keys: &[&str]) -> Wish {
        Wish { mode, action: action.to_owned(), keys: keys.iter().map(|key| (*key).to_owned()).collect() }
    }

    #[test]
    fn names_of_actions_are_their_own() {
        let mut names: Vec<String> = TABLE.iter().map(|binding| binding.action.name()).collect();
        let actions: std::collections::HashSet<Action> = TABLE.iter().map(|binding| binding.action).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), actions.len());
        assert_eq!((Action::RetryFailed.name().as_str(), Action::View(2).name().as_str()), ("retry-failed", "view-2"));
    }

    #[test]
    fn every_key_of_the_table_can_be_written() {
        for key in TABLE.iter().flat_map(|binding| binding.keys) {
            let letters = match key {
                Key::Up => "up".to_owned(),
                Key::Down => "down".to_owned(),
                Key::Left => "left".to_owned(),
                Key::Right => "right".to_owned(),
                other => other.name(),
            };
            assert_eq!(Key::parse(&letters), Ok(*key));
        }
    }

    #[test]
    fn a_wish_takes_the_place_of_the_default_where_it_is_meant() {
        let wishes = [wish(Some(Mode::Log), "page-down", &["0"]), wish(None, "page-down", &["PgDn", "F7"])];
        let keymap = Keymap::with(&wishes).expect("nothing collides");
        assert_eq!(keymap.lookup(Mode::Log, Char('0')), Some(Action::PageDown));
        assert_eq!(keymap.lookup(Mode::Log, Key::PageDown), None);
        assert_eq!(keymap.lookup(Mode::Log, Char(' ')), None, "also where the table has it twice");
        assert_eq!(keymap.lookup(Mode::List, Function(7)), Some(Action::PageDown));
        let swapped = [wish(None, "cancel", &["X"]), wish(None, "kill", &["x"])];
        let keymap = Keymap::with(&swapped).expect("two may change places");
        assert_eq!(keymap.lookup(Mode::Build, Char('x')), Some(Action::Kill));
    }

    #[test]
    fn what_cannot_be_is_told_with_its_reason() {
        let table: [(Wish, &str); 8] = [
            (wish(None, "cancle", &["x"]), "cancle is no action"),
            (wish(None, "copy", &["Hyper-x"]), "\"Hyper-x\" is no key"),
            (wish(None, "cancel", &["Enter"]), "cancel on Enter: what stops something is a letter"),
            (wish(Some(Mode::Build), "copy", &["e"]), "e means both next-failed and copy in a build"),
            (wish(Some(Mode::Help), "cancel", &["x"]), "cancel does nothing in the help"),
            (wish(None, "erase-word", &["w"]), "w is text while typing, it cannot be erase-word"),
            (wish(None, "quit", &[]), "quit needs a key in lists"),
            (wish(Some(Mode::Dialog), "close", &[]), "close needs a key in a question"),
        ];
        for (wish, words) in table {
            let faults = Keymap::with(&[wish]).expect_err(words);
            assert!(faults.iter().any(|(at, fault)| *at == 0 && fault.contains(words)), "{words}: {faults:?}");
        }
    }
}
