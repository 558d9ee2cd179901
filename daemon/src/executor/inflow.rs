//! What comes from a runner: its frames, taken up again where they broke off, and the one frame that could not be written
//! yet, for the disk is full. Until it is, no other is taken: the file, or the engine, is the buffer. Must not know what
//! frames mean.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{EngineError, FramePosition, Frames};
use crate::frame::Frame;

/// Before frames that broke off are asked for again, and before a frame is tried to be written again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Inflow {
    frames: Option<Frames>,
    again_at: Option<Instant>,
    held: Option<(Frame, FramePosition)>,
    write_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Came {
    Frame(Frame, FramePosition),
    /// They cannot be read any further.
    Garbled {
        at: u64,
        why: String,
    },
    /// The disk, the engine, a lack of file handles: what is there is still there in a moment, and will be asked for.
    BrokeOff(EngineError),
    /// Nothing more comes.
    End,
}

impl Inflow {
    pub(super) fn of(frames: Frames) -> Self {
        Self { frames: Some(frames), ..Self::default() }
    }

    /// Whether something may still come.
    pub(super) fn is_open(&self) -> bool {
        self.frames.is_some() || self.again_at.is_some() || self.held.is_some()
    }

    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Whatever else comes is not wanted.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    /// Gives a frame back that could not be written: it comes again before any other.
    pub(super) fn hold(&mut self, frame: Frame, position: FramePosition) {
        self.held = Some((frame, position));
        self.write_at = Some(Instant::now() + AGAIN);
    }

    /// What comes next. `open` asks for the frames anew. Nothing is lost when this is dropped half-way.
    pub(super) async fn next(&mut self, open: impl Fn() -> Frames) -> Came {
        loop {
            if self.held.is_some() {
                until(self.write_at).await;
                self.write_at = None;
            }
            if let Some((frame, position)) = self.held.take() {
                return Came::Frame(frame, position);
            }
            if let Some(frames) = &mut self.frames {
                match frames.recv().await {
                    Some(Ok((frame, position))) => return Came::Frame(frame, position),
                    Some(Err(EngineError::Garbled { at, why })) => {
                        self.close();
                        return Came::Garbled { at, why };
                    }
                    Some(Err(error)) => {
                        self.frames = None;
                        self.again_at = Some(Instant::now() + AGAIN);
                        return Came::BrokeOff(error);
                    }
                    None => {
                        self.frames = None;
                        return Came::End;
                    }
                }
            }
            if self.again_at.is_none() {
                return std::future::pending().await;
            }
            until(self.again_at).await;
            self.again_at = None;
            self.frames = Some(open());
        }
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::frame::Body;

    type Item = Result<(Frame, FramePosition), EngineError>;

    fn frames(items: Vec<Item>) -> Frames {
        let (sender, frames) = mpsc::channel(items.len().max(1));
        for item in items {
            sender.try_send(item).expect("there is room");
        }
        frames
    }

    fn frame(seq: u64) -> Item {
        Ok((Frame { seq, at: 0, body: Body::Ready }, FramePosition(seq)))
    }

    #[tokio::test(start_paused = true)]
    async fn what_broke_off_goes_on_and_what_is_held_comes_first() {
        let gone = || Err(EngineError::Gone { handle: "x".to_owned() });
        let mut inflow = Inflow::of(frames(vec![frame(1), gone()]));
        let again = || frames(vec![frame(2)]);
        let Came::Frame(first, position) = inflow.next(again).await else { panic!("a frame") };
        inflow.hold(first, position);
        assert!(inflow.is_open() && inflow.holds());
        assert!(matches!(inflow.next(again).await, Came::Frame(Frame { seq: 1, .. }, _)));
        assert!(!inflow.holds());
        assert!(matches!(inflow.next(again).await, Came::BrokeOff(_)));
        assert!(inflow.is_open());
        assert!(matches!(inflow.next(again).await, Came::Frame(Frame { seq: 2, .. }, _)));
        assert!(matches!(inflow.next(again).await, Came::End));
        assert!(!inflow.is_open());
    }

    #[tokio::test]
    async fn unreadable_frames_are_the_last() {
        let garbled = Err(EngineError::Garbled { at: 7, why: "no frame".to_owned() });
        let mut inflow = Inflow::of(frames(vec![garbled, frame(1)]));
        assert!(matches!(inflow.next(|| frames(vec![])).await, Came::Garbled { at: 7, .. }));
        assert!(!inflow.is_open());
    }
}
