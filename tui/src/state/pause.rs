//! Questions before the queue or a repository is paused or goes on: what is paused is chosen first, then confirmed by its
//! name. Must not know how it is painted.

use windlass_protocol::live::{Request, Role};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Pause, QueueView, Status};

use super::dialog::{Answer, Dialog, Task};
use crate::waiting;
use crate::words;

/// The whole queue, the repository of the selected row, and whatever else is paused.
pub(super) fn menu(queue: &QueueView, repository: Option<&str>, role: Option<Role>, now: Timestamp) -> Dialog {
    let why_not = match role {
        Some(Role::Viewer) => Some("this token may only look: it needs the role operator".to_owned()),
        Some(Role::Operator | Role::Admin) => None,
        None => Some("there is no daemon to ask just now".to_owned()),
    };
    let same = |paused: &Option<String>, name: Option<&str>| match (paused, name) {
        (Some(paused), Some(name)) => paused.eq_ignore_ascii_case(name),
        (None, None) => true,
        _ => false,
    };
    let pause_of = |name: Option<&str>| queue.pauses.iter().find(|pause| same(&pause.repository, name));
    let mut targets = vec![None];
    targets.extend(repository.map(Some));
    for pause in queue.pauses.iter().filter(|pause| pause.repository.is_some()) {
        if !targets.iter().any(|target| same(&pause.repository, *target)) {
            targets.push(pause.repository.as_deref());
        }
    }
    let mut answers = vec![Answer::leave("Nothing")];
    for target in targets {
        let paused = pause_of(target);
        let name = target.unwrap_or("the whole queue");
        let label = if paused.is_some() { format!("Resume {name}") } else { format!("Pause {name}") };
        let asks = Some(Box::new(confirm(queue, target, paused, now)));
        answers.push(Answer { why_not: why_not.clone(), asks, ..Answer::leave(label) });
    }
    let text = match queue.pauses.is_empty() {
        true => vec!["Nothing is paused.".to_owned()],
        false => queue.pauses.iter().map(|pause| waiting::pause(pause, now)).collect(),
    };
    Dialog { title: "Pause or resume".to_owned(), text, killed_at: None, answers, focus: 0 }
}

fn confirm(queue: &QueueView, target: Option<&str>, paused: Option<&Pause>, now: Timestamp) -> Dialog {
    let name = target.unwrap_or("the whole queue");
    let repository = target.map(ToOwned::to_owned);
    let waits = queue.jobs.iter().filter(|job| {
        job.status == Status::Waiting && target.is_none_or(|target| job.repository.eq_ignore_ascii_case(target))
    });
    let waits = words::plural(waits.count() as u64, "job");
    let (verb, text, leave, request, about) = match paused {
        Some(pause) => (
            "Resume",
            vec![format!("{}.", waiting::pause(pause, now)), format!("{waits} of what is shown may then begin.")],
            "Leave it paused",
            Request::Resume { repository },
            format!("{name} goes on"),
        ),
        None => (
            "Pause",
            vec![
                "Nothing new begins, what runs goes on. It holds until somebody resumes it.".to_owned(),
                format!("{waits} of what is shown will wait."),
            ],
            "Let it go on",
            Request::Pause { repository, reason: None },
            format!("{name} is paused"),
        ),
    };
    Dialog {
        title: format!("{verb} {name}?"),
        text,
        killed_at: None,
        answers: vec![Answer::leave(leave), Answer::does(format!("{verb} {name}"), vec![Task { request, about }])],
        focus: 0,
    }
}
