//! Rows on the ordinary screen that change where they stand: only what differs is written, and what stood above is never
//! touched. Must not know what the rows say.

use std::fmt::Write;

/// What stands there now, the cursor on the row below.
#[derive(Debug, Default)]
pub(super) struct Redraw {
    rows: Vec<Painted>,
    /// Columns when they were written.
    width: usize,
}

/// A row as it is written: no wider than the terminal, and without line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Painted {
    pub(super) text: String,
    pub(super) width: usize,
}

impl Redraw {
    /// What to write so that these rows stand there; nothing when they do. Rows that a narrower terminal has folded, or that
    /// left a lower one, are left alone: nobody knows where they are, and the new ones are written below.
    pub(super) fn frame(&mut self, rows: Vec<Painted>, columns: usize, height: usize) -> String {
        let folded = columns < self.width && self.rows.iter().any(|row| row.width > columns);
        if folded || self.rows.len() >= height {
            self.rows.clear();
        }
        self.width = columns;
        let same = self.rows.iter().zip(&rows).take_while(|(old, new)| old == new).count();
        if same == rows.len() && same == self.rows.len() {
            return String::new();
        }
        let mut out = String::from("\x1b[?2026h");
        let up = self.rows.len() - same;
        if up > 0 {
            let _ = write!(out, "\x1b[{up}A");
        }
        out.push('\r');
        let mut skipped = 0;
        for (at, row) in rows.iter().enumerate().skip(same) {
            if self.rows.get(at) == Some(row) {
                skipped += 1;
                continue;
            }
            down(&mut out, &mut skipped);
            out.push_str(&row.text);
            // Behind a row that fills the terminal the cursor still stands on its last column.
            if row.width < columns {
                out.push_str("\x1b[K");
            }
            out.push_str("\r\n");
        }
        down(&mut out, &mut skipped);
        if rows.len() < self.rows.len() {
            out.push_str("\x1b[J");
        }
        out.push_str("\x1b[?2026l");
        self.rows = rows;
        out
    }
}

fn down(out: &mut String, by: &mut usize) {
    if *by > 0 {
        let _ = write!(out, "\x1b[{by}B");
        *by = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Vec<Painted> {
        texts.iter().map(|text| Painted { text: (*text).to_owned(), width: text.chars().count() }).collect()
    }

    fn screen(terminal: &vt100::Parser) -> Vec<String> {
        let screen = terminal.screen();
        let rows = screen.rows(0, screen.size().1).map(|row| row.trim_end().to_owned());
        rows.collect::<Vec<_>>().join("\n").trim_end().split('\n').map(str::to_owned).collect()
    }

    #[test]
    fn rows_change_where_they_stand_and_what_stood_above_stays() {
        let mut terminal = vt100::Parser::new(8, 20, 0);
        terminal.process(b"$ windlass watch\r\n");
        let mut redraw = Redraw::default();
        let steps: [&[&str]; 6] = [
            &["one", "two"],
            &["one", "two", "three"],
            &["one", "TWO", "three"],
            &["ONE", "TWO", "t"],
            &["ONE"],
            &["12345678901234567890", "two", "three", "four", "five"],
        ];
        for step in steps {
            terminal.process(redraw.frame(rows(step), 20, 8).as_bytes());
            let expected: Vec<&str> = std::iter::once("$ windlass watch").chain(step.iter().copied()).collect();
            assert_eq!(screen(&terminal), expected);
        }
        assert_eq!(redraw.frame(rows(steps[5]), 20, 8), "", "nothing is written when nothing changed");
        let bytes = redraw.frame(rows(&["12345678901234567890", "two", "three", "FOUR", "five"]), 20, 8);
        assert_eq!(bytes, "\x1b[?2026h\x1b[2A\rFOUR\x1b[K\r\n\x1b[1B\x1b[?2026l", "and otherwise only what did");
    }

    #[test]
    fn at_the_bottom_of_the_screen_it_scrolls_once() {
        let mut terminal = vt100::Parser::new(5, 20, 0);
        terminal.process(b"a\r\nb\r\nc\r\n");
        let mut redraw = Redraw::default();
        for last in ["x", "y"] {
            terminal.process(redraw.frame(rows(&["one", "two", last]), 20, 5).as_bytes());
            assert_eq!(screen(&terminal), ["c", "one", "two", last]);
        }
    }

    #[test]
    fn rows_that_were_folded_are_left_alone() {
        let mut redraw = Redraw::default();
        redraw.frame(rows(&["a long row of text"]), 20, 8);
        let bytes = redraw.frame(rows(&["a long…"]), 10, 8);
        assert!(!bytes.contains('A'), "{bytes:?}");
        // In a terminal that is as wide as they are they are found.
        let bytes = redraw.frame(rows(&["another"]), 20, 8);
        assert!(bytes.contains("\x1b[1A"), "{bytes:?}");
    }
}
