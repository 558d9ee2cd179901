//! Where commands write: standard output, as JSON or as text that is safe for a terminal. Must not know what is said.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;

use super::redraw::Painted;
use super::tree::Line;
use crate::exit::Failure;
use crate::safe_text::{SafeLine, label};
use crate::words::Standing;
use windlass_protocol::view::Outcome;

pub(super) struct Output {
    out: BufWriter<Stdout>,
    pub(super) json: bool,
    pub(super) terminal: bool,
    colours: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { out: BufWriter::new(io::stdout()), json, terminal, colours: terminal && !no_colour }
    }

    /// One JSON document: indented for people, one line for programs.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let written = if self.terminal {
            serde_json::to_writer_pretty(&mut self.out, value)
        } else {
            serde_json::to_writer(&mut self.out, value)
        };
        written.map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// A line of text. Whatever is in it is made safe.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.out, "{}", label(text.as_ref()).as_str().trim_end())?;
        Ok(())
    }

    /// A line that begins with a state: glyph and word, coloured where colours are wanted.
    pub(super) fn standing(&mut self, standing: Standing, width: usize, text: impl AsRef<str>) -> Result<(), Failure> {
        self.worded(standing, standing.word(), width, text)
    }

    /// The same with another word for the state.
    pub(super) fn worded(
        &mut self,
        standing: Standing,
        word: &str,
        width: usize,
        text: impl AsRef<str>,
    ) -> Result<(), Failure> {
        let state = format!("{} {word:width$}", standing.glyph());
        let text = label(text.as_ref());
        let code = code_of(standing);
        if self.colours {
            writeln!(self.out, "\x1b[{code}m{state}\x1b[0m  {}", text.as_str().trim_end())?;
        } else {
            writeln!(self.out, "{state}  {}", text.as_str().trim_end())?;
        }
        Ok(())
    }

    /// A line of a log, its colours kept where colours are wanted.
    pub(super) fn log_line(&mut self, line: &SafeLine) -> Result<(), Failure> {
        if self.colours {
            writeln!(self.out, "{}", line.to_ansi())?
        } else {
            writeln!(self.out, "{line}")?
        }
        Ok(())
    }

    /// Colours also where no terminal is seen: somebody asked for them.
    pub(super) fn keep_colours(&mut self) {
        self.colours = true;
    }

    /// A row of a tree as it is written, without line end.
    pub(super) fn painted(&self, line: &Line) -> Painted {
        let indent = " ".repeat(line.indent);
        let (sign, text, width) = (&line.sign, line.text.as_str(), line.width());
        let text = match line.standing {
            _ if !self.colours => format!("{indent}{sign}{text}"),
            Some(standing) => format!("{indent}\x1b[{}m{sign}\x1b[0m{text}", code_of(standing)),
            None => format!("{indent}\x1b[2m{text}\x1b[0m"),
        };
        Painted { text, width }
    }

    /// Exactly these bytes.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        Ok(())
    }

    /// A line on standard error, for whoever reads the others by a program. Whatever is in it is made safe.
    pub(super) fn aside(&mut self, text: &str) {
        let _ = writeln!(io::stderr(), "windlass: {}", label(text).as_str().trim_end());
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()?;
        Ok(())
    }
}

/// The colour of a state, as terminals number it.
fn code_of(standing: Standing) -> u8 {
    match standing {
        Standing::Ended(Outcome::Passed) => 32,
        Standing::Ended(Outcome::Cancelled | Outcome::Skipped) | Standing::Waiting | Standing::Unknown => 2,
        Standing::Running => 36,
        Standing::Stopping => 33,
        Standing::Ended(_) => 31,
    }
}

/// A table of plain text: every column as wide as its widest cell, the last one as it is.
/// On a terminal its columns have heads; for a script each line is a row.
pub(super) struct Table {
    heads: &'static [&'static str],
    rows: Vec<(Standing, Vec<SafeLine>)>,
}

impl Table {
    /// The heads of the columns after the state.
    pub(super) fn new(heads: &'static [&'static str]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, standing: Standing, cells: impl IntoIterator<Item = String>) {
        self.rows.push((standing, cells.into_iter().map(label).collect()));
    }

    pub(super) fn write(self, output: &mut Output) -> Result<(), Failure> {
        const WIDEST: usize = 48;
        let columns = self.rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let heads = if output.terminal && !self.rows.is_empty() { self.heads } else { &[] };
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(column));
                let head = heads.get(column).map_or(0, |head| head.len());
                cells.map(SafeLine::width).max().unwrap_or(0).min(WIDEST).max(head)
            })
            .collect();
        let state = self.rows.iter().map(|(standing, _)| standing.word().len()).max().unwrap_or(0);
        let state = if heads.is_empty() { state } else { state.max("state".len()) };
        if !heads.is_empty() {
            let cells = heads.iter().zip(&widths).map(|(head, width)| format!("{head:width$}"));
            output.line(format!("  {:state$}  {}", "state", cells.collect::<Vec<_>>().join("  ")))?;
        }
        for (standing, cells) in self.rows {
            let mut text = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let last = column + 1 == cells.len();
                let cell = if last { cell.clone() } else { cell.fitted(WIDEST) };
                text.push_str(cell.as_str());
                if !last {
                    text.push_str(&" ".repeat(widths[column].saturating_sub(cell.width()) + 2));
                }
            }
            output.standing(standing, state, text)?;
        }
        Ok(())
    }
}
