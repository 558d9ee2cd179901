//! Where steps write down that they ran, out of the daemon's sight: a file that processes of this host append to, or a
//! port of this host that containers reach over their bridge. Must not know what is written.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Engine;
use crate::cleanup::docker;
use crate::wait::{SHORT, wait_for};

/// The bridge that jobs are on.
const NETWORK: &str = "windlass";

pub(super) struct Writing {
    file: PathBuf,
    port: Option<Port>,
}

struct Port {
    address: String,
    stop: Arc<AtomicBool>,
}

impl Writing {
    /// The daemon has to run: the network that containers reach us over is of its making.
    #[track_caller]
    pub(super) fn open(engine: Engine, root: &Path) -> Self {
        let file = root.join("steps");
        std::fs::write(&file, "").expect("a new file");
        let port = (engine == Engine::Docker).then(|| Port::open(&file));
        Self { file, port }
    }

    /// The shell command that writes `$note` down, in one piece. It must not fail unseen: a step that could not write
    /// fails, and is found by how it ended.
    pub(super) fn command(&self) -> String {
        match &self.port {
            None => format!("printf '%s\\n' \"$note\" >>{}", self.file.display()),
            Some(port) => {
                let (host, number) = port.address.rsplit_once(':').expect("an address has a port");
                format!("test \"$(printf '%s\\n' \"$note\" | nc -w 20 {host} {number})\" = noted || exit 99")
            }
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).expect("our own file");
        text.lines().map(str::to_owned).collect()
    }
}

impl Port {
    #[track_caller]
    fn open(file: &Path) -> Self {
        let gateway = wait_for("the jobs' network has a gateway", SHORT, || {
            let told = docker(&["network", "inspect", NETWORK, "--format", "{{(index .IPAM.Config 0).Gateway}}"]);
            told.trim().parse::<Ipv4Addr>().map_err(|_| told)
        });
        let listener = TcpListener::bind((gateway, 0)).expect("a port on the bridge");
        let address = listener.local_addr().expect("its address").to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let (file, ended) = (file.to_owned(), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let file = file.clone();
                std::thread::spawn(move || take(stream, &file));
            }
        });
        Self { address, stop }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address); // so that it looks
    }
}

/// One line, written down before it is answered. Whoever breaks off is not noted.
fn take(mut stream: TcpStream, file: &Path) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") {
        match stream.read(&mut byte) {
            Ok(1) => line.push(byte[0]),
            _ => return,
        }
    }
    let written = std::fs::File::options().append(true).open(file).and_then(|mut file| file.write_all(&line));
    if written.is_ok() {
        let _ = stream.write_all(b"noted\n");
    }
}
