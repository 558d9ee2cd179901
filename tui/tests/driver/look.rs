//! A screen in all themes as one text that a person can review: what stands there, then which stretch has which style, then
//! what each style is in each theme. Must not know which screen it is.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier, Style};
use windlass_tui::screens::rows_of;

/// The text of a buffer.
pub(crate) fn text(buffer: &Buffer) -> String {
    rows_of(buffer).collect::<Vec<_>>().join("\n")
}

/// The same screen in several themes. The text has to be the same in all.
pub(crate) fn look(themes: &[(&str, Buffer)]) -> String {
    let (first, others) = themes.split_first().expect("there is a theme");
    let mut out = text(&first.1);
    for (name, buffer) in others {
        assert_eq!(text(buffer), out, "{name} shows other text than {}", first.0);
    }
    let mut seen: Vec<Vec<String>> = Vec::new();
    let mut rows: Vec<String> = Vec::new();
    for y in 0..first.1.area.height {
        let mut row = String::new();
        let mut run: Option<(usize, u16)> = None;
        for x in 0..=first.1.area.width {
            let styles = (x < first.1.area.width)
                .then(|| themes.iter().map(|(_, buffer)| words(&buffer[(x, y)])).collect::<Vec<_>>());
            let style = styles.filter(|styles| styles.iter().any(|style| style != "plain")).map(|styles| {
                seen.iter().position(|known| *known == styles).unwrap_or_else(|| {
                    seen.push(styles);
                    seen.len() - 1
                })
            });
            if let Some((known, from)) = run.filter(|(known, _)| style != Some(*known)) {
                let _ = write!(row, " {}:{from}-{}", letter(known), x - 1);
                run = None;
            }
            if run.is_none() {
                run = style.map(|style| (style, x));
            }
        }
        rows.push(row);
    }
    out.push_str("\n\nstyles\n");
    let mut y = 0;
    while y < rows.len() {
        let same = rows[y..].iter().take_while(|row| **row == rows[y]).count();
        if !rows[y].is_empty() {
            let place = if same == 1 { y.to_string() } else { format!("{y} to {}", y + same - 1) };
            let _ = writeln!(out, "{place}{}", rows[y]);
        }
        y += same;
    }
    for (index, styles) in seen.iter().enumerate() {
        let named = themes.iter().zip(styles).map(|((name, _), style)| format!("{name}: {style}"));
        let _ = writeln!(out, "{} = {}", letter(index), named.collect::<Vec<_>>().join(", "));
    }
    out
}

fn letter(index: usize) -> char {
    char::from(b'a' + u8::try_from(index).expect("a screen has few styles"))
}

fn words(cell: &Cell) -> String {
    let style: Style = cell.style();
    let mut words: Vec<String> = Vec::new();
    if let Some(colour) = style.fg.filter(|colour| *colour != Color::Reset) {
        words.push(colour.to_string().to_lowercase());
    }
    if let Some(colour) = style.bg.filter(|colour| *colour != Color::Reset) {
        words.push(format!("on {}", colour.to_string().to_lowercase()));
    }
    words.extend(style.add_modifier.iter_names().map(|(name, _): (&str, Modifier)| name.to_lowercase()));
    if words.is_empty() { "plain".to_owned() } else { words.join(" ") }
}
