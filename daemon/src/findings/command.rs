//! Lines by which a step says something about a place: `::error file=src/a.rs,line=3,col=5,title=T::message`. GitHub made
//! them up, and many tools print them. Must not know where lines come from.

use windlass_protocol::annotation::Level;

use super::place::Roots;
use super::{Finding, MOST_MESSAGE};

/// What such lines match, and hardly any other.
pub const PATTERN: &str = r"^[ \t]*::(error|warning|notice)[ \t:]";
/// Longer ones are cut.
pub const LONGEST: usize = 4 * MOST_MESSAGE;

/// What a line says; `None`: it is not such a line.
pub fn read(line: &[u8], roots: &Roots) -> Option<Finding> {
    let line = &line[..line.len().min(LONGEST)];
    let text = String::from_utf8_lossy(line);
    let rest = text.trim_matches([' ', '\t', '\r']).strip_prefix("::")?;
    let (head, message) = rest.split_once("::")?;
    let (word, properties) = head.split_once([' ', '\t']).unwrap_or((head, ""));
    let level = match word.to_ascii_lowercase().as_str() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        "notice" => Level::Note,
        _ => return None,
    };
    let mut finding = Finding {
        level,
        path: None,
        line: None,
        column: None,
        end_line: None,
        message: decoded(message.trim(), &[("%0D", "\r"), ("%0A", "\n")]),
        title: None,
        rule: None,
        tool: None,
        log_line: None,
    };
    for property in properties.split(',') {
        let Some((name, value)) = property.split_once('=') else { continue };
        let value = decoded(value.trim(), &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")]);
        let number = || value.parse().ok().filter(|number| *number > 0);
        match name.trim().to_ascii_lowercase().as_str() {
            "file" => finding.path = roots.below(&value),
            "line" => finding.line = number(),
            "col" | "column" => finding.column = number(),
            "endline" => finding.end_line = number(),
            "title" => finding.title = Some(value).filter(|title| !title.is_empty()),
            _ => {}
        }
    }
    if finding.path.is_none() {
        // Numbers of a place that nobody knows.
        (finding.line, finding.column, finding.end_line) = (None, None, None);
    }
    if finding.message.is_empty() {
        finding.message = finding.title.take()?;
    }
    Some(finding)
}

/// Each of these, without regard to case, and last the sign that they begin with.
fn decoded(text: &str, escapes: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let known = escapes.iter().chain(&[("%25", "%")]);
        let hit =
            rest.get(at..at + 3).and_then(|three| known.clone().find(|(escape, _)| three.eq_ignore_ascii_case(escape)));
        let (plain, length) = hit.map_or(("%", 1), |(_, plain)| (*plain, 3));
        out.push_str(plain);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(line: &str) -> Option<Finding> {
        read(line.as_bytes(), &Roots::new(["/workspace".to_owned()]))
    }

    #[test]
    fn a_line_says_what_where_and_how_bad() {
        let error =
            said("::error file=src/a.rs,line=3,col=5,endLine=4,title=T%3A x::50%25 of%0Ait%3A").expect("a finding");
        assert_eq!((error.level, error.path.as_deref()), (Level::Error, Some("src/a.rs")));
        assert_eq!((error.line, error.column, error.end_line), (Some(3), Some(5), Some(4)));
        assert_eq!((error.title.as_deref(), error.message.as_str()), (Some("T: x"), "50% of\nit%3A"));

        let warning = said("\t ::WARNING FILE=/workspace/b.rs ,Line=7::with :: in it\r").expect("a finding");
        assert_eq!((warning.level, warning.path.as_deref(), warning.line), (Level::Warning, Some("b.rs"), Some(7)));
        assert_eq!(warning.message, "with :: in it");

        let note = said("::notice::nowhere").expect("a finding");
        assert_eq!((note.level, note.path, note.line, note.message.as_str()), (Level::Note, None, None, "nowhere"));
        let outside = said("::error file=../../etc/passwd,line=3::x").expect("a finding");
        assert_eq!((outside.path, outside.line), (None, None));
        let odd = said("::error file=a.rs,line=-1,col=99999999999,,=,title::x").expect("a finding");
        assert_eq!((odd.path.as_deref(), odd.line, odd.column, odd.title), (Some("a.rs"), None, None, None));
        assert_eq!(
            said("::error title=only this::").map(|only| (only.message, only.title)),
            Some(("only this".to_owned(), None))
        );
    }

    #[test]
    fn other_lines_say_nothing() {
        for line in [
            "",
            "::",
            "::error",
            "::error::",
            "::error ::",
            "x ::error::y",
            "::errors::y",
            "::set-output name=x::y",
            "::debug::y",
            "error: ::x",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_not(line in prop::collection::vec(any::<u8>(), 0..200), tail in "(file=|line=|%0|%2|,|:|é|\\PC){0,20}") {
            let mut all = b"::error ".to_vec();
            all.extend_from_slice(tail.as_bytes());
            all.extend_from_slice(&line);
            for bytes in [&line, &all] {
                if let Some(found) = read(bytes, &Roots::default()) {
                    prop_assert!(!found.message.is_empty() && found.message.len() <= 3 * LONGEST);
                }
            }
        }
    }
}
