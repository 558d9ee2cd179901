//! In which order what waits will start, and when: the fair order of the queue, told from how much waits of each repository
//! and priority and from who got a slot last. The database claims by the same rule. Pure; must not know attempts, the
//! database or the clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What waits of one repository at one priority, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub repository: String,
    pub priority: i64,
    pub waiting: u64,
    /// Grows with each slot that any repository gets: the smallest of them got one longest ago.
    pub served: u64,
}

/// The order in which lanes are served, as if nothing else came.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The highest priority first.
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    priority: i64,
    /// What starts before anything of this priority.
    before: u64,
    /// Repositories in the order of their turns, each with what waits of it.
    turns: Vec<(String, u64)>,
    place: BTreeMap<String, usize>,
}

impl Order {
    /// Highest priority first; at the same priority one of each repository, round and round, beginning with the one that
    /// got a slot longest ago.
    #[must_use]
    pub fn of(lanes: &[Lane]) -> Self {
        // Who got a slot longest ago comes first. It changes while higher priorities are worked off.
        let mut turns: Vec<(u64, &str)> = lanes.iter().map(|lane| (lane.served, lane.repository.as_str())).collect();
        turns.sort_unstable();
        turns.dedup_by(|a, b| a.1 == b.1);
        let mut turns: Vec<&str> = turns.into_iter().map(|(_, repository)| repository).collect();
        let mut by_priority: BTreeMap<Reverse<i64>, BTreeMap<&str, u64>> = BTreeMap::new();
        for lane in lanes.iter().filter(|lane| lane.waiting > 0) {
            let level = by_priority.entry(Reverse(lane.priority)).or_default();
            *level.entry(&lane.repository).or_default() += lane.waiting;
        }
        let mut before = 0;
        let mut levels = Vec::with_capacity(by_priority.len());
        for (Reverse(priority), waiting) in by_priority {
            let level: Vec<(String, u64)> = turns
                .iter()
                .filter_map(|repository| waiting.get(repository).map(|many| ((*repository).to_owned(), *many)))
                .collect();
            let place = level.iter().enumerate().map(|(place, (repository, _))| (repository.clone(), place)).collect();
            levels.push(Level { priority, before, turns: level, place });
            before += waiting.values().sum::<u64>();
            // Whoever had most here was served last; who had as much, in the order of their turns.
            turns.sort_by_key(|repository| waiting.get(repository).copied().unwrap_or(0));
        }
        Self { levels }
    }

    /// How many start before the attempt that has `ahead` others of its own repository and priority in front of it. `None`:
    /// its lane is not there, or is shorter.
    #[must_use]
    pub fn position(&self, repository: &str, priority: i64, ahead: u64) -> Option<u64> {
        let level = self.levels.iter().find(|level| level.priority == priority)?;
        let place = *level.place.get(repository)?;
        let mine = level.turns.get(place).map_or(0, |(_, many)| *many);
        if ahead >= mine {
            return None;
        }
        let others = level.turns.iter().enumerate().filter(|(other, _)| *other != place);
        let sooner: u64 = others.map(|(other, (_, many))| (*many).min(ahead + u64::from(other < place))).sum();
        Some(level.before + ahead + sooner)
    }
}

/// In how many milliseconds each of what waits will start, in the order of the queue. `running`: how long what runs will
/// still take; `waiting`: how long what waits will take. `None`, and so everything after it: there is no history to tell.
#[must_use]
pub fn starts(slots: u64, running: &[Option<u64>], waiting: &[Option<u64>]) -> Vec<Option<u64>> {
    let slots = usize::try_from(slots).unwrap_or(usize::MAX);
    let mut free = slots.saturating_sub(running.len());
    // About a slot that nothing is known of, nothing can be told either: it may be free at any time.
    let mut known = slots > 0 && running.iter().all(Option::is_some);
    let mut ends: BinaryHeap<Reverse<u64>> = running.iter().flatten().copied().map(Reverse).collect();
    // More may run than there are slots, when the operator has just lowered the limit.
    for _ in slots..running.len() {
        ends.pop();
    }
    let mut told = Vec::with_capacity(waiting.len());
    for takes in waiting {
        let start = if free > 0 {
            free -= 1;
            Some(0)
        } else if known {
            ends.pop().map(|Reverse(end)| end)
        } else {
            None
        };
        match (start, takes) {
            (Some(start), Some(takes)) => ends.push(Reverse(start.saturating_add(*takes))),
            _ => known = false,
        }
        told.push(start);
    }
    told
}

/// The middle one of some durations; `None` of none.
#[must_use]
pub fn median(durations: &[u64]) -> Option<u64> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests;
