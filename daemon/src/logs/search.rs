//! Finds lines by regular expression, a mebibyte at a time, on two threads: most of the time goes into unpacking. Must not
//! know sockets or who asked.
//!
//! Many lines are searched at once, as one text; only the line of a match is looked at by itself. A pattern that matches
//! beyond a line's end (`\s+` does) is tried line by line from there on, so that no match of one line hides in another's.
//! Where a pattern has texts without which nothing matches, only lines that hold one of them are looked at.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memchr::{memchr, memchr_iter, memrchr};
use regex::bytes::{Regex, RegexBuilder};

use super::files::{Apart, Files};
use super::index::{LineStart, REACH};
use super::lines::start_of;
use super::literals::Literals;
use super::watch::Extent;

/// Longer lines are searched as if they ended here; [`Found::cut_lines`] says how many there were.
const LINE_SEARCHED: u64 = 4 << 20;
const BLOCK: u64 = 1 << 20;
const RECORDS: u64 = 512;
/// Blocks that are looked through before it is asked whether that is enough: one at first, for the first hit may be near.
const MOST_BLOCKS: usize = 64;
/// Blocks that one thread looks through before it takes others: of neighbours, what lies on both sides is unpacked once.
const AT_ONCE: usize = 4;

/// What is looked for, in each line by itself, without its line end: `\n` or `\r\n`. `^` and `$` mean a line's ends.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
    /// Lines must be searched one by one: the pattern asks for the text's ends.
    by_line: bool,
    literals: Option<Literals>,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("bad pattern: {why}")]
pub struct BadPattern {
    pub why: String,
}

/// How to search.
#[derive(Debug)]
pub struct Search<'a> {
    /// The first line looked at.
    pub from: u64,
    /// From there upwards.
    pub backwards: bool,
    /// Ends after this many lines.
    pub limit: usize,
    /// Ends after about this many bytes of log.
    pub budget: u64,
    /// Ends soon after this is set.
    pub stop: &'a AtomicBool,
}

impl Search<'_> {
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Numbers of matching lines in the order of the search.
    pub lines: Vec<u64>,
    /// From where to search on; `None`: everything was searched.
    pub next: Option<u64>,
    /// Lines that were too long to be searched wholly.
    pub cut_lines: u64,
}

impl Pattern {
    /// A regular expression; case is ignored when it has no capital letter, escapes such as `\S` aside.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let mut escaped = false;
        let capital = text.chars().any(|letter| {
            let counts = !escaped && letter.is_uppercase();
            escaped = !escaped && letter == '\\';
            counts
        });
        let regex = RegexBuilder::new(text)
            .case_insensitive(!capital)
            .multi_line(true)
            .crlf(true)
            .size_limit(1 << 20)
            .dfa_size_limit(4 << 20)
            .build()
            .map_err(|error| BadPattern { why: error.to_string() })?;
        let literals = Literals::of(text, !capital);
        let by_line = text.contains(r"\A") || text.contains(r"\z");
        Ok(Self { text: text.to_owned(), regex, by_line, literals })
    }

    /// What it was made from.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same as [`Scanner::scan_all`], by a look at the lines that hold one of the literals.
    fn scan_near(&self, literals: &Literals, text: &[u8], prepared: &[u8], first_line: u64, limit: usize) -> Vec<u64> {
        let (mut found, mut at, mut line) = (Vec::new(), 0, first_line);
        while at < text.len()
            && found.len() < limit
            && let Some(hit) = literals.next(prepared, at)
        {
            let start = memrchr(b'\n', &text[at..hit]).map_or(at, |feed| at + feed + 1);
            let end = memchr(b'\n', &text[hit..]).map_or(text.len(), |feed| hit + feed);
            line += memchr_iter(b'\n', &text[at..start]).count() as u64;
            if self.matches(&text[start..end]) {
                found.push(line);
            }
            at = end + 1;
            line += 1;
        }
        found
    }

    /// Whether it matches one line, given without its line feed.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        self.regex.is_match(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Consecutive whole lines: what is read at once.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: LineStart,
    end: LineStart,
}

pub(super) fn search(files: &Files, extent: &Extent, pattern: &Pattern, search: &Search<'_>) -> io::Result<Found> {
    let mut found = Found::default();
    let mut workers = [Worker::new(pattern, files)?, Worker::new(pattern, files)?];
    let mut budget = search.budget;
    let end = LineStart { line: extent.lines, offset: extent.bytes };
    // Forwards it is the next line to look at, backwards the one after.
    let mut place = {
        let line = search.from.saturating_add(u64::from(search.backwards)).min(extent.lines);
        LineStart { line, offset: start_of(files, extent, line)? }
    };
    let is_done = |place: LineStart| if search.backwards { place.line == 0 } else { place.line >= end.line };
    let mut round = 1;
    while !is_done(place) {
        let here = if search.backwards { place.line - 1 } else { place.line };
        if budget == 0 || search.is_stopped() {
            found.next = Some(here);
            return Ok(found);
        }
        let mut blocks = Vec::with_capacity(round);
        while blocks.len() < round && budget > 0 && !is_done(place) {
            let block = if search.backwards {
                block_before(files, extent, place)?
            } else {
                block_after(files, extent, place, end)?
            };
            budget = budget.saturating_sub(block.end.offset - block.start.offset);
            place = if search.backwards { block.start } else { block.end };
            blocks.push(block);
        }
        // Upwards, the wanted lines of a block are its last, so all of them are needed.
        let wanted = if search.backwards { usize::MAX } else { search.limit - found.lines.len() };
        for InBlock { mut lines, cut } in both(&mut workers, &blocks, wanted)? {
            found.cut_lines += u64::from(cut);
            if search.backwards {
                lines.reverse();
            }
            lines.truncate(search.limit - found.lines.len());
            found.lines.append(&mut lines);
            if found.lines.len() >= search.limit {
                found.next = match (found.lines.last(), search.backwards) {
                    (Some(last), true) => last.checked_sub(1),
                    (Some(last), false) => Some(last + 1).filter(|next| *next < end.line),
                    (None, _) => Some(here),
                };
                return Ok(found);
            }
        }
        round = (2 * round).min(MOST_BLOCKS);
    }
    Ok(found)
}

/// What was found in one block, downwards.
struct InBlock {
    lines: Vec<u64>,
    /// Its last line was too long to be searched wholly.
    cut: bool,
}

/// Looks through blocks, each worker through the next few when it is done with some; what is found comes in the order of the
/// blocks.
fn both(workers: &mut [Worker<'_>; 2], blocks: &[Block], wanted: usize) -> io::Result<Vec<InBlock>> {
    let next = AtomicUsize::new(0);
    let look = |worker: &mut Worker<'_>| -> io::Result<Vec<(usize, InBlock)>> {
        let mut found = Vec::new();
        loop {
            let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            let Some(some) = blocks.get(from..blocks.len().min(from + AT_ONCE)) else { return Ok(found) };
            for (at, block) in (from..).zip(some) {
                found.push((at, worker.look(*block, wanted)?));
            }
        }
    };
    let [one, other] = workers;
    let mut found = if blocks.len() <= AT_ONCE {
        look(one)?
    } else {
        let (found, more) = std::thread::scope(|scope| {
            let more = scope.spawn(|| look(other));
            (look(one), more.join())
        });
        let more = more.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let mut found = found?;
        found.append(&mut more?);
        found
    };
    found.sort_unstable_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// Reads and scans, one block after the other.
struct Worker<'a> {
    log: Apart<'a>,
    scanner: Scanner<'a>,
    buffer: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(pattern: &'a Pattern, files: &'a Files) -> io::Result<Self> {
        let scanner = Scanner { pattern, by_line: pattern.by_line, buffer: Vec::new() };
        Ok(Self { log: files.log.apart()?, scanner, buffer: Vec::new() })
    }

    fn look(&mut self, block: Block, wanted: usize) -> io::Result<InBlock> {
        let cut = read(&mut self.log, block, &mut self.buffer)?;
        let lines = self.scanner.scan(&self.buffer, block.start.line, wanted);
        Ok(InBlock { lines, cut })
    }
}

fn block_after(files: &Files, extent: &Extent, start: LineStart, end: LineStart) -> io::Result<Block> {
    let index = &files.index;
    let next = index.partition_point(extent.records, |record| record.offset <= start.offset)?;
    let count = usize::try_from((extent.records - next).min(RECORDS)).expect("at most RECORDS");
    let records = index.some(next, count)?;
    let near = records.partition_point(|record| record.offset - start.offset <= BLOCK);
    // Nothing near: up to the next record all the same, behind what may be a giant line.
    let end = records.get(near.saturating_sub(1)).copied().unwrap_or(end);
    Ok(Block { start, end })
}

fn block_before(files: &Files, extent: &Extent, end: LineStart) -> io::Result<Block> {
    let index = &files.index;
    let before = index.partition_point(extent.records, |record| record.offset < end.offset)?;
    let count = before.min(RECORDS);
    let records = index.some(before - count, usize::try_from(count).expect("at most RECORDS"))?;
    let far = records.partition_point(|record| end.offset - record.offset > BLOCK);
    let start = if before == count && end.offset <= BLOCK {
        LineStart::default()
    } else {
        records.get(far).or(records.last()).copied().unwrap_or_default()
    };
    Ok(Block { start, end })
}

/// Reads a block, and cuts its last line if that is a giant; tells whether it did.
fn read(log: &mut Apart<'_>, block: Block, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let (from, to) = (block.start.offset, block.end.offset);
    if to - from <= LINE_SEARCHED {
        log.read(from, to, buffer)?;
        return Ok(false);
    }
    // Only lines between two records can be that long together, and of those only the last can be a giant.
    log.read(from, to.min(from + REACH + LINE_SEARCHED), buffer)?;
    let before_giant = buffer.len().min(REACH as usize);
    let giant = memrchr(b'\n', &buffer[..before_giant]).map_or(0, |feed| feed + 1);
    let cut = giant + LINE_SEARCHED as usize;
    if buffer.len() <= cut || (buffer.len() == cut + 1 && buffer.last() == Some(&b'\n')) {
        return Ok(false);
    }
    buffer.truncate(cut);
    Ok(true)
}

struct Scanner<'a> {
    pattern: &'a Pattern,
    by_line: bool,
    /// A text prepared for the look for literals.
    buffer: Vec<u8>,
}

impl Scanner<'_> {
    /// Numbers of the lines of `text` that match, at most `limit`.
    fn scan(&mut self, text: &[u8], first_line: u64, limit: usize) -> Vec<u64> {
        let pattern = self.pattern;
        if let Some(literals) = &pattern.literals
            && let Some(prepared) = literals.prepared(text, &mut self.buffer)
        {
            return pattern.scan_near(literals, text, prepared, first_line, limit);
        }
        self.scan_all(text, first_line, limit)
    }

    fn scan_all(&mut self, text: &[u8], first_line: u64, limit: usize) -> Vec<u64> {
        let (mut found, mut at, mut line) = (Vec::new(), 0, first_line);
        while at < text.len() && found.len() < limit {
            let (start, hit) = if self.by_line {
                (at, None)
            } else {
                let Some(hit) = self.pattern.regex.find_at(text, at) else { break };
                (memrchr(b'\n', &text[at..hit.start()]).map_or(at, |feed| at + feed + 1), Some(hit))
            };
            if start >= text.len() {
                break; // an empty match after the last line feed
            }
            line += memchr_iter(b'\n', &text[at..start]).count() as u64;
            let from = hit.map_or(start, |hit| hit.start());
            let end = memchr(b'\n', &text[from..]).map_or(text.len(), |feed| from + feed);
            let body = if text[start..end].ends_with(b"\r") { end - 1 } else { end };
            let matches = if let Some(hit) = hit
                && hit.end() <= body
            {
                true
            } else {
                self.by_line = true;
                self.pattern.matches(&text[start..end])
            };
            if matches {
                found.push(line);
            }
            at = end + 1;
            line += 1;
        }
        found
    }
}
