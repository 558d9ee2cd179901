//! Lines that carry their own number, as `line 17 …`: whether each comes once and in its order, in a stream of bytes and on
//! a screen. Must not know who writes them.

use std::ops::RangeInclusive;
use std::time::SystemTime;

/// Takes in a log as it comes.
#[derive(Debug, Default)]
pub struct Numbered {
    /// The number of the newest whole line, counted from 1.
    pub last: u64,
    /// Lines that were left out, and lines that came again.
    pub lost: u64,
    pub twice: u64,
    /// The moment that the newest line says it was written at, in milliseconds.
    pub stamp: Option<u64>,
    part: Vec<u8>,
}

impl Numbered {
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.part.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.part);
            self.line(&String::from_utf8_lossy(&line));
        }
        self.part.extend_from_slice(rest);
    }

    fn line(&mut self, line: &str) {
        // What the lines are not about (the command, say) is no line of theirs.
        let Some(number) = number_of(line) else { return };
        if number <= self.last {
            self.twice += 1;
            return;
        }
        self.lost += number - self.last - 1;
        self.last = number;
        self.stamp = stamp_of(line);
    }
}

/// `17` of `line 17 at …`.
#[must_use]
pub fn number_of(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("line ")?;
    rest.split(' ').next()?.parse().ok()
}

/// `1732871234567` of `line 17 at 1732871234567 …`.
#[must_use]
pub fn stamp_of(line: &str) -> Option<u64> {
    line.split(' ').skip_while(|word| *word != "at").nth(1)?.parse().ok()
}

#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// As the client writes numbers: `10,000,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A numbered line on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    row: usize,
    /// Which line the client says it is, and which it says itself.
    gutter: u64,
    number: u64,
}

fn on_screen(screen: &str) -> Vec<Shown> {
    let read = |(row, text): (usize, &str)| {
        let at = text.find("line ")?;
        let gutter = text[..at].trim_end_matches(|c: char| !c.is_ascii_digit()).trim_start();
        Some(Shown { row, gutter: gutter.parse().ok()?, number: number_of(&text[at..])? })
    };
    screen.lines().enumerate().filter_map(read).collect()
}

/// The lines on a screen that shows them as they have to be: each at its own number, none twice, none left out without a
/// row that says so.
///
/// # Errors
/// What is wrong.
pub fn in_order(screen: &str) -> Result<Option<RangeInclusive<u64>>, String> {
    let shown = on_screen(screen);
    for Shown { gutter, number, .. } in &shown {
        if gutter != number {
            return Err(format!("line {number} is shown as line {gutter}:\n{screen}"));
        }
    }
    for pair in shown.windows(2) {
        let (rows, lines) = (pair[1].row - pair[0].row, pair[1].number.saturating_sub(pair[0].number));
        if lines == 0 || lines > rows as u64 {
            return Err(format!("after line {} comes line {}:\n{screen}", pair[0].number, pair[1].number));
        }
    }
    Ok(shown.first().zip(shown.last()).map(|(first, last)| first.number..=last.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_lost_and_what_comes_twice() {
        let mut numbered = Numbered::default();
        numbered.push(b"+ seq\nline 1 at 10 x\nli");
        numbered.push(b"ne 2 at 12 x\nline 2 at 13\nline 6\nline");
        assert_eq!((numbered.last, numbered.lost, numbered.twice, numbered.stamp), (6, 3, 1, None));
        numbered.push(b" 7 at 99\n");
        assert_eq!((numbered.last, numbered.lost, numbered.twice, numbered.stamp), (7, 3, 1, Some(99)));
    }

    #[test]
    fn numbers_are_grouped_as_the_client_does() {
        assert_eq!([0, 999, 1_000, 10_000_000].map(grouped), ["0", "999", "1,000", "10,000,000"]);
    }

    #[test]
    fn a_screen_is_read_by_its_rows() {
        assert_eq!(in_order(" title\n  9  line 9 a\n 10! line 10 b\n 11* line 11\n f follow"), Ok(Some(9..=11)));
        assert_eq!(in_order("nothing"), Ok(None));
        let other_rows = in_order(" 9  line 9\n 10 not here yet\n 11  line 11\n── a step\n 12  line 12");
        assert_eq!(other_rows, Ok(Some(9..=12)));
        assert!(in_order(" 9  line 9\n 11  line 11").is_err_and(|words| words.contains("after line 9 comes line 11")));
        assert!(in_order(" 9  line 9\n 9  line 9").is_err());
        assert!(in_order(" 9  line 8").is_err_and(|words| words.contains("line 8 is shown as line 9")));
    }
}
