//! What stories about any engine need: plans, a source, and a job that is run from its making to its end.
//! Must not know which engine it is.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use windlass_daemon::engine::{Engine, Exit, FramePosition, Site, Source};
use windlass_daemon::frame::{Body, Frame, Report};
use windlass_daemon::plan::AttemptPlan;

/// Longer than anything here takes, also on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: Exit,
    pub(crate) output: Vec<u8>,
    pub(crate) report: Option<Report>,
}

impl Told {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// How the step that decided ended.
    pub(crate) fn decided(&self) -> windlass_daemon::frame::StepEnd {
        self.report.as_ref().and_then(|report| report.decided_by.clone()).expect("a step decided").1
    }
}

/// Makes and feeds a job.
pub(crate) async fn start(engine: &impl Engine, plan: &AttemptPlan, source: &Source) -> Site {
    let (say, _said) = mpsc::channel(16);
    let site = in_time(engine.create(plan, &say)).await.expect("created").site;
    in_time(engine.feed(plan, &site, source.clone())).await.expect("fed")
}

/// Follows a job from its start to its end.
pub(crate) async fn finish(engine: &impl Engine, plan: &AttemptPlan, site: &Site) -> Told {
    let mut frames = Collector::new(engine, plan, site, FramePosition(0));
    frames.rest().await;
    frames.told(in_time(engine.exited(&plan.id, site)).await.expect("exited"))
}

/// Runs a job from its making to its end, and cleans up.
pub(crate) async fn run(engine: &impl Engine, plan: &AttemptPlan, source: &Source) -> Told {
    let site = start(engine, plan, source).await;
    let told = finish(engine, plan, &site).await;
    in_time(engine.clean(&plan.id)).await.expect("cleaned");
    told
}

/// Takes frames and checks that they come in order and only where they may.
pub(crate) struct Collector {
    frames: windlass_daemon::engine::Frames,
    pub(crate) position: FramePosition,
    pub(crate) last: u64,
    pub(crate) output: Vec<u8>,
    pub(crate) report: Option<Report>,
}

impl Collector {
    pub(crate) fn new(engine: &impl Engine, plan: &AttemptPlan, site: &Site, after: FramePosition) -> Self {
        let frames = engine.frames(&plan.id, site, after);
        Self { frames, position: after, last: 0, output: Vec::new(), report: None }
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let (frame, position) = in_time(self.frames.recv()).await?.expect("a frame");
        assert!(self.last == 0 || frame.seq == self.last + 1, "frame {} after {}", frame.seq, self.last);
        assert!(position > self.position);
        assert!(self.report.is_none(), "nothing follows the report");
        (self.last, self.position) = (frame.seq, position);
        match &frame.body {
            Body::Output { bytes, .. } => self.output.extend_from_slice(bytes),
            Body::Finished { report } => self.report = Some(report.clone()),
            _ => {}
        }
        Some(frame)
    }

    /// Takes frames until the output holds `text`.
    pub(crate) async fn until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.output).contains(text) {
            assert!(self.next().await.is_some(), "{text:?} never came: {}", String::from_utf8_lossy(&self.output));
        }
    }

    pub(crate) async fn rest(&mut self) {
        while self.next().await.is_some() {}
    }

    pub(crate) fn told(self, exit: Exit) -> Told {
        Told { exit, output: self.output, report: self.report }
    }
}

/// With a limit, so that a story that hangs fails instead.
pub(crate) async fn in_time<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, call).await.expect("within two minutes")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
