//! The signals that end, stop or wake the client. Must not know what is done about them.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

pub(crate) struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    stop: Signal,
    resume: Signal,
}

pub(crate) enum Woken {
    End(Exit),
    /// Ctrl-C of a terminal that is not ours to read.
    Interrupt,
    Stop,
    Continued,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let by_number = |number: nix::sys::signal::Signal| signal(SignalKind::from_raw(number as i32));
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: by_number(nix::sys::signal::Signal::SIGTSTP)?,
            resume: by_number(nix::sys::signal::Signal::SIGCONT)?,
        })
    }

    pub(crate) async fn next(&mut self) -> Woken {
        tokio::select! {
            _ = self.terminate.recv() => Woken::End(Exit::Interrupted),
            _ = self.hangup.recv() => Woken::End(Exit::Interrupted),
            _ = self.interrupt.recv() => Woken::Interrupt,
            _ = self.stop.recv() => Woken::Stop,
            _ = self.resume.recv() => Woken::Continued,
        }
    }
}
