//! Subscriptions to views of logs: windows of only some lines. What is looked for is found piece by piece, and each piece
//! is sent as soon as it is known; while the log grows only what is new is looked at. Must not know how lines are found.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{LineRun, LogHead, LogView, ServerMessage, StepMark, Sub, ViewWindow};
use windlass_protocol::log::LogFrame;

use super::logs::{FRAME, Followed, PAUSE, blocking};
use super::requests::StopOnDrop;
use super::{End, Outbox};
use crate::http::App;
use crate::http::failure::Failure;
use crate::logs::{LogError, LogReader, Look, Pattern, Rows, View};

/// A window may ask for so many kept lines.
const WINDOW_CAP: u32 = 2_000;
const CONTEXT_CAP: u32 = 100;
/// Bytes of log that are looked at before what was found is sent.
const PIECE: u64 = 32 << 20;

pub(super) async fn window(
    app: &App,
    outbox: &Outbox,
    sub: Sub,
    id: &AttemptId,
    wanted: LogView,
    window: ViewWindow,
    turns: &Semaphore,
) -> Result<(), End> {
    let pattern = wanted.pattern.as_deref().map(Pattern::new).transpose();
    let pattern = pattern.map_err(|error| Failure::invalid(error.to_string()))?;
    let context = pattern.as_ref().map_or(0, |_| u64::from(wanted.context.min(CONTEXT_CAP)));
    let view = View { pattern, invert: wanted.invert, context, folds: Vec::new() };
    let mut followed = Followed::new(app, id);
    let mut sent_head: Option<LogHead> = None;
    let mut shown =
        Shown { outbox, sub, window, view, settled: None, have: 0, steps: 0, stop: StopOnDrop::default(), turns };
    loop {
        let attempt = followed.look().await?;
        let head = followed.head(&attempt).await?;
        if sent_head.as_ref() != Some(&head) {
            outbox.say(&ServerMessage::LogHead { sub, head: head.clone() }).await?;
        }
        if !wanted.folded.is_empty() {
            shown.fold(folds(&head.steps, &wanted.folded), &head.steps);
        }
        if let Some(reader) = &followed.reader {
            shown.catch_up(reader, &head).await?;
        } else if head.finished {
            shown.say(Rows::default()).await?;
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

/// What a client was told of a view.
struct Shown<'a> {
    outbox: &'a Outbox,
    sub: Sub,
    window: ViewWindow,
    view: View,
    /// Lines before this do not change any more, and what is kept of them was sent.
    settled: Option<u64>,
    /// How many of those count for the window.
    have: u64,
    /// Steps that had begun.
    steps: usize,
    stop: StopOnDrop,
    /// Of looking through logs, one connection has not many at once.
    turns: &'a Semaphore,
}

impl Shown<'_> {
    /// Takes in what is folded now. That a step began is known a moment later than its first lines: they were taken for the
    /// step's before, and have to be looked at again.
    fn fold(&mut self, folds: Vec<Range<u64>>, steps: &[StepMark]) {
        self.view.folds = folds;
        let new = steps.get(self.steps).map(|step| step.first_line);
        self.steps = steps.len();
        if let (Some(first), Some(settled)) = (new, self.settled) {
            let again = settled.min(first.saturating_sub(self.view.context));
            match self.window {
                ViewWindow::Tail { .. } => self.settled = Some(again),
                ViewWindow::Around { line, .. } => (self.settled, self.have) = (Some(again.min(line)), 0),
            }
        }
    }

    async fn catch_up(&mut self, reader: &Arc<LogReader>, head: &LogHead) -> Result<(), End> {
        // The last line may still become another, and a match that comes may bring lines before it along.
        let certain = if head.finished { head.lines } else { head.lines.saturating_sub(1 + self.view.context) };
        match self.window {
            ViewWindow::Tail { count } => {
                let floor = self.settled.unwrap_or(0);
                self.up(reader, floor, head.lines, count).await?;
                self.settled = Some(certain.max(floor));
            }
            ViewWindow::Around { line, above, below } => {
                let line = line.min(head.lines);
                let below = u64::from(below.min(WINDOW_CAP));
                let mut from = self.settled.unwrap_or(line);
                let first = self.settled.is_none();
                while from < head.lines && self.have < below {
                    let want = below - self.have + (line.saturating_sub(from));
                    let rows = self.look(reader, move |reader, view, stop| {
                        reader.rows_down(view, from, &Look { want, budget: PIECE, stop })
                    });
                    let rows = rows.await?;
                    let settled = certain.clamp(from, rows.to.max(from));
                    self.have += rows.count_from(line) - rows.count_from(line.max(settled));
                    let (to, full) = (rows.to, rows.count() >= want);
                    self.send(reader, rows).await?;
                    self.settled = Some(settled);
                    from = to;
                    if full || settled < to {
                        break;
                    }
                }
                if first {
                    if from == line {
                        self.say(Rows { from: line, to: line, runs: Vec::new() }).await?;
                    }
                    self.up(reader, 0, line, above).await?;
                    // What is above changes too when the view begins at the log's end.
                    let settled = self.settled.unwrap_or(line);
                    self.settled = Some(settled.min(certain.max(line.saturating_sub(1 + self.view.context))));
                }
            }
        }
        Ok(())
    }

    /// The last `count` kept lines before a line, in pieces upwards.
    async fn up(&mut self, reader: &Arc<LogReader>, floor: u64, before: u64, count: u32) -> Result<(), End> {
        let (mut before, mut want) = (before, u64::from(count.min(WINDOW_CAP)));
        while before > floor && want > 0 {
            let rows = self.look(reader, move |reader, view, stop| {
                reader.rows_up(view, floor, before, &Look { want, budget: PIECE, stop })
            });
            let rows = rows.await?;
            before = rows.from;
            want -= rows.count().min(want);
            self.send(reader, rows).await?;
        }
        Ok(())
    }

    async fn look(
        &self,
        reader: &Arc<LogReader>,
        look: impl FnOnce(&LogReader, &View, &AtomicBool) -> Result<Rows, LogError> + Send + 'static,
    ) -> Result<Rows, End> {
        let (reader, view, stop) = (Arc::clone(reader), self.view.clone(), self.stop.flag());
        let _turn = self.turns.acquire().await.expect("it is never closed");
        Ok(blocking(move || look(&reader, &view, &stop)).await?)
    }

    /// The lines, and then that they are all there are.
    async fn send(&self, reader: &Arc<LogReader>, rows: Rows) -> Result<(), End> {
        for run in &rows.runs {
            let mut next = run.start;
            while next < run.end {
                let (reader, count) = (Arc::clone(reader), usize::try_from(run.end - next).unwrap_or(usize::MAX));
                let first = next;
                let lines = blocking(move || reader.lines(first, count, FRAME)).await?;
                if lines.is_empty() {
                    break; // the log was removed meanwhile
                }
                next += lines.len() as u64;
                self.outbox.frame(&LogFrame::Lines { sub: self.sub, first, lines }).await?;
            }
        }
        self.say(rows).await
    }

    async fn say(&self, rows: Rows) -> Result<(), End> {
        let Rows { from, to, runs } = rows;
        let runs = runs.iter().map(|run| LineRun { first: run.start, count: run.end - run.start }).collect();
        Ok(self.outbox.say(&ServerMessage::LogRows { sub: self.sub, from, to, runs }).await?)
    }
}

/// The lines of folded steps: from where each began to where the next did.
fn folds(steps: &[StepMark], folded: &[u16]) -> Vec<Range<u64>> {
    let ends = steps.iter().skip(1).map(|next| next.first_line).chain([u64::MAX]);
    let folds = steps.iter().zip(ends).filter(|(step, _)| folded.contains(&step.step));
    folds.map(|(step, end)| step.first_line..end.max(step.first_line)).filter(|fold| !fold.is_empty()).collect()
}
