//! Gathers what is wrong with a spec, by position, so that everything is told at once. Must not know what a spec means.

use std::collections::HashSet;

use windlass_protocol::problem::Problem;

/// Where something stands in the file; both count from 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pos {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// More than this nobody reads.
pub(super) const MOST_PROBLEMS: usize = 100;

/// How much of a line a problem shows.
const LINE_SHOWN: usize = 200;

/// How much of a word from the file a message repeats.
const WORD_SHOWN: usize = 60;

struct Found {
    at: Pos,
    message: String,
    hint: Option<String>,
}

/// The problems of one file, as they are found.
pub(super) struct Problems<'t> {
    file: &'t str,
    lines: Vec<&'t str>,
    found: Vec<Found>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, lines: lines(text), found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: Pos, message: impl Into<String>) {
        self.found.push(Found { at, message: message.into(), hint: None });
    }

    pub(super) fn add_with_hint(&mut self, at: Pos, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Found { at, message: message.into(), hint: Some(hint.into()) });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether looking for similar words still pays: it costs time, and a hostile file has thousands of wrong words.
    pub(super) fn has_room(&self) -> bool {
        self.found.len() < MOST_PROBLEMS
    }

    /// Everything found, in the order of the file; what is beyond the limit is counted, not shown.
    pub(super) fn into_list(self) -> Vec<Problem> {
        let Self { file, lines, mut found } = self;
        found.sort_by_key(|found| found.at);
        // What an alias repeats is wrong in one place only.
        let mut told = HashSet::new();
        found.retain(|found| told.insert((found.at, found.message.clone())));
        let more = found.len().saturating_sub(MOST_PROBLEMS);
        if more > 0 {
            found.truncate(MOST_PROBLEMS + 1);
            if let Some(last) = found.last_mut() {
                last.message = format!("… and {more} more {}", if more == 1 { "problem" } else { "problems" });
                last.hint = None;
            }
        }
        let text = |at: Pos| {
            let index = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
            lines.get(index).map(|line| shown_line(line)).unwrap_or_default()
        };
        found
            .into_iter()
            .map(|Found { at, message, hint }| Problem {
                file: file.to_owned(),
                line: at.line,
                column: at.column,
                message,
                text: text(at),
                hint,
            })
            .collect()
    }
}

/// A word from the file as a message may repeat it: short, on one line, nothing that a terminal would obey.
pub(super) fn shown(word: &str) -> String {
    let mut cut: String = word.chars().take(WORD_SHOWN).map(harmless).collect();
    if word.chars().nth(WORD_SHOWN).is_some() {
        cut.push('…');
    }
    cut
}

/// The word of `known` that was probably meant. `None` when nothing is near.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let length = word.chars().count();
    // Comparing long words is costly, and nobody mistypes them in a way that this would find.
    if length == 0 || length > 40 {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (length / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= 40)
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Lines as YAML counts them: after LF, CR LF or a lone CR.
fn lines(text: &str) -> Vec<&str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect()
}

fn shown_line(line: &str) -> String {
    line.chars().take(LINE_SHOWN).map(|c| if c == '\t' { c } else { harmless(c) }).collect()
}

/// Control characters, and those that turn the direction of writing, become visible.
fn harmless(c: char) -> char {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns || c == '\u{2028}' || c == '\u{2029}' { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::{Pos, Problems, lines, nearest, shown};

    #[test]
    fn counts_lines_as_yaml_does() {
        assert_eq!(lines("a\nb\r\nc\rd\n"), ["a", "b", "c", "d", ""]);
    }

    #[test]
    fn guesses_only_what_is_near() {
        let known = ["image", "environment", "execute", "jobs"];
        for (word, meant) in [
            ("imge", Some("image")),
            ("Image", Some("image")),
            ("enviroment", Some("environment")),
            ("exceute", Some("execute")),
            ("job", Some("jobs")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn words_from_the_file_are_cut_and_harmless() {
        assert_eq!(shown("a\u{1b}[31mb\nc\u{202e}"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 61);
    }

    #[test]
    fn orders_by_position_and_counts_the_rest() {
        let text = "x\n".repeat(300);
        let mut problems = Problems::new("f", &text);
        for line in (1..=250).rev() {
            problems.add(Pos { line, column: 1 }, format!("number {line}"));
        }
        let list = problems.into_list();
        assert_eq!(list.len(), 101);
        assert_eq!(list[0].message, "number 1");
        assert_eq!(list[99].message, "number 100");
        assert_eq!(list[100].message, "… and 150 more problems");
        assert_eq!(list[100].text, "x");
    }
}
