//! What the daemon's answers mean for the screen. Must not know keys.

use windlass_protocol::live::{Response, Sub};
use windlass_protocol::refusal::Refusal;

use super::{Effect, Page, Pending, State, search};
use crate::words;

impl State {
    pub(super) fn answered(&mut self, id: u64, response: Response) {
        let Some(pending) = self.pending.remove(&id) else { return };
        match (pending, response) {
            (Pending::Cancel { about }, Response::Cancel { stopping, cancelled }) => {
                let text = match (stopping.len() as u64, cancelled.len() as u64) {
                    (0, 0) => format!("{about}: nothing was left to stop"),
                    (0, _) => format!("{about} is cancelled"),
                    (some, 0) => format!("{about} is being stopped ({})", words::plural(some, "job")),
                    (some, more) => {
                        let jobs = words::plural(some, "job");
                        format!("{about}: {jobs} being stopped, {more} cancelled while waiting")
                    }
                };
                self.toast(text, false);
            }
            (Pending::Retry { about }, Response::Retry { attempts }) => {
                let text = match attempts.as_slice() {
                    [] => format!("{about}: the commit is read again: a new build follows"),
                    [one] => format!("{one} will run"),
                    many => format!("{about}: {} jobs will run again", many.len()),
                };
                self.toast(text, false);
            }
            (Pending::Search { sub, lines }, Response::Matches { lines: found, next }) => {
                if let Some(log) = self.log_of(sub)
                    && let Some(search) = &mut log.search
                    && let Some(line) = search.found(found, next.is_some(), lines)
                {
                    log.reveal(line);
                }
            }
            (Pending::Deliveries, Response::Deliveries { deliveries }) => self.deliveries = Some(deliveries),
            _ => self.toast("the daemon answered something else than was asked".to_owned(), true),
        }
    }

    pub(super) fn refused(&mut self, id: u64, refusal: &Refusal) {
        match self.pending.remove(&id) {
            Some(Pending::Search { sub, .. }) => {
                if let Some(log) = self.log_of(sub) {
                    log.search = None;
                }
                self.toast(format!("search: {refusal}"), true);
            }
            Some(Pending::Cancel { about } | Pending::Retry { about }) => {
                self.toast(format!("{about}: {}: {refusal}", refusal.code), true);
            }
            Some(Pending::Deliveries) => {
                self.deliveries.get_or_insert_default();
                self.toast(format!("deliveries: {refusal}"), true);
            }
            None => {}
        }
    }

    /// A subscription ended: the page that it was for says why.
    pub(super) fn ended(&mut self, sub: Sub, refusal: Refusal) {
        if let Some(log) = self.log_of(sub) {
            log.refused = Some(refusal);
            return;
        }
        let page = self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.sub == sub => Some(page),
            _ => None,
        });
        match page {
            Some(page) => page.refused = Some(refusal),
            None => self.toast(refusal.message, true),
        }
    }

    /// Asks the daemon where the pattern of the log on top occurs, from a line on.
    pub(super) fn ask_search(&mut self, from: u64, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        let (sub, lines, id) = (log.sub, log.lines(), log.id.clone());
        let Some(search) = &mut log.search else { return };
        search.waiting = true;
        let request = windlass_protocol::live::Request::SearchLog {
            log: id,
            pattern: search.pattern.clone(),
            from,
            backwards: false,
            limit: search::LIMIT,
        };
        self.ask(request, Pending::Search { sub, lines }, effects);
    }
}
