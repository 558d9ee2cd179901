//! The only place that reads the wall clock. Everything pure gets moments as values; durations that decide something come
//! from `tokio::time::Instant`, which does not jump.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use windlass_protocol::time::Timestamp;

/// This moment, by the wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Slower than this is a clock that is being corrected; its moments stay good enough.
const SLEWED: Duration = Duration::from_secs(2);

/// Notices that somebody set the wall clock: what it says, against what really passed.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    wall: Timestamp,
    really: Instant,
}

impl Steady {
    /// From a moment by both clocks on.
    #[must_use]
    pub fn from(wall: Timestamp, really: Instant) -> Self {
        Self { wall, really }
    }

    /// By how many milliseconds the wall clock was set since then, where it was: forward is positive.
    #[must_use]
    pub fn set_by(&self, wall: Timestamp, really: Instant) -> Option<i64> {
        let passed = really.saturating_duration_since(self.really).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let by = wall.0.saturating_sub(self.wall.0).saturating_sub(passed);
        (u128::from(by.unsigned_abs()) > SLEWED.as_millis()).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_goes() {
        const HOUR: i64 = 3_600_000;
        let really = Instant::now();
        let steady = Steady::from(Timestamp(10 * HOUR), really);
        let after =
            |wall: i64, seconds: u64| steady.set_by(Timestamp(10 * HOUR + wall), really + Duration::from_secs(seconds));
        assert_eq!(after(0, 0), None);
        assert_eq!(after(30_000, 30), None);
        assert_eq!(after(31_900, 30), None, "slewed");
        assert_eq!(after(HOUR + 30_000, 30), Some(HOUR));
        assert_eq!(after(30_000 - HOUR, 30), Some(-HOUR));
        assert_eq!(after(0, 3_600), Some(-HOUR), "it stood still");
    }
}
