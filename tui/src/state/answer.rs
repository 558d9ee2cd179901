//! What the daemon's answers mean for the screen. Must not know keys.

use windlass_protocol::live::{Request, Response, Sub};
use windlass_protocol::refusal::Refusal;

use super::digest::{self, Digest};
use super::search::{self, Next};
use super::{Effect, FIRST_FREE, Page, Pending, State};

impl State {
    pub(super) fn answered(&mut self, id: u64, response: Response, effects: &mut Vec<Effect>) {
        self.patience.end(id);
        let Some(pending) = self.pending.remove(&id) else { return };
        match (pending, response) {
            (Pending::Order { about, build, batch }, response) => {
                self.order_answered(batch, about, build, Ok(response));
            }
            (Pending::Pause { about }, Response::Pauses { pauses }) => {
                self.ours.pause(self.now);
                if let Some(queue) = &mut self.queue {
                    queue.pauses = pauses; // the queue's own news may come a moment later
                }
                self.toast(about, false);
                self.look_again();
            }
            (Pending::Search { sub, ask }, Response::Matches { lines: found, next }) => {
                let Some(log) = self.log_of(sub) else { return };
                let lines = log.lines();
                let errors = ask.pattern == search::ERRORS;
                let Some(search) = (if errors { &mut log.errors } else { &mut log.search }) else { return };
                let next = search.found(&ask, &found, next, lines);
                if !errors && next == Next::Nothing && self.search_instead(sub, effects) {
                    return;
                }
                if errors && self.log_of(sub).is_some_and(|log| log.opening.is_some()) {
                    self.follow_opening(sub, next, effects);
                } else {
                    self.follow_search(sub, next, effects);
                }
            }
            (Pending::Excerpt { log }, Response::Excerpt { lines }) => self.excerpt(&log, digest::lines(lines)),
            (Pending::Deliveries, Response::Deliveries { deliveries }) => {
                self.take_deliveries(deliveries);
                self.overview.asking = false;
            }
            (Pending::Repositories, Response::Repositories { repositories, total }) => {
                self.take_repositories(repositories);
                (self.overview.repositories_total, self.overview.asking) = (total, false);
            }
            (Pending::Nodes, Response::Nodes { nodes }) => {
                (self.overview.nodes, self.overview.asking) = (Some(nodes), false);
            }
            (Pending::Results { branch }, Response::Results { results }) => self.overview.take_branch(branch, results),
            (Pending::Replay { about }, Response::Replay { delivery }) => {
                self.toast(format!("{about} is worked on once more, as {delivery}"), false);
                self.look_again();
            }
            (Pending::Artifacts { build }, Response::Artifacts { artifacts }) => {
                self.take_artifacts(build, artifacts, effects);
            }
            (Pending::Map { log, pattern }, Response::LogMap { lines, looked, counts }) => {
                for page in self.logs_of(&log) {
                    page.take_map(&pattern, lines, looked, &counts);
                }
            }
            _ => self.toast("the daemon answered something else than was asked".to_owned(), true),
        }
    }

    pub(super) fn refused(&mut self, id: u64, refusal: &Refusal) {
        self.patience.end(id);
        match self.pending.remove(&id) {
            Some(Pending::Search { sub, ask }) => {
                if let Some(log) = self.log_of(sub) {
                    if ask.pattern == search::ERRORS {
                        (log.errors, log.opening) = (None, None);
                    } else {
                        log.search = None;
                    }
                }
                self.toast(format!("search: {refusal}"), true);
            }
            Some(Pending::Excerpt { log }) => self.excerpt(&log, Digest::Refused(refusal.to_string())),
            Some(Pending::Repositories) => {
                self.overview.repositories.get_or_insert_default();
                self.overview.asking = false;
                self.toast(format!("repositories: {refusal}"), true);
            }
            Some(Pending::Nodes) => {
                self.overview.nodes.get_or_insert_default();
                self.overview.asking = false;
                self.toast(format!("nodes: {refusal}"), true);
            }
            Some(Pending::Results { .. }) => self.overview.refuse_branch(),
            Some(Pending::Artifacts { build }) => self.refuse_artifacts(build, refusal),
            // A column without it is what is left.
            Some(Pending::Map { log, pattern }) => self.logs_of(&log).for_each(|page| page.fail_map(&pattern)),
            Some(Pending::Order { about, build, batch }) => self.order_answered(batch, about, build, Err(refusal)),
            Some(Pending::Pause { about } | Pending::Replay { about }) => {
                self.toast(format!("{about}: {}: {refusal}", refusal.code), true);
            }
            Some(Pending::Deliveries) => {
                self.deliveries.get_or_insert_default();
                self.overview.asking = false;
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
        if let Some(cases) = self.page_of_tests(sub).and_then(|page| page.cases.as_mut()) {
            cases.refused = Some(refusal);
            return;
        }
        if self.watch_ended(sub, &refusal) {
            return;
        }
        let page = self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.sub == sub => Some(page),
            _ => None,
        });
        match page {
            Some(page) => page.refused = Some(refusal),
            None if sub < FIRST_FREE => self.toast(refusal.message, true),
            // It was left meanwhile.
            None => {}
        }
    }

    /// A log that failed opens at the first error of the step that failed; where none is found, at that step's end.
    pub(super) fn follow_opening(&mut self, sub: Sub, next: Next, effects: &mut Vec<Effect>) {
        let Some(log) = self.log_of(sub) else { return };
        if let Next::Ask(_) = next {
            return self.follow_search(sub, next, effects);
        }
        let step = log.opening.take();
        match &next {
            Next::Show { line, wrapped: false, .. } if step.is_some_and(|step| step.contains(line)) => {
                log.begin_around(*line);
            }
            _ => {
                if let Some(errors) = &mut log.errors {
                    errors.current = None;
                }
            }
        }
        if let Next::Show { count: Some(ask), .. } = next {
            self.follow_search(sub, Next::Ask(ask), effects);
        }
    }

    /// Carries out what a search needs next: shows a hit, or asks the daemon on.
    pub(super) fn follow_search(&mut self, sub: Sub, next: Next, effects: &mut Vec<Effect>) {
        let Some(log) = self.log_of(sub) else { return };
        match next {
            Next::Show { line, wrapped, count } => {
                self.go_to_line(sub, line, effects);
                if wrapped {
                    self.toast("search wrapped".to_owned(), false);
                }
                if let Some(ask) = count {
                    self.follow_search(sub, Next::Ask(ask), effects);
                }
            }
            Next::Ask(ask) => {
                let request = Request::SearchLog {
                    log: log.id.clone(),
                    pattern: ask.pattern.clone(),
                    from: ask.from,
                    backwards: ask.backwards,
                    limit: ask.limit,
                };
                self.ask(request, Pending::Search { sub, ask }, effects);
            }
            Next::Nothing => {}
        }
    }
}
