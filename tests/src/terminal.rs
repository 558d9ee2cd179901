//! The real client in a pseudo-terminal: what it paints, what it writes when nothing happens, what it leaves behind.
//! Must not know the client's screens.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::wait::{SHORT, wait_for};

static STARTED: AtomicU32 = AtomicU32::new(0);

pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    watched: Arc<Watched>,
}

struct Watched {
    shown: Mutex<Shown>,
    /// Something came, or nothing comes any more.
    changed: Condvar,
}

/// What has come out of the program so far.
struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
    /// When the newest of it was read.
    at: Instant,
    /// Frames that came whole, and when the newest of them did.
    frames: usize,
    framed: Instant,
    /// Between the two ends of a synchronized update: the screen is half of one picture and half of another.
    painting: bool,
}

const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

impl Shown {
    fn take(&mut self, bytes: &[u8], at: Instant) {
        // A mark may have come in two pieces.
        let from = self.raw.len().saturating_sub(FRAME_ENDS.len() - 1);
        self.raw.extend_from_slice(bytes);
        self.at = at;
        for window in self.raw[from..].windows(FRAME_ENDS.len()) {
            if window == FRAME_BEGINS {
                self.painting = true;
            } else if window == FRAME_ENDS {
                (self.painting, self.framed) = (false, at);
                self.frames += 1;
            }
        }
        self.parser.process(bytes);
    }
}

impl Terminal {
    /// Starts a program whose only terminal this is.
    #[must_use]
    #[track_caller]
    pub fn start(program: &Path, arguments: &[&str], home: &Path, rows: u16, columns: u16) -> Self {
        Self::start_with(program, arguments, home, rows, columns, &[])
    }

    #[must_use]
    #[track_caller]
    pub fn start_with(
        program: &Path,
        arguments: &[&str],
        home: &Path,
        rows: u16,
        columns: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(size(rows, columns)).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")] {
            command.env(name, value);
        }
        command.env("HOME", home);
        // Nothing is found again of what another one left.
        let state = format!("state-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        command.env("XDG_STATE_HOME", home.join(state));
        for (name, value) in environment {
            command.env(name, value);
        }
        command.cwd(home);
        let child = pair.slave.spawn_command(command).expect("the program can be executed");
        drop(pair.slave); // so that reading ends when the program does
        let reader = pair.master.try_clone_reader().expect("a second handle");
        let writer = Arc::new(Mutex::new(pair.master.take_writer().expect("the only writer")));
        let now = Instant::now();
        let parser = vt100::Parser::new(rows, columns, 0);
        let shown = Shown { parser, raw: Vec::new(), ended: false, at: now, frames: 0, framed: now, painting: false };
        let watched = Arc::new(Watched { shown: Mutex::new(shown), changed: Condvar::new() });
        let (into, answers) = (Arc::clone(&watched), Arc::clone(&writer));
        std::thread::spawn(move || listen(reader, &into, &answers));
        Self { master: pair.master, writer, child, watched }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.watched.shown.lock().expect("the reading thread does not panic")
    }

    /// Waits until `look` finds something on what came, looking at whole pictures only. Woken by what comes, so that
    /// milliseconds can be told: the moment is the one at which that was read.
    #[track_caller]
    fn wait<T>(&self, what: &str, within: Duration, mut look: impl FnMut(&Shown) -> Option<T>) -> (T, Instant) {
        let end = Instant::now() + within;
        let mut shown = self.shown();
        loop {
            if !shown.painting
                && let Some(found) = look(&shown)
            {
                return (found, shown.at);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || shown.ended {
                let (screen, ended) = (shown.parser.screen().contents(), shown.ended);
                drop(shown);
                panic!("{what}: not within {within:?} (ended: {ended}); the screen:\n{screen}");
            }
            let woken = self.watched.changed.wait_timeout(shown, left);
            shown = woken.expect("the reading thread does not panic").0;
        }
    }

    /// Waits until the screen shows what is looked for; what was found, and the moment at which it was there.
    #[track_caller]
    pub fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&vt100::Screen) -> Option<T>,
    ) -> (T, Instant) {
        self.wait(what, within, |shown| look(shown.parser.screen()))
    }

    /// Types, and says how long it took until the screen showed all of these words.
    #[track_caller]
    pub fn time_words(&self, keys: &str, within: Duration, words: &[&str]) -> Duration {
        let start = Instant::now();
        self.keys(keys);
        let all = |screen: &vt100::Screen| {
            let screen = screen.contents();
            words.iter().all(|word| screen.contains(word)).then_some(())
        };
        let ((), at) = self.until(&format!("{words:?} on the screen"), within, all);
        at.saturating_duration_since(start)
    }

    /// Types, and says how long it took until the next whole frame was there. For a program that has come to rest.
    #[track_caller]
    pub fn time_frame(&self, keys: &str) -> Duration {
        let before = self.shown().frames;
        let start = Instant::now();
        self.keys(keys);
        let next = |shown: &Shown| (shown.frames > before).then_some(shown.framed);
        let (at, _) = self.wait("the next frame", SHORT, next);
        at.saturating_duration_since(start)
    }

    /// The screen as text, a line per row.
    #[must_use]
    pub fn screen(&self) -> String {
        self.shown().parser.screen().contents()
    }

    /// The same, unless the program is in the middle of a frame: terminals do not show that either.
    #[must_use]
    pub fn whole_screen(&self) -> Option<String> {
        let shown = self.shown();
        let last = |mark: &[u8]| shown.raw.windows(mark.len()).rposition(|window| window == mark);
        let whole = last(b"\x1b[?2026h") <= last(b"\x1b[?2026l");
        whole.then(|| shown.parser.screen().contents())
    }

    /// Bytes that the program wrote until now.
    #[must_use]
    pub fn written(&self) -> usize {
        self.shown().raw.len()
    }

    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        self.shown().raw.clone()
    }

    /// What is not as a shell expects it: alternate screen, hidden cursor, mouse reports, bracketed paste. Empty is good.
    #[must_use]
    pub fn left_behind(&self) -> Vec<&'static str> {
        let shown = self.shown();
        let screen = shown.parser.screen();
        let mouse = screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
        [
            (screen.alternate_screen(), "the alternate screen"),
            (screen.hide_cursor(), "a hidden cursor"),
            (mouse, "mouse reports"),
            (screen.bracketed_paste(), "bracketed paste"),
        ]
        .into_iter()
        .filter_map(|(left, what)| left.then_some(what))
        .collect()
    }

    #[track_caller]
    pub fn keys(&self, keys: &str) {
        let mut writer = self.writer.lock().expect("nobody panics while writing");
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("the terminal takes keys");
    }

    #[track_caller]
    pub fn resize(&self, rows: u16, columns: u16) {
        self.shown().parser.screen_mut().set_size(rows, columns);
        self.master.resize(size(rows, columns)).expect("the terminal can be resized");
    }

    /// Waits until the screen shows all of these words.
    #[track_caller]
    pub fn wait_words(&self, words: &[&str]) {
        wait_for(&format!("{words:?} on the screen"), SHORT, || {
            let screen = self.screen();
            if words.iter().all(|word| screen.contains(word)) { Ok(()) } else { Err(Lines(screen)) }
        });
    }

    /// Waits until nothing was written for a while: the program has come to rest. Returns how much it has written.
    #[track_caller]
    pub fn wait_still(&self, quiet: Duration) -> usize {
        let mut last = (self.written(), Instant::now());
        wait_for("the program comes to rest", SHORT, || {
            let now = self.written();
            if now != last.0 {
                last = (now, Instant::now());
            }
            if last.1.elapsed() >= quiet { Ok(now) } else { Err(now) }
        })
    }

    #[track_caller]
    pub fn assert_runs(&mut self) {
        let ended = self.child.try_wait().expect("our own child");
        assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.screen());
    }

    /// Waits for the program's end and for everything it wrote; its exit code.
    #[track_caller]
    pub fn wait_end(&mut self) -> u32 {
        let (child, watched) = (&mut self.child, &self.watched);
        wait_for("the program ends", SHORT, || {
            let shown = watched.shown.lock().expect("the reading thread does not panic");
            let state = || Lines(shown.parser.screen().contents());
            let ended = child.try_wait().expect("our own child").ok_or_else(state)?;
            if shown.ended { Ok(ended.exit_code()) } else { Err(state()) }
        })
    }

    #[must_use]
    #[track_caller]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.process_id().and_then(|pid| i32::try_from(pid).ok()).expect("it runs"))
    }

    /// Asks it to end as the system does.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("our own child");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shown in failures as the lines they are.
struct Lines(String);

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// Answers the two questions that programs ask a terminal at their start, as an ordinary terminal does.
fn listen(mut reader: Box<dyn Read + Send>, watched: &Watched, answers: &Mutex<Box<dyn Write + Send>>) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = reader.read(&mut buffer).unwrap_or(0); // an error is how a pseudo-terminal says that it was closed
        let (bytes, now) = (&buffer[..count], Instant::now());
        let Ok(mut shown) = watched.shown.lock() else { return };
        if count == 0 {
            shown.ended = true;
        } else {
            shown.take(bytes, now);
        }
        drop(shown);
        watched.changed.notify_all();
        if count == 0 {
            return;
        }
        let asks = |question: &[u8]| bytes.windows(question.len()).any(|window| window == question);
        if let Ok(mut answers) = answers.lock() {
            if asks(b"\x1b[c") {
                let _ = answers.write_all(b"\x1b[?62;22c");
            }
            if asks(b"\x1b[6n") {
                let _ = answers.write_all(b"\x1b[1;1R");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Terminal {
        Terminal::start(Path::new("/bin/sh"), &["-c", script], Path::new("/"), 10, 40)
    }

    #[test]
    fn shows_types_and_sees_the_end() {
        let mut terminal = shell("printf 'name? '; read name; echo hello $name; exit 3");
        terminal.wait_words(&["name?"]);
        terminal.assert_runs();
        terminal.keys("ada\n");
        assert_eq!(terminal.wait_end(), 3);
        assert!(terminal.screen().contains("hello ada"));
        assert_eq!(terminal.left_behind(), Vec::<&str>::new());
    }

    #[test]
    fn half_a_frame_is_no_screen() {
        let mut terminal = shell("printf 'one\\033[?2026htwo'; read line; printf 'three\\033[?2026l'");
        terminal.wait_words(&["onetwo"]);
        assert_eq!(terminal.whole_screen(), None);
        terminal.keys("\n");
        terminal.wait_end();
        assert!(terminal.whole_screen().is_some_and(|screen| screen.contains("three")));
    }

    #[test]
    fn tells_what_was_left_behind() {
        let mut terminal = shell("printf '\\033[?1049h\\033[?25l\\033[?1000h\\033[?2004h'");
        terminal.wait_end();
        let left = ["the alternate screen", "a hidden cursor", "mouse reports", "bracketed paste"];
        assert_eq!(terminal.left_behind(), left);
    }

    #[test]
    fn frames_are_told_when_they_are_whole() {
        let script = r"stty -echo; printf '\033[?2026h\033[2Jone\033[?2026l'; read word; printf '\033[?20'; \
            printf '26h\033[2J\033[Htwo half'; read word; printf ' whole\033[?2026l'; read word";
        let terminal = shell(script);
        terminal.until("a whole frame", SHORT, |screen| screen.contents().contains("one").then_some(()));
        terminal.keys("\n");
        terminal.wait_words(&["two half"]);
        let half = terminal.shown().painting;
        assert!(half, "it is being painted");
        let took = terminal.time_words("\n", SHORT, &["two half whole"]);
        assert!(took < SHORT);
        let shown = terminal.shown();
        assert_eq!((shown.frames, shown.painting), (2, false));
    }

    #[test]
    #[should_panic(expected = "the moon: not within")]
    fn what_does_not_come_is_told_with_the_screen() {
        let terminal = shell("echo only stars; read word");
        terminal.until("the moon", Duration::from_millis(5), |_| None::<()>);
    }

    #[test]
    fn resizing_reaches_the_program() {
        let mut terminal = shell("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done");
        terminal.wait_words(&["ready"]);
        terminal.resize(7, 31);
        terminal.wait_end();
        assert!(terminal.screen().contains("7 31"), "{}", terminal.screen());
    }
}
