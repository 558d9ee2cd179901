//! The only place that reads the wall clock. Everything pure gets moments as values; durations that decide something come
//! from `tokio::time::Instant`, which does not jump.

use std::time::{SystemTime, UNIX_EPOCH};

use windlass_protocol::time::Timestamp;

/// This moment, by the wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
