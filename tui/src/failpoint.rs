//! Named points at which tests make the client panic, to see what becomes of the terminal. In release builds all of this is
//! empty. Must not know what happens at its points.
//!
//! `WINDLASS_PANIC=frame`, or `frame:3`: the first, or third, time that the point is reached.

#[cfg(not(debug_assertions))]
mod inside {
    #[inline(always)]
    pub(crate) fn at(_name: &str) {}
}

#[cfg(debug_assertions)]
mod inside {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    pub(crate) fn at(name: &str) {
        static ARMED: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
        let armed = ARMED.get_or_init(|| {
            let text = std::env::var("WINDLASS_PANIC").ok()?;
            let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
            Some((name.to_owned(), AtomicU32::new(count.parse().unwrap_or(1))))
        });
        let due =
            armed.as_ref().is_some_and(|(armed, left)| armed == name && left.fetch_sub(1, Ordering::Relaxed) == 1);
        assert!(!due, "at the fail point {name}, as a test wished");
    }
}

pub(crate) use inside::at;
