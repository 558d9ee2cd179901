//! Two logs side by side: which of them keys speak of, and that the other one goes along. Must not know how lines are
//! compared.

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, LogWindow, Sub, Topic};
use windlass_protocol::view::Status;

use super::compare::{COMPARED, Compare};
use super::log::{LogPage, Place, Position, Start};
use super::menu::{Item, Menu};
use super::{Effect, Page, State, subscribe};
use crate::keymap::Action;

/// The other log, beside the one that keys speak of.
#[derive(Debug)]
pub struct Pair {
    pub other: LogPage,
    /// The one that keys speak of is on the right, or below.
    pub right: bool,
    /// Attempts of one job are compared.
    pub compare: Option<Compare>,
    /// Where the other one was last taken along to.
    synced: Option<(Place, usize)>,
}

impl State {
    /// Which logs could be shown beside this one, or an end of that.
    pub(super) fn act_on_pair(&mut self, action: Action, effects: &mut Vec<Effect>) {
        if let Some(words) = self.no_pair(action) {
            return self.toast(words, true);
        }
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        match action {
            Action::Beside if log.pair.is_some() => self.leave_pair(effects),
            Action::Beside => {
                let menu = Menu::new("Beside this log", self.candidates());
                self.open_list(menu);
            }
            Action::NextView | Action::PreviousView => log.other_side(),
            Action::NextDifference | Action::PreviousDifference => {
                let (line, sub) = (log.cursor().0, log.sub);
                let compare =
                    log.pair.as_ref().and_then(|pair| Some((pair.compare.as_ref()?, usize::from(pair.right))));
                let forward = action == Action::NextDifference;
                match compare.and_then(|(compare, side)| compare.next(side, line, forward)) {
                    Some(line) => self.go_to_line(sub, line, effects),
                    None => self.toast("nothing differs any more in this direction".to_owned(), false),
                }
            }
            _ => {}
        }
    }

    /// Why there is nothing beside this log, or nothing to be done with it.
    pub(super) fn no_pair(&self, action: Action) -> Option<String> {
        let Some(Page::Log(log)) = self.pages.last() else { return None };
        let compare = log.pair.as_ref().map(|pair| pair.compare.as_ref().map(|compare| compare.count(0)));
        let words = match (action, compare) {
            (Action::Beside, None) if self.candidates().is_empty() => "the build has no other attempt or job",
            (Action::NextDifference | Action::PreviousDifference, None) => "no other log is beside this one (b)",
            (Action::NextDifference | Action::PreviousDifference, Some(None)) => {
                "only attempts of one job are compared"
            }
            (Action::NextDifference | Action::PreviousDifference, Some(Some(None))) => "still comparing",
            _ => return None,
        };
        Some(words.to_owned())
    }

    /// The other attempts of the job, the newest first, then the other jobs' newest.
    fn candidates(&self) -> Vec<Item> {
        let Some(Page::Log(log)) = self.pages.last() else { return Vec::new() };
        let view = self.build_page(log.id.build).and_then(|page| page.view.as_deref());
        let jobs = || view.iter().flat_map(|view| &view.jobs);
        let same = jobs()
            .filter(|job| job.name == log.id.job)
            .flat_map(|job| job.attempts.iter().rev().map(move |one| (job, one)));
        let others = jobs().filter(|job| job.name != log.id.job).filter_map(|job| Some((job, job.attempts.last()?)));
        let all = same.filter(|(_, one)| one.number != log.id.attempt).chain(others);
        let item = all.map(|(job, attempt)| {
            let id = AttemptId { build: log.id.build, job: job.name.clone(), attempt: attempt.number };
            let begun = attempt.status != Status::Waiting;
            let why_not = (!begun).then(|| "it has not begun, so there is no log yet".to_owned());
            Item::beside(id, attempt.reason.clone().unwrap_or_default(), why_not)
        });
        item.collect()
    }

    pub(super) fn open_beside(&mut self, id: AttemptId, effects: &mut Vec<Effect>) {
        let (sub, subs) = (self.fresh_sub(), [self.fresh_sub(), self.fresh_sub()]);
        let bookmarks = self.bookmarks.get(&id).cloned().unwrap_or_default();
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        let mut other = LogPage::new(id.clone(), sub, Start::Line(log.top().0), log.size());
        other.bookmarks = bookmarks;
        (other.headers, other.times, other.wrap) = (log.headers, log.times, log.wrap);
        let compare = (id.job == log.id.job).then(|| {
            for (sub, log) in subs.into_iter().zip([&log.id, &id]) {
                let window = LogWindow::Range { first: 0, count: COMPARED };
                effects.push(subscribe(sub, Topic::Log { log: log.clone(), window }));
            }
            Compare::new(subs)
        });
        log.pair = Some(Box::new(Pair { other, right: false, compare, synced: None }));
    }

    pub(super) fn leave_pair(&mut self, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        if let Some(pair) = log.pair.take() {
            effects.extend(pair.subs().map(|sub| Effect::Send(ClientMessage::Unsubscribe { sub })));
            self.keep_bookmarks(pair.other);
        }
    }

    pub(super) fn has_pair(&self) -> bool {
        matches!(self.pages.last(), Some(Page::Log(log)) if log.pair.is_some())
    }

    /// The comparison that a subscription is for.
    pub(super) fn compare_of(&mut self, sub: Sub) -> Option<&mut Compare> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Log(log) => log.pair.as_mut()?.compare.as_mut().filter(|compare| compare.subs().contains(&sub)),
            Page::Build(_) => None,
        })
    }
}

impl Pair {
    pub(super) fn subs(&self) -> impl Iterator<Item = Sub> {
        let compare = self.compare.iter().flat_map(Compare::subs);
        [Some(self.other.sub), self.other.long.as_ref().map(|long| long.sub)].into_iter().flatten().chain(compare)
    }
}

impl LogPage {
    /// This page, or the one beside it, that is wished.
    pub(super) fn either(&mut self, wished: impl Fn(&LogPage) -> bool) -> Option<&mut LogPage> {
        if wished(self) {
            return Some(self);
        }
        self.pair.as_mut().map(|pair| &mut pair.other).filter(|other| wished(other))
    }

    /// Keys speak of the other one from now on.
    fn other_side(&mut self) {
        let Some(mut pair) = self.pair.take() else { return };
        std::mem::swap(self, &mut pair.other);
        pair.right = !pair.right;
        // Where it is now is where it was taken along to: the swap alone moves nothing.
        pair.synced = Some((self.cursor(), self.rows_above_cursor()));
        self.pair = Some(pair);
    }

    /// Takes the other one along to what stands beside the cursor, when that went elsewhere.
    pub(super) fn sync_pair(&mut self) {
        if self.following() || self.head.is_none() {
            return;
        }
        let here = (self.cursor(), self.rows_above_cursor());
        let Some(pair) = &mut self.pair else { return };
        let Some(compare) = pair.compare.as_ref().filter(|compare| compare.count(0).is_some()) else { return };
        if pair.synced == Some(here) || pair.other.head.is_none() {
            return;
        }
        pair.synced = Some(here);
        let line = compare.across(usize::from(pair.right), here.0.0);
        pair.other.stand(line, here.1);
    }

    /// Puts the cursor on a line, with so many rows above it.
    fn stand(&mut self, line: u64, rows: usize) {
        self.reveal(line.min(self.lines().saturating_sub(1)));
        if !self.outdated {
            self.position = Position::At(self.up(self.cursor, rows));
        }
    }
}
