//! What builds are found by, in memory: a key that is typed into a filter cannot wait until a database has read every build
//! there is. Filled when something is first looked for. Must not know how builds are shown.
//!
//! None of it ever changes for a build. What is made or removed after it was read is told: one daemon has the database.

use std::sync::{Mutex, PoisonError};

use memchr::memmem;
use sqlx::FromRow;

use super::{Store, StoreError, sql};

#[derive(Debug, Default)]
pub(super) struct Found {
    known: tokio::sync::Mutex<Known>,
    made: Mutex<Made>,
}

/// The words of all builds in a row, in small letters.
#[derive(Debug, Default)]
struct Known {
    text: Vec<u8>,
    /// Number, and where its words end.
    builds: Vec<(i64, usize)>,
}

/// What happened since something was last looked for.
#[derive(Debug, Default)]
struct Made {
    /// Somebody looks for something now and then; otherwise nothing has to be told.
    wanted: bool,
    numbers: Vec<i64>,
    removed: bool,
}

/// So many builds made without anything being looked for: nobody does any more.
const FORGOTTEN: usize = 1_000;

#[derive(FromRow)]
struct WordsRow {
    number: i64,
    words: String,
}

impl Found {
    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After it was committed.
    pub(super) fn build_made(&self, number: i64) {
        let mut made = self.made();
        if made.wanted {
            made.numbers.push(number);
        }
        if made.numbers.len() > FORGOTTEN {
            *made = Made { removed: true, ..Made::default() };
        }
    }

    /// After it was committed.
    pub(super) fn builds_removed(&self) {
        self.made().removed = true;
    }
}

impl Store {
    /// Numbers of the builds that these words are found in, the newest first.
    pub(super) async fn find(&self, words: &str) -> Result<Vec<i64>, StoreError> {
        let mut known = self.found.known.lock().await;
        let since = std::mem::replace(&mut *self.found.made(), Made { wanted: true, ..Made::default() });
        let newest = known.builds.last().map_or(0, |(number, _)| *number);
        let missed = |number: &i64| {
            *number <= newest && known.builds.binary_search_by_key(number, |(number, _)| *number).is_err()
        };
        if since.removed || since.numbers.iter().any(missed) {
            *known = Known::default();
        }
        let newest = known.builds.last().map_or(0, |(number, _)| *number);
        let rows: Vec<WordsRow> = sqlx::query_as(sql!("build_words"))
            .bind(newest)
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("build_words"))?;
        for row in rows {
            known.text.extend_from_slice(row.words.to_lowercase().as_bytes());
            let end = known.text.len();
            known.builds.push((row.number, end));
        }
        Ok(known.search(&words.to_lowercase()))
    }
}

impl Known {
    /// The first two words in any order, the rest after one another.
    fn search(&self, words: &str) -> Vec<i64> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        let Some(first) = words.first() else {
            return self.builds.iter().rev().map(|(number, _)| *number).collect();
        };
        let finder = memmem::Finder::new(first);
        let (mut found, mut at, mut build) = (Vec::new(), 0, 0);
        while let Some(hit) = finder.find(&self.text[at..]) {
            let hit = at + hit;
            build += self.builds[build..].partition_point(|(_, end)| *end <= hit);
            let (number, end) = self.builds[build];
            let start = build.checked_sub(1).map_or(0, |before| self.builds[before].1);
            let text = &self.text[start..end];
            // A hit that begins in one build's words and ends in the next one's is none.
            let whole = memmem::find(text, first).is_some();
            let second = words.get(1).is_none_or(|word| memmem::find(text, word).is_some());
            if whole && second && in_order(text, words.get(2..).unwrap_or_default()) {
                found.push(number);
            }
            at = end;
        }
        found.reverse();
        found
    }
}

fn in_order(mut text: &[u8], words: &[&[u8]]) -> bool {
    words.iter().all(|word| {
        let Some(hit) = memmem::find(text, word) else { return false };
        text = &text[hit + word.len()..];
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(words: &[&str]) -> Known {
        let mut known = Known::default();
        for (number, words) in (1..).zip(words) {
            known.text.extend_from_slice(words.as_bytes());
            known.builds.push((number, known.text.len()));
        }
        known
    }

    #[test]
    fn words_are_found_in_one_build_each() {
        let known = known(&["ab cd", "", "cd ef", "abab cdx", "x y z"]);
        let table: [(&str, &[i64]); 12] = [
            ("", &[5, 4, 3, 2, 1]),
            ("ab", &[4, 1]),
            ("cd ab", &[4, 1]),
            ("dcd", &[]), // the end of one and the beginning of another
            ("dxx", &[]),
            ("ef", &[3]),
            ("x", &[5, 4]),
            ("y x", &[5]),
            ("x y z", &[5]),
            ("y z x", &[5]),
            ("x y z z", &[]),
            ("nowhere", &[]),
        ];
        for (words, expected) in table {
            assert_eq!(known.search(words), expected, "{words:?}");
        }
    }
}
