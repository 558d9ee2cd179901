//! Working on a delivery once more: the question before, and why it may be impossible. Must not know how it is painted.

use windlass_protocol::live::{Request, Role};
use windlass_protocol::view::DeliveryView;

use super::dialog::{Answer, Dialog, Task};
use super::{Connection, State, View};
use crate::words;

impl State {
    pub(super) fn delivery(&self) -> Option<&DeliveryView> {
        self.deliveries.as_ref()?.get(self.deliveries_cursor.at)
    }

    /// Why the selected row cannot be worked on once more.
    pub(super) fn why_no_replay(&self) -> Option<String> {
        if self.view != View::Deliveries {
            return Some("only deliveries are replayed".to_owned());
        }
        let looks = matches!(&self.connection, Connection::Up(hello) if hello.role == Role::Viewer);
        match self.delivery() {
            None => Some("nothing is selected".to_owned()),
            Some(_) if looks => Some("this token may only look: it needs the role operator".to_owned()),
            Some(delivery) => delivery.no_replay.clone(),
        }
    }

    pub(super) fn replay(&mut self) {
        match (self.why_no_replay(), self.delivery()) {
            (None, Some(delivery)) => {
                let age = words::age(delivery.received_at, self.daemon_now());
                self.dialog = Some(question(delivery, &age));
            }
            (why_not, _) => self.toast(why_not.unwrap_or_default(), true),
        }
    }
}

fn question(delivery: &DeliveryView, age: &str) -> Dialog {
    let id = &delivery.delivery;
    let action = delivery.action.as_deref().unwrap_or_default();
    let about = format!("{} {action}", delivery.event);
    let repository = delivery.repository.as_deref().unwrap_or("no repository");
    let builds: Vec<String> = delivery.builds.iter().map(|number| format!("#{number}")).collect();
    let came = match builds.is_empty() {
        true => "Nothing came of it yet.".to_owned(),
        false => format!("What came of it stays as it is: {}.", builds.join(", ")),
    };
    let task = Task { request: Request::Replay { delivery: id.clone() }, about: format!("delivery {id}") };
    Dialog {
        title: format!("Replay {id}?"),
        text: vec![
            format!("{}  {repository}, came {age}", about.trim_end()),
            String::new(),
            "It is worked on as if it came now: a new build of the same commit.".to_owned(),
            came,
        ],
        killed_at: None,
        answers: vec![Answer::leave("Leave it"), Answer::does("Replay it", vec![task])],
        focus: 0,
    }
}
