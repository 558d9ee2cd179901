//! The files that the jobs of a build left, and how far those are that are being saved. Paths are strangers' text. Must not
//! know how files are fetched.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::artifact::ArtifactView;
use windlass_protocol::id::BuildNumber;

use super::{Hits, overlay};
use crate::state::State;
use crate::state::artifacts::{Artifacts, Fetching, id_of, rows};
use crate::theme::{Theme, Tone};
use crate::widgets::table::{Column, Row, Table, Width};
use crate::widgets::text::Words;
use crate::{left, words};

pub(super) fn paint(
    state: &State,
    (build, files): (BuildNumber, &Artifacts),
    theme: Theme,
    area: Rect,
    hits: &mut Hits,
    buffer: &mut Buffer,
) {
    if !files.known() {
        let words = match &files.refused {
            Some(refusal) => format!("artifacts: {refusal}"),
            None => "waiting for the daemon".to_owned(),
        };
        return overlay::empty(&[&words], theme, area, buffer);
    }
    if files.is_empty() && files.filtered() {
        return overlay::empty(&["no file fits the filter", "", "Esc clears it"], theme, area, buffer);
    }
    if files.is_empty() {
        let mut lines = vec!["no job of this build left files", "", "in .windlass.yml, a job keeps some by:"];
        lines.push("artifacts: [dist/**]");
        lines.extend(files.troubles.iter().map(String::as_str));
        return overlay::empty(&lines, theme, area, buffer);
    }
    let columns = columns(area.width);
    let row = |index: usize| {
        let file = files.row(index)?;
        let fetching = state.fetches.get(&id_of(build, file)).copied();
        let cell = |column: &Column| cell(column.title, file, fetching, area.width);
        Some(Row { cells: columns.iter().map(cell).collect(), marked: false })
    };
    let table = Table {
        columns: &columns,
        length: files.len(),
        top: files.cursor.top,
        selected: Some(files.cursor.at),
        row: &row,
        titles: true,
    };
    let (list, below) = rows(state.layout(), files.troubles.len());
    let place = Rect { height: list + 1, ..area };
    hits.rows(table.paint(place, theme, buffer));
    if below > 0 {
        about(state, (build, files), theme, Rect { y: place.bottom(), height: below, ..area }, buffer);
    }
}

/// From so many columns on there is one for what became of a file.
const WIDE: u16 = 60;

fn columns(width: u16) -> Vec<Column> {
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let mut columns = vec![Column { title: "path", width: Width::Rest, right: false }];
    if width >= 110 {
        columns.push(fixed("sha256", 12, false));
    }
    if width >= WIDE {
        columns.push(fixed("job", 18, false));
    }
    columns.push(fixed("size", 8, true));
    if width >= WIDE {
        columns.push(fixed("here", 9, true));
    }
    columns
}

fn cell(title: &str, file: &ArtifactView, fetching: Option<Fetching>, width: u16) -> Words {
    let size = Words::from((Tone::Dim, words::bytes(file.bytes)));
    match title {
        "sha256" => Words::from((Tone::Dim, file.sha256.get(..12).unwrap_or(&file.sha256))),
        "job" => Words::from((Tone::Dim, left::whose(file))),
        "size" if width < WIDE => became(file, fetching).unwrap_or(size),
        "size" => size,
        "here" => became(file, fetching).unwrap_or_default(),
        _ => {
            let (folders, name) = file.path.split_at(file.path.rfind('/').map_or(0, |at| at + 1));
            Words::from((Tone::Dim, folders)).plain(name)
        }
    }
}

/// What became of a file.
fn became(file: &ArtifactView, fetching: Option<Fetching>) -> Option<Words> {
    match fetching {
        Some(Fetching::Coming(have)) => {
            let percent = (have * 100).checked_div(file.bytes).unwrap_or(100);
            Some(Words::from((Tone::Running, format!("● {percent} %"))))
        }
        Some(Fetching::Saved) => Some(Words::from((Tone::Good, "✓ saved"))),
        Some(Fetching::Failed) => Some(Words::from((Tone::Bad, "✗ failed"))),
        None => file.removed_at.map(|_| Words::from((Tone::Warn, "– removed"))),
    }
}

/// What is known of the selected one, and what could not be kept.
fn about(state: &State, (build, files): (BuildNumber, &Artifacts), theme: Theme, area: Rect, buffer: &mut Buffer) {
    let (count, bytes) = files.sum();
    let shown = if files.filtered() { " shown" } else { "" };
    let mut text = format!("{}{shown}", left::counts(count, bytes));
    if files.beyond > 0 {
        text += &format!("; {} more are not listed here", words::count(files.beyond));
    }
    match files.troubles.len() {
        0 => {}
        many => text += &format!("; ! {} not kept", words::count(many as u64)),
    }
    overlay::rule(&text, theme, Rect { height: 1, ..area }, buffer);
    let Some(file) = files.selected().filter(|_| area.height > 2) else { return };
    let line = |y: u16| Rect { x: area.x + 1, y: area.y + y, width: area.width.saturating_sub(2), height: 1 };
    let path = Words::from((Tone::Strong, &file.path)).and(Tone::Dim, format!("  {}", words::bytes(file.bytes)));
    path.paint(line(1), Style::new(), theme, buffer);
    let mut facts = Words::new();
    if let Some(became) = became(file, state.fetches.get(&id_of(build, file)).copied()) {
        facts = facts.join(became).plain("  ");
    }
    if let Some(at) = file.removed_at {
        facts = facts.and(Tone::Dim, format!("{}, to make room  ", words::age(at, state.daemon_now())));
    }
    facts = facts.and(Tone::Dim, format!("{}  sha256 {}", left::whose(file), file.sha256));
    facts.paint(line(2), Style::new(), theme, buffer);
    let room = usize::from(area.height - 3);
    let shown = if files.troubles.len() > room { room.saturating_sub(1) } else { room };
    for (y, trouble) in (3..).zip(files.troubles.iter().take(shown)) {
        Words::from((Tone::Warn, format!("! {trouble}"))).paint(line(y), Style::new(), theme, buffer);
    }
    if files.troubles.len() > shown && room > 0 {
        let more = format!("… {} more: windlass artifacts {build}", files.troubles.len() - shown);
        Words::from((Tone::Dim, more)).paint(line(area.height - 1), Style::new(), theme, buffer);
    }
}
