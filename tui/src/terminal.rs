//! The terminal: taken over and given back, on every way out. Each restoring step is tried whatever became of the one
//! before. Must not know what is painted.

mod shifting;

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use base64::Engine;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue, style};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use shifting::Shifting;

use crate::exit::Exit;

/// The taken-over terminal. Dropping it gives it back.
pub(crate) struct Terminal {
    inner: ratatui::Terminal<Shifting<Sheet>>,
    sheet: Sheet,
    mouse: bool,
}

/// Collects a frame, so that it goes out as one piece.
#[derive(Clone, Default)]
pub(crate) struct Sheet(Rc<RefCell<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Terminal {
    pub(crate) fn enter(mouse: bool) -> io::Result<Self> {
        restore_when_panicking();
        take_over(mouse).inspect_err(|_| give_back())?;
        let sheet = Sheet::default();
        let size = crossterm::terminal::size().inspect_err(|_| give_back())?;
        let backend = Shifting::new(CrosstermBackend::new(sheet.clone()), size);
        let inner = ratatui::Terminal::new(backend).inspect_err(|_| give_back())?;
        Ok(Self { inner, sheet, mouse })
    }

    /// Paints a frame and writes what changed, in one piece, or nothing.
    pub(crate) fn draw<T>(&mut self, paint: impl FnOnce(&mut Frame<'_>) -> T) -> io::Result<T> {
        let mut out = None;
        self.inner.draw(|frame| out = Some(paint(frame)))?;
        let bytes = std::mem::take(&mut *self.sheet.0.borrow_mut());
        if !bytes.is_empty() {
            let mut whole = Vec::with_capacity(bytes.len() + 16);
            queue!(whole, BeginSynchronizedUpdate)?;
            whole.extend_from_slice(&bytes);
            queue!(whole, EndSynchronizedUpdate)?;
            let mut stdout = io::stdout().lock();
            stdout.write_all(&whole)?;
            stdout.flush()?;
        }
        Ok(out.expect("ratatui calls the painter once"))
    }

    /// The next frame is written whole. Not by `clear`, which asks the terminal where its cursor is and waits.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        let size = self.inner.size()?;
        self.inner.resize(Rect::new(0, 0, size.width, size.height))
    }

    pub(crate) fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on { execute!(io::stdout(), EnableMouseCapture) } else { execute!(io::stdout(), DisableMouseCapture) }
    }

    /// Text for the clipboard of whoever sits in front of the terminal (OSC 52). False: it is longer than terminals take,
    /// and nothing was sent.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<bool> {
        const LONGEST: usize = 75_000;
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        if encoded.len() > LONGEST {
            return Ok(false);
        }
        let mut stdout = io::stdout().lock();
        write!(stdout, "\x1b]52;c;{encoded}\x07")?;
        stdout.flush()?;
        Ok(true)
    }

    /// Bytes that move no cursor and change no cell.
    pub(crate) fn say(&mut self, bytes: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes.as_bytes())?;
        stdout.flush()
    }

    /// Gives the terminal back for a while; [`Terminal::resume`] takes it again.
    pub(crate) fn lend(&mut self) {
        give_back();
    }

    /// Gives the terminal back, stops this process until it is continued, and takes the terminal again.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP)?;
        self.resume()
    }

    /// Somebody else had the terminal: take it again.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        take_over(self.mouse)?;
        self.redraw()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn take_over(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    // Bracketed paste: pasted text must not act as if it were typed keys.
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) }
}

/// Best effort: nothing can be done about a step that fails, and the next one may still work.
fn give_back() {
    let _ = execute!(io::stdout(), EndSynchronizedUpdate);
    let _ = execute!(io::stdout(), DisableMouseCapture);
    let _ = execute!(io::stdout(), DisableBracketedPaste);
    let _ = execute!(io::stdout(), style::ResetColor, style::SetAttribute(style::Attribute::Reset));
    let _ = execute!(io::stdout(), LeaveAlternateScreen);
    let _ = execute!(io::stdout(), cursor::Show);
    let _ = disable_raw_mode();
}

/// A panic's message belongs on the ordinary screen. Whichever thread it was in, all ends: what is left would go on half
/// alive, over a terminal that was given back.
fn restore_when_panicking() {
    const WORDS: &str = "windlass: this is a fault in windlass itself; no build was touched. Please report it with the lines \
                         above; with --record FILE it can be seen again";
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            usual(info);
            let _ = writeln!(io::stderr(), "{WORDS}"); // there is no other place for it
            std::process::exit(Exit::Ours as i32);
        }));
    });
}
