//! What builds are made to do: jobs, steps, the bytes they write, how they end. All of it follows from a number, so that
//! the checker can make it again. Must not know daemons.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Passes,
    Fails(i32),
    /// Runs until it is stopped.
    Hangs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Seed and length of what it writes, in two pieces with a pause between them.
    pub pieces: [(u64, usize); 2],
    pub pause_ms: u64,
    pub fate: Fate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub name: String,
    pub needs: Vec<String>,
    pub steps: Vec<Step>,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub jobs: Vec<Job>,
    /// The name of the group whose builds run one at a time.
    pub group: Option<String>,
    /// Its spec has a mistake: nothing of it runs.
    pub broken: bool,
}

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// So many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(usize::try_from(self.below(from.len() as u64)).unwrap_or(0)) }
    }
}

/// The bytes of a piece: anything, with lines here and there.
#[must_use]
pub(super) fn bytes((seed, length): (u64, usize)) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        let next = random.number();
        if next.is_multiple_of(8) {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&next.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[must_use]
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Step {
    fn new(random: &mut Random, fate: Fate) -> Self {
        let mut piece = || {
            let length = match random.below(10) {
                0 => 0,
                1 => 300_000,
                2..5 => 20_000,
                _ => 700,
            };
            (random.number(), usize::try_from(random.below(length + 1)).unwrap_or(0))
        };
        let pieces = [piece(), piece()];
        let pause_ms = [0, 0, 100, 400, 1200][usize::try_from(random.below(5)).unwrap_or(0)];
        Self { pieces, pause_ms, fate }
    }

    /// All that it writes.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| bytes(*piece)).collect()
    }
}

impl Job {
    /// Its steps as far as they run when nobody stops it, and how the last of them ends.
    #[must_use]
    pub fn course(&self) -> (usize, Fate) {
        let end = self.steps.iter().position(|step| step.fate != Fate::Passes);
        end.map_or((self.steps.len(), Fate::Passes), |at| (at + 1, self.steps[at].fate))
    }

    /// The files that its steps write from, in order; they are its artifacts, too.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            for (piece, of) in step.pieces.iter().enumerate() {
                files.push((format!("pieces/{}.{number}.{piece}", self.name), bytes(*of)));
            }
        }
        files
    }

    /// All that it writes when nobody stops it.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        self.steps[..self.course().0].iter().flat_map(Step::output).collect()
    }
}

impl Recipe {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut jobs: Vec<Job> = Vec::new();
        for number in 0..=random.below(4) {
            let needs = jobs.iter().filter(|_| random.percent(45)).map(|job| job.name.clone()).collect::<Vec<_>>();
            let count = 1 + random.below(3);
            let last = match random.below(10) {
                0 | 1 => Fate::Fails(1 + i32::try_from(random.below(100)).unwrap_or(0)),
                2 => Fate::Hangs,
                _ => Fate::Passes,
            };
            let mut steps: Vec<Step> = (0..count).map(|_| Step::new(&mut random, Fate::Passes)).collect();
            if let Some(step) = steps.last_mut() {
                step.fate = last;
            }
            jobs.push(Job { name: format!("j{number}"), needs, steps });
        }
        let group = random.percent(35).then(|| "turns".to_owned());
        Self { jobs, group, broken: random.percent(8) }
    }

    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name == name)
    }

    /// The spec. `note` is the shell command that writes down `$note` of a step.
    #[must_use]
    pub fn spec(&self, image: Option<&str>, note: &str) -> String {
        let mut text = String::new();
        if self.broken {
            return "jobs: { j0: { exekute: [true] } }\n".to_owned();
        }
        if let Some(group) = &self.group {
            let _ = writeln!(text, "concurrency: {group}");
        }
        text += "jobs:\n";
        for job in &self.jobs {
            let _ = writeln!(text, "  {}:", job.name);
            if let Some(image) = image {
                let _ = writeln!(text, "    image: {image}");
            }
            let _ = writeln!(
                text,
                "    needs: [{}]\n    retry: {{ infrastructure: 5 }}\n    reports: {{ junit: report.xml }}\n    artifacts: [{}]\n    execute:",
                job.needs.join(", "),
                job.files().iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>().join(", ")
            );
            for (number, step) in job.steps.iter().enumerate() {
                let _ = writeln!(text, "      - |");
                let mut line = |line: &str| {
                    let _ = writeln!(text, "        {line}");
                };
                let mark = |word: &str| {
                    format!("note=\"$WINDLASS_BUILD/$WINDLASS_JOB#$WINDLASS_ATTEMPT {number} {word}\"; {note}")
                };
                line(&mark("begin"));
                line("echo '<testsuite><testcase name=\"runs\"/></testsuite>' >report.xml");
                line(&format!("cat pieces/{}.{number}.0", job.name));
                if step.pause_ms > 0 {
                    line(&format!("sleep {}.{:03}", step.pause_ms / 1000, step.pause_ms % 1000));
                }
                line(&format!("cat pieces/{}.{number}.1", job.name));
                if step.fate == Fate::Hangs {
                    line("sleep 3600");
                }
                line(&mark("end"));
                if let Fate::Fails(code) = step.fate {
                    line(&format!("exit {code}"));
                }
            }
        }
        text
    }

    /// The files that its steps write from.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.jobs.iter().flat_map(Job::files).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_makes_the_same_build_and_others_make_others() {
        assert_eq!(Recipe::new(7), Recipe::new(7));
        let all: Vec<Recipe> = (0..200).map(Recipe::new).collect();
        assert!(all.iter().any(|recipe| recipe.broken) && all.iter().any(|recipe| recipe.group.is_some()));
        let jobs = || all.iter().flat_map(|recipe| &recipe.jobs);
        for fate in [Fate::Passes, Fate::Hangs] {
            assert!(jobs().any(|job| job.course().1 == fate));
        }
        assert!(jobs().any(|job| matches!(job.course().1, Fate::Fails(1..))));
        assert!(jobs().any(|job| job.needs.len() > 1) && jobs().any(|job| job.output().len() > 300_000));
    }

    #[test]
    fn a_course_ends_with_the_first_step_that_does_not_pass() {
        let step = |fate| Step { pieces: [(1, 3), (2, 5)], pause_ms: 0, fate };
        let steps = vec![step(Fate::Passes), step(Fate::Fails(3)), step(Fate::Passes)];
        let job = Job { name: "j0".to_owned(), needs: Vec::new(), steps };
        assert_eq!(job.course(), (2, Fate::Fails(3)));
        assert_eq!(job.output().len(), 16);
        assert_eq!(bytes((9, 100)), bytes((9, 100)));
    }
}
