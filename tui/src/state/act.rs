//! What keys and the mouse do. Which key means which action is the keymap's. Must not know the daemon's answers.

use windlass_protocol::live::{ClientMessage, Request, Topic};

use std::collections::BTreeSet;

use super::batch::Verb;
use super::build::BuildPage;
use super::builds::Builds;
use super::cursor::Move;
use super::dialog::{self, Again, Target, Task};
use super::log::LogPage;
use super::pause;
use super::undo::Undo;
use super::{BUILDS, Connection, Effect, Page, Pending, Prompt, PromptKind, QUEUE, Reader, State, View, subscribe};
use crate::keymap::{self, Action, Key, Mode};
use crate::words;

impl State {
    pub(super) fn key(&mut self, key: Key, effects: &mut Vec<Effect>) {
        if self.layout().status_only() {
            // Nobody sees what a key would do.
            if let Some(action @ (Action::Quit | Action::Suspend | Action::Redraw)) = self.keys.lookup(Mode::List, key)
            {
                self.act(Mode::List, action, effects);
            }
            return;
        }
        let mode = self.mode();
        match self.keys.lookup(mode, key) {
            Some(action) => self.act(mode, action, effects),
            None => {
                if let (Mode::Prompt, Key::Char(c), Some(prompt)) = (mode, key, &mut self.prompt) {
                    prompt.text.push(c);
                    self.typed(effects);
                }
            }
        }
    }

    pub(super) fn act(&mut self, mode: Mode, action: Action, effects: &mut Vec<Effect>) {
        match action {
            Action::Quit => return effects.push(Effect::Quit),
            Action::Suspend => return effects.push(Effect::Suspend),
            Action::Redraw => return effects.push(Effect::Redraw),
            _ => {}
        }
        match mode {
            Mode::Prompt => self.act_in_prompt(action, effects),
            Mode::Dialog => self.act_in_dialog(action, effects),
            Mode::Help => self.act_in_help(action),
            Mode::List | Mode::Build | Mode::Graph | Mode::Tests | Mode::Artifacts | Mode::Log => {
                self.act_on_page(action, effects);
            }
        }
    }

    fn act_on_page(&mut self, action: Action, effects: &mut Vec<Effect>) {
        match action {
            Action::Help => self.help = Some(keymap::section(self.mode())),
            Action::Mouse => {
                self.mouse = !self.mouse;
                let text = if self.mouse { "the mouse selects and scrolls" } else { "the mouse is the terminal's" };
                self.toast(text.to_owned(), false);
                effects.push(Effect::Mouse(self.mouse));
            }
            Action::View(number) => {
                let view = View::ALL.get(usize::from(number).saturating_sub(1)).copied();
                self.show_view(view.unwrap_or(self.view), effects);
            }
            Action::NextView | Action::PreviousView if self.has_pair() => self.act_on_pair(action, effects),
            Action::NextView | Action::PreviousView => {
                let count = View::ALL.len();
                let by = if action == Action::NextView { 1 } else { count - 1 };
                let at = View::ALL.iter().position(|view| *view == self.view).unwrap_or(0);
                self.show_view(View::ALL[(at + by) % count], effects);
            }
            Action::Resync => self.resync(effects),
            Action::Palette => self.open_palette(),
            Action::Menu => self.open_menu(),
            Action::Copy => self.copy(effects),
            Action::Undo => self.undo(effects),
            Action::Watch => self.toggle_watch(effects),
            Action::Pager => self.hand_out(Reader::Pager, effects),
            Action::Editor => self.hand_out(Reader::Editor, effects),
            Action::Save if self.files().is_none() => self.hand_out(Reader::File, effects),
            Action::Cancel | Action::Kill => match dialog::cancel(&self.targets(), action == Action::Kill) {
                Ok(dialog) => self.dialog = Some(dialog),
                Err(words) => self.toast(words, true),
            },
            Action::RetryFailed => self.retry(effects),
            Action::RetryMenu => match self.targets().as_slice() {
                many @ [_, _, ..] => self.dialog = Some(dialog::retry_many(many)),
                [target] => {
                    let view = self.build_page(target.build).and_then(|page| page.view.as_deref());
                    self.dialog = Some(dialog::retry(target, view));
                }
                [] => self.toast("nothing is selected".to_owned(), true),
            },
            _ => match self.pages.last_mut() {
                Some(Page::Log(_)) => self.act_in_log(action, effects),
                Some(Page::Build(page)) if page.cases.is_some() => self.act_in_tests(action, effects),
                Some(Page::Build(page)) if page.artifacts.is_some() => self.act_in_artifacts(action, effects),
                Some(Page::Build(page)) if page.picture.is_some() => self.act_in_graph(action, effects),
                Some(Page::Build(_)) => self.act_in_build(action, effects),
                None => self.act_in_list(action, effects),
            },
        }
    }

    fn act_in_list(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let height = usize::from(self.layout().list());
        if let Some(step) = step(action, height) {
            return self.move_in_list(step, height);
        }
        let builds = self.view == View::Builds;
        match action {
            Action::Into => self.open(effects),
            Action::Filter if builds => {
                let text = self.builds.filter.clone();
                self.filter_before = Some(text.clone());
                self.prompt = Some(Prompt { kind: PromptKind::Filter, text, older: None });
            }
            Action::Filter => match self.narrowed_by() {
                Some(text) => {
                    self.prompt = Some(Prompt { kind: PromptKind::Filter, text: text.to_owned(), older: None });
                }
                None => self.toast("builds, the queue, deliveries and repositories can be filtered".to_owned(), true),
            },
            Action::Pause if matches!(self.view, View::Queue | View::Repositories) => self.pause_menu(),
            Action::Pause => self.toast("the queue (press 2) is where it is paused".to_owned(), true),
            Action::Replay => self.replay(),
            Action::Mark if builds => {
                self.marks_change(Builds::toggle_mark);
                self.builds.go(Move::By(1), height);
            }
            Action::MarkRange if builds => self.mark_range(),
            Action::MarkAll if builds => self.mark_all(),
            Action::ClearMarks => self.marks_change(|builds| builds.set_marks(BTreeSet::new())),
            Action::NextFailed | Action::PreviousFailed if builds => {
                self.builds.go_to_failed(action == Action::NextFailed, height);
            }
            Action::OnlyFailed if builds => {
                let before = (self.builds.filter.clone(), self.builds.only_failed);
                self.builds.only_failed = !self.builds.only_failed;
                self.builds.refilter(height);
                self.filter_changed(before.0, before.1);
            }
            Action::Back if builds && self.builds.give_up_range() => {}
            Action::Back if builds && self.builds.filtered() => {
                let before = (self.builds.filter.clone(), self.builds.only_failed);
                self.builds.only_failed = false;
                self.filter(String::new(), effects);
                self.filter_changed(before.0, before.1);
            }
            Action::Back if self.narrowed_by().is_some_and(|text| !text.is_empty()) => self.narrow(String::new()),
            Action::Back => self.marks_change(|builds| builds.set_marks(BTreeSet::new())),
            _ => {}
        }
    }

    pub(super) fn move_in_list(&mut self, step: Move, height: usize) {
        match self.view {
            View::Builds => self.builds.go(step, height),
            View::Queue => {
                let length = self.queue_len();
                self.queue_cursor.go(step, length, height);
            }
            View::Deliveries => {
                let length = self.deliveries.as_ref().map_or(0, Vec::len);
                self.deliveries_cursor.go(step, length, height);
            }
            View::Repositories => {
                let length = self.overview.repositories.as_ref().map_or(0, Vec::len);
                self.overview.repositories_cursor.go(step, length, height);
            }
            View::Nodes => {
                let length = self.overview.node_rows().len();
                self.overview.nodes_cursor.go(step, length, height);
            }
        }
    }

    pub(super) fn act_in_build(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let height = usize::from(layout.jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        if let Some(step) = step(action, height) {
            return page.go(step, height);
        }
        match action {
            Action::NextFailed | Action::PreviousFailed => page.go_to_failed(action == Action::NextFailed, height),
            Action::Into => self.open_log(effects),
            Action::Graph => self.toggle_graph(),
            Action::Tests => self.toggle_tests(effects),
            Action::Artifacts => self.toggle_artifacts(),
            Action::Details => self.toggle_details(),
            Action::Back => self.back(effects),
            _ => {}
        }
    }

    fn act_in_dialog(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let Some(dialog) = &mut self.dialog else { return };
        let count = dialog.answers.len();
        match action {
            Action::Up => dialog.focus = (dialog.focus + count - 1) % count,
            Action::Down => dialog.focus = (dialog.focus + 1) % count,
            Action::Close => self.dialog = None,
            Action::Accept => self.take_answer(effects),
            _ => {}
        }
    }

    pub(super) fn take_answer(&mut self, effects: &mut Vec<Effect>) {
        let Some(dialog) = self.dialog.take() else { return };
        let Some(answer) = dialog.answers.get(dialog.focus).cloned() else { return };
        if let Some(why_not) = answer.why_not {
            self.dialog = Some(dialog);
            return self.toast(why_not, true);
        }
        if let Some(next) = answer.asks {
            return self.dialog = Some(*next);
        }
        if !answer.does.is_empty() {
            self.builds.set_marks(BTreeSet::new());
        }
        self.carry_out(answer.does, effects);
    }

    fn carry_out(&mut self, tasks: Vec<Task>, effects: &mut Vec<Effect>) {
        let (orders, others): (Vec<Task>, Vec<Task>) =
            tasks.into_iter().partition(|task| matches!(task.request, Request::Cancel { .. } | Request::Retry { .. }));
        for task in others {
            let pending = match task.request {
                Request::Replay { .. } => Pending::Replay { about: task.about },
                _ => {
                    self.ours.pause(self.now);
                    Pending::Pause { about: task.about }
                }
            };
            self.ask(task.request, pending, effects);
        }
        let retry = orders.iter().any(|task| matches!(task.request, Request::Retry { .. }));
        self.order(if retry { Verb::Retry } else { Verb::Stop }, orders, effects);
    }

    /// How far down the help can be scrolled: its box has two edges.
    pub(super) fn help_end(&self) -> usize {
        keymap::help_rows().saturating_sub(usize::from(self.layout().body()).saturating_sub(2))
    }

    fn act_in_help(&mut self, action: Action) {
        let page = usize::from(self.layout().body()).saturating_sub(2).max(2);
        let last = self.help_end();
        let Some(top) = &mut self.help else { return };
        match action {
            Action::Up => *top = top.saturating_sub(1),
            Action::Down => *top += 1,
            Action::PageUp => *top = top.saturating_sub(page),
            Action::PageDown => *top += page,
            Action::HalfUp => *top = top.saturating_sub(page / 2),
            Action::HalfDown => *top += page / 2,
            Action::First => *top = 0,
            Action::Last => *top = usize::MAX,
            _ => return self.help = None,
        }
        *top = (*top).min(last);
    }

    pub(super) fn show_view(&mut self, view: View, effects: &mut Vec<Effect>) {
        while !self.pages.is_empty() {
            self.back(effects);
        }
        self.view = view;
        self.look_again();
    }

    pub(super) fn back(&mut self, effects: &mut Vec<Effect>) {
        let mut leave = |sub| effects.push(Effect::Send(ClientMessage::Unsubscribe { sub }));
        match self.pages.pop() {
            Some(Page::Build(page)) => {
                leave(page.sub);
                page.preview.iter().for_each(|log| leave(log.sub));
                page.cases.iter().for_each(|cases| leave(cases.sub));
            }
            Some(Page::Log(log)) => {
                log.subs().for_each(leave);
                self.keep_bookmarks(*log);
            }
            None => {}
        }
    }

    /// Opens the selected row of a list.
    pub(super) fn open(&mut self, effects: &mut Vec<Effect>) {
        let target = match self.view {
            View::Builds => self.builds.selected().map(|row| (row.number, None)),
            View::Queue => self.queued_job().map(|job| (job.id.build, Some(job.id.job.clone()))),
            View::Deliveries => {
                let all = self.deliveries.as_ref();
                let delivery = all.and_then(|all| all.get(self.deliveries_cursor.at));
                let (known, build) =
                    (delivery.is_some(), delivery.and_then(|delivery| delivery.builds.first()).copied());
                if known && build.is_none() {
                    self.toast("no build came of this delivery".to_owned(), true);
                }
                build.map(|build| (build, None))
            }
            View::Repositories => return self.builds_of_repository(effects),
            View::Nodes => {
                let job = self.overview.node_job().map(|job| (job.build, Some(job.job.clone())));
                if job.is_none() && self.overview.node_row().is_some() {
                    self.toast("a node cannot be opened; the jobs below it can".to_owned(), true);
                }
                job
            }
        };
        if let Some((number, job)) = target {
            let sub = self.fresh_sub();
            effects.push(subscribe(sub, Topic::Build { number }));
            self.pages.push(Page::Build(Box::new(BuildPage::new(number, sub, job))));
        }
    }

    /// What an action speaks of just now.
    pub(super) fn targets(&self) -> Vec<Target> {
        let of_job = |number: u64, name: &str| {
            let view = self.build_page(number)?.view.as_deref()?;
            Some(Target::of_job(view, view.jobs.iter().find(|job| job.name == name)?))
        };
        match (self.pages.last(), self.view) {
            (Some(Page::Log(log)), _) => of_job(log.id.build, &log.id.job).into_iter().collect(),
            (Some(Page::Build(page)), _) => match page.job() {
                Some(job) => of_job(page.number, &job.name).into_iter().collect(),
                None => page.view.as_deref().map(Target::of_view).into_iter().collect(),
            },
            (None, View::Builds) => {
                let rows = self.builds.targets().into_iter().filter_map(|number| self.builds.get(number));
                rows.map(|row| Target::of_row(row, self.is_stopping(row))).collect()
            }
            (None, View::Queue) => self.queued_job().map(Target::of_queued).into_iter().collect(),
            (None, View::Nodes) => {
                let queued = self.queue.iter().flat_map(|queue| &queue.jobs);
                let job = self.overview.node_job().and_then(|id| queued.into_iter().find(|job| job.id == *id));
                job.map(Target::of_queued).into_iter().collect()
            }
            (None, View::Deliveries | View::Repositories) => Vec::new(),
        }
    }

    fn retry(&mut self, effects: &mut Vec<Effect>) {
        match dialog::again(&self.targets()) {
            Ok(Again::Ask(dialog)) => self.dialog = Some(dialog),
            Ok(Again::Now(tasks)) => {
                self.builds.set_marks(BTreeSet::new());
                self.carry_out(tasks, effects);
            }
            Err(words) => self.toast(words, true),
        }
    }

    fn mark_range(&mut self) {
        if let Some(before) = self.builds.toggle_range() {
            self.toast(format!("{} marked", self.builds.marks.len()), false);
            self.can_be_undone(Undo::Marks(before));
        }
    }

    fn mark_all(&mut self) {
        self.marks_change(Builds::mark_all);
        let (marked, all) = (self.builds.marks.len(), self.builds.len());
        let words = match marked < all {
            true => format!(
                "{marked} marked: only those of {} that are here; a filter finds others",
                words::count(all as u64)
            ),
            false => format!("{marked} marked"),
        };
        self.toast(words, false);
    }

    /// The queue, or the repository of the selected row.
    fn pause_menu(&mut self) {
        let Some(queue) = &self.queue else {
            return self.toast("waiting for the daemon".to_owned(), true);
        };
        let repository = match self.view {
            View::Repositories => self.overview.repository().map(|repository| repository.name.as_str()),
            _ => self.queued_job().map(|job| job.repository.as_str()),
        };
        let role = match &self.connection {
            Connection::Up(hello) => Some(hello.role),
            Connection::Connecting | Connection::Lost { .. } => None,
        };
        self.dialog = Some(pause::menu(queue, repository, role, self.daemon_now()));
    }

    fn resync(&mut self, effects: &mut Vec<Effect>) {
        effects.push(subscribe(QUEUE, Topic::Queue));
        effects.push(subscribe(BUILDS, self.builds.topic()));
        for page in &mut self.pages {
            match page {
                Page::Build(page) => {
                    effects.push(subscribe(page.sub, Topic::Build { number: page.number }));
                    page.preview.iter_mut().for_each(LogPage::forget_window);
                }
                Page::Log(log) => log.forget_window(),
            }
        }
        self.resync_tests(effects);
        self.resync_artifacts();
        self.look_again();
        self.toast("asked for everything anew".to_owned(), false);
    }
}

/// The move that an action means in a list of this height.
pub(super) fn step(action: Action, height: usize) -> Option<Move> {
    let page = isize::try_from(height.saturating_sub(1).max(1)).unwrap_or(isize::MAX);
    Some(match action {
        Action::Up => Move::By(-1),
        Action::Down => Move::By(1),
        Action::PageUp => Move::By(-page),
        Action::PageDown => Move::By(page),
        Action::HalfUp => Move::By(-(page / 2).max(1)),
        Action::HalfDown => Move::By((page / 2).max(1)),
        Action::First => Move::First,
        Action::Last => Move::Last,
        _ => return None,
    })
}
