//! What a newcomer sees in the place of builds: what to do first, and the keys that help. Must not know more than is told to it.

use std::net::IpAddr;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::keymap::{Action, Mode};
use crate::state::{Connection, State};
use crate::theme::{Theme, Tone};
use crate::widgets::text::Words;

pub(super) fn paint(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let lines = lines(state, area.width, area.height);
    let width = lines.iter().map(Words::width).max().unwrap_or(0).min(usize::from(area.width));
    let left = area.x + (area.width - width as u16) / 2;
    let top = area.y + area.height.saturating_sub(lines.len() as u16) / 3;
    for (line, y) in lines.iter().zip(top..area.bottom()) {
        let place = Rect { x: left, y, width: area.right() - left, height: 1 };
        line.paint(place, Style::new(), theme, buffer);
    }
}

fn lines(state: &State, width: u16, height: u16) -> Vec<Words> {
    let key = |action: Action, does: &str| {
        let bound = state.keys.of(Mode::List).find(|bound| bound.action == action);
        let key = bound.and_then(|bound| bound.keys.first()).map(|key| key.name());
        Words::from((Tone::Accent, format!("{:<3}", key.unwrap_or_else(|| action.name())))).plain(does)
    };
    let keys = [
        key(Action::View(3), "what came in, and what came of it"),
        key(Action::Help, "every key"),
        key(Action::Palette, "every command by its name"),
    ];
    let title = Words::from((Tone::Strong, "no builds yet"));
    // On a small terminal the keys are what helps further.
    if height < 16 || width < 70 {
        return std::iter::once(title).chain(keys).collect();
    }
    let webhook = match &state.connection {
        Connection::Up(hello) => hello.webhook.clone(),
        Connection::Connecting | Connection::Lost { .. } => None,
    };
    let unreachable = webhook.as_deref().is_some_and(is_local);
    let address = webhook.unwrap_or_else(|| "https://…/webhooks/github on windlassd's public address".to_owned());
    let step = |number: &str, text: &str| Words::from((Tone::Accent, format!("{number} "))).plain(text);
    let fact = |name: &str, text: &str| Words::from((Tone::Dim, format!("   {name:<14}"))).plain(text);
    let mut lines = vec![
        title,
        Words::new(),
        step("1.", "A webhook on GitHub: Settings, Webhooks, Add webhook"),
        fact("payload URL", &address),
        fact("content type", "application/json"),
        fact("secret", "the one that windlassd knows ([github] webhook_secret_files)"),
        fact("events", "push, pull requests"),
    ];
    if unreachable {
        let words =
            "   GitHub does not reach that address: put a tunnel or a proxy before it, and name it in [public] url";
        lines.push(Words::from((Tone::Warn, words)));
    }
    lines.push(step("2.", "The repository listed in windlassd.toml: [[repository]] name = \"owner/name\""));
    lines.push(step("3.", "In the repository, .windlass.yml says what to run; windlass lint checks it"));
    lines.push(Words::new());
    lines.push(Words::from((Tone::Dim, "three keys to press:")));
    lines.extend(keys);
    lines.push(Words::new());
    lines.push(Words::from((Tone::Dim, "windlass --help shows the commands for scripts")));
    lines
}

/// An address of this machine alone, or of a private network.
fn is_local(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    match name.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_unspecified() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unspecified() || address.is_unique_local(),
        Err(_) => name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_known() {
        for (url, local) in [
            ("http://127.0.0.1:8080/webhooks/github", true),
            ("http://[::1]:8080/webhooks/github", true),
            ("http://localhost/webhooks/github", true),
            ("https://ci.example.org/webhooks/github", false),
            ("http://0.0.0.0:8080/webhooks/github", true),
            ("http://[::1]/webhooks/github", true),
            ("http://192.168.1.2/webhooks/github", true),
            ("http://140.82.112.3:8080/webhooks/github", false),
            ("https://localhost.example.org/webhooks/github", false),
        ] {
            assert_eq!(is_local(url), local, "{url}");
        }
    }
}
