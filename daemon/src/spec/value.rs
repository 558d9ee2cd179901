//! The small languages inside of a spec: durations, sizes, names, image references. Text in, value or a reason out.
//! Must not know YAML or where in the file a text stands.

use super::report::nearest;
use crate::plan::group::VARIABLES;
use crate::plan::pattern::{NoPattern, Pattern};

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// A fragment that follows the text itself: "`5` is …".
    pub(super) why: &'static str,
    pub(super) hint: String,
}

fn wrong<T>(why: &'static str, hint: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { why, hint: hint.into() })
}

/// Nothing runs longer than a week.
const MOST_DURATION_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// `90s`, `5m`, `1h30m`, `1d`, in milliseconds: largest unit first, each unit once.
pub(super) fn duration(text: &str) -> Result<u64, Wrong> {
    const FORM: &str = "write a duration as 90s, 5m, 1h30m or 1d";
    let text = text.trim();
    if is_number(text) {
        return wrong("a number without a unit", format!("write {text}m for minutes, {text}s for seconds"));
    }
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (amount, tail) = rest.split_at(digits);
        let mut tail = tail.chars();
        let unit = match tail.next() {
            Some('d') => 86_400_000,
            Some('h') => 3_600_000,
            Some('m') => 60_000,
            Some('s') => 1000,
            _ => return wrong("not a duration", FORM),
        };
        let Ok(amount) = amount.parse::<u64>() else { return wrong("not a duration", FORM) };
        if unit >= smallest {
            return wrong("not a duration", FORM);
        }
        smallest = unit;
        total = total.saturating_add(amount.saturating_mul(unit));
        rest = tail.as_str();
    }
    match total {
        _ if text.is_empty() => wrong("not a duration", FORM),
        0 => wrong("no time at all", "give it at least 1s"),
        MOST_DURATION_MS.. if total > MOST_DURATION_MS => wrong("too long", "the most is 7d"),
        _ => Ok(total),
    }
}

/// `512MiB`, `2GiB`, `1.5GB`, in bytes.
pub(super) fn memory(text: &str) -> Result<u64, Wrong> {
    const FORM: &str = "write a size as 512MiB or 2GiB";
    /// Engines refuse less.
    const LEAST: u64 = 6 << 20;
    let text = text.trim();
    if is_number(text) {
        return wrong("a number without a unit", format!("write {text}MiB or {text}GiB"));
    }
    let units: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let Some((amount, unit)) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))) else {
        return wrong("not a size", FORM);
    };
    let Some(thousandths) = thousandths(amount.trim_end()) else { return wrong("not a size", FORM) };
    let bytes = u128::from(thousandths) * u128::from(unit) / 1000;
    match i64::try_from(bytes).ok().and_then(|bytes| u64::try_from(bytes).ok()) {
        None => wrong("too much", FORM),
        Some(bytes) if bytes < LEAST => wrong("too little", "the least is 6MiB"),
        Some(bytes) => Ok(bytes),
    }
}

/// `2`, `0.5`, in thousandths of a core.
pub(super) fn cpu(text: &str) -> Result<u64, Wrong> {
    const FORM: &str = "write a number of cores: 2 or 0.5";
    match thousandths(text.trim()) {
        None => wrong("not a number of cores", FORM),
        Some(millis) if millis < 10 => wrong("too little", "the least is 0.01"),
        Some(millis) if millis > 1_024_000 => wrong("too much", "the most is 1024"),
        Some(millis) => Ok(millis),
    }
}

/// A number of processes and threads.
pub(super) fn pids(text: &str) -> Result<u64, Wrong> {
    match text.trim().parse::<u64>() {
        Err(_) => wrong("not a number of processes", "write a whole number: 500"),
        // The runner and a shell with one pipe need about that many.
        Ok(n) if n < 16 => wrong("too few", "the least is 16"),
        Ok(n) if n > 4_194_304 => wrong("too many", "the most is 4194304"),
        Ok(n) => Ok(n),
    }
}

/// How often something is done again.
pub(super) fn times(text: &str) -> Result<u32, Wrong> {
    match text.trim().parse::<u32>() {
        Ok(n) if n <= 10 => Ok(n),
        Ok(_) => wrong("too often", "the most is 10"),
        Err(_) => wrong("not a number of times", "write a whole number from 0 to 10"),
    }
}

/// A part of a group's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    /// By its name, without `${` and `}`.
    Variable(&'t str),
}

/// The name of a concurrency group: text with variables.
pub(super) fn group(text: &str) -> Result<Vec<Piece<'_>>, Wrong> {
    if text.trim().is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return wrong("not usable as the name of a group", "a name is one line of up to 200 characters");
    }
    let all = || VARIABLES.map(|name| format!("${{{name}}}")).join(", ");
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            return wrong("a name with a variable that does not end", "write `${branch}`, with both braces");
        };
        let Some(known) = VARIABLES.into_iter().find(|known| *known == name) else {
            return wrong(
                "a name with an unknown variable",
                match nearest(name, VARIABLES) {
                    Some(meant) => format!("did you mean `${{{meant}}}`?"),
                    None => format!("variables here are: {}", all()),
                },
            );
        };
        pieces.extend([Piece::Text(before), Piece::Variable(known)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// A job's name becomes part of addresses, links and file names.
pub(super) fn job_name(name: &str) -> Result<(), Wrong> {
    const FORM: &str = "a name has up to 64 letters, digits, `-`, `_` or `.`, and begins with a letter, digit or `_`";
    if name.is_empty() || name.len() > 64 {
        return wrong("not usable as the name of a job", FORM);
    }
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !good || name.starts_with(['-', '.']) { wrong("not usable as the name of a job", FORM) } else { Ok(()) }
}

/// What a person calls a step: one short line.
pub(super) fn step_name(name: &str) -> Result<(), Wrong> {
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return wrong("not usable as the name of a step", "a name is one line of up to 100 characters");
    }
    Ok(())
}

/// A file of the job's folder, or a pattern of such files.
pub(super) fn files(text: &str) -> Result<(), Wrong> {
    const FORM: &str =
        "write a path below the job's folder; `*` and `?` stand for parts of a name, `**` for any folders: `dist/**`";
    match Pattern::parse(text) {
        Ok(_) => Ok(()),
        Err(NoPattern::Empty) => wrong("no file", FORM),
        Err(NoPattern::TooLong) => wrong("too long", "the most is 500 bytes"),
        Err(NoPattern::Outside) => wrong("not below the job's folder", FORM),
        Err(NoPattern::Folder) => wrong("a folder or an empty name, not a file", FORM),
    }
}

/// The name of an environment variable that a spec may set.
pub(super) fn variable(name: &str) -> Result<(), Wrong> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !begins || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') || name.len() > 255 {
        return wrong(
            "not the name of an environment variable",
            "a name has letters, digits and `_`, and does not begin with a digit",
        );
    }
    if name.starts_with("WINDLASS_") {
        return wrong("reserved", "names that begin with WINDLASS_ are set by Windlass itself");
    }
    if name == "CI" {
        return wrong("reserved", "CI is `true` in every job");
    }
    Ok(())
}

/// An image reference: `[registry[:port]/]path[:tag][@sha256:digest]`.
pub(super) fn image(text: &str) -> Result<(), Wrong> {
    const WHY: &str = "not an image reference";
    const FORM: &str = "write it as name:tag or registry.example.org/group/name:tag";
    if text.contains("${") {
        return wrong(WHY, "`${…}` comes from `matrix`, which this version does not support yet");
    }
    if text.is_empty() || text.len() > 512 {
        return wrong(WHY, FORM);
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return wrong(WHY, "a digest is `@sha256:` and 64 lower-case hexadecimal digits");
        }
    }
    let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[name_start..].split_once(':') {
        Some((last, tag)) => (&rest[..name_start + last.len()], Some(tag)),
        None => (rest, None),
    };
    if let Some(tag) = tag {
        let good = tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if tag.is_empty() || tag.len() > 128 || !good || tag.starts_with(['.', '-']) {
            return wrong(WHY, "a tag has up to 128 letters, digits, `_`, `.` or `-`");
        }
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
        _ => (None, name),
    };
    if registry.is_some_and(|registry| !is_registry(registry)) {
        return wrong(WHY, FORM);
    }
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return wrong(WHY, "names of images are lower case");
    }
    if path.len() > 255 || !path.split('/').all(is_path_part) { wrong(WHY, FORM) } else { Ok(()) }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Lower-case words, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let mut rest = part;
    loop {
        let word = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).len();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        rest = match rest.strip_prefix("__").or_else(|| rest.strip_prefix(['.', '_'])) {
            Some(tail) => tail,
            None => {
                let tail = rest.trim_start_matches('-');
                if tail.len() == rest.len() {
                    return false;
                }
                tail
            }
        };
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 20 && thousandths(text).is_some()
}

/// A decimal number with up to three places, times 1000.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(places) || places.len() > 3 {
        return None;
    }
    let places: u64 = format!("{places:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(places)
}

#[cfg(test)]
mod tests {
    use super::{cpu, duration, image, job_name, memory, pids, step_name, variable};

    #[test]
    fn durations() {
        for (text, ms) in [
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h30m5s", 5_405_000),
            ("1d", 86_400_000),
            ("7d", 604_800_000),
            (" 2m ", 120_000),
        ] {
            assert_eq!(duration(text), Ok(ms), "{text}");
        }
        for text in
            ["", "5", "1.5", "0s", "m", "5min", "1m1h", "1m1m", "-5m", "5 m", "1.5h", "8d", "99999999999999999999s"]
        {
            duration(text).expect_err(text);
        }
        assert_eq!(duration("5").expect_err("no unit").hint, "write 5m for minutes, 5s for seconds");
        duration("18446744073709551615d").expect_err("saturates, then too long");
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("2 GB", 2_000_000_000),
            ("6MiB", 6 << 20),
            ("10000kB", 10_000_000),
        ] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for text in ["", "2", "2G", "GiB", "1KiB", "0GiB", "-1GiB", "9999999999999TiB", "2gib"] {
            memory(text).expect_err(text);
        }
    }

    #[test]
    fn cores_and_processes() {
        assert_eq!(cpu("2"), Ok(2000));
        assert_eq!(cpu("0.5"), Ok(500));
        assert_eq!(cpu("1.125"), Ok(1125));
        for text in ["", "0", "0.001", "1.1234", ".5", "two", "500m", "9999999", "1e3"] {
            cpu(text).expect_err(text);
        }
        assert_eq!(pids("500"), Ok(500));
        for text in ["", "0", "15", "-1", "many", "99999999999"] {
            pids(text).expect_err(text);
        }
    }

    #[test]
    fn images() {
        let digest = format!("alpine@sha256:{}", "a1".repeat(32));
        for text in [
            "alpine",
            "python:3.13",
            "library/alpine:3.22",
            "localhost/x",
            "localhost:5000/x:y",
            "ghcr.io/acme/tools__x/a-b--c.d:V1_2.3-x",
            "127.0.0.1:5000/x",
            digest.as_str(),
            "rust:1.95-slim-bookworm",
        ] {
            assert_eq!(image(text), Ok(()), "{text}");
        }
        for text in [
            "",
            " alpine",
            "alpine:",
            "alpine latest",
            "Alpine",
            "alpine:-x",
            "/alpine",
            "alpine/",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "alpine@sha256:12",
            "alpine@md5:x",
            "--privileged",
            "example.org:99999/x",
            "example.org:/x",
            "python:${python}",
            "https://example.org/x",
            "ünïcode",
        ] {
            image(text).expect_err(text);
        }
    }

    #[test]
    fn names() {
        for name in ["build", "test-3.12", "A_b", "_x", "0", &"x".repeat(64)] {
            assert_eq!(job_name(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "-x", "a/b", "a b", "ä", "a#1", "a\n", &"x".repeat(65)] {
            job_name(name).expect_err(name);
        }
        assert_eq!(step_name("unit tests (fast)"), Ok(()));
        for name in ["", "  ", "a\nb", "a\u{1b}[1m", &"x".repeat(101)] {
            step_name(name).expect_err(name);
        }
        for name in ["A", "_x1", "RUST_BACKTRACE", "WINDLASS"] {
            assert_eq!(variable(name), Ok(()), "{name}");
        }
        for name in ["", "1A", "A-B", "A=B", "WINDLASS_SHA", "CI", "Ä", "A B"] {
            variable(name).expect_err(name);
        }
    }
}
