//! Rust text as the rules want it: without comments, strings and unit tests, still with its line numbers. Reads tokens
//! only as far as that needs; must not know any rule.

/// A source file of the workspace: its path from the top with `/`, and its text.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// What is compiled into the product: comments and literals blanked, cut where the unit tests begin;
    /// nothing of a file of unit tests.
    pub(super) fn code(&self) -> String {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        let code = blank(&self.text);
        let end = code
            .match_indices("#[cfg(test)]")
            .find(|(at, found)| code[at + found.len()..].trim_start().starts_with("mod "))
            .filter(|(at, found)| !declares_only(&code[at + found.len()..]))
            .map_or(code.len(), |(at, _)| at);
        code[..end].to_owned()
    }
}

/// `mod tests;` as opposed to `mod tests { … }`: code may follow it.
fn declares_only(after: &str) -> bool {
    after.find([';', '{']).is_some_and(|at| after.as_bytes()[at] == b';')
}

/// The 1-based line of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text[..offset].bytes().filter(|byte| *byte == b'\n').count()
}

/// Byte offsets at which `word` stands alone, that is not as a part of a longer name.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !code[..*at].chars().next_back().is_some_and(in_name)
            && !code[at + word.len()..].chars().next().is_some_and(in_name)
    })
}

/// The first path segments after `crate::`, as in `crate::plan::graph` or `crate::{plan, frame::Frame}`, with offsets.
/// `super::` counts as `crate::` where it reaches the crate's root.
pub(super) fn crate_imports(path: &str, code: &str) -> Vec<(usize, String)> {
    let below_src = path.split_once("/src/").map_or(path, |(_, rest)| rest);
    let depth = below_src.matches('/').count() + usize::from(!below_src.ends_with("/mod.rs"));
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", to_root.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let after = at + start.len();
            if code[after..].starts_with('{') {
                found.extend(group(&code[after..]).into_iter().map(|(offset, name)| (after + offset, name)));
            } else {
                found.push((after, name_at(&code[after..])));
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty() && name != "super");
    found
}

/// The first names of the members of `{a, b::{c, d}, e}`.
fn group(text: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut member = false;
    for (at, c) in text.char_indices() {
        match c {
            '{' => {
                depth += 1;
                member = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' if depth == 1 => member = true,
            c if member && !c.is_whitespace() => {
                names.push((at, name_at(&text[at..])));
                member = false;
            }
            _ => {}
        }
    }
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Comments and the insides of literals become spaces; lines and byte offsets stay.
pub(super) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let name_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment(rest)
        } else if rest[0] == b'"' {
            quoted(rest, b'"')
        } else if rest[0] == b'r' && !name_before {
            raw_string(rest)
        } else if rest[0] == b'\'' && is_char(rest) {
            quoted(rest, b'\'')
        } else {
            0
        };
        for byte in &mut out[at..at + length] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += length.max(1);
    }
    String::from_utf8(out).expect("whole literals and comments were replaced by ASCII")
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Zero when it is no raw string (a raw identifier, or a name that begins with `r`).
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = 2 + hashes;
    rest[body..].windows(end.len()).position(|w| w == end).map_or(rest.len(), |at| body + at + end.len())
}

/// A character literal, not a lifetime: `'\n'` or exactly one character and a quote.
fn is_char(rest: &[u8]) -> bool {
    if rest.get(1) == Some(&b'\\') {
        return true;
    }
    let width = match rest.get(1) {
        Some(b) if *b < 0x80 => 1,
        Some(b) if *b >= 0xF0 => 4,
        Some(b) if *b >= 0xE0 => 3,
        Some(_) => 2,
        None => return false,
    };
    rest.get(1 + width) == Some(&b'\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        for (text, expected) in [
            ("a // tokio", "a         "),
            ("a /* tokio /* x */ */ b", "a                     b"),
            (r#"f("tok\"io") g"#, r"f(         ) g"),
            ("r#\"tokio \" x\"# y", "               y"),
            ("let r#type = 'x'; 'a: loop {}", "let r#type =    ; 'a: loop {}"),
            (r"'\'' tokio", r"     tokio"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ] {
            assert_eq!(blank(text), expected, "{text}");
        }
    }

    #[test]
    fn unit_tests_are_cut_and_test_modules_elsewhere_are_not() {
        let source = |text: &str| Source { path: "daemon/src/a.rs".into(), text: text.into() };
        assert_eq!(source("a\n#[cfg(test)]\nmod tests { b }").code(), "a\n");
        assert_eq!(source("#[cfg(test)]\nmod tests;\nc").code(), "#[cfg(test)]\nmod tests;\nc");
        assert_eq!(Source { path: "daemon/src/a/tests.rs".into(), text: "x".into() }.code(), "");
    }

    #[test]
    fn imports_are_found_in_every_spelling() {
        let names = |path: &str, code: &str| {
            let mut names: Vec<String> = crate_imports(path, code).into_iter().map(|(_, name)| name).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names("daemon/src/git.rs", "use crate::store::Store;"), "store");
        assert_eq!(names("daemon/src/git.rs", "use crate::{plan::{A, B}, store};"), "plan store");
        assert_eq!(names("daemon/src/git.rs", "let x = super::http::f();"), "http");
        assert_eq!(names("daemon/src/logs/mod.rs", "use super::store;"), "store");
        assert_eq!(names("daemon/src/logs/index.rs", "use super::segment;"), "");
        assert_eq!(names("daemon/src/logs/index.rs", "use super::super::store;"), "store");
        assert_eq!(names("daemon/src/git.rs", "pub(crate) fn f() {} mycrate::store"), "");
    }
}
