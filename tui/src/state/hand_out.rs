//! What leaves the client on a key: an address to the clipboard, a log to another program or a file. Must not know how.

use windlass_protocol::id::AttemptId;

use super::artifacts::Artifacts;
use super::overview::NodeRow;
use super::{Effect, Page, Reader, State, View};
use crate::safe_text::label;
use crate::tested;

impl State {
    /// The address of what is selected goes to the clipboard. Nobody tells whether it arrived, so only the sending is said.
    pub(super) fn copy(&mut self, effects: &mut Vec<Effect>) {
        let address = match (self.pages.last(), self.view) {
            (Some(Page::Log(log)), _) if log.selection.is_some() || log.line().is_some() => {
                return self.copy_lines(effects);
            }
            (Some(Page::Log(log)), _) => Some(log.id.to_string()),
            (Some(Page::Build(page)), _) if page.cases.is_some() => {
                page.cases.as_ref().and_then(|cases| cases.selected()).map(tested::name)
            }
            (Some(Page::Build(page)), _) if page.artifacts.is_some() => {
                self.files().and_then(Artifacts::selected).map(|file| file.sha256.clone())
            }
            (Some(Page::Build(page)), _) => match page.job() {
                Some(job) => Some(format!("{}/{}", page.number, job.name)),
                None => Some(page.number.to_string()),
            },
            (None, View::Builds) => self.builds.selected().map(|row| row.number.to_string()),
            (None, View::Queue) => self.queued_job().map(|job| job.id.to_string()),
            (None, View::Repositories) => self.overview.repository().map(|repository| repository.name.clone()),
            (None, View::Nodes) => match self.overview.node_row() {
                Some(NodeRow::Job(job)) => Some(job.id.to_string()),
                Some(NodeRow::Node(node)) => Some(node.name.clone()),
                None => None,
            },
            (None, View::Deliveries) => {
                let all = self.deliveries.as_ref();
                all.and_then(|all| all.get(self.deliveries_cursor.at)).map(|delivery| delivery.delivery.clone())
            }
        };
        let Some(address) = address else { return self.toast("nothing is selected".to_owned(), true) };
        // A job's name is somebody else's text: pasted, it must not press Enter.
        let address = label(address).as_str().to_owned();
        self.toast(format!("{address} was sent to the terminal's clipboard"), false);
        effects.push(Effect::Copy(address));
    }

    /// The log that is looked at, or that the selected row means, goes to somebody else.
    pub(super) fn hand_out(&mut self, reader: Reader, effects: &mut Vec<Effect>) {
        let id: Option<AttemptId> = match self.pages.last() {
            Some(Page::Log(log)) => Some(log.id.clone()),
            Some(Page::Build(page)) => page.log().map(|(id, _)| id),
            None => None,
        };
        match id {
            Some(id) => effects.push(Effect::Read(reader, id)),
            None => self.toast("it has not begun, so there is no log yet".to_owned(), true),
        }
    }
}
