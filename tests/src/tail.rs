//! `windlass logs -f` into a pipe: every line that comes, with how late it comes.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::daemon::windlass;
use crate::numbered::{Numbered, now_ms};
use crate::wait::wait_for;

pub struct Tail {
    child: Child,
    seen: Arc<Mutex<Seen>>,
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Seen {
    pub lines: Numbered,
    pub bytes: u64,
    /// Milliseconds between a line's writing and its being read here, of the newest line each time something came.
    pub lags: Vec<f64>,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
}

impl Tail {
    #[must_use]
    #[track_caller]
    pub fn start(connect: &str, root: &Path, build: u64) -> Self {
        let address = format!("{build}/test");
        let mut command = windlass(root, &["--connect", connect, "logs", "-f", &address]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("windlass can be executed");
        let mut out = child.stdout.take().expect("it was asked for");
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                let now = Instant::now();
                let Ok(mut seen) = shared.lock() else { return };
                seen.lines.push(&buffer[..count]);
                seen.bytes += count as u64;
                let lag = seen.lines.stamp.map(|stamp| now_ms().saturating_sub(stamp) as f64);
                seen.lags.extend(lag);
                seen.first.get_or_insert(now);
                seen.last = Some(now);
            }
        });
        Self { child, seen }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("the reading thread does not panic")
    }

    /// To the end of the log and of the command; how it ended.
    #[track_caller]
    pub fn wait_end(&mut self, within: Duration) -> Option<i32> {
        let child = &mut self.child;
        let status =
            wait_for("windlass logs -f ends", within, || child.try_wait().expect("our child").ok_or("it runs"));
        // Its last bytes are in the pipe still, perhaps.
        wait_for("all of it is read", within, || match Arc::strong_count(&self.seen) {
            1 => Ok(()),
            others => Err(others),
        });
        status.code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
