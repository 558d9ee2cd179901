//! Texts of which every match of a pattern holds at least one, to find the few lines that are worth trying the pattern on: a
//! mebibyte is looked through for plain texts many times faster than for a regular expression. Must not know logs.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// More texts than this are not looked for at once faster than the pattern itself is.
const MOST: usize = 16;
/// Shorter ones are everywhere.
const SHORTEST: usize = 2;
/// Letters beyond ASCII that are an `s` and a `k` when case is ignored.
const LONG_S: &[u8] = "ſ".as_bytes();
const KELVIN: &[u8] = "K".as_bytes();

#[derive(Debug, Clone)]
pub(super) struct Literals {
    any: Regex,
    /// Case is ignored: the texts are in small letters.
    folded: bool,
    /// The texts hold letters that others beyond ASCII are the same as.
    beyond: bool,
}

impl Literals {
    /// None: there are no such texts, or none that are worth it.
    pub(super) fn of(pattern: &str, ignore_case: bool) -> Option<Self> {
        let parsed = ParserBuilder::new().utf8(false).multi_line(true).crlf(true).build().parse(pattern).ok()?;
        let texts = required(&parsed, ignore_case)?;
        let alternatives: Vec<String> = texts.iter().map(|text| bytes(text)).collect();
        let any = RegexBuilder::new(&alternatives.join("|")).unicode(false).build().ok()?;
        let beyond = ignore_case && texts.iter().flatten().any(|byte| matches!(byte, b's' | b'k'));
        Some(Self { any, folded: ignore_case, beyond })
    }

    /// The text to look in. None: letters are in it that would be missed.
    pub(super) fn prepared<'a>(&self, text: &'a [u8], buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        if !self.folded {
            return Some(text);
        }
        if self.beyond && [LONG_S, KELVIN].iter().any(|letter| memmem::find(text, letter).is_some()) {
            return None;
        }
        buffer.clear();
        buffer.extend(text.iter().map(u8::to_ascii_lowercase));
        Some(buffer)
    }

    /// Where in a prepared text the next of them begins.
    pub(super) fn next(&self, prepared: &[u8], from: usize) -> Option<usize> {
        self.any.find_at(prepared, from).map(|hit| hit.start())
    }
}

/// As a pattern that means exactly these bytes.
fn bytes(text: &[u8]) -> String {
    text.iter().map(|byte| format!(r"\x{byte:02x}")).collect()
}

/// One of these is in every match; the best that is found.
fn required(hir: &Hir, ignore_case: bool) -> Option<Vec<Vec<u8>>> {
    let texts = match hir.kind() {
        HirKind::Literal(literal) if ignore_case => {
            let pieces = literal.0.split(|byte| !byte.is_ascii());
            vec![pieces.max_by_key(|piece| piece.len())?.to_ascii_lowercase()]
        }
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Capture(capture) => return required(&capture.sub, ignore_case),
        HirKind::Repetition(repetition) if repetition.min > 0 => return required(&repetition.sub, ignore_case),
        HirKind::Concat(parts) => {
            return parts.iter().filter_map(|part| required(part, ignore_case)).max_by_key(|texts| worth(texts));
        }
        HirKind::Alternation(parts) => {
            let all: Option<Vec<_>> = parts.iter().map(|part| required(part, ignore_case)).collect();
            all?.concat()
        }
        _ => return None,
    };
    (texts.len() <= MOST && shortest(&texts) >= SHORTEST).then_some(texts)
}

fn shortest(texts: &[Vec<u8>]) -> usize {
    texts.iter().map(Vec::len).min().unwrap_or(0)
}

/// Long and few texts are rare, and found fast.
fn worth(texts: &[Vec<u8>]) -> (usize, usize) {
    (shortest(texts).min(4), usize::MAX - texts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pattern: &str, ignore_case: bool) -> Option<String> {
        let parsed = ParserBuilder::new().utf8(false).multi_line(true).crlf(true).build().parse(pattern);
        let texts = required(&parsed.expect("a pattern"), ignore_case)?;
        Some(texts.iter().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_every_match_holds_is_found_in_the_pattern() {
        let table = [
            ("needle", true, Some("needle")),
            ("a.needle [0-9]+ found", true, Some(" found")),
            ("error|panic", true, Some("error panic")),
            ("(^|[^a-z])(error|fail(ed)?|fatal)($|[^a-z])", true, Some("error fail fatal")),
            ("(ab)+c", true, Some("ab")),
            ("(ab)*c", true, None),
            ("x?", true, None),
            ("error|.", true, None),
            ("[0-9]+", true, None),
            ("prüfung", true, Some("fung")),
            ("Prüfung", false, Some("Prüfung")),
            ("(?i)Error: it", false, Some(": ")),
            ("^$", true, None),
        ];
        for (pattern, ignore_case, expected) in table {
            assert_eq!(texts(pattern, ignore_case).as_deref(), expected, "{pattern}");
        }
    }
}
