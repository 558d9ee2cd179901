//! The real client on a real pseudo-terminal. Must not know what the client shows.

pub(crate) mod audit;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};

/// What has to be written on every way out: mouse off, ordinary screen, cursor shown.
pub(crate) const RESTORED: [&str; 3] = ["\x1b[?1000l", "\x1b[?1049l", "\x1b[?25h"];

/// Sent, and written nowhere.
pub(crate) const TOKEN: &str = "a-token-for-nobody-else";

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    /// Held open, so that the terminal is there to be looked at when the client has left it.
    _slave: Box<dyn SlavePty + Send>,
    output: Receiver<Vec<u8>>,
    /// What was written since the last look at it that took it away.
    pub(crate) seen: String,
    /// Everything that was ever written.
    pub(crate) raw: Vec<u8>,
    screen: vt100::Parser,
    /// How the terminal was before.
    before: String,
}

impl Client {
    /// A client that was never here before.
    pub(crate) fn start(socket: &Path, rows: u16, columns: u16) -> Self {
        Self::again(socket, rows, columns, &new_state(), &[])
    }

    /// On a terminal that does not control it: no signal tells when that goes away.
    pub(crate) fn start_uncontrolled(socket: &Path, rows: u16, columns: u16) -> Self {
        Self::launch(socket, rows, columns, &new_state(), &[], &[], false)
    }

    /// One that finds what another with the same name for its state has kept.
    pub(crate) fn again(socket: &Path, rows: u16, columns: u16, state: &str, options: &[&str]) -> Self {
        Self::launch(socket, rows, columns, state, options, &[], true)
    }

    /// With more in its environment. `THROUGH` is what a shell does with it: `exec "$0" "$@"` and a redirection.
    pub(crate) fn start_in(socket: &Path, rows: u16, columns: u16, environment: &[(&str, &str)]) -> Self {
        Self::launch(socket, rows, columns, &new_state(), &[], environment, true)
    }

    fn launch(
        socket: &Path,
        rows: u16,
        columns: u16,
        state: &str,
        options: &[&str],
        environment: &[(&str, &str)],
        controlled: bool,
    ) -> Self {
        let pair = native_pty_system().openpty(size(rows, columns)).expect("a pseudo-terminal");
        let before = termios(&*pair.master);
        let client = env!("CARGO_BIN_EXE_windlass");
        let mut command = match environment.iter().find(|(name, _)| *name == "THROUGH") {
            None => CommandBuilder::new(client),
            Some((_, script)) => {
                let mut shell = CommandBuilder::new("/bin/sh");
                shell.args(["-c", *script, client]);
                shell
            }
        };
        for (name, value) in environment {
            command.env(name, value);
        }
        command.arg("--connect");
        command.arg(format!("unix:{}", socket.display()));
        command.args(options);
        command.env("TERM", "xterm-256color");
        command.env("WINDLASS_TOKEN", TOKEN);
        command.env("HOME", socket.parent().expect("a folder"));
        command.env("PAGER", "cat; printf 'in the pager: '; read -r line < /dev/tty; echo \"read $line\"");
        command.set_controlling_tty(controlled);
        command.cwd(socket.parent().expect("a folder"));
        command.env_remove("NO_COLOR");
        command.env("XDG_STATE_HOME", socket.with_file_name(state));
        for variable in ["XDG_CONFIG_HOME", "TMUX", "STY", "TERM_PROGRAM"] {
            command.env_remove(variable);
        }
        let child = pair.slave.spawn_command(command).expect("the client starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("one writer");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            master: pair.master,
            writer,
            _slave: pair.slave,
            output,
            seen: String::new(),
            raw: Vec::new(),
            screen: vt100::Parser::new(rows, columns, 0),
            before,
        }
    }

    /// Waits for the end of a command that never took the terminal over; the exit code.
    pub(crate) fn done(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        let code = loop {
            self.within(Duration::from_millis(5));
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status.exit_code();
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.screen());
        };
        self.until_still();
        assert_eq!(termios(&*self.master), self.before);
        code
    }

    fn take(&mut self, bytes: &[u8]) {
        self.seen.push_str(&String::from_utf8_lossy(bytes));
        self.raw.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits until this was written.
    pub(crate) fn until(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("never written: {text:?} in {:?}", self.seen),
            }
        }
    }

    /// Waits until the screen shows this.
    pub(crate) fn until_shown(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.screen().contains(text) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("never shown: {text:?} on\n{}", self.screen()),
            }
        }
    }

    /// Waits until every cell is as it was.
    pub(crate) fn until_styled(&mut self, wished: &[(String, String)]) {
        let end = Instant::now() + PATIENCE;
        while self.styled() != wished {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("never as it was again:\n{}", self.screen()),
            }
        }
    }

    pub(crate) fn screen(&self) -> String {
        let screen = self.vt();
        screen.rows(0, screen.size().1).map(|row| row.trim_end().to_owned() + "\n").collect()
    }

    /// The terminal that shows it.
    pub(crate) fn vt(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// The screen with its styles, cell by cell.
    pub(crate) fn styled(&self) -> Vec<(String, String)> {
        let screen = self.vt();
        let (rows, columns) = screen.size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let look = |cell: &vt100::Cell| {
            let text = if cell.has_contents() { cell.contents() } else { " " };
            (text.to_owned(), format!("{:?} {:?} {} {}", cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.inverse()))
        };
        cells.filter_map(|(row, column)| screen.cell(row, column)).map(look).collect()
    }

    /// Waits until the kernel says that the process is stopped: a SIGCONT before that would be for nothing.
    pub(crate) fn until_stopped(&self) {
        let pid = self.child.process_id().expect("a process");
        let end = Instant::now() + PATIENCE;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
            if stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return;
            }
            assert!(Instant::now() < end, "never stopped: {stat}");
            std::thread::yield_now();
        }
    }

    /// What is written within a time.
    pub(crate) fn within(&mut self, time: Duration) -> usize {
        let end = Instant::now() + time;
        let mut count = 0;
        loop {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => {
                    count += bytes.len();
                    self.take(&bytes);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return count,
            }
        }
    }

    /// Waits until nothing was written for a while.
    pub(crate) fn until_still(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.within(Duration::from_millis(300)) > 0 {
            assert!(Instant::now() < end, "it never comes to rest:\n{}", self.screen());
        }
    }

    pub(crate) fn type_keys(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).and_then(|()| self.writer.flush()).expect("the client reads");
    }

    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.screen.screen_mut().set_size(rows, columns);
        self.master.resize(size(rows, columns)).expect("the terminal takes a size");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok()).expect("a process");
        kill(Pid::from_raw(pid), signal).expect("our own child");
    }

    /// The terminal is as it was before the client came.
    pub(crate) fn assert_given_back(&mut self) {
        for part in RESTORED {
            self.until(part);
        }
        let end = Instant::now() + PATIENCE;
        while termios(&*self.master) != self.before {
            assert!(Instant::now() < end, "{}\nis not\n{}", termios(&*self.master), self.before);
            std::thread::yield_now();
        }
    }

    /// The client has the terminal for itself.
    pub(crate) fn assert_taken(&self) {
        assert_ne!(termios(&*self.master), self.before);
    }

    /// Waits for its end; the exit code.
    pub(crate) fn ended(&mut self) -> u32 {
        let code = self.child.wait().expect("its status").exit_code();
        self.assert_given_back();
        assert!(!self.screen.screen().alternate_screen() && !self.screen.screen().hide_cursor());
        assert!(!self.screen.screen().bracketed_paste());
        assert_eq!(self.screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        code
    }

    /// Takes the terminal away while the client runs. Its exit code, once it noticed.
    pub(crate) fn unplugged(self) -> u32 {
        let Self { mut child, master, writer, _slave, output, .. } = self;
        drop((master, writer, _slave, output));
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("our own child") {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "it lives on without a terminal");
            std::thread::yield_now();
        }
    }
}

/// The name of a state that nobody has kept yet.
fn new_state() -> String {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    format!("state-{}", STARTED.fetch_add(1, Ordering::Relaxed))
}

fn size(rows: u16, columns: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

/// Every setting of the terminal's line discipline.
fn termios(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().expect("a terminal"))
}
