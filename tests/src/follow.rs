//! A log as a client sees it that follows it, across the deaths of the daemon. Must not know what is in it.

use sha2::{Digest as _, Sha256};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, ServerMessage, Topic};
use windlass_protocol::log::LogFrame;

use crate::daemon::Daemon;
use crate::live::{Live, Told};
use crate::wait::LONG;

/// What was seen so far; every byte once and in order, or the story fails.
pub struct Follower {
    log: AttemptId,
    pub seen: Vec<u8>,
    finished: bool,
}

impl Follower {
    #[must_use]
    pub fn new(build: u64, job: &str) -> Self {
        let log = AttemptId { build, job: job.to_owned(), attempt: 1 };
        Self { log, seen: Vec::new(), finished: false }
    }

    /// Follows until so many bytes were seen, or the log is finished.
    #[track_caller]
    pub fn until_bytes(&mut self, daemon: &Daemon, count: usize) {
        while self.seen.len() < count && !self.finished {
            self.one_connection(daemon, count);
        }
    }

    /// Follows to the end of the log.
    #[track_caller]
    pub fn to_end(&mut self, daemon: &Daemon) {
        self.until_bytes(daemon, usize::MAX);
    }

    #[track_caller]
    fn one_connection(&mut self, daemon: &Daemon, count: usize) {
        let mut live = Live::unix(daemon);
        live.hello();
        let topic = Topic::LogBytes { log: self.log.clone(), from: self.seen.len() as u64 };
        live.say(&ClientMessage::Subscribe { sub: 1, topic, after: None });
        while self.seen.len() < count {
            match live.next(LONG) {
                Some(Told::Log(LogFrame::Bytes { offset, bytes, .. })) => {
                    assert_eq!(offset, self.seen.len() as u64, "in order, none left out, none twice");
                    self.seen.extend_from_slice(&bytes);
                }
                Some(Told::Message(message)) => match *message {
                    ServerMessage::LogHead { head, .. } if head.finished => {
                        self.finished = true;
                        return;
                    }
                    ServerMessage::Ended { .. } => return,
                    _ => {}
                },
                Some(Told::Log(_)) => {}
                Some(Told::Closed) => return,
                None => panic!("nothing comes any more; {} bytes were seen", self.seen.len()),
            }
        }
    }
}

/// In hexadecimal, as `windlass show` tells it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
