//! Commands in words, for who has no screen: the same names as the palette's, and what they are about. Must not know who
//! says them, nor how the answer is read out.

use windlass_protocol::id::Address;
use windlass_protocol::live::Topic;

use super::build::BuildPage;
use super::menu::Item;
use super::{Effect, Page, PromptKind, State, subscribe};
use crate::keymap::{Action, Mode};

impl State {
    /// What can be said here, and what it would do.
    #[must_use]
    pub fn commands(&self) -> Vec<Item> {
        self.items(|action| {
            !matches!(
                action,
                Action::Palette
                    | Action::Menu
                    | Action::Help
                    | Action::Mouse
                    | Action::Redraw
                    | Action::Suspend
                    | Action::Pager
                    | Action::Editor
                    | Action::Left
                    | Action::Right
                    | Action::Wrap
                    | Action::Graph
                    | Action::Details
                    | Action::Select
                    | Action::Bookmarks
            )
        })
    }

    pub(super) fn said(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let text = text.trim();
        if self.dialog.is_some() {
            return self.said_in_dialog(text, effects);
        }
        if let Ok(address) = text.parse::<Address>() {
            return self.open_address(address, effects);
        }
        let (name, rest) = text.split_once(' ').map_or((text, ""), |(name, rest)| (name, rest.trim()));
        if name == "daemon" && self.profiles.iter().any(|profile| profile == rest) {
            return effects.push(Effect::Switch(rest.to_owned()));
        }
        if let ("line", Some(item)) = (name, self.line_item(rest)) {
            return self.do_item(item, "", effects);
        }
        let commands = self.commands();
        let exact = commands.iter().find(|item| item.name == name);
        let begun: Vec<&Item> = commands.iter().filter(|item| item.name.starts_with(name)).collect();
        match (exact, begun.as_slice()) {
            (Some(item), _) => self.do_item(item.clone(), rest, effects),
            (None, [item]) => self.do_item((*item).clone(), rest, effects),
            (None, []) => self.toast(format!("{name} is no command here: help lists them"), true),
            (None, many) => {
                let names: Vec<&str> = many.iter().map(|item| item.name.as_str()).collect();
                self.toast(format!("{name} may mean {}", names.join(", ")), true);
            }
        }
    }

    fn do_item(&mut self, item: Item, rest: &str, effects: &mut Vec<Effect>) {
        if let Some(why_not) = item.why_not {
            return self.toast(format!("{}: {why_not}", item.name), true);
        }
        self.carry_out_item(item.does, effects);
        // What would be typed on a screen was said along with the name.
        let empty = rest.is_empty();
        match self.prompt.as_mut().map(|prompt| (prompt.kind, &mut prompt.text)) {
            Some((PromptKind::Command, _)) => {
                self.close_menu();
                self.toast(format!("{} needs a screen", item.name), true);
            }
            Some((PromptKind::Search, _)) if empty => {
                self.prompt = None;
                self.toast(format!("say what for: {} error|panic", item.name), true);
            }
            Some((_, text)) => {
                rest.clone_into(text);
                self.typed(effects);
                self.act(Mode::Prompt, Action::Accept, effects);
            }
            None => {}
        }
    }

    fn said_in_dialog(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let count = self.dialog.as_ref().map_or(0, |dialog| dialog.answers.len());
        match (text.parse::<usize>(), &mut self.dialog) {
            (Ok(number @ 1..), Some(dialog)) if number <= count => {
                dialog.focus = number - 1;
                self.take_answer(effects);
            }
            _ if text == "close" => self.dialog = None,
            _ => self.toast(format!("answer with a number from 1 to {count}, or with close"), true),
        }
    }

    /// Opens a build, on the job that is named.
    fn open_address(&mut self, address: Address, effects: &mut Vec<Effect>) {
        while !self.pages.is_empty() {
            self.back(effects);
        }
        let (number, sub) = (address.build, self.fresh_sub());
        effects.push(subscribe(sub, Topic::Build { number }));
        self.pages.push(Page::Build(Box::new(BuildPage::new(number, sub, address.job))));
    }
}
