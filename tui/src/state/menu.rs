//! The palette (every command by its name) and the menu (what can be done with this row): what is impossible stays visible
//! with its reason. Must not know how it is painted.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use windlass_protocol::id::AttemptId;

use super::cursor::{Cursor, Move};
use super::dialog;
use super::{Effect, Page, Prompt, PromptKind, State, View};
use crate::keymap::{Action, Key, Mode};

#[derive(Debug)]
pub struct Menu {
    pub title: &'static str,
    all: Vec<Item>,
    /// What is there only because of what was typed, before everything else.
    typed: Option<Item>,
    /// Those that fit what was typed, the best first.
    shown: Vec<usize>,
    pub cursor: Cursor,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// A short name, as it is written in files too.
    pub name: String,
    pub help: String,
    pub keys: String,
    pub why_not: Option<String>,
    pub(super) does: Does,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Does {
    Act(Mode, Action),
    Switch(String),
    /// To a line of the log that is looked at.
    Line(u64),
    /// Another log, beside the one that is looked at.
    Beside(AttemptId),
}

impl Item {
    pub(super) fn beside(id: AttemptId, help: String, why_not: Option<String>) -> Self {
        Self { name: id.to_string(), help, keys: String::new(), why_not, does: Does::Beside(id) }
    }

    pub(super) fn line(line: u64, text: String) -> Self {
        let name = format!("line {}", crate::words::count(line + 1));
        Self { name, help: text, keys: String::new(), why_not: None, does: Does::Line(line) }
    }

    /// The line of a log whose number was typed, counted from 1, with or without separators.
    fn typed_line(text: &str, lines: u64) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|c| !matches!(c, ',' | '_')).collect();
        let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let why_not = match number {
            0 => Some("lines are counted from 1".to_owned()),
            _ if number > lines => Some(format!("this log has {}", crate::words::plural(lines, "line"))),
            _ => None,
        };
        Some(Self { why_not, ..Self::line(number.saturating_sub(1), "go there".to_owned()) })
    }
}

impl Menu {
    pub(super) fn new(title: &'static str, all: Vec<Item>) -> Self {
        let shown = (0..all.len()).collect();
        Self { title, all, typed: None, shown, cursor: Cursor::default() }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.len() + usize::from(self.typed.is_some())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn item(&self, index: usize) -> Option<&Item> {
        match (&self.typed, index) {
            (Some(typed), 0) => Some(typed),
            (typed, _) => self.shown.get(index - usize::from(typed.is_some())).and_then(|at| self.all.get(*at)),
        }
    }

    pub(super) fn go(&mut self, step: Move, height: usize) {
        self.cursor.go(step, self.len(), height);
    }

    /// Only what fits the text, after what the text itself is. Without one everything, in the table's order.
    pub(super) fn narrow(&mut self, text: &str, typed: Option<Item>, height: usize) {
        let pattern = Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut scored: Vec<(std::cmp::Reverse<u32>, usize)> = Vec::new();
        for (at, item) in self.all.iter().enumerate() {
            // A hit in the name is what was meant; one in the words helps who does not know the name.
            let name = pattern.score(Utf32Str::new(&item.name, &mut buffer), &mut matcher);
            let score = name.map(|score| score + 1_000);
            let score = score.or_else(|| pattern.score(Utf32Str::new(&item.help, &mut buffer), &mut matcher));
            scored.extend(score.map(|score| (std::cmp::Reverse(score), at)));
        }
        if !text.trim().is_empty() {
            scored.sort();
        }
        self.shown = scored.into_iter().map(|(_, at)| at).collect();
        (self.typed, self.cursor) = (typed, Cursor::default());
        self.cursor.settle(self.len(), height);
    }
}

const COMMANDS: &str = "Commands";

/// What is about the row, or about what is looked at; the menu has these, the palette has all.
const ABOUT_ROW: &[Action] = &[
    Action::Into,
    Action::Graph,
    Action::Tests,
    Action::Artifacts,
    Action::Details,
    Action::Cancel,
    Action::Kill,
    Action::RetryFailed,
    Action::RetryMenu,
    Action::Pause,
    Action::Replay,
    Action::Mark,
    Action::Select,
    Action::MarkRange,
    Action::MarkAll,
    Action::Undo,
    Action::Watch,
    Action::Copy,
    Action::CopyLink,
    Action::Bookmark,
    Action::NextBookmark,
    Action::Bookmarks,
    Action::Beside,
    Action::NextDifference,
    Action::PreviousDifference,
    Action::Pager,
    Action::Editor,
    Action::Save,
    Action::Search,
    Action::NextMatch,
    Action::NextFailed,
    Action::Only,
    Action::OnlyFailed,
    Action::MoreContext,
    Action::LessContext,
    Action::Fold,
    Action::FoldAll,
    Action::Follow,
    Action::Wrap,
    Action::Times,
];

impl State {
    /// Every command of this page, and the other daemons.
    pub(super) fn open_palette(&mut self) {
        let mut items = self.items(|action| !matches!(action, Action::Palette | Action::Menu));
        items.extend(self.profiles.iter().map(|profile| Item {
            name: format!("daemon {profile}"),
            help: "look at this daemon instead".to_owned(),
            keys: String::new(),
            why_not: (self.profile.as_ref() == Some(profile)).then(|| "it is the one you look at".to_owned()),
            does: Does::Switch(profile.clone()),
        }));
        self.open_list(Menu::new(COMMANDS, items));
    }

    /// What the text typed into the palette is, besides a part of a name.
    pub(super) fn typed_item(&self, text: &str) -> Option<Item> {
        let palette = self.menu.as_ref().is_some_and(|menu| menu.title == COMMANDS);
        if palette { self.line_item(text) } else { None }
    }

    /// A line of the log that is looked at, by its number.
    pub(super) fn line_item(&self, text: &str) -> Option<Item> {
        let Some(Page::Log(log)) = self.pages.last() else { return None };
        Item::typed_line(text, log.lines())
    }

    pub(super) fn open_menu(&mut self) {
        let items = self.items(|action| ABOUT_ROW.contains(&action));
        self.open_list(Menu::new("What can be done here", items));
    }

    pub(super) fn open_list(&mut self, menu: Menu) {
        self.menu = Some(menu);
        self.prompt = Some(Prompt { kind: PromptKind::Command, text: String::new(), older: None });
    }

    pub(super) fn close_menu(&mut self) {
        if self.menu.take().is_some() {
            self.prompt = None;
        }
    }

    pub(super) fn items(&self, wanted: impl Fn(Action) -> bool) -> Vec<Item> {
        let mode = self.mode();
        let mut items: Vec<Item> = Vec::new();
        for bound in self.keys.of(mode).filter(|bound| wanted(bound.action)) {
            let name = bound.action.name();
            let keys = bound.keys.iter().copied().map(Key::name).collect::<Vec<_>>().join(" ");
            match items.iter_mut().find(|item| item.name == name) {
                Some(same) => same.keys = format!("{} {keys}", same.keys).trim().to_owned(),
                None => items.push(Item {
                    name,
                    help: bound.help.to_owned(),
                    keys,
                    why_not: self.why_not(mode, bound.action),
                    does: Does::Act(mode, bound.action),
                }),
            }
        }
        items
    }

    /// Does what is chosen, or says why that cannot be.
    pub(super) fn take_item(&mut self, effects: &mut Vec<Effect>) {
        let Some(item) = self.menu.as_ref().and_then(|menu| menu.item(menu.cursor.at)).cloned() else {
            return self.toast("no command has such a name".to_owned(), true);
        };
        if let Some(why_not) = item.why_not {
            return self.toast(format!("{}: {why_not}", item.name), true);
        }
        self.close_menu();
        self.carry_out_item(item.does, effects);
    }

    pub(super) fn carry_out_item(&mut self, does: Does, effects: &mut Vec<Effect>) {
        match does {
            Does::Act(mode, action) => self.act(mode, action, effects),
            Does::Switch(profile) => effects.push(Effect::Switch(profile)),
            Does::Beside(id) => self.open_beside(id, effects),
            Does::Line(line) => {
                if let Some(Page::Log(log)) = self.pages.last() {
                    self.go_to_line(log.sub, line, effects);
                }
            }
        }
    }

    /// Why an action would do nothing just now.
    fn why_not(&self, mode: Mode, action: Action) -> Option<String> {
        let only_builds = (mode == Mode::List && self.view != View::Builds)
            .then(|| format!("only in the list of builds (press {})", self.key_of(Action::View(1))));
        match action {
            Action::Cancel | Action::Kill => dialog::cancel(&self.targets(), action == Action::Kill).err(),
            Action::Replay => self.why_no_replay(),
            Action::RetryFailed => dialog::again(&self.targets()).err(),
            Action::RetryMenu => self.targets().is_empty().then(|| "nothing is selected".to_owned()),
            Action::Pause => (!matches!(self.view, View::Queue | View::Repositories)).then(|| {
                let keys = [2, 4].map(|view| self.key_of(Action::View(view)));
                format!("only in the queue (press {}) and in the repositories ({})", keys[0], keys[1])
            }),
            Action::Bookmark | Action::NextBookmark | Action::Bookmarks | Action::Select => self.no_line(action),
            Action::Into if mode == Mode::Log => self.no_line(action),
            Action::Beside | Action::NextDifference | Action::PreviousDifference => self.no_pair(action),
            Action::Copy if mode == Mode::Log => self.no_line(action),
            Action::Only
            | Action::OnlyFailed
            | Action::MoreContext
            | Action::LessContext
            | Action::Fold
            | Action::FoldAll
                if mode == Mode::Log =>
            {
                self.no_view(action)
            }
            Action::Tests => self.no_tests(),
            Action::Artifacts => self.no_artifacts(),
            Action::Into | Action::Save | Action::Copy if mode == Mode::Artifacts => self.no_file(),
            Action::Filter if mode == Mode::Artifacts => None,
            Action::Into
            | Action::Copy
            | Action::Filter
            | Action::OnlyFailed
            | Action::NextFailed
            | Action::PreviousFailed
                if mode == Mode::Tests =>
            {
                None
            }
            Action::Filter if self.narrowed_by().is_some() => None,
            Action::Filter | Action::Mark | Action::MarkRange | Action::MarkAll | Action::OnlyFailed => only_builds,
            Action::Watch => self.why_no_watch(),
            Action::Undo => self.why_no_undo(),
            Action::ClearMarks => self.builds.marks.is_empty().then(|| "nothing is marked".to_owned()),
            Action::NextFailed | Action::PreviousFailed => only_builds,
            Action::Into if mode == Mode::List => self.nothing_selected(),
            Action::Copy if mode == Mode::List => self.nothing_selected(),
            Action::Into | Action::Pager | Action::Editor | Action::Save
                if matches!(mode, Mode::Build | Mode::Graph | Mode::Tests) =>
            {
                let log =
                    self.pages.last().is_some_and(|page| matches!(page, Page::Build(page) if page.log().is_some()));
                (!log).then(|| "it has not begun, so there is no log yet".to_owned())
            }
            Action::NextMatch | Action::PreviousMatch => {
                let searched = matches!(self.pages.last(), Some(Page::Log(log)) if log.search.is_some());
                (!searched).then(|| "nothing was searched yet".to_owned())
            }
            _ => None,
        }
    }

    fn nothing_selected(&self) -> Option<String> {
        let empty = match self.view {
            View::Builds => self.builds.selected().is_none(),
            View::Queue => self.queued_job().is_none(),
            View::Deliveries => self.deliveries.as_ref().is_none_or(Vec::is_empty),
            View::Repositories => self.overview.repository().is_none(),
            View::Nodes => self.overview.node_job().is_none(),
        };
        empty.then(|| "nothing is selected".to_owned())
    }

    /// The first key of an action in lists, as it is written.
    fn key_of(&self, action: Action) -> String {
        let bound = self.keys.of(Mode::List).find(|bound| bound.action == action);
        bound.and_then(|bound| bound.keys.first()).map_or_else(|| action.name(), |key| key.name())
    }
}
