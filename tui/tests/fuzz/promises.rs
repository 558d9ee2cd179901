//! What the door for text from elsewhere promises of everything that comes out of it, checked without its own code: the lists
//! here are from the Unicode standard, not from `safe_text`. Must not know where the bytes came from.

use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};
use windlass_tui::safe_text::{Colour, Lines, SafeLine, Sgr, label, log_line};

/// Marks on one letter.
const MARKS: usize = 8;
/// Stretches of one style in a line.
const SPANS: usize = 2_049;
/// No byte becomes more than this: a tab is eight spaces, an invalid byte three, an invisible character its number.
const GROWTH: usize = 8;

/// The first promise that is broken, in words.
pub(crate) fn broken(bytes: &[u8]) -> Option<String> {
    labels(bytes).or_else(|| logs(bytes)).or_else(|| splits(bytes))
}

fn labels(bytes: &[u8]) -> Option<String> {
    let once = label(bytes);
    of_line(&once, bytes.len()).or_else(|| {
        let again = label(once.as_str());
        (again != once).then(|| format!("a label that is made safe again becomes {again:?} instead of {once:?}"))
    })
}

fn logs(bytes: &[u8]) -> Option<String> {
    let mut style = Sgr::default();
    for part in bytes.split(|byte| *byte == b'\n') {
        let before = style;
        let line = log_line(part, &mut style);
        let mut again = before;
        if log_line(part, &mut again) != line || again != style {
            return Some("the same line is another the second time".to_owned());
        }
        let fault = of_line(&line, part.len()).or_else(|| of_output(&line.to_ansi())).or_else(|| cut(&line));
        let fault = fault.or_else(|| {
            let reread = log_line(line.to_ansi().as_bytes(), &mut Sgr::default());
            (reread != line).then(|| format!("written and read again {line:?} is {reread:?}"))
        });
        if fault.is_some() {
            return fault;
        }
    }
    None
}

/// However the bytes come, the lines are the same.
fn splits(bytes: &[u8]) -> Option<String> {
    let read = |parts: &[&[u8]]| {
        let mut lines = Lines::default();
        let mut all: Vec<SafeLine> = parts.iter().flat_map(|part| lines.push(part)).collect();
        all.extend(lines.finish());
        all
    };
    let whole = read(&[bytes]);
    // Of a short input at each byte, of a long one at some.
    let step = (bytes.len() / 20).max(1);
    let at = (1..bytes.len()).step_by(step).find(|at| read(&[&bytes[..*at], &bytes[*at..]]) != whole);
    let single = || {
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        (bytes.len() < 300 && read(&singles) != whole).then_some(0)
    };
    at.or_else(single).map(|at| format!("split at byte {at} it is something else than {whole:?}"))
}

fn of_line(line: &SafeLine, bytes: usize) -> Option<String> {
    if let Some(fault) = of_text(line.as_str()) {
        return Some(fault);
    }
    if line.as_str().len() > GROWTH * bytes + GROWTH {
        return Some(format!("{bytes} bytes became {}", line.as_str().len()));
    }
    let pieces: Vec<(&str, Sgr)> = line.pieces().collect();
    if pieces.iter().map(|(text, _)| *text).collect::<String>() != line.as_str() {
        return Some("its pieces are not its text".to_owned());
    }
    let styled = pieces.iter().filter(|(_, style)| *style != Sgr::default()).count();
    if styled > SPANS {
        return Some(format!("{styled} styled stretches in one line"));
    }
    pieces.iter().find_map(|(text, style)| unreadable(*style).then(|| format!("{text:?} cannot be read: {style:?}")))
}

/// Of the text alone.
pub(crate) fn of_text(text: &str) -> Option<String> {
    let mut marks = 0;
    for c in text.chars() {
        if c.is_control() {
            return Some(format!("a control character: {c:?}"));
        }
        if invisible(c) {
            return Some(format!("an invisible character: {c:?}"));
        }
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks > MARKS {
            return Some(format!("more marks than {MARKS} on one letter"));
        }
    }
    None
}

/// Bidi_Control, Default_Ignorable_Code_Point, line and paragraph separator, tags, interlinear annotations, language and
/// format controls.
fn invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

fn unreadable(style: Sgr) -> bool {
    match (style.foreground, style.background) {
        (Some(Colour::Rgb(r, g, b)), Some(Colour::Rgb(r2, g2, b2))) => {
            [(r, r2), (g, g2), (b, b2)].iter().map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>() < 40
        }
        (Some(front), Some(back)) => front == back,
        _ => false,
    }
}

/// Of what is written to a terminal: text and styles, and plain at the end.
pub(crate) fn of_output(text: &str) -> Option<String> {
    let mut audit = Audit { fault: None, plain: true };
    Parser::new().advance(&mut audit, text.as_bytes());
    audit.fault.or_else(|| (!audit.plain).then(|| "it does not end plain".to_owned()))
}

struct Audit {
    fault: Option<String>,
    plain: bool,
}

impl Perform for Audit {
    fn execute(&mut self, byte: u8) {
        self.fault.get_or_insert(format!("control {byte:#04x} is written"));
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        let numbers: Vec<u16> = params.iter().flatten().copied().collect();
        if action != 'm' || !intermediates.is_empty() || ignore || numbers.len() > 20 {
            self.fault.get_or_insert(format!("CSI {intermediates:?}{numbers:?}{action} is written"));
        }
        self.plain = numbers == [0];
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        self.fault.get_or_insert(format!("ESC {byte:#04x} is written"));
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        self.fault.get_or_insert(format!("OSC {params:?} is written"));
    }

    fn hook(&mut self, _: &Params, _: &[u8], _: bool, action: char) {
        self.fault.get_or_insert(format!("DCS {action} is written"));
    }
}

/// No part of a line is wider than the room for it.
fn cut(line: &SafeLine) -> Option<String> {
    for (from, width) in [(0, 1), (0, 20), (3, 7), (15, 80)] {
        let part = line.columns(from, width);
        if part.width() > width {
            return Some(format!("{} columns instead of {width} from {from}", part.width()));
        }
        if line.fitted(width).width() > width {
            return Some(format!("fitted to {width} it takes {}", line.fitted(width).width()));
        }
        if let Some(fault) = of_text(part.as_str()).filter(|_| from == 0) {
            return Some(fault);
        }
    }
    let rows: String = line.rows(20).iter().map(SafeLine::as_str).collect();
    (rows != line.as_str()).then(|| "its rows are not its text".to_owned())
}
