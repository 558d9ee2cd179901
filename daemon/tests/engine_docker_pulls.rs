//! Real pulls: the real engine, and a registry of this process. What a policy asks the registry, what is told meanwhile, what
//! is recorded, and whose fault it is when nothing comes.

#[path = "engine_common/host.rs"]
mod host;
#[path = "engine_common/plans.rs"]
mod plans;
#[path = "engine_common/registry.rs"]
mod registry;

use std::time::Duration;

use host::{Host, namespace};
use registry::{Asked, Mood, Registry};
use tokio::sync::mpsc;
use windlass_daemon::engine::{Engine, EngineError, FramePosition, Made, TroubleKind};
use windlass_daemon::frame::Body;
use windlass_daemon::plan::{AttemptPlan, Pull};

/// Longer than anything here takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(120);

struct Story {
    host: Host,
    registry: Registry,
    program: Vec<u8>,
}

impl Story {
    async fn on(host: Host) -> Self {
        let program = std::fs::read("/bin/busybox").expect("busybox-static is installed");
        Self { host, registry: Registry::start().await, program }
    }

    /// A job in this image.
    fn job(&self, name: &str, image: &str, pull: Pull) -> AttemptPlan {
        let mut plan = self.host.plan(name, &["echo from a pulled image"]);
        (plan.job.image, plan.job.pull) = (Some(image.to_owned()), pull);
        plan
    }

    /// Has the registry an image of busybox, made different by `words`; its full name and digest. It goes with the story.
    fn put(&self, name: &str, mood: Mood, words: &str) -> (String, String) {
        let program = [&self.program[..], words.as_bytes()].concat();
        self.registry.put(name, mood, &program, ("windlass.shared", &namespace()))
    }

    /// Makes a container; and what was said of it.
    async fn create(&self, plan: &AttemptPlan) -> (Result<Made, EngineError>, Vec<String>) {
        let (say, mut said) = mpsc::channel(64);
        let made = tokio::time::timeout(LONG, self.host.engine.create(plan, &say)).await.expect("in time");
        drop(say);
        let mut lines = Vec::new();
        while let Some(line) = said.recv().await {
            lines.push(line);
        }
        (made, lines)
    }

    async fn clean(&self, plan: &AttemptPlan) {
        self.host.engine.clean(&plan.id).await.expect("cleaned");
    }

    /// What a job writes that runs to its end.
    async fn output(&self, plan: &AttemptPlan, made: Made) -> String {
        let engine = &self.host.engine;
        let site = engine.feed(plan, &made.site, self.host.source.clone()).await.expect("fed");
        let mut frames = engine.frames(&plan.id, &site, FramePosition(0));
        let mut output = Vec::new();
        while let Some(frame) = tokio::time::timeout(LONG, frames.recv()).await.expect("in time") {
            if let Body::Output { bytes, .. } = frame.expect("a frame").0.body {
                output.extend_from_slice(&bytes);
            }
        }
        String::from_utf8_lossy(&output).into_owned()
    }
}

#[tokio::test]
async fn a_policy_decides_when_the_registry_is_asked() {
    let story = Story::on(Host::new("policy").await).await;
    let (image, first) = story.put("policy", Mood::Good, "first");
    let asked = || story.registry.asked("policy");

    let never = story.job("never", &image, Pull::Never);
    let (made, _) = story.create(&never).await;
    assert!(matches!(&made, Err(EngineError::Refused { what }) if what.contains(&image)), "{made:?}");
    assert_eq!(asked(), Asked::default());
    story.clean(&never).await;

    let missing = story.job("missing", &image, Pull::Missing);
    let (made, said) = story.create(&missing).await;
    let made = made.expect("pulled");
    assert_eq!(made.image_digest.as_deref(), Some(first.as_str()));
    assert_eq!(said.first(), Some(&format!("pulling {image}")));
    assert!(said[1].starts_with(&format!("pulled {image} in ")), "{said:?}");
    assert_eq!(said[2], format!("image {image} is {first}"));
    assert_eq!(story.output(&missing, made).await, "from a pulled image\n");
    story.clean(&missing).await;
    let once = asked();
    assert!(once.manifests > 0 && once.layers == 1, "{once:?}");

    // It is there: nobody is asked.
    for pull in [Pull::Missing, Pull::Never] {
        let again = story.job("again", &image, pull);
        let (made, said) = story.create(&again).await;
        assert_eq!(made.expect("there").image_digest.as_deref(), Some(first.as_str()));
        assert_eq!(said, Vec::<String>::new());
        story.clean(&again).await;
    }
    assert_eq!(asked(), once);

    // The name stands for something else by now, and only one policy notices.
    let (_, second) = story.put("policy", Mood::Good, "second");
    for (pull, digest) in [(Pull::Missing, &first), (Pull::Always, &second), (Pull::Missing, &second)] {
        let later = story.job("later", &image, pull);
        let (made, _) = story.create(&later).await;
        assert_eq!(made.expect("there").image_digest.as_ref(), Some(digest), "{pull:?}");
        story.clean(&later).await;
    }
    assert!(asked().manifests > once.manifests);
    story.host.has_nothing_left().await;
}

#[tokio::test]
async fn two_jobs_share_one_pull_and_are_told_how_far_it_is() {
    let story = Story::on(Host::new("shared").await).await;
    let (alone, _) = story.put("alone", Mood::Good, "alone");
    let single = story.job("alone", &alone, Pull::Missing);
    story.create(&single).await.0.expect("pulled");
    story.clean(&single).await;

    let (image, digest) = story.put("shared", Mood::Gated, "shared");
    let (first, second) = (story.job("first", &image, Pull::Missing), story.job("second", &image, Pull::Missing));
    let engine = &story.host.engine;
    let watch = async {
        // Both wait, and know how much has come; the layer's size is known from its first bytes on.
        let progress = loop {
            match (engine.pulling(&first.id), engine.pulling(&second.id)) {
                (Some(a), Some(b)) if a.bytes > 0 && b.bytes > 0 => break a,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        // A line of the log comes every few seconds; a third job comes when it has been told.
        let third = story.job("third", &image, Pull::Missing);
        let (say, mut said) = mpsc::channel::<String>(64);
        let told = async {
            let mut lines = Vec::new();
            while let Some(line) = said.recv().await {
                let is_progress = line.contains("0 of 1 layers");
                lines.push(line);
                if is_progress {
                    story.registry.open_gate();
                }
            }
            lines
        };
        let create = async {
            let made = engine.create(&third, &say).await;
            drop(say);
            made
        };
        let (made, lines) = tokio::join!(create, told);
        made.expect("pulled");
        story.clean(&third).await;
        (progress, lines)
    };
    let all = async { tokio::join!(story.create(&first), story.create(&second), watch) };
    let ((a, a_said), (b, b_said), (progress, lines)) = tokio::time::timeout(LONG, all).await.expect("in time");
    assert_eq!(progress.image, image);
    assert_eq!((progress.layers, progress.layers_done), (1, 0));
    assert!(progress.bytes < progress.total_bytes, "{progress:?}");
    for made in [a, b] {
        assert_eq!(made.expect("pulled").image_digest.as_ref(), Some(&digest));
    }
    let mut began = [&a_said, &b_said, &lines].map(|said| said[0].clone());
    began.sort();
    let together = format!("pulling {image}, together with another job");
    assert_eq!(began, [format!("pulling {image}"), together.clone(), together]);
    assert!(a_said.iter().chain(&lines).any(|line| line.contains("0 of 1 layers")), "{a_said:?} {lines:?}");
    // One pull asks the registry as much as any single one does.
    assert_eq!(story.registry.asked("shared"), story.registry.asked("alone"));
    for plan in [&first, &second] {
        assert_eq!(engine.pulling(&plan.id), None);
        story.clean(plan).await;
    }
    story.host.has_nothing_left().await;
}

#[tokio::test]
async fn whose_fault_it_is_that_nothing_comes() {
    let host = Host::with("fault", |settings| settings.deadlines.pull_stalled = Duration::from_secs(2)).await;
    let story = Story::on(host).await;
    for (name, mood, kind, words) in [
        ("unauthorized", Mood::Unauthorized, None, "log the engine in there"),
        ("unknown", Mood::Unknown, None, "check its name and tag"),
        ("faulty", Mood::Faulty, Some(TroubleKind::Registry), "could not be pulled just now"),
        ("hangs", Mood::Hangs, Some(TroubleKind::Late), "shows no progress any more"),
    ] {
        let (image, _) = story.put(name, mood, name);
        let plan = story.job(name, &image, Pull::Missing);
        let (made, said) = story.create(&plan).await;
        let error = made.expect_err("nothing comes");
        assert_eq!((error.trouble_kind(), error.is_infrastructure()), (kind, kind.is_some()), "{name}: {error:?}");
        assert!(error.to_string().contains(words) && error.to_string().contains(&image), "{name}: {error}");
        assert_eq!(said, [format!("pulling {image}")]);
        assert!(story.registry.asked(name).manifests > 0, "{name}: the registry was asked");
        story.clean(&plan).await;
    }
    story.host.has_nothing_left().await;
}
