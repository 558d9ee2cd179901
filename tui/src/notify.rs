//! How a terminal is told something for whoever looks elsewhere: its bell, and a desktop notification where it is known to
//! make one. Must not know what is told, nor screens.

use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;

/// `[notify]` of client.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wishes {
    pub(crate) bell: bool,
    pub(crate) desktop: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { bell: true, desktop: true }
    }
}

/// What makes a desktop notification of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// OSC 777: a title and a text.
    Titled,
    /// OSC 9: a text. Terminals that do not know it show nothing.
    Plain,
    /// OSC 9 in tmux's wrapping, if tmux lets it through.
    ThroughTmux,
    /// There is nobody who would understand.
    None,
}

pub(crate) struct Notifier {
    wishes: Wishes,
    way: Way,
    /// Whether tmux lets sequences through to the terminal; empty while nobody knows.
    let_through: Arc<OnceLock<bool>>,
}

impl Notifier {
    /// Has to be called inside of the runtime: tmux is asked in the background.
    pub(crate) fn new(wishes: Wishes) -> Self {
        let way = way(|name| std::env::var(name).ok());
        let let_through = Arc::new(OnceLock::new());
        if way == Way::ThroughTmux && wishes.desktop {
            let known = Arc::clone(&let_through);
            tokio::spawn(async move { known.set(tmux_lets_through().await) });
        }
        Self { wishes, way, let_through }
    }

    /// What to write. The text is one line without any control character.
    pub(crate) fn bytes(&self, text: &str) -> String {
        let through = self.let_through.get().copied().unwrap_or(false);
        bytes(self.wishes, self.way, through, text)
    }
}

fn bytes(wishes: Wishes, way: Way, through: bool, text: &str) -> String {
    debug_assert!(!text.contains(char::is_control), "what is not safe is not told: {text:?}");
    let desktop = match way {
        _ if !wishes.desktop => String::new(),
        Way::Titled => format!("\x1b]777;notify;windlass;{text}\x07"),
        Way::Plain => format!("\x1b]9;windlass: {text}\x07"),
        Way::ThroughTmux if through => format!("\x1bPtmux;\x1b\x1b]9;windlass: {text}\x07\x1b\\"),
        Way::ThroughTmux | Way::None => String::new(),
    };
    if wishes.bell { format!("{desktop}\x07") } else { desktop }
}

/// What the environment says about who reads what we write.
fn way(variable: impl Fn(&str) -> Option<String>) -> Way {
    let of = |name| variable(name).unwrap_or_default();
    let (term, program) = (of("TERM"), of("TERM_PROGRAM"));
    if !of("TMUX").is_empty() || term.starts_with("tmux") {
        return Way::ThroughTmux;
    }
    if !of("STY").is_empty() || term.starts_with("screen") || ["", "dumb", "linux"].contains(&term.as_str()) {
        return Way::None;
    }
    let titled_terms = ["foot", "rxvt-unicode", "xterm-ghostty", "wezterm", "contour"];
    let titled_programs = ["ghostty", "WezTerm", "WarpTerminal"];
    let titled =
        titled_terms.iter().any(|known| term.starts_with(known)) || titled_programs.contains(&program.as_str());
    if titled { Way::Titled } else { Way::Plain }
}

/// Asks tmux about the pane that we are in. Whoever does not answer, says no.
async fn tmux_lets_through() -> bool {
    let mut tmux = tokio::process::Command::new("tmux");
    tmux.args(["show-options", "-A", "-p", "-v", "allow-passthrough"]).stdin(Stdio::null()).stderr(Stdio::null());
    match tokio::time::timeout(Duration::from_secs(2), tmux.kill_on_drop(true).output()).await {
        Ok(Ok(output)) => matches!(output.stdout.trim_ascii(), b"on" | b"all"),
        Ok(Err(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_what_it_understands() {
        let table: [(&[(&str, &str)], Way); 10] = [
            (&[("TERM", "xterm-256color")], Way::Plain),
            (&[("TERM", "foot-direct")], Way::Titled),
            (&[("TERM", "rxvt-unicode-256color")], Way::Titled),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Way::Titled),
            (&[("TERM", "tmux-256color")], Way::ThroughTmux),
            (&[("TERM", "screen-256color"), ("TMUX", "/tmp/tmux-0/default,1,0")], Way::ThroughTmux),
            (&[("TERM", "screen"), ("STY", "1.pts")], Way::None),
            (&[("TERM", "linux")], Way::None),
            (&[("TERM", "dumb")], Way::None),
            (&[], Way::None),
        ];
        for (set, expected) in table {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(way(variable), expected, "{set:?}");
        }
    }

    #[test]
    fn what_is_written() {
        let all = Wishes::default();
        let quiet = Wishes { bell: false, desktop: true };
        let table = [
            (all, Way::Plain, false, "\x1b]9;windlass: build 4; done\x07\x07"),
            (all, Way::Titled, false, "\x1b]777;notify;windlass;build 4; done\x07\x07"),
            (all, Way::ThroughTmux, false, "\x07"),
            (all, Way::ThroughTmux, true, "\x1bPtmux;\x1b\x1b]9;windlass: build 4; done\x07\x1b\\\x07"),
            (all, Way::None, true, "\x07"),
            (quiet, Way::Plain, false, "\x1b]9;windlass: build 4; done\x07"),
            (quiet, Way::None, false, ""),
            (Wishes { bell: true, desktop: false }, Way::Titled, true, "\x07"),
        ];
        for (wishes, way, through, expected) in table {
            assert_eq!(bytes(wishes, way, through, "build 4; done"), expected, "{wishes:?} {way:?} {through}");
        }
    }
}
