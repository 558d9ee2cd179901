//! The webhooks that came, and what came of them. Must not know GitHub.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use windlass_protocol::view::{DeliveryState, DeliveryView};

use super::list::List;
use super::log::clock_or_day;
use super::{Hits, overlay};
use crate::state::{Connection, State};
use crate::theme::{Theme, Tone, tone_of};
use crate::widgets::table::{Column, Row, Width};
use crate::widgets::text::Words;
use crate::words::Standing;

pub(super) fn paint(state: &State, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(deliveries) = &state.deliveries else {
        return overlay::empty(&["waiting for the daemon"], theme, area, buffer);
    };
    let all = &state.overview.all_deliveries;
    if deliveries.is_empty() && all.is_on() {
        return overlay::empty(&["no delivery fits the filter", "", "Esc clears it"], theme, area, buffer);
    }
    if deliveries.is_empty() {
        let address = match &state.connection {
            Connection::Up(hello) => hello.webhook.as_deref(),
            Connection::Connecting | Connection::Lost { .. } => None,
        };
        let posts = format!("GitHub posts to {}", address.unwrap_or("/webhooks/github of windlassd's public address"));
        let lines = ["no webhook was received yet", "", &posts, "on GitHub: Settings, Webhooks, Recent deliveries"];
        return overlay::empty(&lines, theme, area, buffer);
    }
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let mut columns = vec![fixed("state", 11, false)];
    if area.width >= 60 {
        columns.push(fixed("came", 12, true));
    }
    let event = match area.width {
        100.. => 26,
        60.. => 20,
        _ => 12,
    };
    columns.push(fixed("event", event, false));
    if area.width >= 100 {
        columns.push(fixed("repository", 22, false));
    }
    columns.push(Column { title: "what came of it", width: Width::Rest, right: false });
    let row = |index: usize| {
        let delivery = deliveries.get(index)?;
        Some(Row { cells: columns.iter().map(|column| cell(column.title, delivery, state)).collect(), marked: false })
    };
    let cursor = state.deliveries_cursor;
    let list = List { columns: &columns, length: deliveries.len(), cursor, row: &row };
    list.paint(state, theme, area, hits, buffer, || {
        let delivery = deliveries.get(cursor.at)?;
        let across = match all.is_on() {
            true => format!("{} of the newest {}, filter \"{}\"", deliveries.len(), all.total(), all.text.trim()),
            false => format!("the newest {}", deliveries.len()),
        };
        let name = Words::new().and(Tone::Strong, &delivery.delivery);
        let name = name.and(Tone::Dim, format!("  {}", delivery.repository.as_deref().unwrap_or("no repository")));
        Some((across, [name, cell("what came of it", delivery, state)]))
    });
}

fn cell(title: &str, delivery: &DeliveryView, state: &State) -> Words {
    match title {
        "state" => match delivery.state {
            DeliveryState::Accepted => Words::from((Tone::Good, "✓ accepted")),
            DeliveryState::Ignored => Words::from((Tone::Dim, "– ignored")),
            DeliveryState::Duplicate => Words::from((Tone::Dim, "= duplicate")),
        },
        "came" => Words::from((Tone::Dim, clock_or_day(delivery.received_at, state.daemon_now(), &state.zone))),
        "event" => match &delivery.action {
            Some(action) => Words::new().plain(&delivery.event).and(Tone::Dim, format!(" {action}")),
            None => Words::new().plain(&delivery.event),
        },
        "repository" => Words::new().plain(delivery.repository.as_deref().unwrap_or_default()),
        _ => {
            let builds = delivery.builds.iter().fold(Words::new(), |words, build| {
                let words = words.and(Tone::Strong, format!("#{build} "));
                match state.builds.get(*build) {
                    Some(row) => {
                        let standing = Standing::of_row(row, state.is_stopping(row));
                        words.and(tone_of(standing), format!("{} {}  ", standing.glyph(), standing.word()))
                    }
                    None => words,
                }
            });
            builds.plain(delivery.reason.as_deref().unwrap_or_default())
        }
    }
}
