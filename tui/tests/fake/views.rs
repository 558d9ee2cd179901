//! Views of a log as the daemon would tell them, found by looking at every line each time.

use windlass_protocol::live::{LineRun, LogView, Response, ServerMessage, Sub, ViewWindow};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::{Refusal, RefusalCode};

use super::Due;
use super::world::Log;

pub(super) fn pattern(text: &str) -> Result<regex::bytes::Regex, Refusal> {
    let capital = text.chars().any(char::is_uppercase);
    let pattern = regex::bytes::RegexBuilder::new(text).case_insensitive(!capital).build();
    pattern.map_err(|error| Refusal::new(RefusalCode::Invalid, error.to_string()))
}

pub(super) fn view(sub: Sub, log: &Log, view: &LogView, window: ViewWindow, out: &mut Vec<Due>) {
    let head = log.head();
    let lines = head.lines;
    let pattern = view.pattern.as_deref().map(|text| pattern(text).expect("the client looked at it before"));
    let folded = |line: u64| {
        let step = head.steps.iter().rfind(|mark| mark.first_line <= line);
        step.is_some_and(|mark| view.folded.contains(&mark.step))
    };
    let chosen = |line: u64| {
        let matches = pattern.as_ref().is_none_or(|pattern| pattern.is_match(&log.line(line).bytes) != view.invert);
        !folded(line) && matches
    };
    let context = u64::from(view.context);
    let near = |line: u64| (line.saturating_sub(context)..=line + context).any(|near| near < lines && chosen(near));
    let kept: Vec<u64> = (0..lines).filter(|line| !folded(*line) && near(*line)).collect();
    let (before, after) = match window {
        ViewWindow::Around { line, above, below } => {
            let at = kept.partition_point(|kept| *kept < line);
            (at.saturating_sub(above as usize), (at + below as usize).min(kept.len()))
        }
        ViewWindow::Tail { count } => (kept.len().saturating_sub(count as usize), kept.len()),
    };
    let from = if before == 0 { 0 } else { kept[before] };
    let to = if after == kept.len() { lines } else { kept[after - 1] + 1 };
    out.push(Due::Message(ServerMessage::LogHead { sub, head: head.clone() }));
    let mut runs = Vec::new();
    for line in &kept[before..after] {
        out.push(Due::Frame(LogFrame::Lines { sub, first: *line, lines: vec![log.line(*line)] }));
        runs.push(LineRun { first: *line, count: 1 });
    }
    out.push(Due::Message(ServerMessage::LogRows { sub, from, to, runs }));
}

pub(super) fn line(sub: Sub, log: &Log, line: u64, from: u64, out: &mut Vec<Due>) {
    let bytes = log.whole_line(line);
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
    for (at, chunk) in bytes[from..].chunks(10_000).enumerate() {
        let offset = (from + at * 10_000) as u64;
        out.push(Due::Frame(LogFrame::Bytes { sub, offset, bytes: chunk.to_vec() }));
    }
    out.push(Due::Message(ServerMessage::LogHead { sub, head: log.head() }));
}

pub(super) fn map(log: &Log, pattern: &regex::bytes::Regex, parts: usize) -> Response {
    let lines = log.head().lines;
    let mut counts = vec![0; parts];
    for line in (0..lines).filter(|line| pattern.is_match(&log.line(*line).bytes)) {
        let begins = |part: &usize| *part as u64 * lines / parts as u64 <= line;
        counts[(0..parts).rev().find(begins).expect("the first begins at 0")] += 1;
    }
    Response::LogMap { lines, looked: lines, counts }
}
