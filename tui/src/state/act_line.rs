//! What keys do with lines of a log: bookmarks, a selection, copies of them. Must not know how text reaches a clipboard.

use std::ops::RangeInclusive;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, Sub, Topic};

use super::log::LogPage;
use super::long::Long;
use super::menu::{Item, Menu};
use super::{Connection, Effect, Page, State, subscribe};
use crate::keymap::Action;
use crate::safe_text::label;
use crate::words;

/// Bytes that terminals take into their clipboard: 75,000 once they are encoded.
const CLIPBOARD: usize = 75_000 / 4 * 3;
/// Bookmarks of one log, and logs whose bookmarks are kept.
const BOOKMARKS: usize = 500;
const LOGS: usize = 200;

impl State {
    pub(super) fn act_on_line(&mut self, action: Action, effects: &mut Vec<Effect>) {
        if let Some(words) = self.no_line(action) {
            return self.toast(words, true);
        }
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        match action {
            Action::Bookmark => {
                let Some(line) = log.line() else { return };
                let (name, set) = (words::count(line + 1), !log.bookmarks.remove(&line));
                if set {
                    log.bookmarks.insert(line);
                }
                self.toast(
                    format!("line {name} is {}", if set { "bookmarked" } else { "no bookmark any more" }),
                    false,
                );
            }
            Action::NextBookmark => {
                let here = log.cursor().0;
                let next = log.bookmarks.range(here + 1..).next().or(log.bookmarks.first()).copied();
                let sub = log.sub;
                if let Some(line) = next {
                    self.go_to_line(sub, line, effects);
                }
            }
            Action::Bookmarks => {
                let items = log.bookmarks.iter().map(|line| {
                    let text = log.cache.get(*line).map_or_else(String::new, |line| line.text.as_str().to_owned());
                    Item::line(*line, text)
                });
                let menu = Menu::new("Bookmarks", items.collect());
                self.open_list(menu);
            }
            Action::Into => self.open_line(effects),
            Action::Select => {
                log.selection = match (log.selection, log.line()) {
                    (None, line) => line,
                    (Some(_), _) => None,
                };
                log.set_cursor(log.cursor());
            }
            Action::CopyLink => {
                let line = log.line().unwrap_or(log.cursor().0);
                let (id, line) = (log.id.clone(), line + 1);
                let page = match &self.connection {
                    Connection::Up(hello) if hello.capabilities.iter().any(|name| name == "pages") => {
                        hello.webhook.as_deref().and_then(|address| page_of(address, &id, line))
                    }
                    _ => None,
                };
                let link = page.unwrap_or_else(|| format!("{id}:{line}"));
                let link = label(link).as_str().to_owned();
                self.toast(format!("{link} was sent to the terminal's clipboard"), false);
                effects.push(Effect::Copy(link));
            }
            _ => {}
        }
    }

    /// What was bookmarked in a log that is left is found there again.
    pub(super) fn keep_bookmarks(&mut self, log: LogPage) {
        if let Some(pair) = log.pair {
            self.keep_bookmarks(pair.other);
        }
        self.bookmarks.remove(&log.id);
        if !log.bookmarks.is_empty() && self.bookmarks.len() < LOGS {
            self.bookmarks.insert(log.id, log.bookmarks);
        }
    }

    /// A long line is shown in its whole length, or no more; a step is folded or unfolded.
    fn open_line(&mut self, effects: &mut Vec<Effect>) {
        let sub = self.fresh_sub();
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        let Some(line) = log.line() else { return self.act_on_view(Action::Fold, effects) };
        let leave = |long: &Long| Effect::Send(ClientMessage::Unsubscribe { sub: long.sub });
        let before = log.long.take();
        effects.extend(before.as_ref().map(leave));
        log.set_cursor((line, log.text_row(line).1));
        if before.is_some_and(|long| long.line == line) {
            return;
        }
        if let Some(length) = log.cache.get(line).and_then(|line| line.cut) {
            log.long = Some(Long::new(line, sub, length));
            effects.push(subscribe(sub, Topic::LogLine { log: log.id.clone(), line, from: 0 }));
            self.toast(format!("reading line {}", words::count(line + 1)), false);
        }
    }

    /// The page whose long line comes with a subscription.
    pub(super) fn long_line(&mut self, sub: Sub) -> Option<&mut LogPage> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Log(log) => log.either(|log| log.long.as_ref().is_some_and(|long| long.sub == sub)),
            Page::Build(_) => None,
        })
    }

    pub(super) fn long_line_ended(&mut self, sub: Sub, effects: &mut Vec<Effect>) {
        let Some(log) = self.long_line(sub) else { return };
        let width = log.text_width();
        if let Some(long) = &mut log.long {
            long.end(width);
        }
        effects.push(Effect::Send(ClientMessage::Unsubscribe { sub }));
    }

    /// The selected lines, or the one with the cursor, go to the clipboard. Never a part of them.
    pub(super) fn copy_lines(&mut self, effects: &mut Vec<Effect>) {
        let Some(Page::Log(log)) = self.pages.last_mut() else { return };
        match log.copied() {
            Ok((text, lines)) => {
                log.selection = None;
                self.toast(format!("{} sent to the terminal's clipboard", words::plural(lines, "line")), false);
                effects.push(Effect::Copy(text));
            }
            Err(why) => self.toast(why, true),
        }
    }

    /// Why nothing can be done with a line.
    pub(super) fn no_line(&self, action: Action) -> Option<String> {
        let Some(Page::Log(log)) = self.pages.last() else { return None };
        let on_none = log.line().is_none().then(|| "the cursor is on no line".to_owned());
        match action {
            Action::NextBookmark | Action::Bookmarks => {
                log.bookmarks.is_empty().then(|| "no line is bookmarked yet".to_owned())
            }
            Action::Bookmark if on_none.is_none() && log.bookmarks.len() >= BOOKMARKS => {
                let full = !log.line().is_some_and(|line| log.bookmarks.contains(&line));
                full.then(|| format!("there are {BOOKMARKS} bookmarks already"))
            }
            Action::Into => {
                let line = log.line();
                let long = line.and_then(|line| log.cache.get(line)).is_some_and(|line| line.cut.is_some());
                let words = "only a line that is cut, or a step, can be opened";
                match line {
                    Some(_) => (!long).then(|| words.to_owned()),
                    None => self.no_view(Action::Fold),
                }
            }
            Action::Select if log.selection.is_some() => None,
            Action::Copy if log.selection.is_some() => log.copied().err(),
            Action::Bookmark | Action::Select | Action::Copy => on_none,
            _ => None,
        }
    }
}

/// The public page of a log from a line on, told from where webhooks go.
fn page_of(webhook: &str, id: &AttemptId, line: u64) -> Option<String> {
    let base = webhook.strip_suffix("/webhooks/github")?;
    let job: String = id
        .job
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    Some(format!("{base}/builds/{}/jobs/{job}/log?attempt={}&line={line}", id.build, id.attempt))
}

impl LogPage {
    /// The selected lines, from the first to the last.
    pub fn selected(&self) -> Option<RangeInclusive<u64>> {
        let (from, to) = (self.selection?, self.cursor().0.min(self.lines().saturating_sub(1)));
        Some(from.min(to)..=from.max(to))
    }

    /// Whether a line is among those that are shown, whether or not it is in view.
    fn is_shown(&self, line: u64) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.contains(line))
    }

    /// What a copy takes: the text of the lines that are shown, and how many.
    pub(super) fn copied(&self) -> Result<(String, u64), String> {
        let lines = match self.selected() {
            Some(lines) => lines,
            None => self.line().map(|line| line..=line).ok_or_else(|| "the cursor is on no line".to_owned())?,
        };
        if let Some(kept) = self.kept.as_ref().map(super::kept_lines::KeptLines::known)
            && !(kept.contains(lines.start()) && kept.contains(lines.end()))
        {
            return Err("it is not known yet which of these lines are shown".to_owned());
        }
        let (mut text, mut count) = (String::new(), 0);
        for line in lines.filter(|line| self.is_shown(*line)) {
            let name = words::count(line + 1);
            let found = self.cache.get(line);
            let found = found.ok_or_else(|| format!("line {name} is not here any more: save the log instead (S)"))?;
            let long = self.long.as_ref().filter(|long| long.line == line);
            let text_of_line = match found.cut {
                Some(_) => long.and_then(Long::whole),
                None => Some(found.text.as_str()),
            };
            let Some(text_of_line) = text_of_line else {
                return Err(format!("line {name} is longer than what is shown of it: Enter shows more of it"));
            };
            if count > 0 {
                text.push('\n');
            }
            text.push_str(text_of_line);
            count += 1;
            if text.len() > CLIPBOARD {
                return Err(
                    "that is more than terminals take into their clipboard: save the log instead (S)".to_owned()
                );
            }
        }
        Ok((text, count))
    }
}
