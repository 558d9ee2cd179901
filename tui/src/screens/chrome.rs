//! What surrounds every page: header, banner, footer; and all that a very small terminal shows. Must not know the pages'
//! insides.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Hits;
use super::builds::WATCHED;
use super::log::clock;
use crate::keymap::Action;
use crate::left;
use crate::state::{Connection, Hit, Page, PromptKind, State, View};
use crate::theme::{Theme, Tone};
use crate::waiting;
use crate::widgets::text::Words;

/// Views on the left, how busy the daemon is on the right.
pub(super) fn header(state: &State, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let trail = trail(state);
    let (in_words, in_signs) = (busy(state, area.width, true), busy(state, area.width, false));
    let fits = |head: &Head, busy: &Words| head.width() + trail.width() + busy.width() + 2 <= usize::from(area.width);
    // How busy the daemon is matters more than the names of the views where one is not.
    let heads = [(true, Names::Full), (false, Names::Full), (false, Names::Short), (false, Names::Here)];
    let mut heads = heads.into_iter().map(|(title, names)| Head::new(state, title, names));
    let head = heads.find(|head| fits(head, &in_words)).unwrap_or_else(|| Head::new(state, false, Names::Here));
    let busy = [in_words, in_signs].into_iter().find(|busy| fits(&head, busy));
    let mut x = area.x + 1;
    let put = |x: &mut u16, words: &Words, buffer: &mut Buffer| {
        let place = Rect { x: *x, width: area.right().saturating_sub(*x), ..area };
        let used = words.paint(place, Style::new(), theme, buffer);
        let place = Rect { width: used, ..place };
        *x += used;
        place
    };
    put(&mut x, &head.title, buffer);
    for (view, words) in View::ALL.into_iter().zip(&head.views) {
        let place = put(&mut x, words, buffer);
        hits.add(place, Hit::View(view));
        x += GAP;
    }
    put(&mut x, &trail, buffer);
    if let Some(busy) = busy {
        busy.paint_right(Rect { width: area.width - 1, ..area }, Style::new(), theme, buffer);
    }
}

/// Columns between the views' names.
const GAP: u16 = 2;

/// Which of the views' names are written out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Full,
    Short,
    /// Only that of the view one is in; the others keep their digits.
    Here,
}

/// What stands at the left of the header.
struct Head {
    title: Words,
    views: Vec<Words>,
}

impl Head {
    fn new(state: &State, title: bool, names: Names) -> Self {
        let view = |(index, view): (usize, View)| {
            let here = state.view == view;
            let digit = Words::from((Tone::Dim, (index + 1).to_string()));
            let tone = if here { Tone::Accent } else { Tone::Plain };
            match (here, names, view) {
                (false, Names::Here, _) => digit,
                (_, Names::Short | Names::Here, View::Repositories) => digit.plain(" ").and(tone, "Repos"),
                (_, _, view) => digit.plain(" ").and(tone, view.name()),
            }
        };
        Self {
            title: if title { Words::new().and(Tone::Strong, "windlass").plain("  ") } else { Words::new() },
            views: View::ALL.into_iter().enumerate().map(view).collect(),
        }
    }

    fn width(&self) -> usize {
        self.title.width() + self.views.iter().map(|words| words.width() + usize::from(GAP)).sum::<usize>()
    }
}

/// The pages that lie over the view.
fn trail(state: &State) -> Words {
    state.pages.iter().fold(Words::new(), |words, page| {
        let name = match page {
            Page::Build(page) => format!("#{}", page.number),
            Page::Log(page) => page.id.job.clone(),
        };
        words.and(Tone::Dim, "› ").and(Tone::Accent, name).plain(" ")
    })
}

/// In words, or in signs and numbers where there is no room for words.
fn busy(state: &State, width: u16, in_words: bool) -> Words {
    let Some(queue) = &state.queue else { return Words::new() };
    let mut words = Words::new();
    if !state.watches.is_empty() {
        let word = if width >= 120 { " watched" } else { "" };
        words = words.and(Tone::Accent, format!("{WATCHED} {}{word}  ", state.watches.len()));
    }
    if let Some(trouble) = &queue.engine.trouble {
        return words.and(Tone::Bad, format!("! engine: {trouble}"));
    }
    match queue.pauses.first() {
        Some(pause) if pause.repository.is_none() => words = words.and(Tone::Warn, "‖ paused  "),
        Some(_) if width >= 100 => words = words.and(Tone::Warn, format!("‖ {} paused  ", queue.pauses.len())),
        _ => {}
    }
    let word = |word| if in_words { word } else { "" };
    if queue.running > 0 {
        words = words.and(Tone::Running, format!("● {}/{}{}", queue.running, queue.limit, word(" running")));
    } else {
        words = words.and(Tone::Dim, format!("0/{}{}", queue.limit, word(" running")));
    }
    words = words.and(Tone::Dim, format!("  ○ {}{}", queue.waiting, word(" waiting")));
    if queue.blocked > 0 && width >= 100 {
        words = words.and(Tone::Dim, format!("  {} blocked", queue.blocked));
    }
    if width >= 100 {
        let version = queue.engine.version.as_deref().unwrap_or_default();
        words = words.and(Tone::Dim, format!("  {} {version}", queue.engine.kind));
    }
    words
}

/// Why what is shown may be old.
pub(super) fn banner(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let (tone, text) = match &state.connection {
        Connection::Up(_) => return,
        Connection::Connecting => (Tone::Dim, format!(" connecting to {}", state.place)),
        Connection::Lost { since, error, pause } => {
            let next = if *pause < 1_000 { "at once".to_owned() } else { format!("every {} s", pause.div_ceil(1_000)) };
            let since = clock(*since, &state.zone, false);
            (Tone::Warn, format!(" no daemon since {since}, trying again {next}: {error}"))
        }
    };
    buffer.set_style(area, theme.strip(tone));
    Words::from((tone, text)).paint(area, theme.strip(tone), theme, buffer);
}

/// What is paused: on the queue's page, above what waits because of it.
pub(super) fn notice(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let now = state.daemon_now();
    let Some((first, rest)) = state.queue.as_ref().and_then(|queue| queue.pauses.split_first()) else { return };
    let more = match rest.len() {
        0 => String::new(),
        1 => format!(" (and {})", waiting::paused_name(&rest[0])),
        many => format!(" (and {many} repositories)"),
    };
    let text = format!(" ‖ {}{more}", waiting::pause(first, now));
    buffer.set_style(area, theme.strip(Tone::Warn));
    Words::from((Tone::Warn, text)).paint(area, theme.strip(Tone::Warn), theme, buffer);
}

/// What the keys do here, or what is being typed.
pub(super) fn footer(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let place = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    if let Some(prompt) = &state.prompt {
        let sign = match prompt.kind {
            PromptKind::Search => "search / ",
            PromptKind::Only => "only & ",
            PromptKind::Filter | PromptKind::Tests | PromptKind::Artifacts => "filter / ",
            PromptKind::Command => "command : ",
        };
        let words = Words::new().and(Tone::Accent, sign).plain(&prompt.text).and(Tone::Accent, "▏");
        let used = words.paint(place, Style::new(), theme, buffer);
        let unclear =
            state.builds.problem().filter(|_| prompt.kind == PromptKind::Filter && state.view == View::Builds);
        let rest = Rect { x: place.x + used + 3, width: place.width.saturating_sub(used + 3), ..place };
        let words = unclear.map_or_else(|| keys(state), |words| Words::from((Tone::Warn, words)));
        words.paint(rest, Style::new(), theme, buffer);
        return;
    }
    keys(state).paint(place, Style::new(), theme, buffer);
}

fn keys(state: &State) -> Words {
    state.keys.of(state.mode()).filter(|binding| possible(state, binding.action)).fold(
        Words::new(),
        |words, binding| {
            let word = match (binding.action, state.pages.last()) {
                (Action::Follow, Some(Page::Log(log))) if log.following() => Some("following"),
                (Action::Follow, Some(Page::Log(log))) if !log.finished() => Some("paused"),
                _ => binding.footer,
            };
            match (word, binding.keys.first()) {
                (Some(word), Some(key)) => {
                    words.and(Tone::Accent, key.name()).plain(" ").and(Tone::Dim, word).plain("  ")
                }
                _ => words,
            }
        },
    )
}

/// Whether a key is worth a place in the footer just now.
fn possible(state: &State, action: Action) -> bool {
    match (action, state.pages.last()) {
        (Action::NextMatch, Some(Page::Log(log))) => log.search.is_some(),
        (Action::Filter, None) => {
            matches!(state.view, View::Builds | View::Queue | View::Deliveries | View::Repositories)
        }
        (Action::Tests, Some(Page::Build(page))) => page.view.as_ref().is_some_and(|view| view.tests.is_some()),
        (Action::Artifacts, Some(Page::Build(page))) => {
            page.view.as_deref().and_then(left::of_build).is_some_and(|(files, _)| files > 0)
        }
        (Action::Replay, _) => state.view == View::Deliveries,
        (Action::Pause, _) => matches!(state.view, View::Queue | View::Repositories),
        (Action::Cancel, None) => !matches!(state.view, View::Deliveries | View::Repositories),
        (Action::RetryFailed, None) => matches!(state.view, View::Builds | View::Queue),
        _ => true,
    }
}

/// A terminal too small for anything else: how the daemon is, in as many rows as there are.
pub(super) fn status_only(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let link = match &state.connection {
        Connection::Up(_) => Words::from((Tone::Good, "✓ connected")),
        Connection::Connecting => Words::from((Tone::Dim, "○ connecting")),
        Connection::Lost { .. } => Words::from((Tone::Bad, "✗ no daemon")),
    };
    let mut lines = vec![link];
    if let Some(queue) = &state.queue {
        lines.push(Words::from((Tone::Running, format!("● {} running", queue.running))));
        lines.push(Words::from((Tone::Dim, format!("○ {} waiting", queue.waiting))));
    }
    lines.push(Words::from((Tone::Dim, "40x10 shows more")));
    lines.push(Words::from((Tone::Dim, "q quits")));
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        line.paint(Rect { y, height: 1, ..area }, Style::new(), theme, buffer);
    }
}
