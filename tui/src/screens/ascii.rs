//! A painted screen for a terminal that shows ASCII only: every sign of ours becomes one that means the same, and differs from
//! the others as much as the original does. Must not know what is painted.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// Puts ASCII in the place of everything else.
pub(super) fn rewrite(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if !symbol.is_ascii() {
            // A wide letter owns the cell behind it: that one is blank already, or empty.
            let plain = if symbol.width() > 1 { "?" } else { plain(symbol) };
            cell.set_symbol(plain);
        }
    }
}

/// The same with a text that is no screen.
pub(crate) fn text(text: &str) -> String {
    let plain = |c: char| if c.is_ascii() { c.to_string() } else { plain(c.encode_utf8(&mut [0; 4])).to_owned() };
    text.chars().map(plain).collect()
}

/// Whether the locale of this process has an encoding other than UTF-8. Where none is set, UTF-8 is the better guess.
#[must_use]
pub(crate) fn wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        !(value.contains("utf-8") || value.contains("utf8"))
    })
}

fn plain(symbol: &str) -> &'static str {
    match symbol {
        "✓" => "+",
        "✗" => "x",
        "○" => "o",
        "●" => "*",
        "◌" => "~",
        "◉" => "@",
        "◷" => "t",
        "⊘" => "c",
        "▲" => "m",
        "–" | "─" | "—" => "-",
        "·" => ".",
        "│" => "|",
        "╭" | "╮" | "╰" | "╯" | "├" | "┤" | "┬" | "┴" | "┼" | "└" | "┌" | "┐" | "┘" => "+",
        "▸" | "›" | "▶" | "→" => ">",
        "‹" | "←" => "<",
        "▴" | "↑" => "^",
        "▾" | "↓" => "v",
        "█" | "■" | "▉" | "▊" | "▋" | "▌" => "#",
        "▐" => "|",
        "▍" | "▎" | "▏" | "□" => ".",
        "▁" | "▂" => "_",
        "▃" | "▄" => "=",
        "▅" | "▆" => "+",
        "▇" => "#",
        "‖" => "=",
        "…" | "⋯" => "~",
        "±" => "%",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Standing;
    use windlass_protocol::view::Outcome;

    #[test]
    fn states_stay_apart() {
        let ended = Outcome::ALL.into_iter().map(Standing::Ended);
        let all =
            [Standing::Waiting, Standing::Running, Standing::Stopping, Standing::Unknown].into_iter().chain(ended);
        let mut signs: Vec<&str> = all
            .map(|standing| {
                let glyph = standing.glyph();
                if glyph.is_ascii() { glyph } else { plain(glyph) }
            })
            .collect();
        let count = signs.len();
        signs.sort_unstable();
        signs.dedup();
        assert_eq!(signs.len(), count, "{signs:?}");
    }

    #[test]
    fn the_locale_tells() {
        type Case = (&'static [(&'static str, &'static str)], bool);
        let table: [Case; 6] = [
            (&[], false),
            (&[("LANG", "C.UTF-8")], false),
            (&[("LANG", "de_DE.utf8")], false),
            (&[("LANG", "C")], true),
            (&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "POSIX")], true),
            (&[("LC_ALL", ""), ("LANG", "en_GB.UTF-8")], false),
        ];
        for (variables, ascii) in table {
            let variable =
                |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(wanted(variable), ascii, "{variables:?}");
        }
    }
}
