//! `client.toml` in the platform's configuration folder: what a person wishes once and for all. A fault is told with its
//! line and column. Must not know sockets or screens.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::keymap::{self, Keymap, Mode, Wish};
use crate::notify;
use crate::theme::{Paints, Palette};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    connect: Option<String>,
    token_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    /// More daemons, by name: `windlass --profile NAME`.
    profiles: BTreeMap<String, Daemon>,
    pub(crate) theme: Palette,
    pub(crate) tones: Paints,
    pub(crate) notify: notify::Wishes,
    #[serde(rename = "keys")]
    wishes: Wishes,
}

/// Where a daemon is, and how to prove who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Daemon {
    pub(crate) connect: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
}

impl Config {
    /// What the file says; nothing when there is none.
    pub(crate) fn read() -> Result<Self, String> {
        let folders = directories::ProjectDirs::from("", "", "windlass");
        let Some(path) = folders.map(|folders| folders.config_dir().join("client.toml")) else {
            return Ok(Self::default());
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    }

    /// Paths begin from the file's folder.
    fn parse(text: &str, path: &Path) -> Result<Self, String> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| format!("{}: {}", path.display(), error.to_string().trim_end()))?;
        let beside = |at: &mut Option<PathBuf>| {
            if let (Some(at), Some(folder)) = (at, path.parent()) {
                *at = folder.join(&*at);
            }
        };
        config.wishes.keymap().map_err(|faults| {
            let line = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
            let faults =
                faults.into_iter().map(|(at, words)| format!("{}: line {}: {words}", path.display(), line(at)));
            faults.collect::<Vec<_>>().join("\n")
        })?;
        beside(&mut config.token_file);
        beside(&mut config.ca);
        for daemon in config.profiles.values_mut() {
            beside(&mut daemon.token_file);
            beside(&mut daemon.ca);
        }
        Ok(config)
    }

    /// Keys that are not the usual ones.
    pub(crate) fn key_wishes(&self) -> Vec<Wish> {
        self.wishes.all()
    }

    /// The names of the daemons beside the usual one.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// The daemon of a profile, or the usual one. A profile says everything about its daemon: nothing of the usual one's,
    /// its token least of all, goes along.
    pub(crate) fn daemon(&self, profile: Option<&str>) -> Result<Daemon, String> {
        let Some(name) = profile else {
            let (connect, token_file, ca) = (self.connect.clone(), self.token_file.clone(), self.ca.clone());
            return Ok(Daemon { connect, token_file, ca });
        };
        self.profiles.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
            format!("client.toml has no profile {name}; its profiles: {known}")
        })
    }
}

/// What `[keys]` says: each wish, and where in the file it stands.
#[derive(Debug, Default)]
struct Wishes(Vec<(usize, Wish)>);

impl Wishes {
    fn all(&self) -> Vec<Wish> {
        self.0.iter().map(|(_, wish)| wish.clone()).collect()
    }

    fn keymap(&self) -> Result<Keymap, Vec<(usize, String)>> {
        let wishes = self.all();
        let place = |(at, words): (usize, String)| (self.0.get(at).map_or(0, |(place, _)| *place), words);
        Keymap::with(&wishes).map_err(|faults| faults.into_iter().map(place).collect())
    }
}

/// One key, several, or the wishes of one mode.
#[derive(Debug)]
enum Entry {
    Keys(Vec<String>),
    Mode(BTreeMap<String, Spanned<Entry>>),
}

impl<'de> Deserialize<'de> for Wishes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut wishes = Vec::new();
        for (name, entry) in BTreeMap::<String, Spanned<Entry>>::deserialize(from)? {
            let at = entry.span().start;
            match entry.into_inner() {
                Entry::Keys(keys) => wishes.push((at, Wish { mode: None, action: name, keys })),
                Entry::Mode(entries) => {
                    let modes = keymap::SECTIONS.iter().map(|(mode, _)| *mode);
                    let Some(mode) = modes.clone().find(|mode| mode.table() == name) else {
                        let all = modes.map(Mode::table).collect::<Vec<_>>().join(", ");
                        return Err(D::Error::custom(format!("{name} is no place for keys: write one of {all}")));
                    };
                    for (action, entry) in entries {
                        let at = entry.span().start;
                        let Entry::Keys(keys) = entry.into_inner() else {
                            return Err(D::Error::custom(format!(
                                "{name}.{action} has to be a key, or a list of keys"
                            )));
                        };
                        wishes.push((at, Wish { mode: Some(mode), action, keys }));
                    }
                }
            }
        }
        Ok(Self(wishes))
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key, or a list of keys")
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Entry, E> {
                Ok(Entry::Keys(vec![key.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Entry, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = all.next_element()? {
                    keys.push(key);
                }
                Ok(Entry::Keys(keys))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Entry, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, entry)) = all.next_entry()? {
                    entries.insert(name, entry);
                }
                Ok(Entry::Mode(entries))
            }
        }
        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::{Action, Key};

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/home/me/.config/windlass/client.toml"))
    }

    #[test]
    fn profiles_share_nothing_and_paths_begin_at_the_file() {
        let config = parse(
            "connect = \"unix:/run/w.sock\"\ntoken_file = \"token\"\n\
             [profiles.work]\nconnect = \"wss://ci.example.org\"\nca = \"/etc/ca.crt\"\n",
        )
        .expect("it is well formed");
        let usual = config.daemon(None).expect("the usual one");
        assert_eq!(usual.token_file, Some(PathBuf::from("/home/me/.config/windlass/token")));
        let work = config.daemon(Some("work")).expect("a profile");
        assert_eq!((work.token_file, work.ca), (None, Some(PathBuf::from("/etc/ca.crt"))));
        let words = config.daemon(Some("home")).expect_err("there is none");
        assert!(words.contains("no profile home; its profiles: work"), "{words}");
    }

    #[test]
    fn notifications_are_on_unless_they_are_not_wished() {
        let notify = |text| parse(text).expect("it is well formed").notify;
        assert_eq!(notify(""), notify::Wishes { bell: true, desktop: true });
        assert_eq!(notify("[notify]\nbell = false\n"), notify::Wishes { bell: false, desktop: true });
    }

    #[test]
    fn keys_of_the_file_are_in_the_table() {
        let config = parse("[keys]\ncopy = 'c'\n[keys.in-log]\nwrap = ['W', 'F4']\n").expect("nothing collides");
        let keys = config.wishes.keymap().expect("it was looked at");
        let is = |mode, key, action| assert_eq!(keys.lookup(mode, key), action);
        is(Mode::List, Key::Char('c'), Some(Action::Copy));
        is(Mode::List, Key::Char('y'), None);
        is(Mode::Log, Key::Function(4), Some(Action::Wrap));
    }

    #[test]
    fn every_fault_of_the_keys_is_told_at_once() {
        let error = parse("[keys]\ncopy = 'x'\nfilter = 'nothing'\n").expect_err("two faults");
        assert!(error.contains("line 2: x means") && error.contains("line 3: \"nothing\" is no key"), "{error}");
    }

    #[test]
    fn a_fault_is_told_with_file_and_line() {
        let table = [
            ("theme = \"dark\"\n[tones]\nwarn = \"purpel\"\n", "line 3", "purpel is no colour"),
            ("[tones]\nloud = \"red\"\n", "line 2", "loud is no tone"),
            ("\ntheme = \"neon\"\n", "line 2", "unknown variant `neon`"),
            ("[notify]\nbell = true\ndesk = true\n", "line 3", "unknown field `desk`"),
            ("colour = 1\n", "line 1", "unknown field `colour`"),
            ("[keys]\ncopy = 'x'\n", "line 2", "x means both cancel and copy in lists"),
            ("[keys]\n\ncopy = ['F9', 'blue']\n", "line 3", "\"blue\" is no key"),
            ("[keys.in-log]\ncancle = 'x'\n", "line 2", "cancle is no action"),
            ("[keys.in-logs]\ncopy = 'c'\n", "line 1", "in-logs is no place for keys"),
            ("[keys]\ncopy = 3\n", "line 2", "expected a key, or a list of keys"),
        ];
        for (text, line, words) in table {
            let error = parse(text).expect_err(text);
            assert!(error.contains("client.toml") && error.contains(line) && error.contains(words), "{error}");
        }
    }
}
