//! Commands in words, for who has no screen: the same names as the palette's, and what they are about. Must not know who
//! says them, nor how the answer is read out.

use windlass_protocol::id::Address;
use windlass_protocol::live::Topic;

use super::build::BuildPage;
use super::menu::{Does, Item};
use super::{Effect, Page, State, View, subscribe};
use crate::keymap::Action;

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
            )
        })
    }

    pub(super) fn said(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let text = text.trim();
        let (name, rest) = text.split_once(' ').map_or((text, ""), |(name, rest)| (name, rest.trim()));
        if self.dialog.is_some() {
            return self.said_in_dialog(text, effects);
        }
        if let Ok(address) = text.parse::<Address>() {
            return self.open_address(address, effects);
        }
        match (name, self.pages.last(), self.view) {
            ("filter", None, View::Builds) => {
                let before = (self.builds.filter.clone(), self.builds.only_failed);
                self.filter(rest.to_owned(), effects);
                self.filter_changed(before.0, before.1);
                return;
            }
            ("search", Some(Page::Log(_)), _) if rest.is_empty() => {
                return self.toast("say what to search for: search error|panic".to_owned(), true);
            }
            ("search", Some(Page::Log(_)), _) => return self.search(rest.to_owned(), effects),
            ("daemon", ..) if self.profiles.iter().any(|profile| profile == rest) => {
                return effects.push(Effect::Switch(rest.to_owned()));
            }
            _ => {}
        }
        let commands = self.commands();
        let exact = commands.iter().find(|item| item.name == text);
        let begun: Vec<&Item> = commands.iter().filter(|item| item.name.starts_with(text)).collect();
        match (exact, begun.as_slice()) {
            (Some(item), _) => self.do_item(item.clone(), effects),
            (None, [item]) => self.do_item((*item).clone(), effects),
            (None, []) => self.toast(format!("{text} is no command here: help lists them"), true),
            (None, many) => {
                let names: Vec<&str> = many.iter().map(|item| item.name.as_str()).collect();
                self.toast(format!("{text} may mean {}", names.join(", ")), true);
            }
        }
    }

    fn do_item(&mut self, item: Item, effects: &mut Vec<Effect>) {
        match (item.why_not, item.does) {
            (Some(why_not), _) => self.toast(format!("{}: {why_not}", item.name), true),
            (None, Does::Act(mode, action)) => self.act(mode, action, effects),
            (None, Does::Switch(profile)) => effects.push(Effect::Switch(profile)),
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
