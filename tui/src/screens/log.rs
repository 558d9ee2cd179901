//! A log on a page of its own: a line about it, then its rows. Must not know how lines come.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, Status, StepView};

use super::Hits;
use super::builds::standing_words;
use super::overlay;
use crate::state::State;
use crate::state::compare::{COMPARED, Compare};
use crate::state::kept_lines::KeptLines;
use crate::state::layout::Border;
use crate::state::log::{LogPage, Looking, Shown, TickMark, Times};
use crate::theme::{Theme, Tone, tone_of};
use crate::waiting;
use crate::widgets::log::{Log, Mark, Row};
use crate::widgets::minimap::{self, Cell};
use crate::widgets::text::Words;
use crate::words::{self, Standing};

pub(super) fn paint(state: &State, page: &LogPage, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(pair) = &page.pair else { return one(state, page, Beside::default(), theme, area, Some(hits), buffer) };
    for (side, (x, y, width, rows)) in state.layout().logs().into_iter().enumerate() {
        let place = Rect { x: area.x + x, y: area.y + y, width, height: rows + 1 }.intersection(area);
        let focused = usize::from(pair.right) == side;
        let (log, hits) = if focused { (page, Some(&mut *hits)) } else { (&pair.other, None) };
        let beside = Beside { focused: Some(focused), compare: pair.compare.as_ref(), side };
        one(state, log, beside, theme, place, hits, buffer);
        if x > 0 {
            for y in place.y..place.bottom() {
                buffer.set_string(place.x - 1, y, "│", theme.style(Tone::Dim));
            }
        }
    }
    let [_, (x, y, width, height)] = state.layout().logs();
    let border = match x {
        0 => Rect { x: area.x, y: area.y + y, width, height: 1 },
        _ => Rect { x: area.x + x - 1, y: area.y, width: 1, height: height + 1 },
    };
    hits.border(border.intersection(area), Border::Logs);
}

/// What is to be said of a log because another one is beside it.
#[derive(Debug, Clone, Copy, Default)]
struct Beside<'a> {
    /// Keys speak of this one.
    focused: Option<bool>,
    compare: Option<&'a Compare>,
    side: usize,
}

fn one(
    state: &State,
    page: &LogPage,
    beside: Beside<'_>,
    theme: Theme,
    area: Rect,
    hits: Option<&mut Hits>,
    buffer: &mut Buffer,
) {
    if let Some(hits) = hits {
        let places = (area.y + 1..area.bottom()).map(|y| Rect { y, height: 1, ..area });
        hits.rows(places.zip(0..).collect());
    }
    title(state, page, beside, theme, Rect { height: 1, ..area }, buffer);
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    lines(state, page, beside, theme, area, buffer);
}

fn title(state: &State, page: &LogPage, beside: Beside<'_>, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let now = state.daemon_now();
    let place = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let attempt = state.build_page(page.id.build).and_then(|build| build.attempt(&page.id));
    let mut left = match beside.focused {
        Some(true) => Words::new().and(Tone::Accent, "▸ "),
        Some(false) => Words::new().plain("  "),
        None => Words::new(),
    };
    let narrow = beside.focused.is_some() && area.width < 60;
    if let (Some(attempt), false) = (attempt, narrow) {
        left = standing_words(Standing::of_attempt(attempt)).plain("  ");
    }
    left = left.and(Tone::Strong, page.id.to_string());
    if let Some(attempt) = attempt {
        if let Some(cancelling) = &attempt.cancelling {
            left = left.and(Tone::Warn, format!("  {}", waiting::countdown(cancelling, &attempt.steps, now)));
        } else if let Some(reason) = &attempt.reason {
            left = left.and(Tone::Dim, format!("  {reason}"));
        }
        if let Some(took) = words::took(attempt.started_at, attempt.finished_at, now) {
            left = left.and(Tone::Dim, format!("  {took}"));
        }
    }
    let right = match narrow {
        true => comparison(beside).and(Tone::Dim, format!("{} below", words::count(page.below()))),
        false => comparison(beside).join(whereabouts(page)),
    };
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX).min(place.width);
    left.paint(Rect { width: place.width.saturating_sub(width + 2), ..place }, Style::new(), theme, buffer);
    right.paint_right(place, Style::new(), theme, buffer);
}

/// What the comparison with the log beside says of this one.
fn comparison(beside: Beside<'_>) -> Words {
    let Some(compare) = beside.compare else { return Words::new() };
    let Some(count) = compare.count(beside.side) else { return Words::from((Tone::Dim, "comparing  ")) };
    let of = if compare.is_partial() {
        format!(" of the first {}", words::count(u64::from(COMPARED)))
    } else {
        String::new()
    };
    Words::from((Tone::Warn, format!("~ {} differ{of}  ", words::count(count))))
}

/// Where in the log the view is, and what the view leaves out.
fn whereabouts(page: &LogPage) -> Words {
    let mut words = Words::new();
    if let Some(search) = &page.search {
        words = words.and(Tone::Warn, format!("/{}  {}  ", search.pattern, search.words()));
    }
    if let Some(only) = &page.only {
        let counted = page.search.is_none() && !only.invert && !only.is_errors();
        let total = page.hit_map.total(page.lines()).filter(|_| counted);
        let count = total.map_or_else(String::new, |total| format!("{}  ", words::plural(total, "line")));
        words = words.and(Tone::Warn, format!("{}  {count}", only.words()));
    }
    words = match page.looking() {
        Some(Looking::Begun) => words.and(Tone::Dim, "looking  "),
        Some(Looking::Percent(percent)) => words.and(Tone::Dim, format!("looking, {percent} %  ")),
        None if page.only.is_some() && page.kept.as_ref().is_some_and(KeptLines::is_empty) => {
            words.and(Tone::Warn, "no line matches  ")
        }
        None => words,
    };
    if let Some(errors) = page.errors.as_ref().filter(|errors| errors.current.is_some()) {
        words = words.and(Tone::Bad, format!("error {}  ", errors.words()));
    }
    if let Some(lines) = page.selected() {
        let count = lines.end() - lines.start() + 1;
        words = words.and(Tone::Accent, format!("{} selected  ", words::plural(count, "line")));
    }
    if page.column > 0 {
        words = words.and(Tone::Dim, format!("from column {}  ", page.column + 1));
    }
    if page.head.is_none() {
        return words;
    }
    let lines = words::plural(page.lines(), "line");
    match (page.following(), page.finished(), page.below()) {
        (true, false, _) => words.and(Tone::Running, "● following ").and(Tone::Dim, lines),
        (_, true, 0) => words.and(Tone::Dim, format!("end of {lines}")),
        (_, false, 0) => words.and(Tone::Warn, "paused ").and(Tone::Dim, format!("end of {lines} so far")),
        (_, finished, below) => {
            let paused = if finished { "" } else { "paused, " };
            words.and(Tone::Warn, paused).and(Tone::Dim, format!("{} more below of {lines}", words::count(below)))
        }
    }
}

/// The rows of a log that are in view.
pub(super) fn rows(state: &State, page: &LogPage, theme: Theme, area: Rect, buffer: &mut Buffer) {
    lines(state, page, Beside::default(), theme, area, buffer);
}

fn lines(state: &State, page: &LogPage, beside: Beside<'_>, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if let Some(refusal) = &page.refused {
        return overlay::empty(&[&refusal.message], theme, area, buffer);
    }
    let shown = page.shown();
    if shown.is_empty() {
        let build = state.build_page(page.id.build).and_then(|build| build.view.as_deref());
        let job = build.and_then(|view| view.jobs.iter().find(|job| job.name == page.id.job));
        let waiting = job.filter(|job| job.status == Status::Waiting).and_then(|job| job.waiting_for.as_ref());
        let words = match (waiting, &page.head) {
            (Some(waiting), _) => format!("it has not begun: {waiting}"),
            (None, None) => "waiting for the log".to_owned(),
            (None, Some(head)) if head.finished => "this attempt wrote nothing".to_owned(),
            (None, Some(_)) => "nothing was written yet".to_owned(),
        };
        return overlay::empty(&[&words], theme, area, buffer);
    }
    let begun = page.head.as_ref().map_or(0, |head| head.steps.len());
    let attempt = state.build_page(page.id.build).and_then(|build| build.attempt(&page.id));
    let started = attempt.and_then(|attempt| attempt.started_at);
    let selected = page.selected();
    let mut before = None;
    let cursor = (!page.preview && !page.following() && beside.focused != Some(false)).then(|| page.cursor());
    let rows = shown.iter().map(|(place, row)| match row {
        Shown::Step(mark) => {
            let index = usize::from(mark.step) + 1;
            let planned = attempt.map_or(begun, |attempt| attempt.steps.len());
            let folded = page.folded.contains(&mark.step);
            let sign = if folded { "▸──" } else { "▾──" };
            let mut words = Words::new().and(Tone::Dim, format!("{sign} {index}/{} ", planned.max(index)));
            words = words.and(Tone::Accent, &mark.name).plain(" ");
            if let Some((attempt, step)) = attempt.and_then(|attempt| Some((attempt, attempt.steps.get(index - 1)?))) {
                words = ending(words, attempt, step, state.daemon_now());
            }
            if folded {
                words = words.and(Tone::Warn, format!("{} folded ", words::plural(page.lines_of(mark), "line")));
            }
            Row::Heading { words, cursor: cursor == Some(*place) }
        }
        Shown::Gap => Row::Gap,
        Shown::Hole => Row::Looking,
        Shown::Missing { number } => Row::Missing { number: words::count(number + 1) },
        Shown::Long { number, row, text } => {
            Row::Text {
                number: if *row == 0 { (number + 1).to_string() } else { String::new() },
                time: String::new(),
                mark: Mark::None,
                cursor: cursor == Some(*place),
                selected: selected.as_ref().is_some_and(|lines| lines.contains(number)),
                text,
                from: 0,
                wrapped: true,
                size: None,
                tail: page.long.as_ref().filter(|long| long.is_cut() && row + 1 == long.rows().len()).map(|long| {
                    format!(" … cut: this line has {}, these are the first 1 MiB", words::bytes(long.length))
                }),
            }
        }
        Shown::Line { number, row, line } => {
            let time = if *row == 0 { time(page.times, line.at, before, started, &state.zone) } else { String::new() };
            before = Some(line.at);
            let mark = match &page.search {
                Some(search) if search.current == Some(*number) => Mark::CurrentHit,
                _ if page.bookmarks.contains(number) => Mark::Bookmark,
                Some(search) if search.is_match(*number) => Mark::Hit,
                _ if beside.compare.is_some_and(|compare| compare.differs(beside.side, *number)) => Mark::Differs,
                _ if page.errors.as_ref().is_some_and(|errors| errors.is_match(*number)) => Mark::Error,
                _ => Mark::None,
            };
            Row::Text {
                number: if *row == 0 { (number + 1).to_string() } else { String::new() },
                time,
                mark,
                cursor: cursor == Some(*place),
                selected: selected.as_ref().is_some_and(|lines| lines.contains(number)),
                text: &line.text,
                from: if page.wrap { row * page.text_width() } else { page.column },
                wrapped: page.wrap,
                size: line.cut.map(words::bytes),
                tail: line.cut.map(|length| {
                    let more = if page.preview { "" } else { " (Enter)" };
                    format!(" … cut: this line has {}{more}", words::bytes(length))
                }),
            }
        }
    });
    let log = Log {
        rows: rows.collect(),
        gutter: page.gutter() as u16,
        times: page.times_width() as u16,
        right: page.map_width() as u16,
        hit: page.search.as_ref().map(|search| &search.regex),
        only: page.only.as_ref().filter(|only| !only.invert && !only.is_errors()).map(|only| &only.regex),
    };
    log.paint(area, theme, buffer);
    let differing = beside.compare.into_iter().flat_map(|compare| compare.hunks(beside.side));
    let ticks = page.ticks(differing);
    let cells: Vec<Cell> = ticks.iter().map(|tick| Cell { sign: tick.mark.map(sign), in_view: tick.in_view }).collect();
    let width = page.map_width() as u16;
    let place = Rect { x: area.right().saturating_sub(width), width, ..area };
    minimap::paint(&cells, place, theme, buffer);
}

fn sign(mark: TickMark) -> (char, Tone) {
    match mark {
        TickMark::Bookmark => ('m', Tone::Accent),
        TickMark::Hit => ('*', Tone::Warn),
        TickMark::Differs => ('~', Tone::Warn),
        TickMark::Error => ('!', Tone::Bad),
        TickMark::Unknown => ('?', Tone::Dim),
    }
}

/// How a step stands and how long it took, after its name.
fn ending(words: Words, attempt: &AttemptView, step: &StepView, now: Timestamp) -> Words {
    let standing = Standing::of_step(attempt, step);
    let mut words = words.and(tone_of(standing), format!("{} {}", standing.glyph(), standing.word())).plain(" ");
    if let Some(ending) = words::ending(step.exit_code, step.signal) {
        words = words.and(Tone::Bad, format!("{ending} "));
    }
    match words::took(step.started_at, step.finished_at, now) {
        Some(took) => words.and(Tone::Dim, format!("{took} ")),
        None => words,
    }
}

fn time(times: Times, at: i64, before: Option<i64>, started: Option<Timestamp>, zone: &TimeZone) -> String {
    let seconds = |ms: i64| format!("{:+8}.{:03} ", ms / 1_000, (ms % 1_000).abs());
    match times {
        Times::Off => String::new(),
        Times::Clock => clock(Timestamp(at), zone, true),
        Times::SinceStart => started.map_or_else(String::new, |started| seconds(at - started.0)),
        Times::SinceBefore => before.map_or_else(String::new, |before| seconds(at - before)),
    }
}

/// `14:03:22`, or with milliseconds.
pub(super) fn clock(at: Timestamp, zone: &TimeZone, milliseconds: bool) -> String {
    let Ok(moment) = jiff::Timestamp::from_millisecond(at.0) else { return String::new() };
    let moment = moment.to_zoned(zone.clone());
    let time = moment.strftime("%H:%M:%S").to_string();
    if milliseconds { format!("{time}.{:03}", moment.millisecond()) } else { time }
}

/// The clock for today, otherwise the day with it. Never goes stale, so nothing has to be painted again.
pub(super) fn clock_or_day(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let zoned = |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).ok().map(|at| at.to_zoned(zone.clone()));
    match (zoned(at), zoned(now)) {
        (Some(at), Some(now)) if at.date() == now.date() => at.strftime("%H:%M:%S").to_string(),
        (Some(at), Some(now)) if at.year() == now.year() => at.strftime("%b %d %H:%M").to_string(),
        (Some(at), _) => at.strftime("%Y-%m-%d").to_string(),
        _ => String::new(),
    }
}
