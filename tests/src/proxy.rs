//! A way to a Unix socket that can be blocked or cut: how a story plays an engine that hangs or is gone. Must not know what
//! goes through it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Taken and kept until the way is open again: the other side looks as if it hung.
    Blocked,
    /// Connections are cut, and new ones as soon as they are made: the other side looks as if it were gone.
    Cut,
}

pub struct Proxy {
    pub socket: PathBuf,
    state: Arc<State>,
}

struct State {
    way: Mutex<Way>,
    changed: Condvar,
    open: Mutex<Vec<UnixStream>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens at `socket` and passes everything on to `to`.
    #[must_use]
    pub fn start(socket: &Path, to: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a new socket");
        let state = Arc::new(State { way: Mutex::new(Way::Open), changed: Condvar::new(), open: Mutex::default() });
        let (shared, to) = (Arc::clone(&state), to.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if *lock(&shared.way) == Way::Cut {
                    continue; // dropped
                }
                let Ok(far) = UnixStream::connect(&to) else { continue };
                let copy = |stream: &UnixStream| stream.try_clone().expect("a second handle");
                lock(&shared.open).extend([copy(&near), copy(&far)]);
                for (from, into) in [(copy(&near), copy(&far)), (far, near)] {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.carry(from, into));
                }
            }
        });
        Self { socket: socket.to_owned(), state }
    }

    pub fn set(&self, way: Way) {
        *lock(&self.state.way) = way;
        self.state.changed.notify_all();
        if way == Way::Cut {
            for stream in lock(&self.state.open).drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl State {
    fn carry(&self, mut from: UnixStream, mut into: UnixStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = from.read(&mut buffer) {
            let way = lock(&self.way);
            let way = self.changed.wait_while(way, |way| *way == Way::Blocked).unwrap_or_else(PoisonError::into_inner);
            drop(way);
            if count == 0 || into.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Half-closed, as it was: the other direction may have more to say.
        let _ = into.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{SHORT, wait_for};

    #[test]
    fn passes_holds_and_cuts() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (near, far) = (home.path().join("near"), home.path().join("far"));
        let listener = UnixListener::bind(&far).expect("bound");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        let proxy = Proxy::start(&near, &far);
        let mut stream = UnixStream::connect(&near).expect("connected");
        let mut answer = [0];
        stream.write_all(b"a").expect("written");
        stream.read_exact(&mut answer).expect("echoed");
        proxy.set(Way::Blocked);
        stream.write_all(b"b").expect("written");
        stream.set_nonblocking(true).expect("changed");
        assert!(stream.read(&mut answer).is_err(), "nothing comes while it is blocked");
        stream.set_nonblocking(false).expect("changed");
        proxy.set(Way::Open);
        stream.read_exact(&mut answer).expect("echoed after all");
        assert_eq!(&answer, b"b");
        proxy.set(Way::Cut);
        wait_for("the end of the connection", SHORT, || match stream.read(&mut answer) {
            Ok(0) | Err(_) => Ok(()),
            Ok(_) => Err("a byte"),
        });
    }
}
