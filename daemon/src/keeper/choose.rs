//! Which builds, logs and mirrors are to go. Pure: moments and sizes come in, names go out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use windlass_protocol::time::Timestamp;

use crate::config::Retention;
use crate::store::KeptBuild;

#[cfg(test)]
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The builds that retention lets go, oldest first. The newest of each repository and branch stays, and whatever is not
/// finished.
#[must_use]
pub fn builds(all: &[KeptBuild], rules: &Retention, now: Timestamp) -> Vec<u64> {
    let mut newest_first: Vec<&KeptBuild> = all.iter().collect();
    newest_first.sort_unstable_by_key(|build| std::cmp::Reverse(build.number));
    let mut newer: HashMap<(&str, &str), u64> = HashMap::new();
    let mut go = Vec::new();
    for build in newest_first {
        let newer = newer.entry((&build.repository, &build.branch)).or_default();
        let too_many = rules.keep_builds.is_some_and(|most| *newer >= most);
        let age = Duration::from_millis(now.since(build.created_at));
        let too_old = rules.keep_for.is_some_and(|most| age > most);
        if build.finished && *newer > 0 && (too_many || too_old) {
            go.push(build.number);
        }
        *newer += 1;
    }
    go.reverse();
    go
}

/// The newest build of each repository and branch.
#[must_use]
pub fn newest_of_branches(all: &[KeptBuild]) -> HashSet<u64> {
    let mut newest: HashMap<(&str, &str), u64> = HashMap::new();
    for build in all {
        let number = newest.entry((&build.repository, &build.branch)).or_default();
        *number = build.number.max(*number);
    }
    newest.into_values().collect()
}

/// From the front of `sizes` (what is to go first) as many as have to go until the rest fits the budget.
#[must_use]
pub fn over_budget(sizes: &[u64], total: u64, budget: u64) -> usize {
    let mut left = total;
    let mut count = 0;
    for size in sizes {
        if left <= budget {
            break;
        }
        left = left.saturating_sub(*size);
        count += 1;
    }
    count
}

/// Whether the wall clock was set by more than an hour while so much time really passed. Ages mean nothing then.
#[must_use]
pub fn clock_was_set(from: Timestamp, to: Timestamp, really_passed_ms: u64) -> bool {
    let passed = i64::try_from(really_passed_ms).unwrap_or(i64::MAX);
    to.0.saturating_sub(from.0).saturating_sub(passed).unsigned_abs() > 60 * 60 * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000 * DAY as i64);

    fn rules(keep_days: Option<u64>, keep_builds: Option<u64>) -> Retention {
        let keep_for = keep_days.map(|days| Duration::from_millis(days * DAY));
        Retention { keep_for, keep_builds, ..Retention::default() }
    }

    /// A finished build of so many days ago.
    fn build(number: u64, branch: &str, days: i64) -> KeptBuild {
        KeptBuild {
            number,
            repository: "acme/app".to_owned(),
            branch: branch.to_owned(),
            created_at: Timestamp(NOW.0 - days * DAY as i64 - 1),
            finished: true,
        }
    }

    #[test]
    fn by_age() {
        let all = [build(1, "main", 91), build(2, "main", 90), build(3, "main", 89), build(4, "main", 1)];
        assert_eq!(builds(&all, &rules(Some(90), None), NOW), [1, 2]);
        assert!(builds(&all, &rules(None, None), NOW).is_empty(), "without a limit nothing goes");
    }

    #[test]
    fn by_count_of_each_repository_and_branch() {
        let mut all = vec![build(1, "main", 9), build(2, "topic", 8), build(3, "main", 7), build(4, "main", 6)];
        all.push(KeptBuild { repository: "acme/other".to_owned(), ..build(5, "main", 5) });
        assert_eq!(builds(&all, &rules(None, Some(2)), NOW), [1]);
        assert_eq!(builds(&all, &rules(None, Some(1)), NOW), [1, 3]);
    }

    #[test]
    fn the_newest_of_a_branch_stays_however_old() {
        let all = [build(1, "main", 900), build(2, "main", 800), build(3, "topic", 700)];
        assert_eq!(builds(&all, &rules(Some(1), Some(1)), NOW), [1]);
    }

    #[test]
    fn what_is_not_finished_stays() {
        let all = [KeptBuild { finished: false, ..build(1, "main", 900) }, build(2, "main", 800), build(3, "main", 0)];
        assert_eq!(builds(&all, &rules(Some(1), Some(1)), NOW), [2]);
    }

    #[test]
    fn a_clock_that_went_back_removes_nothing() {
        let all = [build(1, "main", -50), build(2, "main", -60)];
        assert!(builds(&all, &rules(Some(1), None), NOW).is_empty());
    }

    #[test]
    fn the_order_in_which_builds_come_does_not_matter() {
        let all = [build(3, "main", 1), build(1, "main", 99), build(2, "main", 98)];
        assert_eq!(builds(&all, &rules(Some(90), None), NOW), [1, 2]);
    }

    #[test]
    fn only_as_many_go_as_have_to() {
        let table = [
            (vec![5, 5, 5], 15, 15, 0),
            (vec![5, 5, 5], 15, 14, 1),
            (vec![5, 5, 5], 15, 10, 1),
            (vec![5, 5, 5], 15, 9, 2),
            (vec![5, 5, 5], 100, 1, 3),
            (vec![], 100, 1, 0),
        ];
        for (sizes, total, budget, expected) in table {
            assert_eq!(over_budget(&sizes, total, budget), expected, "{sizes:?} {total} {budget}");
        }
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_and_one_that_drifts_is_not() {
        let hour = 60 * 60 * 1000;
        let table = [
            (hour, hour as u64, false),
            (2 * hour, 2 * hour as u64 + 60_000, false),
            (3 * hour, hour as u64, true),
            (-hour, hour as u64, true),
            (365 * DAY as i64, hour as u64, true),
        ];
        for (wall, really, expected) in table {
            assert_eq!(clock_was_set(NOW, Timestamp(NOW.0 + wall), really), expected, "{wall} {really}");
        }
    }
}
