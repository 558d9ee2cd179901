//! What is typed into a prompt: a filter, a search, a command by its name. Must not know which key means what.

use super::cursor::Move;
use super::{Effect, FOUND, Prompt, PromptKind, State, subscribe};
use crate::keymap::{Action, Mode};
use windlass_protocol::live::ClientMessage;

impl State {
    pub(super) fn act_in_prompt(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let height = usize::from(self.layout().list());
        let narrows = self.narrowed_by().is_some();
        let Some(prompt) = &mut self.prompt else { return };
        match (action, prompt.kind) {
            (Action::Erase, _) => {
                prompt.text.pop();
                self.typed(effects);
            }
            (Action::EraseWord, _) => {
                let kept = prompt.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                prompt.text.truncate(kept);
                self.typed(effects);
            }
            (Action::EraseAll, _) => {
                prompt.text.clear();
                self.typed(effects);
            }
            (Action::Older | Action::Newer, PromptKind::Command) => {
                let height = usize::from(self.layout().menu());
                if let Some(menu) = &mut self.menu {
                    menu.go(Move::By(if action == Action::Older { -1 } else { 1 }), height);
                }
            }
            (Action::Accept, PromptKind::Command) => self.take_item(effects),
            (Action::Close, PromptKind::Command) => self.close_menu(),
            (Action::Older | Action::Newer, PromptKind::Filter) => {
                self.move_in_list(Move::By(if action == Action::Older { -1 } else { 1 }), height);
            }
            (Action::Older | Action::Newer, PromptKind::Search) => {
                let next = match (action, prompt.older) {
                    (Action::Older, None) => Some(0),
                    (Action::Older, Some(at)) => Some(at + 1),
                    (_, Some(at)) => at.checked_sub(1),
                    (_, None) => None,
                };
                let found = next.and_then(|at| self.searches.iter().rev().nth(at).cloned());
                if found.is_some() || next.is_none() {
                    (prompt.older, prompt.text) = (next, found.unwrap_or_default());
                }
            }
            (Action::Accept, PromptKind::Filter) if narrows => self.prompt = None,
            (Action::Close, PromptKind::Filter) if narrows => {
                self.prompt = None;
                self.narrow(String::new());
            }
            (Action::Accept, PromptKind::Filter) => {
                self.prompt = None;
                self.typed_filter();
            }
            (Action::Close, PromptKind::Filter) => {
                self.prompt = None;
                self.filter(String::new(), effects);
                self.typed_filter();
            }
            (Action::Accept, PromptKind::Tests | PromptKind::Artifacts) => self.prompt = None,
            (Action::Close, PromptKind::Artifacts) => {
                self.prompt = None;
                self.filter_artifacts(String::new());
            }
            (Action::Close, PromptKind::Tests) => {
                self.prompt = None;
                self.filter_tests(String::new(), effects);
            }
            (Action::Accept, PromptKind::Search) => {
                let text = std::mem::take(&mut prompt.text);
                self.prompt = None;
                self.search(text, effects);
            }
            (Action::Accept, PromptKind::Only) => {
                let text = std::mem::take(&mut prompt.text);
                self.prompt = None;
                self.show_only(&text, effects);
            }
            (Action::Close, PromptKind::Search | PromptKind::Only) => self.prompt = None,
            _ => {}
        }
    }

    /// Typing at the filter is over.
    fn typed_filter(&mut self) {
        if let Some(before) = self.filter_before.take() {
            self.filter_changed(before, self.builds.only_failed);
        }
    }

    /// Only the first line: a prompt has one.
    pub(super) fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if let (false, Mode::Prompt, Some(prompt)) = (self.layout().status_only(), self.mode(), &mut self.prompt) {
            prompt.text.extend(text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(1_000));
            self.typed(effects);
        }
    }

    /// The text of the prompt changed.
    pub(super) fn typed(&mut self, effects: &mut Vec<Effect>) {
        let height = usize::from(self.layout().menu());
        let narrows = self.narrowed_by().is_some();
        let item = self.prompt.as_ref().and_then(|prompt| self.typed_item(&prompt.text));
        match (&self.prompt, &mut self.menu) {
            (Some(Prompt { kind: PromptKind::Filter, text, .. }), _) if narrows => {
                let text = text.clone();
                self.narrow(text);
            }
            (Some(Prompt { kind: PromptKind::Filter, text, .. }), _) => self.filter(text.clone(), effects),
            (Some(Prompt { kind: PromptKind::Tests, text, .. }), _) => self.filter_tests(text.clone(), effects),
            (Some(Prompt { kind: PromptKind::Artifacts, text, .. }), _) => self.filter_artifacts(text.clone()),
            (Some(Prompt { kind: PromptKind::Command, text, .. }), Some(menu)) => menu.narrow(text, item, height),
            _ => {}
        }
    }

    pub(super) fn filter(&mut self, text: String, effects: &mut Vec<Effect>) {
        let height = usize::from(self.layout().list());
        effects.push(match self.builds.set_filter(text, height) {
            Some(topic) => subscribe(FOUND, topic),
            None => Effect::Send(ClientMessage::Unsubscribe { sub: FOUND }),
        });
    }
}
