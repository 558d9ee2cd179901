//! Waiting for a condition: the only place in the stories that sleeps. Must not know what is waited for.

use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, Instant};

/// For what takes a moment.
pub const SHORT: Duration = Duration::from_secs(20);

/// For what takes a build, on a machine that does much else.
pub const LONG: Duration = Duration::from_secs(120);

/// Looks again and again until `look` gives a value; panics with what it said last when `within` has passed.
#[track_caller]
pub fn wait_for<T, S: Debug>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, S>) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        let state = match look() {
            Ok(value) => return value,
            Err(state) => state,
        };
        assert!(start.elapsed() < within, "{what}: not after {within:?}; the last that was seen: {state:#?}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Looks again and again until `look` says yes or `within` has passed; whether it did.
pub fn came_true(within: Duration, mut look: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if look() {
            return true;
        }
        let left = within.saturating_sub(start.elapsed());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(left.min(pause));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Waits for the file that a job leaves.
#[track_caller]
pub fn wait_for_file(path: &Path) {
    wait_for(&format!("{} exists", path.display()), LONG, || if path.exists() { Ok(()) } else { Err("not yet") });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_until_it_finds() {
        let mut looks = 0;
        let found = wait_for("three looks", SHORT, || {
            looks += 1;
            if looks == 3 { Ok("found") } else { Err(looks) }
        });
        assert_eq!((found, looks), ("found", 3));
    }

    #[test]
    fn what_does_not_come_true_is_no_panic() {
        let mut looks = 0;
        assert!(came_true(SHORT, || {
            looks += 1;
            looks == 3
        }));
        assert!(!came_true(Duration::from_millis(7), || false));
    }

    #[test]
    #[should_panic(expected = "the moon: not after 5ms; the last that was seen: \"only stars\"")]
    fn tells_what_it_saw_last() {
        wait_for("the moon", Duration::from_millis(5), || Err::<(), _>("only stars"));
    }
}
