//! Lines of a log that are at hand: made safe once, and bounded in bytes however long the log is. Must not know how lines
//! are asked for or laid out.

use std::collections::BTreeMap;

use windlass_protocol::log::LogLine;

use crate::safe_text::{SafeLine, Sgr, log_line};

/// Bytes of safe text that are kept.
const CAP: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub struct Line {
    pub at: i64,
    pub step: u16,
    pub open: bool,
    /// How long the line really is, when more was written than is shown.
    pub cut: Option<u64>,
    pub text: SafeLine,
    pub width: usize,
    /// The style that the next line of the same step begins with.
    after: Sgr,
}

#[derive(Debug, Default)]
pub struct Cache {
    lines: BTreeMap<u64, Line>,
    weight: usize,
}

impl Cache {
    pub fn get(&self, number: u64) -> Option<&Line> {
        self.lines.get(&number)
    }

    /// The last line that is at hand.
    pub(super) fn last(&self) -> Option<u64> {
        self.lines.last_key_value().map(|(number, _)| *number)
    }

    /// Takes consecutive lines in. What is farthest from `near` goes when there is too much.
    pub(super) fn insert(&mut self, first: u64, lines: Vec<LogLine>, near: u64) {
        for (number, line) in (first..).zip(lines) {
            let before = number.checked_sub(1).and_then(|before| self.lines.get(&before));
            // Colours end with the step that switched them on.
            let mut style =
                before.filter(|before| before.step == line.step).map_or(Sgr::default(), |before| before.after);
            let text = log_line(&line.bytes, &mut style);
            let cut = (line.raw_length > line.bytes.len() as u64).then_some(line.raw_length);
            let width = text.width();
            let line = Line { at: line.at, step: line.step, open: line.open, cut, text, width, after: style };
            self.weight += line.text.weight();
            if let Some(old) = self.lines.insert(number, line) {
                self.weight -= old.text.weight();
            }
        }
        while self.weight > CAP && self.lines.len() > 1 {
            let far_first = self.lines.first_key_value().map_or(0, |(number, _)| number.abs_diff(near));
            let far_last = self.lines.last_key_value().map_or(0, |(number, _)| number.abs_diff(near));
            let gone = if far_first > far_last { self.lines.pop_first() } else { self.lines.pop_last() };
            self.weight -= gone.map_or(0, |(_, line)| line.text.weight());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8], step: u16) -> LogLine {
        LogLine { at: 0, step, open: false, raw_length: bytes.len() as u64, bytes: bytes.to_vec() }
    }

    #[test]
    fn colours_go_on_inside_of_a_step_and_end_with_it() {
        let mut cache = Cache::default();
        cache.insert(5, vec![line(b"\x1b[31mred", 0), line(b"still red", 0), line(b"plain", 1)], 5);
        let styled =
            |number| cache.get(number).is_some_and(|line| line.text.pieces().any(|(_, sgr)| sgr != Sgr::default()));
        assert!(styled(5) && styled(6) && !styled(7));
    }

    #[test]
    fn memory_is_bounded_and_the_near_stays() {
        let mut cache = Cache::default();
        for page in 0..100 {
            cache.insert(page * 100, (0..100).map(|_| line(&[b'x'; 1000], 0)).collect(), page * 100);
        }
        assert!(cache.weight <= CAP);
        assert!(cache.get(9_999).is_some());
        assert!(cache.get(0).is_none());
    }
}
