//! How far a download is, on a line of the terminal that standard error is; elsewhere nothing. Must not know what comes.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::safe_text::label;
use crate::words;

/// The least time between two changes of the line.
const FRAME: Duration = Duration::from_millis(100);
/// Nobody is shown how far something is that is here at once.
const AT_ONCE: Duration = Duration::from_millis(200);

pub(super) struct Coming {
    terminal: bool,
    files: usize,
    bytes: u64,
    /// Files and bytes that are done with.
    past: (usize, u64),
    path: String,
    began: Instant,
    /// Bytes that really came.
    came: u64,
    /// Of the present file.
    have: u64,
    painted: Option<Instant>,
}

impl Coming {
    pub(super) fn new(files: usize, bytes: u64) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
        let (path, began) = (String::new(), Instant::now());
        Self { terminal, files, bytes, past: (0, 0), path, began, came: 0, have: 0, painted: None }
    }

    pub(super) fn begin(&mut self, path: &str) {
        (self.path, self.have) = (path.to_owned(), 0);
        self.paint();
    }

    /// So many bytes of the present file are here.
    pub(super) fn have(&mut self, bytes: u64) {
        self.came += bytes.saturating_sub(self.have);
        self.have = bytes;
        self.paint();
    }

    /// The present file is done with: the line is empty for whoever writes next.
    pub(super) fn end(&mut self, bytes: u64) {
        (self.past, self.have) = ((self.past.0 + 1, self.past.1 + bytes), 0);
        self.clear();
    }

    fn paint(&mut self) {
        let now = Instant::now();
        let early = now < self.began + AT_ONCE || self.painted.is_some_and(|painted| now < painted + FRAME);
        if !self.terminal || early {
            return;
        }
        self.painted = Some(now);
        let columns = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let line = self.line(now.duration_since(self.began));
        let line = label(line).fitted(columns.saturating_sub(1));
        let _ = write!(std::io::stderr(), "\r{}\x1b[K", line.as_str());
    }

    fn line(&self, took: Duration) -> String {
        let have = self.past.1 + self.have;
        let percent = (have * 100).checked_div(self.bytes).unwrap_or(100);
        let (have, bytes) = (words::bytes(have), words::bytes(self.bytes));
        let files =
            if self.files > 1 { format!("file {} of {}, ", self.past.0 + 1, self.files) } else { String::new() };
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let speed = words::bytes(self.came.saturating_mul(1_000) / took);
        format!("{percent:3} %  {files}{have} of {bytes}, {speed}/s  {}", self.path)
    }

    fn clear(&mut self) {
        if self.painted.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_all_of_it() {
        let mut coming = Coming::new(3, 400_000_000);
        coming.begin("a");
        coming.have(100_000_000);
        coming.end(100_000_000);
        coming.begin("dist/app.whl");
        coming.have(50_000_000);
        let line = coming.line(Duration::from_secs(10));
        assert_eq!(line, " 37 %  file 2 of 3, 150 MB of 400 MB, 15 MB/s  dist/app.whl");
        let mut one = Coming::new(1, 0);
        one.begin("empty");
        assert_eq!(one.line(Duration::ZERO), "100 %  0 B of 0 B, 0 B/s  empty");
    }
}
