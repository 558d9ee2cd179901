//! The details of a job: its attempts side by side, and the last errors of the one that ended badly. Must not know where they
//! stand on the screen, nor how errors are found.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, JobView, Status};

use super::builds::standing_words;
use super::overlay;
use crate::left;
use crate::state::State;
use crate::state::build::{BuildPage, Row};
use crate::state::digest::Digest;
use crate::tested;
use crate::theme::{Theme, Tone};
use crate::waiting;
use crate::widgets::text::Words;
use crate::words::{self, Standing};

/// Columns of what a row is called, and the least that an attempt gets.
const NAMES: u16 = 9;
const LEAST: u16 = 22;

pub(super) fn paint(state: &State, page: &BuildPage, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(job) = page.detailed() else {
        return overlay::empty(&["this build has no jobs"], theme, area, buffer);
    };
    let rule = Rect { height: 1, ..area };
    let inner = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(1),
    };
    let now = state.daemon_now();
    if job.attempts.is_empty() {
        overlay::rule(&job.name, theme, rule, buffer);
        let why = job.reason.clone().unwrap_or_else(|| "it never ran".to_owned());
        Words::from((Tone::Dim, why)).paint(Rect { height: 1, ..inner }, Style::new(), theme, buffer);
        return;
    }
    let chosen = match page.selected() {
        Row::Attempt(_, index) => index,
        _ => job.attempts.len() - 1,
    };
    let fit = usize::from(((inner.width.saturating_sub(NAMES)) / (LEAST + 2)).max(1));
    // The newest ones, unless an older one is selected.
    let first = job.attempts.len().saturating_sub(fit).min(chosen);
    let shown = &job.attempts[first..job.attempts.len().min(first + fit)];
    let hidden = job.attempts.len() - shown.len();
    let mut title = format!("{}: {}", job.name, words::plural(job.attempts.len() as u64, "attempt"));
    if hidden > 0 {
        title.push_str(&format!(", {hidden} not shown"));
    }
    overlay::rule(&title, theme, rule, buffer);
    let digest = page.blamed().and_then(|(id, _)| Some((id.attempt, page.digests.get(&id)?)));
    let wanted = digest.as_ref().map_or(0, |(_, digest)| match digest {
        Digest::Lines(lines) => lines.len() as u16 + 1,
        Digest::Asked | Digest::Refused(_) => 2,
    });
    let facts = facts(job, shown, first, chosen, now);
    // Errors are what one looks for: they get half if they need it.
    let room = if inner.height < 6 { inner.height } else { inner.height - wanted.min(inner.height / 2) };
    let rows = (facts.len() as u16).min(room);
    side_by_side(&facts[..usize::from(rows)], shown.len(), theme, Rect { height: rows, ..inner }, buffer);
    if let Some((attempt, digest)) = digest {
        let below = Rect { x: area.x, y: inner.y + rows, width: area.width, height: inner.height - rows };
        errors(attempt, digest, theme, below, buffer);
    }
}

type Fact = (&'static str, Vec<Words>);

/// What is told of attempts, the most important first.
fn facts(job: &JobView, shown: &[AttemptView], first: usize, chosen: usize, now: Timestamp) -> Vec<Fact> {
    let each = |cell: &dyn Fn(usize, &AttemptView) -> Words| {
        shown.iter().enumerate().map(|(index, attempt)| cell(first + index, attempt)).collect::<Vec<_>>()
    };
    let all: [(&'static str, Vec<Words>); 10] = [
        (
            "",
            each(&|index, attempt| {
                let tone = if index == chosen { Tone::Accent } else { Tone::Strong };
                let words = Words::from((tone, format!("#{} ", attempt.number)));
                words.join(standing_words(Standing::of_attempt(attempt)))
            }),
        ),
        (
            "took",
            each(&|_, attempt| {
                let took = words::took(attempt.started_at, attempt.finished_at, now).unwrap_or_default();
                let waited = attempt.started_at.map(|started| started.since(attempt.queued_at));
                let waited = waited.map(|ms| format!("  waited {}", words::duration(ms))).unwrap_or_default();
                Words::new().plain(took).and(Tone::Dim, waited)
            }),
        ),
        ("why", each(&|_, attempt| reason(job, attempt, now))),
        (
            "tests",
            each(&|_, attempt| {
                let Some(tests) = &attempt.tests else { return Words::new() };
                let tone = if tests.failed + tests.errors > 0 { Tone::Bad } else { Tone::Plain };
                let words = Words::from((tone, tested::counts(tests)));
                match tested::troubles(tests).next() {
                    Some(trouble) => words.and(Tone::Warn, format!("  {trouble}")),
                    None => words,
                }
            }),
        ),
        (
            "left",
            each(&|_, attempt| {
                let Some(known) = &attempt.artifacts else { return Words::new() };
                let words = Words::new().plain(left::of_attempt(known, now));
                match left::troubles(known).next() {
                    Some(trouble) => words.and(Tone::Warn, format!("  {trouble}")),
                    None => words,
                }
            }),
        ),
        (
            "ran on",
            each(&|_, attempt| {
                let parts = [attempt.engine.as_deref(), attempt.node.as_deref()];
                Words::new().plain(parts.into_iter().flatten().collect::<Vec<_>>().join(" on "))
            }),
        ),
        (
            "image",
            each(&|index, attempt| {
                let Some(digest) = &attempt.image_digest else { return Words::new() };
                let words = Words::new().plain(short_digest(digest));
                let before = index.checked_sub(1).and_then(|before| job.attempts[before].image_digest.as_ref());
                match before {
                    Some(before) if before != digest => words.and(Tone::Warn, "  changed"),
                    _ => words,
                }
            }),
        ),
        ("because", each(&|_, attempt| Words::new().plain(attempt.because.as_deref().unwrap_or_default()))),
        (
            "ended",
            each(&|_, attempt| {
                Words::new().plain(words::ending(attempt.exit_code, attempt.signal).unwrap_or_default())
            }),
        ),
        (
            "log",
            each(&|_, attempt| {
                let log = &attempt.log;
                let size = format!("{}, {}", words::plural(log.lines, "line"), words::bytes(log.bytes));
                let left_out =
                    (log.dropped_bytes > 0).then(|| format!("  {} left out", words::bytes(log.dropped_bytes)));
                Words::new().plain(size).and(Tone::Warn, left_out.unwrap_or_default())
            }),
        ),
    ];
    all.into_iter().filter(|(_, cells)| cells.iter().any(|cell| cell.width() > 0)).collect()
}

fn reason(job: &JobView, attempt: &AttemptView, now: Timestamp) -> Words {
    if attempt.status == Status::Waiting {
        return Words::from((Tone::Dim, waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now)));
    }
    Words::new().plain(attempt.reason.as_deref().unwrap_or_default())
}

/// `sha256:9f86d081884c`: as much as tells one from another.
fn short_digest(digest: &str) -> String {
    match digest.rsplit_once(':') {
        Some((kind, hex)) => {
            let kind = kind.rsplit('@').next().unwrap_or(kind);
            format!("{kind}:{}", hex.chars().take(12).collect::<String>())
        }
        None => digest.to_owned(),
    }
}

fn side_by_side(facts: &[Fact], attempts: usize, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let width = area.width.saturating_sub(NAMES) / (attempts.max(1) as u16);
    for ((name, cells), y) in facts.iter().zip(area.y..area.bottom()) {
        let line = Rect { y, height: 1, ..area };
        Words::from((Tone::Dim, *name)).paint(Rect { width: NAMES - 1, ..line }, Style::new(), theme, buffer);
        for (index, cell) in cells.iter().enumerate() {
            let x = line.x + NAMES + index as u16 * width;
            // Cells stand apart; the last has all that is left.
            let width = if index + 1 == cells.len() { area.right().saturating_sub(x) } else { width.saturating_sub(2) };
            cell.paint(Rect { x, width, ..line }, Style::new(), theme, buffer);
        }
    }
}

fn errors(attempt: u32, digest: &Digest, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    overlay::rule(&format!("last errors of #{attempt}"), theme, Rect { height: 1, ..area }, buffer);
    let inner = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height - 1 };
    let words = match digest {
        Digest::Asked => "asking the daemon",
        Digest::Refused(why) => why,
        Digest::Lines(lines) if lines.is_empty() => "no line of its log speaks of an error",
        Digest::Lines(lines) => {
            // The last ones say most.
            let skip = lines.len().saturating_sub(usize::from(inner.height));
            for ((number, text), y) in lines.iter().skip(skip).zip(inner.y..inner.bottom()) {
                let number = format!("{:>6} ", number + 1);
                let (x, _) = buffer.set_stringn(inner.x, y, number, usize::from(inner.width), theme.style(Tone::Dim));
                let mut x = x;
                for (piece, style) in text.columns(0, usize::from(inner.right().saturating_sub(x))).pieces() {
                    let room = usize::from(inner.right().saturating_sub(x));
                    (x, _) = buffer.set_stringn(x, y, piece, room, theme.log(style));
                }
            }
            return;
        }
    };
    Words::from((Tone::Dim, words)).paint(Rect { height: 1, ..inner }, Style::new(), theme, buffer);
}
