//! The palette and the menu: names, keys, and why something cannot be. Must not know what the commands do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Hits, overlay};
use crate::state::Hit;
use crate::state::menu::{Item, Menu};
use crate::theme::{Theme, Tone};
use crate::widgets::popup;
use crate::widgets::table::{Column, Row, Table, Width};
use crate::widgets::text::Words;

pub(super) fn paint(menu: &Menu, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let width = area.width.min(90);
    let rows = u16::try_from(menu.len()).unwrap_or(u16::MAX).max(1);
    let height = rows.saturating_add(2).min(area.height);
    // It stands on the line that is typed in.
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.bottom() - height, width, height };
    popup::frame(place, menu.title, theme, buffer);
    let inner =
        Rect { x: place.x + 1, y: place.y + 1, width: width.saturating_sub(2), height: height.saturating_sub(2) };
    if menu.is_empty() {
        return overlay::empty(&[menu.nothing], theme, inner, buffer);
    }
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let mut columns = vec![fixed("name", 17, false), Column { title: "help", width: Width::Rest, right: false }];
    if width >= 60 {
        columns.push(fixed("keys", 16, true));
    }
    let row = |index: usize| {
        let item = menu.item(index)?;
        Some(Row { cells: columns.iter().map(|column| cell(column.title, item)).collect(), marked: false })
    };
    let table = Table {
        columns: &columns,
        length: menu.len(),
        top: menu.cursor.top,
        selected: Some(menu.cursor.at),
        row: &row,
        titles: false,
    };
    for (place, index) in table.paint(inner, theme, buffer) {
        hits.add(place, Hit::Item(index));
    }
}

fn cell(title: &str, item: &Item) -> Words {
    match (title, &item.why_not) {
        ("name", None) => Words::from((Tone::Strong, &item.name)),
        ("name", Some(_)) => Words::from((Tone::Dim, &item.name)),
        ("help", None) => Words::new().plain(&item.help),
        ("help", Some(why_not)) => Words::from((Tone::Dim, format!("not now: {why_not}"))),
        _ => Words::from((Tone::Accent, &item.keys)),
    }
}
