//! Which files of a job's folder a spec means: `report.xml`, `build/**/TEST-*.xml`. A pattern is matched part by part, so
//! that whoever looks for the files opens only folders that can lead to one. Pure; must not know file systems.

use regex::bytes::Regex;

/// No pattern is longer.
pub const MOST_BYTES: usize = 500;

/// A path below the job's folder, some of its parts open.
#[derive(Debug, Clone)]
pub struct Pattern {
    parts: Vec<Part>,
}

/// What stands between two slashes.
#[derive(Debug, Clone)]
pub enum Part {
    /// Exactly this.
    Name(String),
    /// `*`: any characters, `?`: any one.
    Like(Regex),
    /// `**`: any folders, or none.
    Folders,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPattern {
    #[error("empty")]
    Empty,
    #[error("longer than {MOST_BYTES} bytes")]
    TooLong,
    #[error("not below the job's folder")]
    Outside,
    #[error("a folder, or an empty name")]
    Folder,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        if text.trim().is_empty() {
            return Err(NoPattern::Empty);
        }
        if text.len() > MOST_BYTES {
            return Err(NoPattern::TooLong);
        }
        if text.starts_with('/') || text.starts_with("~/") {
            return Err(NoPattern::Outside);
        }
        let mut parts: Vec<Part> = Vec::new();
        for part in text.split('/') {
            match part {
                "." => {}
                "" => return Err(NoPattern::Folder),
                ".." => return Err(NoPattern::Outside),
                // Twice in a row says no more than once.
                "**" if matches!(parts.last(), Some(Part::Folders)) => {}
                "**" => parts.push(Part::Folders),
                _ if part.contains(['*', '?']) => parts.push(Part::Like(like(part))),
                _ => parts.push(Part::Name(part.to_owned())),
            }
        }
        match parts.last() {
            None => Err(NoPattern::Folder),
            // Folders are no files: all that is in them.
            Some(Part::Folders) => {
                parts.push(Part::Like(like("*")));
                Ok(Self { parts })
            }
            Some(_) => Ok(Self { parts }),
        }
    }

    /// From the folder down; the last one is the file's.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// A regular expression: whatever the pattern, the time to match is bounded by the name's length.
fn like(part: &str) -> Regex {
    let mut expression = String::from("(?s-u)^");
    for piece in part.split_inclusive(['*', '?']) {
        let (text, open) = match piece.as_bytes().last() {
            Some(b'*') => (&piece[..piece.len() - 1], ".*"),
            Some(b'?') => (&piece[..piece.len() - 1], "(?:(?u:.)|.)"),
            _ => (piece, ""),
        };
        expression.push_str("(?u:");
        expression.push_str(&regex::escape(text));
        expression.push(')');
        expression.push_str(open);
    }
    expression.push('$');
    Regex::new(&expression).expect("escaped text and two known expressions")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(pattern: &str) -> Part {
        Pattern::parse(pattern).expect(pattern).parts()[0].clone()
    }

    #[test]
    fn stars_and_question_marks_stay_within_a_name() {
        for (pattern, name, wanted) in [
            ("*.xml", "report.xml", true),
            ("*.xml", ".xml", true),
            ("*.xml", "report.xmlx", false),
            ("TEST-*.x?l", "TEST-a.b.xml", true),
            ("TEST-*.x?l", "test-a.xml", false),
            ("?.xml", "\u{e4}.xml", true),
            ("a+(b)*", "a+(b)", true),
            ("a+(b)*", "aab", false),
            ("*\u{e4}*", "x\u{e4}y", true),
        ] {
            let Part::Like(like) = one(pattern) else { panic!("{pattern} is open") };
            assert_eq!(like.is_match(name.as_bytes()), wanted, "{pattern} {name}");
        }
        let Part::Like(any) = one("*") else { panic!("open") };
        assert!(any.is_match(b"\xff\n\xfe"), "names need not be UTF-8");
    }

    #[test]
    fn only_files_below_the_folder_can_be_meant() {
        for (text, why) in [
            ("", NoPattern::Empty),
            ("  ", NoPattern::Empty),
            ("/etc/passwd", NoPattern::Outside),
            ("~/x", NoPattern::Outside),
            ("../x", NoPattern::Outside),
            ("a/../../x", NoPattern::Outside),
            ("a/", NoPattern::Folder),
            ("a//b", NoPattern::Folder),
            (".", NoPattern::Folder),
        ] {
            assert_eq!(Pattern::parse(text).err(), Some(why), "{text:?}");
        }
        assert_eq!(Pattern::parse(&"x".repeat(MOST_BYTES + 1)).err(), Some(NoPattern::TooLong));
        assert_eq!(Pattern::parse("./a/**/**/b*").expect("good").parts().len(), 3);
        assert!(matches!(Pattern::parse("a/**").expect("good").parts(), [Part::Name(_), Part::Folders, Part::Like(_)]));
    }
}
