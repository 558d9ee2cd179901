//! What could not be taken of what a stranger sent: a sentence each, told once and not without end. Pure; must not know what it
//! was.

use std::collections::BTreeSet;

use crate::event::clean;

/// More are counted and not told.
pub const MOST: usize = 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    told: BTreeSet<String>,
    all: u64,
}

impl Troubles {
    /// Puts the sentence behind those of `list`, unless it was told or there are too many.
    pub fn tell(&mut self, list: &mut Vec<String>, path: &str, why: &str) {
        let words = format!("{}: {}", clean(path, 200), clean(why, 300));
        if self.told.contains(&words) {
            return;
        }
        self.all += 1;
        if self.told.len() < MOST {
            self.told.insert(words.clone());
            list.push(words);
        }
    }

    /// How many were not told, for there were too many.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.all - self.told.len() as u64
    }
}
