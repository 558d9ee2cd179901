//! What keys do with which lines of a log are shown: only some of them, steps folded. Must not know how the daemon finds
//! them.

use std::collections::BTreeSet;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, Sub};

use super::log::LogPage;
use super::only::Only;
use super::{Connection, Effect, Page, Prompt, PromptKind, State};
use crate::keymap::Action;

impl State {
    pub(super) fn act_on_view(&mut self, action: Action, effects: &mut Vec<Effect>) {
        if let Some(words) = self.no_view(action) {
            return self.toast(words, true);
        }
        let Some(Page::Log(log)) = self.pages.last() else { return };
        let (mut only, mut folded) = (log.only.clone(), log.folded.clone());
        match action {
            Action::Only => {
                let typed = only.as_ref().filter(|only| !only.is_errors());
                let text = typed
                    .map_or_else(String::new, |only| format!("{}{}", if only.invert { "!" } else { "" }, only.pattern));
                self.prompt = Some(Prompt { kind: PromptKind::Only, text, older: None });
                return;
            }
            Action::OnlyFailed => {
                only = if only.is_some_and(|only| only.is_errors()) { None } else { Some(Only::errors()) }
            }
            Action::MoreContext | Action::LessContext => {
                if let Some(only) = &mut only {
                    only.widen(action == Action::MoreContext);
                }
            }
            Action::Fold => {
                let Some(step) = log.step_of(log.cursor()) else { return };
                let (step, heading) = (step.step, log.heading(step.step));
                if !folded.remove(&step) {
                    folded.insert(step);
                }
                self.show(only, folded, effects);
                // What had the cursor may be gone; the heading stays.
                if let (Some(Page::Log(log)), Some(heading)) = (self.pages.last_mut(), heading) {
                    log.go_to_heading(step, heading);
                }
                return;
            }
            Action::FoldAll => {
                let all: BTreeSet<u16> = log.head.iter().flat_map(|head| &head.steps).map(|mark| mark.step).collect();
                folded = if folded.is_empty() { all } else { BTreeSet::new() };
            }
            _ => {}
        }
        self.show(only, folded, effects);
    }

    /// Why other lines cannot be shown.
    pub(super) fn no_view(&self, action: Action) -> Option<String> {
        let Some(Page::Log(log)) = self.pages.last() else { return None };
        let steps = log.head.as_ref().is_some_and(|head| !head.steps.is_empty());
        let only = log.only.is_some();
        match action {
            _ if !self.can_view_logs() => {
                Some("this daemon is older than the client and cannot leave lines out".to_owned())
            }
            Action::Fold | Action::FoldAll if !steps => Some("no step has begun yet".to_owned()),
            Action::MoreContext | Action::LessContext if !only => Some("every line is shown already".to_owned()),
            _ => None,
        }
    }

    /// Shows a line of a log, whatever is folded; where a filter leaves it out, what is nearest, and says so.
    pub(super) fn go_to_line(&mut self, sub: Sub, line: u64, effects: &mut Vec<Effect>) {
        let fresh = self.fresh_sub();
        let Some(log) = self.log_of(sub) else { return };
        let step = log.head.iter().flat_map(|head| &head.steps).rfind(|mark| mark.first_line <= line);
        let step = step.map(|mark| mark.step).filter(|step| log.folded.contains(step));
        if let Some(step) = step {
            let mut folded = log.folded.clone();
            folded.remove(&step);
            let old = log.show(log.only.clone(), folded, fresh);
            effects.extend(old.map(|sub| Effect::Send(ClientMessage::Unsubscribe { sub })));
        }
        log.reveal(line);
        let left_out = step.is_none() && log.kept.as_ref().is_some_and(|kept| kept.leaves_out(line));
        if left_out {
            let line = crate::words::count(line + 1);
            self.toast(format!("line {line} is left out: Esc shows every line"), true);
        }
    }

    /// Whether the daemon knows about views and maps of logs, as far as we know.
    pub(super) fn can_view_logs(&self) -> bool {
        match &self.connection {
            Connection::Up(hello) => hello.capabilities.iter().any(|name| name == "log_view"),
            Connection::Connecting | Connection::Lost { .. } => true,
        }
    }

    /// The open pages of a log.
    pub(super) fn logs_of(&mut self, id: &AttemptId) -> impl Iterator<Item = &mut LogPage> {
        self.pages.iter_mut().filter_map(move |page| match page {
            Page::Log(log) => log.either(|log| log.id == *id),
            Page::Build(_) => None,
        })
    }

    /// What was typed after `&`.
    pub(super) fn show_only(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let only = match text {
            "" | "!" => None,
            _ => match Only::new(text) {
                Ok(only) => Some(only),
                Err(error) => return self.no_pattern(text, &error),
            },
        };
        let Some(Page::Log(log)) = self.pages.last() else { return };
        let folded = log.folded.clone();
        self.show(only, folded, effects);
    }

    pub(super) fn show(&mut self, only: Option<Only>, folded: BTreeSet<u16>, effects: &mut Vec<Effect>) {
        let sub = self.fresh_sub();
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        log.forget_opening();
        if let Some(old) = log.show(only, folded, sub) {
            effects.push(Effect::Send(ClientMessage::Unsubscribe { sub: old }));
        }
    }

    pub(super) fn no_pattern(&mut self, text: &str, error: &regex::Error) {
        let words = error.to_string();
        let last = words.lines().last().unwrap_or_default().to_owned();
        self.toast(format!("{text} is no regular expression: {last}"), true);
    }
}

impl LogPage {
    /// Where the heading of a step stands.
    fn heading(&self, step: u16) -> Option<u64> {
        let steps = self.head.iter().flat_map(|head| &head.steps);
        steps.filter(|mark| mark.step == step).map(|mark| mark.first_line).next()
    }
}
