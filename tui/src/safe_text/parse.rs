//! Bytes with escape sequences to a [`SafeLine`], by a real escape parser. Each line gets a fresh parser: an unterminated
//! sequence ends with its line and cannot swallow the next one. Must not know where lines come from.

use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};

use super::{SafeLine, SafeSpan, Sgr};

/// What a carriage return or line feed inside of the bytes means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaks {
    /// A title stays one line.
    AsSpaces,
    /// A progress bar shows its last state; a line feed cannot occur.
    LastState,
}

const TAB: usize = 8;
/// More marks on one letter than any script needs.
const MARKS: usize = 8;
/// More styles in one line than any reader needs; text after that keeps the last one.
const SPANS: usize = 2_048;

pub(super) fn parse(bytes: &[u8], style: &mut Sgr, breaks: Breaks) -> SafeLine {
    let mut sink =
        Sink { line: SafeLine::default(), style: *style, breaks, column: 0, marks: 0, open: None, restart: false };
    let mut parser = Parser::new();
    parser.advance(&mut sink, bytes);
    parser.advance(&mut sink, b"\x18"); // abandons an unfinished sequence; unfinished UTF-8 becomes U+FFFD
    *style = sink.style;
    sink.close_span();
    sink.line
}

struct Sink {
    line: SafeLine,
    style: Sgr,
    breaks: Breaks,
    column: usize,
    /// Combining marks since the last letter.
    marks: usize,
    /// Where the present styled stretch began, and its style.
    open: Option<(usize, Sgr)>,
    /// A carriage return was seen: the next letter begins the line anew.
    restart: bool,
}

impl Sink {
    fn close_span(&mut self) {
        let end = self.line.text.len();
        if let Some((start, style)) = self.open.take()
            && start < end
        {
            self.line.spans.push(SafeSpan { start, end, style });
        }
    }

    fn put(&mut self, text: &str, width: usize) {
        if self.restart {
            self.restart = false;
            self.open = None;
            self.line = SafeLine::default();
            self.column = 0;
        }
        let style = self.style.readable();
        let same = match self.open {
            Some((_, open)) => open == style || self.line.spans.len() >= SPANS,
            None => style == Sgr::default(),
        };
        if !same {
            self.close_span();
            if style != Sgr::default() {
                self.open = Some((self.line.text.len(), style));
            }
        }
        self.line.text.push_str(text);
        self.column += width;
    }

    fn letter(&mut self, c: char) {
        let mut buffer = [0; 4];
        match kind(c) {
            Kind::Letter(width) => {
                self.marks = 0;
                self.put(c.encode_utf8(&mut buffer), width);
            }
            Kind::Mark => {
                if self.column == 0 || self.restart {
                    self.marks = 0;
                    self.put("◌", 1); // a mark needs something to stand on, or it would stand on our own text
                }
                self.marks += 1;
                if self.marks <= MARKS {
                    self.put(c.encode_utf8(&mut buffer), 0);
                }
            }
            Kind::Dropped => {}
            Kind::Named => {
                self.marks = 0;
                let name = format!("<U+{:04X}>", u32::from(c));
                self.put(&name, name.len());
            }
        }
    }
}

impl Perform for Sink {
    fn print(&mut self, c: char) {
        self.letter(c);
    }

    fn execute(&mut self, byte: u8) {
        match (byte, self.breaks) {
            (b'\t', _) => {
                let width = TAB - self.column % TAB;
                self.marks = 0;
                self.put(&" ".repeat(width), width);
            }
            (b'\r', Breaks::LastState) => self.restart = true,
            (b'\r' | b'\n', Breaks::AsSpaces) => {
                self.marks = 0;
                self.put(" ", 1);
            }
            _ => {} // it leaves nothing, so marks still stand on the letter before
        }
    }

    fn csi_dispatch(&mut self, parameters: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if action == 'm' && intermediates.is_empty() && !ignore {
            self.style.apply(parameters.iter());
        }
    }
}

enum Kind {
    Letter(usize),
    Mark,
    /// Changes only how the character before it is drawn, and terminals disagree how wide that is.
    Dropped,
    /// Invisible, or turns text around: shown by its number.
    Named,
}

fn kind(c: char) -> Kind {
    match c {
        ' '..='~' => Kind::Letter(1),
        '\u{fe0e}' | '\u{fe0f}' => Kind::Dropped,
        _ if is_treacherous(c) => Kind::Named,
        _ => match c.width() {
            Some(0) => Kind::Mark,
            Some(width) => Kind::Letter(width),
            None => Kind::Dropped, // a control character that the escape parser let through
        },
    }
}

/// Characters that a reader cannot see, or that change the order of what she sees.
pub(super) fn is_treacherous(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
