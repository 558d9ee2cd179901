//! Subscriptions to logs. A window gets the lines it shows and may skip what scrolls by faster than it can be sent; a
//! stream of bytes gets every byte in order. Windows of only some lines: [`super::views`]. Both read files on blocking threads and sleep until the log or the attempt
//! changes.

use std::sync::Arc;
use std::time::Duration;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{LogHead, LogWindow, ServerMessage, StepMark, Sub};
use windlass_protocol::log::{LogFrame, LogLine};
use windlass_protocol::view::Status;

use super::{End, Outbox};
use crate::http::App;
use crate::logs::{LogError, LogReader, LogWatch};
use crate::state::attempt::State;
use crate::store::Attempt;
use crate::wake::Woken;

/// A window may ask for this many lines.
const WINDOW_CAP: u32 = 10_000;
/// One binary frame of lines or bytes.
pub(super) const FRAME: usize = 64 * 1024;
/// Bytes of one long line that a subscription to it sends.
const LINE_AT_ONCE: u64 = 1 << 20;
/// Between two looks at a growing log: 20 pictures a second are enough for an eye.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A log that may not exist yet, with everything that tells of its changes.
pub(super) struct Followed<'a> {
    app: &'a App,
    id: &'a AttemptId,
    woken: Woken,
    watch: LogWatch,
    pub(super) reader: Option<Arc<LogReader>>,
}

impl<'a> Followed<'a> {
    pub(super) fn new(app: &'a App, id: &'a AttemptId) -> Self {
        Self { app, id, woken: app.wake.subscribe(), watch: app.logs.watch(id), reader: None }
    }

    /// The attempt and its log as they are now. Whether it is finished is read before the log: a finished one is whole.
    pub(super) async fn look(&mut self) -> Result<Attempt, End> {
        self.woken.mark_seen();
        self.watch.mark_unchanged();
        let attempt = self.app.store.attempt(self.id).await?;
        if self.reader.is_none() {
            let (logs, id) = (self.app.logs.clone(), self.id.clone());
            match blocking(move || logs.reader(&id)).await {
                Ok(reader) => self.reader = Some(Arc::new(reader)),
                Err(LogError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(attempt)
    }

    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = self.woken.changed() => {}
            () = self.watch.changed() => {}
        }
    }

    pub(super) async fn head(&self, attempt: &Attempt) -> Result<LogHead, End> {
        let finished = attempt.state == State::Finished;
        let Some(reader) = self.reader.clone() else {
            return Ok(LogHead { lines: 0, bytes: 0, seq: 0, finished, steps: Vec::new() });
        };
        let head = blocking(move || Ok::<_, LogError>(reader.head())).await?;
        // As they were written down when they began: the log's own marks would have to be read again each time.
        let begun = (0..).zip(&attempt.steps);
        let steps = begun
            .filter_map(|(step, view)| Some(StepMark { step, name: view.name.clone(), first_line: view.first_line? }))
            .collect();
        Ok(LogHead { lines: head.lines, bytes: head.bytes, seq: head.bytes, finished, steps })
    }
}

pub(super) async fn window(app: &App, outbox: &Outbox, sub: Sub, id: &AttemptId, window: LogWindow) -> Result<(), End> {
    let mut followed = Followed::new(app, id);
    let mut sent_head: Option<LogHead> = None;
    // Lines below this were sent whole and do not change any more.
    let mut sent_to = 0_u64;
    let mut open_length: Option<(u64, u64)> = None;
    loop {
        let attempt = followed.look().await?;
        let head = followed.head(&attempt).await?;
        let (from, to) = match window {
            LogWindow::Range { first, count } => (first, first.saturating_add(u64::from(count.min(WINDOW_CAP)))),
            LogWindow::Tail { count } => (head.lines.saturating_sub(u64::from(count.min(WINDOW_CAP))), head.lines),
        };
        if sent_head.as_ref() != Some(&head) {
            outbox.say(&ServerMessage::LogHead { sub, head: head.clone() }).await?;
        }
        let mut next = from.max(sent_to);
        while next < to.min(head.lines) {
            let Some(reader) = followed.reader.clone() else { break };
            let count = usize::try_from(to.min(head.lines) - next).unwrap_or(usize::MAX);
            let lines = blocking(move || reader.lines(next, count, FRAME)).await?;
            if lines.is_empty() {
                break;
            }
            let after = next + lines.len() as u64;
            let open = lines.last().filter(|line| line.open).map(|line: &LogLine| (after - 1, line.raw_length));
            // An open line is sent again only when it grew.
            if !(lines.len() == 1 && open.is_some() && open == open_length) {
                outbox.frame(&LogFrame::Lines { sub, first: next, lines }).await?;
            }
            open_length = open;
            sent_to = if open.is_some() { after - 1 } else { after };
            next = after;
        }
        let finished = head.finished;
        sent_head = Some(head);
        if finished {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
        followed.changed().await;
    }
}

pub(super) async fn bytes(app: &App, outbox: &Outbox, sub: Sub, id: &AttemptId, from: u64) -> Result<(), End> {
    let mut followed = Followed::new(app, id);
    let mut next = from;
    loop {
        let attempt = followed.look().await?;
        loop {
            let Some(reader) = followed.reader.clone() else { break };
            let bytes = blocking(move || reader.bytes(next, FRAME)).await?;
            if bytes.is_empty() {
                break;
            }
            let offset = next;
            next += bytes.len() as u64;
            outbox.frame(&LogFrame::Bytes { sub, offset, bytes }).await?;
        }
        if attempt.state.status() == Status::Finished {
            let head = followed.head(&attempt).await?;
            outbox.say(&ServerMessage::LogHead { sub, head }).await?;
            return Ok(());
        }
        followed.changed().await;
    }
}

/// One line, of which a window sends only the beginning.
pub(super) async fn line(
    app: &App,
    outbox: &Outbox,
    sub: Sub,
    id: &AttemptId,
    line: u64,
    from: u64,
) -> Result<(), End> {
    let mut followed = Followed::new(app, id);
    let attempt = followed.look().await?;
    let end = from.saturating_add(LINE_AT_ONCE);
    let mut next = from;
    while let Some(reader) = followed.reader.clone().filter(|_| next < end) {
        let most = usize::try_from(end - next).unwrap_or(FRAME).min(FRAME);
        let bytes = blocking(move || reader.line_bytes(line, next, most)).await?;
        if bytes.is_empty() {
            break;
        }
        let offset = next;
        next += bytes.len() as u64;
        outbox.frame(&LogFrame::Bytes { sub, offset, bytes }).await?;
    }
    let head = followed.head(&attempt).await?;
    Ok(outbox.say(&ServerMessage::LogHead { sub, head }).await?)
}

/// Reads files without holding up other tasks.
pub(super) async fn blocking<T, E>(read: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
