//! What tools say about places in the source: read from hostile bytes, bounded, and told once. Pure; must not know where
//! reports and lines come from, or where findings are kept.

pub mod command; // lines of a log
mod json; // JSON that need not be what it should
pub mod kept; // how they are kept: compressed, and back
pub mod place; // paths below the job's folder
pub mod sarif; // reports in SARIF

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;

use windlass_protocol::annotation::{AnnotationCounts, Level};

use self::place::Roots;
use crate::event::cut;
use crate::troubles::Troubles;

/// More findings of an attempt are counted and not listed: the worst are.
pub const MOST_KEPT: usize = 1_000;
/// Of those that are not listed, so many are remembered to count none twice.
const MOST_REMEMBERED: usize = 100_000;
/// What is kept of one message.
pub const MOST_MESSAGE: usize = 2_000;
/// What is kept of a path or a title.
const MOST_NAME: usize = 500;
/// What is kept of the name of a rule or a tool.
const MOST_WORD: usize = 200;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// Below the job's folder.
    pub path: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub end_line: Option<u32>,
    pub message: String,
    pub title: Option<String>,
    pub rule: Option<String>,
    pub tool: Option<String>,
    /// The line of the log that says so.
    pub log_line: Option<u64>,
}

/// What was said of one attempt.
#[derive(Debug, Default)]
pub struct Findings {
    pub counts: AnnotationCounts,
    /// Where its job's folder was.
    roots: Roots,
    /// By level.
    kept: [Vec<Finding>; 3],
    known: HashMap<u64, Vec<usize>>,
    /// Of those that are not kept.
    beyond: HashSet<u64>,
    hasher: RandomState,
    troubles: Troubles,
}

impl Findings {
    #[must_use]
    pub fn below(roots: Roots) -> Self {
        Self { roots, ..Self::default() }
    }

    /// Takes all that a report says; of one that is broken nothing, and why.
    pub fn add_sarif(&mut self, path: &str, bytes: &[u8]) {
        let mut of_file = Self::default();
        match sarif::read(bytes, &self.roots, &mut |finding| of_file.add(finding)) {
            Ok(()) => self.take_over(of_file),
            Err(why) => self.trouble(path, &format!("left out: {why}")),
        }
    }

    /// Takes a line of the log, if it says something.
    pub fn add_line(&mut self, number: u64, line: &[u8]) {
        if let Some(finding) = command::read(line, &self.roots) {
            self.add(Finding { log_line: Some(number), ..finding });
        }
    }

    /// Something is not to be had.
    pub fn trouble(&mut self, path: &str, why: &str) {
        self.troubles.tell(&mut self.counts.troubles, path, why);
    }

    fn take_over(&mut self, other: Self) {
        for (at, level) in Level::ALL.into_iter().enumerate() {
            let unlisted = other.counts.clone().count(level).saturating_sub(other.kept[at].len() as u64);
            *self.counts.count(level) += unlisted;
        }
        for finding in other.kept.into_iter().flatten() {
            self.add(finding);
        }
    }

    fn add(&mut self, mut finding: Finding) {
        finding.cut();
        let at = finding.level as usize;
        let key = self.hasher.hash_one((at, &finding.path, finding.line, &finding.message));
        let known = self.known.entry(key).or_default();
        if let Some(same) = known.iter().find(|same| self.kept[at][**same].is_same(&finding)) {
            return self.kept[at][*same].learn(finding);
        }
        if self.kept[at].len() < MOST_KEPT {
            known.push(self.kept[at].len());
            self.kept[at].push(finding);
        } else {
            if known.is_empty() {
                self.known.remove(&key);
            }
            let key = self.hasher.hash_one((key, finding.column));
            if self.beyond.contains(&key) {
                return;
            }
            if self.beyond.len() < MOST_REMEMBERED {
                self.beyond.insert(key);
            }
        }
        let level = Level::ALL[at];
        *self.counts.count(level) += 1;
    }

    /// All is read: what there is, the worst first, and what of it is not listed is told with the rest.
    #[must_use]
    pub fn close(mut self) -> (AnnotationCounts, Vec<Finding>) {
        let mut all: Vec<Finding> = self.kept.into_iter().flatten().collect();
        all.truncate(MOST_KEPT);
        let unlisted = self.counts.total() - all.len() as u64;
        let more = self.troubles.untold();
        if unlisted > 0 {
            self.counts
                .troubles
                .push(format!("{unlisted} annotations are counted and not listed: there are too many of them"));
        }
        if more > 0 {
            self.counts.troubles.push(format!("and {more} more files could not be taken"));
        }
        (self.counts, all)
    }
}

impl Finding {
    fn cut(&mut self) {
        cut(&mut self.message, MOST_MESSAGE);
        for text in [&mut self.path, &mut self.title].into_iter().flatten() {
            cut(text, MOST_NAME);
        }
        for text in [&mut self.rule, &mut self.tool].into_iter().flatten() {
            cut(text, MOST_WORD);
        }
    }

    /// Whether another one, of the same level, says the same: where one knows no column, it counts as the other's.
    fn is_same(&self, other: &Self) -> bool {
        let columns = self.column.is_none() || other.column.is_none() || self.column == other.column;
        columns && self.line == other.line && self.path == other.path && self.message == other.message
    }

    /// What the other one knows beyond this.
    fn learn(&mut self, other: Self) {
        self.column = self.column.or(other.column);
        self.end_line = self.end_line.or(other.end_line);
        self.title = self.title.take().or(other.title);
        self.rule = self.rule.take().or(other.rule);
        self.tool = self.tool.take().or(other.tool);
        self.log_line = self.log_line.or(other.log_line);
    }
}

#[cfg(test)]
mod tests;
