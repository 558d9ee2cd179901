//! Where something is, as a path below the job's folder. Whoever names a place is a stranger: what points outside of that
//! folder is no path. Must not touch any file.

use crate::event::clean;

/// Longer paths are none.
const LONGEST: usize = 4_096;

/// The job's folder under each name that it has, as absolute paths.
#[derive(Debug, Clone, Default)]
pub struct Roots(Vec<String>);

impl Roots {
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let roots = paths.into_iter().filter_map(|path| plain(path.strip_prefix('/')?));
        Self(roots.filter(|root| !root.is_empty()).collect())
    }

    /// A path as tools print it, absolute or below the job's folder.
    #[must_use]
    pub fn below(&self, path: &str) -> Option<String> {
        let path = path.trim();
        let relative = match path.strip_prefix('/') {
            Some(absolute) => {
                let absolute = plain(absolute)?;
                let within = |root: &String| Some(absolute.strip_prefix(root.as_str())?.strip_prefix('/')?.to_owned());
                self.0.iter().find_map(within)?
            }
            None => plain(path)?,
        };
        (!relative.is_empty() && relative.len() <= LONGEST).then(|| clean(&relative, LONGEST))
    }

    /// The same of a URI, relative to others, the innermost first.
    #[must_use]
    pub fn of_uri(&self, uri: &str, bases: &[&str]) -> Option<String> {
        let mut path = path_of(uri)?;
        for base in bases {
            if path.starts_with('/') {
                break;
            }
            let base = path_of(base)?;
            path = if base.is_empty() { path } else { format!("{}/{path}", base.trim_end_matches('/')) };
        }
        self.below(&path)
    }
}

/// Without dots and double slashes. None: it leads out of where it begins.
fn plain(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The path in a URI that is a relative one or a `file:` of this host.
fn path_of(uri: &str) -> Option<String> {
    let uri = uri.trim();
    let path = match scheme(uri) {
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => {
            let rest = &uri[scheme.len() + 1..];
            match rest.strip_prefix("//") {
                // The host's name is nothing to us; a job has one of its own.
                Some(rest) => &rest[rest.find('/')?..],
                None => rest,
            }
        }
        Some(_) => return None,
        None => uri.strip_prefix("//").map_or(uri, |_| "//"),
    };
    let end = path.find(['?', '#']).unwrap_or(path.len());
    Some(decoded(&path[..end]))
}

/// `c` of `C:\x` is one too: no path of ours.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let mut letters = scheme.bytes();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    (begins && letters.all(|letter| letter.is_ascii_alphanumeric() || b"+-.".contains(&letter))).then_some(scheme)
}

/// `%20` is a space. What is no UTF-8 then is U+FFFD.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|digit| char::from(*digit).to_digit(16));
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(1), hex(2))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_below_the_jobs_folder_or_nowhere() {
        let roots = Roots::new(["/workspace".to_owned(), "/var/lib/w/jobs/7.test.1/workspace/".to_owned()]);
        let below = |path: &str| roots.below(path);
        let is = |path: &str| Some(path.to_owned());
        assert_eq!(below("src/main.rs"), is("src/main.rs"));
        assert_eq!(below(" ./src//../src/./main.rs "), is("src/main.rs"));
        assert_eq!(below("/workspace/src/main.rs"), is("src/main.rs"));
        assert_eq!(below("/var/lib/w/jobs/7.test.1/workspace/a b.py"), is("a b.py"));
        assert_eq!(below("a\u{1b}[2J\n:3: b"), is("a\u{fffd}[2J :3: b"), "one line, and nothing that a terminal obeys");
        let outside = [
            "",
            ".",
            "/",
            "..",
            "../x",
            "a/../../x",
            "/workspace",
            "/workspaces/x",
            "/etc/passwd",
            "/workspace/../etc/x",
        ];
        for path in outside {
            assert_eq!(below(path), None, "{path}");
        }
        assert_eq!(below(&"a/".repeat(5_000)), None, "no path is that long");
    }

    #[test]
    fn uris_are_paths_when_they_are_relative_or_files() {
        let roots = Roots::new(["/workspace".to_owned()]);
        let is = |path: &str| Some(path.to_owned());
        assert_eq!(roots.of_uri("src/a%20b%2Fc.rs?x#y", &[]), is("src/a b/c.rs"));
        assert_eq!(roots.of_uri("100%.rs", &[]), is("100%.rs"));
        assert_eq!(roots.of_uri("file:///workspace/src/main.rs", &[]), is("src/main.rs"));
        assert_eq!(roots.of_uri("FILE://localhost/workspace/x.rs", &[]), is("x.rs"));
        assert_eq!(roots.of_uri("file:/workspace/x.rs", &[]), is("x.rs"));
        assert_eq!(roots.of_uri("main.rs", &["src/", "file:///workspace/"]), is("src/main.rs"));
        assert_eq!(roots.of_uri("main.rs", &["src", ""]), is("src/main.rs"));
        assert_eq!(roots.of_uri("/workspace/x.rs", &["file:///elsewhere"]), is("x.rs"));
        for outside in [
            "https://example.org/x.rs",
            "C:\\x.rs",
            "c:/x.rs",
            "//host/workspace/x.rs",
            "file:///etc/passwd",
            "%2e%2e/x",
        ] {
            assert_eq!(roots.of_uri(outside, &[]), None, "{outside}");
        }
        assert_eq!(roots.of_uri("main.rs", &["file:///elsewhere/"]), None);
        assert_eq!(roots.of_uri("main.rs", &["https://example.org/"]), None);
        assert_eq!(roots.of_uri("\u{e9}.rs", &[]), is("\u{e9}.rs"));
        assert_eq!(roots.of_uri("%ff.rs", &[]), is("\u{fffd}.rs"));
    }
}
