//! What is painted: reads the state, never decides. Must not know sockets or keys beyond their table.

pub(crate) mod ascii;
mod build;
mod builds;
mod artifacts;
mod cases;
mod chrome;
mod deliveries;
mod details;
mod graph;
mod help;
mod home;
mod list;
mod log;
mod menu;
mod nodes;
mod overlay;
mod queue;
mod replayed;
mod repositories;
mod results;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

pub use replayed::{as_text, draw_replayed, rows_of};

use crate::state::layout::Border;
use crate::state::{Hit, Page, State, View};
use crate::theme::Theme;

/// Which places of the screen can be clicked, the topmost last.
#[derive(Debug, Default)]
pub struct Hits(Vec<(Rect, Hit)>);

impl Hits {
    /// What stands at a place.
    #[must_use]
    pub fn at(&self, column: u16, row: u16) -> Option<Hit> {
        let place = Position { x: column, y: row };
        self.0.iter().rev().find(|(area, _)| area.contains(place)).map(|(_, hit)| *hit)
    }

    fn add(&mut self, area: Rect, hit: Hit) {
        self.0.push((area, hit));
    }

    /// A border: it is caught also by who is a column beside it.
    fn border(&mut self, area: Rect, border: Border) {
        let area = if area.width == 1 { Rect { x: area.x.saturating_sub(1), width: 2, ..area } } else { area };
        self.add(area, Hit::Border(border));
    }

    fn rows(&mut self, places: Vec<(Rect, usize)>) {
        self.0.extend(places.into_iter().map(|(area, index)| (area, Hit::Row(index))));
    }
}

/// Paints the whole screen.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>) -> Hits {
    let area = frame.area();
    let hits = paint(state, theme, area, frame.buffer_mut());
    if theme.is_ascii() {
        ascii::rewrite(frame.buffer_mut());
    }
    hits
}

fn paint(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) -> Hits {
    let mut hits = Hits::default();
    if area.is_empty() {
        return hits;
    }
    let layout = state.layout();
    if layout.status_only() || (area.width, area.height) != (layout.width, layout.height) {
        chrome::status_only(state, theme, area, buffer);
        return hits;
    }
    chrome::header(state, theme, Rect { height: 1, ..area }, &mut hits, buffer);
    if layout.banner {
        chrome::banner(state, theme, Rect { y: area.y + 1, height: 1, ..area }, buffer);
    }
    if layout.notice {
        let y = area.y + layout.body_top() - 1;
        chrome::notice(state, theme, Rect { y, height: 1, ..area }, buffer);
    }
    let body = Rect { y: area.y + layout.body_top(), height: layout.body(), ..area };
    match (state.pages.last(), state.view) {
        (Some(Page::Build(page)), _) => build::paint(state, page, theme, body, &mut hits, buffer),
        (Some(Page::Log(page)), _) => log::paint(state, page, theme, body, &mut hits, buffer),
        (None, View::Builds) => builds::paint(state, theme, body, &mut hits, buffer),
        (None, View::Queue) => queue::paint(state, theme, body, &mut hits, buffer),
        (None, View::Deliveries) => deliveries::paint(state, theme, body, &mut hits, buffer),
        (None, View::Repositories) => repositories::paint(state, theme, body, &mut hits, buffer),
        (None, View::Nodes) => nodes::paint(state, theme, body, &mut hits, buffer),
    }
    if state.stale() {
        buffer.set_style(body, theme.stale());
    }
    overlay::toasts(state, theme, body, buffer);
    chrome::footer(state, theme, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
    if let Some(top) = state.help {
        help::paint(&state.keys, top, theme, body, buffer);
    }
    if let Some(list) = &state.menu {
        menu::paint(list, theme, body, &mut hits, buffer);
    }
    if let Some(dialog) = &state.dialog {
        overlay::dialog(dialog, state.daemon_now(), theme, body, &mut hits, buffer);
    }
    hits
}
