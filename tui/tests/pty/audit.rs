//! Reads everything that a program wrote to its terminal, and names what no client of ours ever writes: it is not what was
//! meant to be dangerous that is looked for, everything else than the list is. Must not know where the bytes came from.

use base64::Engine as _;
use vte::{Params, Parser, Perform};

/// Modes that are switched: cursor, alternate screen, mouse reports, bracketed paste, synchronized output.
const MODES: [u16; 9] = [25, 1000, 1002, 1003, 1006, 1015, 1049, 2004, 2026];

/// What is not on the list, each with the text before it.
pub(crate) fn strangers(bytes: &[u8]) -> Vec<String> {
    let audit = Audit::of(bytes, Audit::default());
    audit.found.into_iter().chain(audit.copied.into_iter().map(|text| format!("a copy of {text:?}"))).collect()
}

/// The same where the reader copied something: what she copied comes beside it.
pub(crate) fn strangers_and_copies(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let audit = Audit::of(bytes, Audit::default());
    (audit.found, audit.copied)
}

/// The same of a command, which stays on the ordinary screen: lines end there, and rows that change are gone up to.
pub(crate) fn strangers_of_a_command(bytes: &[u8]) -> Vec<String> {
    Audit::of(bytes, Audit { ordinary: true, command: true, ..Audit::default() }).found
}

#[derive(Default)]
struct Audit {
    found: Vec<String>,
    before: String,
    /// On the ordinary screen lines end.
    ordinary: bool,
    command: bool,
    /// What was sent to the clipboard.
    copied: Vec<String>,
}

impl Audit {
    fn of(bytes: &[u8], mut audit: Self) -> Self {
        Parser::new().advance(&mut audit, bytes);
        audit
    }

    fn stranger(&mut self, what: String) {
        let tail: String = self.before.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
        self.found.push(format!("{what} after {tail:?}"));
    }
}

impl Perform for Audit {
    fn print(&mut self, c: char) {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}' | '\u{ad}');
        if c.is_control() || hidden {
            self.stranger(format!("{c:?}"));
        }
        self.before.push(c);
    }

    fn execute(&mut self, byte: u8) {
        if !(self.ordinary && matches!(byte, b'\r' | b'\n')) {
            self.stranger(format!("control {byte:#04x}"));
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, action: char) {
        let numbers: Vec<u16> = params.iter().flatten().copied().collect();
        let fine = match (intermediates, action) {
            (b"?", 'h' | 'l') => numbers.iter().all(|mode| MODES.contains(mode)),
            // Places, styles, erasing; rows that move, and between which rows.
            (b"", 'H' | 'm' | 'J' | 'K' | 'L' | 'M' | 'r') => true,
            (b"", 'A' | 'B') => self.command,
            _ => false,
        };
        if intermediates == b"?" && numbers.contains(&1049) {
            self.ordinary = action == 'l';
        }
        if !fine {
            let marks = String::from_utf8_lossy(intermediates).into_owned();
            self.stranger(format!("CSI {marks}{numbers:?}{action}"));
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        // The end of a string ends with one; the string itself is the stranger.
        if byte != b'\\' {
            self.stranger(format!("ESC {intermediates:?} {byte:#04x}"));
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        if let [b"52", b"c", text] = params
            && let Ok(text) = base64::engine::general_purpose::STANDARD.decode(text)
        {
            return self.copied.push(String::from_utf8_lossy(&text).into_owned());
        }
        let words: Vec<_> = params.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        self.stranger(format!("OSC {words:?}"));
    }

    fn hook(&mut self, _: &Params, _: &[u8], _: bool, action: char) {
        self.stranger(format!("DCS {action}"));
    }
}
