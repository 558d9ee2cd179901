//! A terminal that goes away: a connection that broke, a window that was closed. Reading from it yields nothing for ever
//! then, and the library that reads keys turns in circles in it; so the kernel is asked before each reading, and whoever is
//! caught in it all the same is ended from beside. Must not know what the client does.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use tokio::sync::Notify;

/// What the client has for its own, orderly end once the terminal is gone.
const GRACE: Duration = Duration::from_secs(2);
/// As after SIGHUP: there is nobody who could be told more.
const CODE: i32 = 130;

/// The terminal that keys come from.
#[derive(Clone)]
pub(crate) struct Line(Arc<Watched>);

struct Watched {
    source: Source,
    gone: Notify,
}

enum Source {
    Input(io::Stdin),
    Terminal(File),
}

impl Line {
    /// Has the kernel tell once more that something was typed. The library that reads keys is told only once, and forgets it
    /// when the terminal's size changes in the same moment: the key would be read together with the next one. Settings that
    /// are set, to whatever, wake everybody who waits for the terminal.
    pub(crate) fn look_again(&self) {
        let terminal = self.0.source.as_fd();
        if let Ok(settings) = tcgetattr(terminal) {
            let _ = tcsetattr(terminal, SetArg::TCSANOW, &settings); // a key is late, as it would have been
        }
    }

    /// Watches it from a thread of its own, which costs nothing until it goes away.
    pub(crate) fn watched() -> io::Result<Self> {
        let stdin = io::stdin();
        let source = if stdin.is_terminal() { Source::Input(stdin) } else { Source::Terminal(File::open("/dev/tty")?) };
        let line = Self(Arc::new(Watched { source, gone: Notify::new() }));
        let watched = line.clone();
        std::thread::Builder::new().name("hangup".to_owned()).spawn(move || {
            if watched.gone_within(PollTimeout::NONE) {
                watched.0.gone.notify_one();
                std::thread::sleep(GRACE);
                std::process::exit(CODE);
            }
        })?;
        Ok(line)
    }

    /// Waits until it is gone. The thread that reads keys may be turning in circles by then, and wake nobody.
    pub(crate) async fn gone(&self) {
        self.0.gone.notified().await;
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone_within(PollTimeout::ZERO)
    }

    /// Asks for nothing to read, so that only the end is told.
    fn gone_within(&self, time: PollTimeout) -> bool {
        loop {
            let mut asked = [PollFd::new(self.0.source.as_fd(), PollFlags::empty())];
            match poll(&mut asked, time) {
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                // What cannot be asked is left to the signals.
                Err(_) => return false,
                Ok(_) => return asked[0].any().unwrap_or(true),
            }
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Input(stdin) => stdin.as_fd(),
            Self::Terminal(file) => file.as_fd(),
        }
    }
}
