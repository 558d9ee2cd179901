//! What a repository asks for: `.windlass.yml` as text in, plans of jobs out, or every problem at once with its place.
//! The file comes from a stranger: it is bounded in every way. Pure; must not know where the file came from.

mod check; // values understood, names and needs checked
mod raw; // the shape: keys and kinds of values
mod report; // problems with places
mod value; // durations, sizes, names, image references
mod yaml; // text to a tree with places

#[cfg(test)]
mod tests;

use windlass_protocol::problem::Problem;

use self::report::{Pos, Problems};
use crate::plan::{Concurrency, Facts, JobPlan};

/// Where a repository keeps its spec.
pub const FILE: &str = ".windlass.yml";

/// A larger spec is refused unread.
pub const MOST_BYTES: usize = 256 << 10;
pub const MOST_JOBS: usize = 256;
/// In one job, `execute` and `finally` together.
pub const MOST_STEPS: usize = 64;

/// The smallest spec, as hints show it.
const SMALLEST: &str = "image: alpine:3.22\nexecute: echo hello";

/// What a repository asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Never empty. Each job comes after those it needs, otherwise in the order of the file.
    pub jobs: Vec<JobPlan>,
    /// Which builds this one does not run beside: what the spec says, or what holds by default for [`Options::facts`].
    pub concurrency: Option<Concurrency>,
}

/// What a spec cannot say itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether a job without an image is a problem: on every engine but the local one.
    pub image_required: bool,
    /// For jobs that name no timeout.
    pub default_timeout_ms: u64,
    /// What the build is made for: fills in the variables of `concurrency`. `None`: these are only checked.
    pub facts: Option<Facts>,
}

impl Default for Options {
    fn default() -> Self {
        Self { image_required: true, default_timeout_ms: 60 * 60 * 1000, facts: None }
    }
}

/// Reads a spec. `file` is what problems call it.
///
/// # Errors
/// Every problem, in the order of the file: at most 100, and one that counts the rest.
pub fn parse(file: &str, text: &[u8], options: &Options) -> Result<Spec, Vec<Problem>> {
    let start = Pos { line: 1, column: 1 };
    let alone = |at: Pos, message: String, hint: String, text: &str| {
        let mut problems = Problems::new(file, text);
        problems.add_with_hint(at, message, hint);
        Err(problems.into_list())
    };
    if text.len() > MOST_BYTES {
        let message = format!("{} bytes: a spec has at most {MOST_BYTES}", text.len());
        return alone(start, message, "move long scripts into files of the repository".to_owned(), "");
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let good = std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default();
            let message = "this is not UTF-8".to_owned();
            return alone(yaml::position_of(good, good.len()), message, "save the file as UTF-8".to_owned(), good);
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = Problems::new(file, text);
    let spec = match yaml::read(text, &mut problems) {
        Some(root) if root.value == yaml::Value::Null => {
            problems.add_with_hint(start, "the file is empty", smallest());
            None
        }
        Some(root) => raw::take(root, &mut problems).map(|raw| check::check(raw, options, &mut problems)),
        None if problems.is_empty() => {
            problems.add_with_hint(start, "the file is empty", smallest());
            None
        }
        None => None,
    };
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(problems.into_list()),
    }
}

/// The problem of a repository without a spec at the commit that is built.
#[must_use]
pub fn missing() -> Problem {
    Problem {
        file: FILE.to_owned(),
        line: 1,
        column: 1,
        message: "there is no such file in the repository's root at this commit".to_owned(),
        text: String::new(),
        hint: Some(smallest()),
    }
}

fn smallest() -> String {
    format!("the smallest spec is:\n{SMALLEST}")
}
