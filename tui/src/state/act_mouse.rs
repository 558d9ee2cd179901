//! What the mouse does. Must not know where things are painted.

use super::cursor::{Cursor, Move};
use super::log::Motion;
use super::{Effect, Hit, Page, State, View};
use crate::keymap::Action;

impl State {
    pub(super) fn click(&mut self, hit: Hit, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        if layout.status_only() {
            return;
        }
        match hit {
            Hit::Answer(index) => {
                if let Some(dialog) = &mut self.dialog {
                    dialog.focus = index;
                    self.take_answer(effects);
                }
            }
            Hit::Item(index) => {
                let height = usize::from(layout.menu());
                if let Some(menu) = &mut self.menu {
                    menu.go(Move::By(index as isize - menu.cursor.at as isize), height);
                    self.take_item(effects);
                }
            }
            _ if self.dialog.is_some() || self.help.is_some() || self.menu.is_some() => {}
            Hit::Border(border) => self.held = Some(border),
            Hit::View(view) => self.show_view(view, effects),
            Hit::Row(index) => {
                let to = |cursor: Cursor| Move::By(index as isize - cursor.at as isize);
                match (self.pages.last_mut(), self.view) {
                    (Some(Page::Build(page)), _) if page.cases.is_some() => self.click_test(index, effects),
                    (Some(Page::Build(page)), _) if page.artifacts.is_some() => self.click_file(index, effects),
                    (Some(Page::Build(page)), _) if page.cursor.at == index => self.act_in_build(Action::Into, effects),
                    (Some(Page::Build(page)), _) => page.go(to(page.cursor), usize::from(layout.jobs())),
                    (Some(Page::Log(log)), _) => log.click(index),
                    (None, view) => {
                        let cursor = match view {
                            View::Builds => self.builds.cursor,
                            View::Queue => self.queue_cursor,
                            View::Deliveries => self.deliveries_cursor,
                            View::Repositories => self.overview.repositories_cursor,
                            View::Nodes => self.overview.nodes_cursor,
                        };
                        // A second click on the same row opens it.
                        if cursor.at == index {
                            self.open(effects);
                        } else {
                            self.move_in_list(to(cursor), usize::from(layout.list()));
                        }
                    }
                }
            }
        }
    }

    /// A border that is held follows the mouse.
    pub(super) fn drag(&mut self, column: u16, row: u16) {
        if let Some(border) = self.held {
            self.split = self.layout().moved(border, column, row);
        }
    }

    /// Whether something is held, so that it matters where the mouse goes.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn wheel(&mut self, rows: isize) {
        let layout = self.layout();
        let (list, jobs) = (usize::from(layout.list()), usize::from(layout.jobs()));
        if self.dialog.is_some() || layout.status_only() {
            return;
        }
        if let Some(menu) = &mut self.menu {
            return menu.go(Move::By(rows), usize::from(layout.menu()));
        }
        let last = self.help_end();
        if let Some(top) = &mut self.help {
            *top = top.saturating_add_signed(rows).min(last);
            return;
        }
        match (self.pages.last_mut(), self.view) {
            (Some(Page::Log(log)), _) if rows < 0 => log.go(Motion::Up(rows.unsigned_abs())),
            (Some(Page::Log(log)), _) => log.go(Motion::Down(rows.unsigned_abs())),
            (Some(Page::Build(page)), _) if page.cases.is_some() => {
                if let Some(cases) = &mut page.cases {
                    let height = usize::from(super::cases::rows(layout, cases.large).0);
                    cases.cursor.scroll(rows, cases.len(), height);
                }
            }
            (Some(Page::Build(page)), _) if page.artifacts.is_some() => {
                if let Some(files) = &mut page.artifacts {
                    let height = usize::from(super::artifacts::rows(layout, files.troubles.len()).0);
                    files.cursor.scroll(rows, files.len(), height);
                }
            }
            (Some(Page::Build(page)), _) if page.picture.is_some() => {
                let action = if rows < 0 { Action::Up } else { Action::Down };
                self.act_in_graph(action, &mut Vec::new()); // a move asks nothing of anybody
            }
            (Some(Page::Build(page)), _) => page.cursor.scroll(rows, page.rows.len(), jobs),
            (None, View::Builds) => self.builds.scroll(rows, list),
            (None, View::Queue) => {
                let length = self.queue_len();
                self.queue_cursor.scroll(rows, length, list);
            }
            (None, View::Deliveries) => {
                self.deliveries_cursor.scroll(rows, self.deliveries.as_ref().map_or(0, Vec::len), list);
            }
            (None, View::Repositories) => {
                let length = self.overview.repositories.as_ref().map_or(0, Vec::len);
                self.overview.repositories_cursor.scroll(rows, length, list);
            }
            (None, View::Nodes) => {
                let length = self.overview.node_rows().len();
                self.overview.nodes_cursor.scroll(rows, length, list);
            }
        }
    }
}
