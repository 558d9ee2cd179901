//! What happens inside of a container: the real runner, or frames that are played as a script says. Must not know the API.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use windlass_daemon::frame::{Body, Frame, How, Report, StepEnd, text};
use windlass_daemon::plan::Transport;
use windlass_daemon::plan::feed::{encode_plan, read_plan};

use super::engine::Engine;

#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Takes plan and source whole.
    Feed,
    Frame(Body),
    /// Skips a number, as if a frame were lost.
    Gap,
    /// Everything so far once more: engines repeat log entries.
    Repeat,
    /// What is no frame.
    Bytes(&'static [u8]),
    /// A frame of which only the first bytes were written.
    HalfFrame,
    /// Until the story lets it go on.
    Gate,
    /// Until KILL comes.
    Kill,
    OutOfMemory,
    Exit(i64),
    /// The real runner, from here to its end.
    Runner,
    /// Goes on for ever, whatever signals come.
    Undying,
}

pub(crate) fn ready() -> Act {
    Act::Frame(Body::Ready)
}

pub(crate) fn output(text: &str) -> Act {
    Act::Frame(Body::Output { step: 0, bytes: text.as_bytes().to_vec() })
}

pub(crate) fn started() -> Act {
    Act::Frame(Body::StepStarted { step: 0 })
}

fn end(how: How) -> StepEnd {
    StepEnd { how, duration_ms: 1, out_of_memory: false }
}

pub(crate) fn ended(code: i32) -> Act {
    Act::Frame(Body::StepEnded { step: 0, end: end(How::Exited(code)) })
}

/// The last word of a runner whose steps wrote `output`.
pub(crate) fn report(code: i32, output: &str) -> Act {
    use sha2::Digest as _;
    let report = Report {
        decided_by: (code != 0).then(|| (0, end(How::Exited(code)))),
        cancelled: false,
        output_sha256: hex::encode(sha2::Sha256::digest(output)),
        output_bytes: output.len() as u64,
        peak_memory_bytes: None,
    };
    Act::Frame(Body::Finished { report })
}

/// A job of one step that writes `hello`, and ends with 0.
pub(crate) fn good_day() -> Vec<Act> {
    vec![Act::Feed, ready(), started(), output("hello\n"), ended(0), report(0, "hello\n"), Act::Exit(0)]
}

/// What a container's first process writes to.
#[derive(Debug, Clone)]
pub(crate) enum Outlet {
    File(PathBuf),
    Log,
}

/// Plays a container from its start to its end.
pub(crate) async fn play(engine: Engine, id: String, acts: Vec<Act>, outlet: Outlet) {
    let mut player = Player { engine, id, outlet, seq: 0, written: Vec::new() };
    for act in acts {
        player.act(act).await;
    }
}

struct Player {
    engine: Engine,
    id: String,
    outlet: Outlet,
    seq: u64,
    /// All so far.
    written: Vec<u8>,
}

impl Player {
    async fn act(&mut self, act: Act) {
        match act {
            Act::Feed => self.engine.until(&self.id, |container| container.input_closed).await,
            Act::Frame(body) => {
                self.seq += 1;
                self.frame(body);
            }
            Act::Gap => self.seq += 1,
            Act::Repeat => {
                let again = self.written.clone();
                self.put(&again);
            }
            Act::Bytes(bytes) => self.put(bytes),
            Act::HalfFrame => {
                let mut bytes = Vec::new();
                Frame { seq: self.seq + 1, at: 1, body: Body::Notice { text: "cut".to_owned() } }
                    .encode_into(&mut bytes);
                bytes.truncate(bytes.len() - 2);
                self.put(&bytes);
            }
            Act::Gate => self.engine.gate().await,
            Act::Kill => {
                let killed = |signals: &[String]| signals.iter().any(|signal| signal == "SIGKILL");
                self.engine.until(&self.id, move |container| killed(&container.signals)).await;
            }
            Act::OutOfMemory => self.engine.change(&self.id, |container| container.out_of_memory = true),
            Act::Exit(code) => self.engine.change(&self.id, |container| container.exited = Some(code)),
            Act::Runner => self.run().await,
            Act::Undying => std::future::pending().await,
        }
    }

    fn frame(&mut self, body: Body) {
        let mut bytes = Vec::new();
        Frame { seq: self.seq, at: 1, body }.encode_into(&mut bytes);
        if let Outlet::Log = self.outlet {
            let mut line = Vec::new();
            text::encode_line(&bytes, &mut line);
            bytes = line;
        }
        self.put(&bytes);
        self.written.extend_from_slice(&bytes);
    }

    fn put(&self, bytes: &[u8]) {
        match &self.outlet {
            Outlet::File(path) => {
                let mut file = std::fs::File::options().append(true).open(path).expect("the frame file is there");
                file.write_all(bytes).expect("written");
            }
            Outlet::Log => self.engine.change(&self.id, |container| container.log.extend_from_slice(bytes)),
        }
    }

    /// The real runner; its plan says where things are on this host instead of in a container.
    async fn run(&mut self) {
        self.engine.until(&self.id, |container| container.input_closed).await;
        let home = tempfile::tempdir().expect("a temporary folder");
        let fed = self.engine.take_input(&self.id);
        let mut rest = &fed[..];
        let mut plan = read_plan(&mut rest).expect("a plan comes first");
        plan.workspace = home.path().join("workspace").display().to_string();
        if let Outlet::File(path) = &self.outlet {
            plan.transport = Transport::File(path.display().to_string());
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_windlassd"))
            .arg("runner")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the runner starts");
        let mut input = child.stdin.take().expect("piped");
        let mut output = child.stdout.take().expect("piped");
        let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a process' number"));
        let feed = async {
            input.write_all(&encode_plan(&plan).expect("a plan")).await.expect("taken");
            input.write_all(rest).await.expect("taken");
            drop(input);
        };
        let listen = async {
            let mut bytes = Vec::new();
            while output.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                self.put(&bytes);
                bytes.clear();
            }
        };
        let signals = async {
            for heard in 0.. {
                self.engine.until(&self.id, move |container| container.signals.len() > heard).await;
                let signals = self.engine.container(&self.id).map(|container| container.signals).unwrap_or_default();
                let signal = signals.get(heard).and_then(|name| name.parse::<Signal>().ok());
                // It may have ended by itself meanwhile.
                let _ = kill(pid, signal.unwrap_or(Signal::SIGTERM));
            }
        };
        let ((), (), status) = tokio::select! {
            ended = async { tokio::join!(feed, listen, child.wait()) } => ended,
            () = signals => unreachable!("signals are waited for without end"),
        };
        let code = status.expect("it ended").code().unwrap_or(137);
        self.engine.change(&self.id, |container| container.exited = Some(i64::from(code)));
    }
}
