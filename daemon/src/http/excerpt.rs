//! The last lines of a log that match a pattern and stand close together, with what stands between them. Must not know what
//! the pattern means, nor who asked.

use std::sync::atomic::AtomicBool;

use windlass_protocol::live::ExcerptLine;

use crate::logs::{LogError, LogReader, Pattern, Search};

/// Lines at most, whatever was asked for.
const LINES_CAP: u32 = 100;
/// A line is told up to here.
const LINE_CAP: usize = 2_000;
/// Matches with at most so many other lines between them belong together.
const GAP: u64 = 4;
/// What follows the last match often says the rest of it.
const AFTER: u64 = 2;
/// Log that is looked at: an error that stands farther from the end is not the last one.
const BUDGET: u64 = 64 << 20;

pub(super) fn excerpt(
    reader: &LogReader,
    pattern: &Pattern,
    lines: u32,
    stop: &AtomicBool,
) -> Result<Vec<ExcerptLine>, LogError> {
    let lines = u64::from(lines.clamp(1, LINES_CAP));
    let end = reader.head().lines;
    let Some(from) = end.checked_sub(1) else { return Ok(Vec::new()) };
    let search = Search { from, backwards: true, limit: LINES_CAP as usize, budget: BUDGET, stop };
    let found = reader.search(pattern, &search)?.lines;
    let Some((first, last)) = cluster(&found, end, lines) else { return Ok(Vec::new()) };
    let count = usize::try_from(last - first + 1).expect("at most LINES_CAP");
    let read = reader.lines(first, count, count * 2 * LINE_CAP)?;
    let line = |(number, line): (u64, windlass_protocol::log::LogLine)| {
        let mut text = String::from_utf8_lossy(&line.bytes[..line.bytes.len().min(LINE_CAP)]).into_owned();
        text.truncate(text.floor_char_boundary(LINE_CAP));
        ExcerptLine { number, text }
    };
    Ok((first..).zip(read).map(line).collect())
}

/// The first and the last line to show: of matches, the last first, in a log of so many lines.
fn cluster(found: &[u64], end: u64, lines: u64) -> Option<(u64, u64)> {
    let last = *found.first()?;
    let near = |(above, below): &(u64, u64)| below - above <= GAP + 1;
    let pairs = found.iter().skip(1).copied().zip(found.iter().copied());
    let first = pairs.take_while(near).map(|(above, _)| above).last().unwrap_or(last);
    let last = (last + AFTER).min(end.saturating_sub(1));
    Some((first.max((last + 1).saturating_sub(lines)), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_close_together_is_one() {
        type Case = (&'static [u64], u64, u64, Option<(u64, u64)>);
        // matches, lines of the log, lines asked for, what is shown
        let table: [Case; 7] = [
            (&[], 100, 10, None),
            (&[50], 100, 10, Some((50, 52))),
            (&[99], 100, 10, Some((99, 99))),
            (&[50, 45, 40, 30], 100, 20, Some((40, 52))),
            (&[50, 44], 100, 20, Some((50, 52))),
            (&[50, 49, 48, 47, 46], 100, 4, Some((49, 52))),
            (&[0], 1, 1, Some((0, 0))),
        ];
        for (found, end, lines, shown) in table {
            assert_eq!(cluster(found, end, lines), shown, "{found:?}");
        }
    }
}
