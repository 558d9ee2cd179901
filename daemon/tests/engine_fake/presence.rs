//! Whether an engine answers is known without a job that tries: its going is noticed, and its return.

use tempfile::TempDir;
use windlass_daemon::engine::local::LocalSettings;
use windlass_daemon::engine::{Away, Choice, Engines};

use super::engine::Engine;
use super::faults::{Call, Fault, Rule, always};
use super::story::{settings, until};

struct Host {
    _home: TempDir,
    fake: Engine,
    engines: Engines,
}

impl Host {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let fake = Engine::new(&home.path().join("engine.sock"), &[], &[], &[], &[]);
        fake.open();
        let local = LocalSettings { executable: home.path().join("none"), jobs: home.path().join("local") };
        let engines = Engines::connect(Choice::Auto, settings(home.path()), local).await.expect("it answers");
        assert_eq!((engines.away(), engines.note()), (None, None));
        Self { _home: home, fake, engines }
    }

    /// Until it is known to be away.
    async fn away(&self) -> Away {
        until(async || self.engines.away().is_some()).await;
        self.engines.away().expect("just now it was")
    }

    async fn back(&self) {
        until(async || self.engines.away().is_none()).await;
    }
}

#[tokio::test]
async fn an_engine_that_goes_is_noticed_and_so_is_its_return() {
    let gone = async {
        let host = Host::new().await;
        host.fake.shut().await;
        // Whoever asks it something and gets no answer has the watch look soon.
        assert!(host.engines.view().await.trouble.is_some());
        let first = host.away().await;
        assert_eq!(first.engine, "docker");
        assert!(first.why.contains("asking whether it is there"), "{}", first.why);
        host.fake.open();
        host.back().await;
        host.fake.shut().await;
        assert!(host.engines.view().await.trouble.is_some() || host.engines.away().is_some());
        let again = host.away().await;
        assert!(again.since > first.since, "it was back in between");
    };
    let silent = async {
        let host = Host::new().await;
        host.fake.hurt(always(Call::Ping, Fault::Hang));
        assert!(host.engines.view().await.trouble.is_some());
        let away = host.away().await;
        assert!(away.why.contains("no answer within"), "{}", away.why);
        // As long as it does not answer, it is away since then.
        let asked = host.fake.count(Call::Ping);
        until(async || host.fake.count(Call::Ping) > asked + 2).await;
        assert_eq!(host.engines.away().map(|away| away.since), Some(away.since));
        host.fake.heal();
        host.back().await;
    };
    let unasked = async {
        // Nobody has a reason to look; the watch does.
        let host = Host::new().await;
        host.fake.shut().await;
        host.away().await;
    };
    let stumbles = async {
        let host = Host::new().await;
        let asked = host.fake.count(Call::Ping);
        // The view's fails, which has the watch look soon; the watch's fails, too; its next one does not.
        host.fake.hurt(Rule { from: asked + 1, times: 2, ..always(Call::Ping, Fault::ResetAtOnce) });
        assert!(host.engines.view().await.trouble.is_some());
        until(async || {
            assert_eq!(host.engines.away(), None, "one ping that fails is not an engine that is away");
            host.fake.count(Call::Ping) > asked + 3
        })
        .await;
    };
    tokio::join!(gone, silent, unasked, stumbles);
}
