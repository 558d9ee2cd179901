//! `client.toml` in the platform's configuration folder: what a person wishes once and for all. A fault is told with its
//! line and column. Must not know sockets or screens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

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
        beside(&mut config.token_file);
        beside(&mut config.ca);
        for daemon in config.profiles.values_mut() {
            beside(&mut daemon.token_file);
            beside(&mut daemon.ca);
        }
        Ok(config)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_fault_is_told_with_file_and_line() {
        let table = [
            ("theme = \"dark\"\n[tones]\nwarn = \"purpel\"\n", "line 3", "purpel is no colour"),
            ("[tones]\nloud = \"red\"\n", "line 2", "loud is no tone"),
            ("\ntheme = \"neon\"\n", "line 2", "unknown variant `neon`"),
            ("colour = 1\n", "line 1", "unknown field `colour`"),
        ];
        for (text, line, words) in table {
            let error = parse(text).expect_err(text);
            assert!(error.contains("client.toml") && error.contains(line) && error.contains(words), "{error}");
        }
    }
}
