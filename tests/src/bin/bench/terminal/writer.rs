//! What the benches' jobs run: this very executable, writing numbered lines of 100 bytes with the moment at which each was
//! written; as fast as can be, or so many a second. Must not know who reads them.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use windlass_tests::numbered::now_ms;

/// Of so many lines, one of these each.
pub(crate) const ERRORS: u64 = 100;
pub(crate) const NEEDLES: u64 = 1_000;
const LENGTH: usize = 100;
/// Lines that get the same moment.
const BATCH: u64 = 256;

/// `write LINES A_SECOND STOP`: so many lines, at that pace (0: as fast as can be), or until the file is there.
pub(crate) fn run(arguments: &[String]) -> std::io::Result<()> {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let stop = arguments.get(2).map(Path::new);
    write(std::io::stdout().lock(), number(0), number(1), &|| stop.is_some_and(Path::exists))
}

pub(crate) fn write(out: impl Write, lines: u64, a_second: u64, stopped: &dyn Fn() -> bool) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    let begin = Instant::now();
    let (mut written, mut random) = (0_u64, 0x9e37_79b9_7f4a_7c15_u64);
    let mut text = Vec::with_capacity(LENGTH);
    while written < lines {
        let due = match a_second {
            0 => lines,
            _ => (begin.elapsed().as_micros() as u64).saturating_mul(a_second) / 1_000_000,
        };
        let (until, at) = (due.min(lines).min(written + BATCH), now_ms());
        while written < until {
            written += 1;
            text.clear();
            write!(text, "line {written} at {at}")?;
            if written.is_multiple_of((lines / ERRORS).max(1)) {
                text.extend_from_slice(b" error: of a hundred");
            }
            if written.is_multiple_of((lines / NEEDLES).max(1)) {
                text.extend_from_slice(b" needle");
            }
            text.push(b' ');
            while text.len() < LENGTH - 1 {
                // Letters that compress about as badly as a build's output does; no word among them is one of an error.
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.extend_from_slice(WORDS[(random >> 59) as usize % WORDS.len()].as_bytes());
            }
            text.truncate(LENGTH - 1);
            text.push(b'\n');
            out.write_all(&text)?;
        }
        if a_second > 0 && written >= due {
            out.flush()?;
            if stopped() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1)); // the pace is what it is for
        }
    }
    out.flush()
}

const WORDS: [&str; 16] = [
    "compiling ",
    "src/",
    "lib.rs ",
    "0x7f3a ",
    "ok ",
    "v1.42.0 ",
    "linking ",
    "test ",
    "parser::",
    "store::",
    "[12/344] ",
    "copied ",
    "12.5 kB ",
    "-> ",
    "done ",
    "checked ",
];

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_tests::numbered::Numbered;

    #[test]
    fn writes_lines_of_a_hundred_bytes_each_with_its_number() {
        let mut out = Vec::new();
        write(&mut out, 2_000, 0, &|| false).expect("a vector takes everything");
        assert_eq!(out.len(), 2_000 * LENGTH);
        let mut numbered = Numbered::default();
        numbered.push(&out);
        assert_eq!((numbered.last, numbered.lost, numbered.twice), (2_000, 0, 0));
        let text = String::from_utf8(out).expect("plain text");
        assert_eq!((text.matches(" error: ").count(), text.matches(" needle ").count()), (100, 1_000));
    }

    #[test]
    fn ends_when_it_is_told_to() {
        let mut out = Vec::new();
        write(&mut out, u64::MAX, 1_000_000, &|| true).expect("a vector takes everything");
        assert!(out.ends_with(b"\n") || out.is_empty());
    }
}
