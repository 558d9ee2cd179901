//! The views beside the plain lists: the job graph, details, repositories, nodes. Painted from what a daemon said over a real
//! socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use driver::scene::SIZES;
use fake::NOW;
use windlass_protocol::live::Request;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{DeliveryState, DeliveryView, Outcome, Pause, Status};
use windlass_tui::keymap::Key::{Char, Enter, Esc};
use windlass_tui::state::digest::Digest;
use windlass_tui::state::{Page, State, View};

fn at_every_size(driver: &mut Driver, name: &str) {
    for (size, look) in driver.looks() {
        insta::assert_snapshot!(format!("{name}_{size}"), look);
    }
    insta::assert_snapshot!(format!("{name}_for_other_eyes"), driver.look_for_other_eyes());
}

/// Twelve jobs in four layers: some passed, one failed, one runs, the rest waits or was skipped.
fn pipeline(driver: &Driver) -> u64 {
    driver.fake.change(|world| {
        world.now = Timestamp(NOW.0 - 700_000);
        let number = world.push(
            "acme/app",
            "main",
            "Twelve jobs",
            &[
                ("fetch", &[], &["git"]),
                ("lint", &[], &["clippy"]),
                ("format", &[], &["fmt"]),
                ("build linux", &["fetch"], &["cargo build"]),
                ("build mac", &["fetch"], &["cargo build"]),
                ("unit", &["build linux", "lint"], &["nextest"]),
                ("end to end", &["build linux", "build mac"], &["stories"]),
                ("fuzz", &["build linux"], &["fuzz"]),
                ("bench", &["build mac"], &["criterion"]),
                ("docs", &["format"], &["rustdoc"]),
                ("package", &["unit", "end to end", "fetch"], &["tar"]),
                ("release", &["package", "docs"], &["upload"]),
            ],
        );
        for (name, seconds) in [("fetch", 4), ("lint", 61), ("format", 2), ("build linux", 95), ("build mac", 130)] {
            world.start_step(number, name, 0);
            world.now.0 += seconds * 1_000;
            world.end_step(number, name, 0, 0);
            world.end_job(number, name, Outcome::Passed, "");
        }
        world.start_step(number, "unit", 0);
        for line in 0..30 {
            world.write(number, "unit", format!("test number {line} ... ok\n"));
        }
        world.write(number, "unit", "\x1b[31merror\x1b[0m: assertion `left == right` failed\n  left: 1\n right: 2\n");
        world.now.0 += 12_000;
        world.end_step(number, "unit", 0, 101);
        world.end_job(number, "unit", Outcome::Failed, "step nextest ended with exit code 101");
        world.end_job(number, "package", Outcome::Skipped, "needs unit, which failed");
        world.end_job(number, "release", Outcome::Skipped, "needs package, which was skipped");
        world.start_step(number, "end to end", 0);
        world.now = NOW;
        number
    })
}

async fn opened(size: (u16, u16)) -> Driver {
    let mut driver = Driver::start(size);
    pipeline(&driver);
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(1).is_some_and(|page| page.view.is_some())).await;
    driver
}

fn selected(state: &State) -> String {
    match state.pages.last() {
        Some(Page::Build(page)) => page.job().map(|job| job.name.clone()).unwrap_or_default(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn the_jobs_as_a_graph() {
    let mut driver = opened(SIZES[1]).await;
    driver.press(&[Char('D')]);
    assert_eq!(selected(&driver.state), "unit", "a build opens on what went wrong with it");
    at_every_size(&mut driver, "graph");
    insta::assert_snapshot!("graph_ascii", driver.ascii_screen());
    // Along the lines, and up and down within a layer.
    let walk = [
        ("h", "lint"),
        ("k", "fetch"),
        ("l", "build linux"),
        ("j", "build mac"),
        ("l", "end to end"),
        ("h", "build linux"),
    ];
    for (key, to) in walk {
        driver.type_text(key);
        assert_eq!(selected(&driver.state), to, "{key}");
    }
    driver.press(&[Char('g'), Char('e')]);
    assert_eq!(selected(&driver.state), "unit");
    driver.press(&[Enter]);
    assert!(matches!(driver.state.pages.last(), Some(Page::Log(log)) if log.id.job == "unit"));
    driver.press(&[Esc]);
    assert!(driver.screen().contains("graph") || driver.screen().contains("D list"), "{}", driver.screen());
    driver.press(&[Esc]);
    assert!(matches!(driver.state.pages.last(), Some(Page::Build(page)) if page.picture.is_none()));
}

#[tokio::test]
async fn a_large_graph_scrolls_with_the_selected_job() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let names: Vec<String> = (0..60).map(|job| format!("job {job}")).collect();
        let needs: Vec<Vec<&str>> =
            (0..60).map(|job: usize| if job < 30 { vec![] } else { vec![names[job - 30].as_str()] }).collect();
        let jobs: Vec<(&str, &[&str], &[&str])> = names
            .iter()
            .zip(&needs)
            .map(|(name, needs)| (name.as_str(), needs.as_slice(), &["go"] as &[&str]))
            .collect();
        world.push("acme/app", "main", "Sixty jobs", &jobs);
    });
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(1).is_some_and(|page| page.view.is_some())).await;
    driver.press(&[Char('D'), Char('G')]);
    let screen = driver.screen();
    assert!(screen.contains("▸ job 59") && screen.contains("more above") && !screen.contains("more below"), "{screen}");
    driver.press(&[Char('g')]);
    let screen = driver.screen();
    assert!(screen.contains("job 30") && screen.contains("more below") && !screen.contains("more above"), "{screen}");
}

#[tokio::test]
async fn details_show_attempts_side_by_side_and_the_last_errors() {
    let mut driver = opened(SIZES[1]).await;
    driver.fake.change(|world| {
        let digests = ["sha256:1111111111111111", "sha256:2222222222222222"];
        let job = world.job(1, "unit");
        job.attempts[0].image_digest = Some(digests[0].to_owned());
        let mut second = job.attempts[0].clone();
        (second.number, second.image_digest) = (2, Some(digests[1].to_owned()));
        (second.status, second.outcome, second.finished_at) = (Status::Running, None, None);
        (second.reason, second.exit_code) = (None, None);
        second.because = Some("asked for by ann".to_owned());
        second.started_at = Some(Timestamp(NOW.0 - 5_000));
        second.log = Default::default();
        (job.status, job.outcome, job.reason) = (Status::Running, None, None);
        job.attempts.push(second);
        world.touch(1);
    });
    driver.press(&[Char('d')]);
    let told = |state: &State| {
        let page = state.build_page(1);
        page.is_some_and(|page| {
            page.job().is_some_and(|job| job.attempts.len() == 2)
                && page.digests.values().any(|digest| matches!(digest, Digest::Lines(lines) if !lines.is_empty()))
        })
    };
    driver.until("the errors", told).await;
    at_every_size(&mut driver, "details");
    let asked = |world: &mut fake::World| {
        world.looked_up.iter().filter(|request| matches!(request, Request::Excerpt { .. })).count()
    };
    assert_eq!(driver.fake.change(asked), 1, "the errors of an attempt that ended are asked for once");
    driver.press(&[Char('d')]);
    assert!(driver.state.layout().details.is_none());
}

/// Many builds of three repositories: one fails now and then, one is paused, one never built, one is not listed any more.
fn history(driver: &Driver) {
    driver.fake.change(|world| {
        world.listed = vec!["acme/app".to_owned(), "acme/new".to_owned(), "octo/site".to_owned()];
        for round in 0..45_u32 {
            for (repository, every) in [("acme/app", 4), ("octo/site", 9), ("old/tool", 3)] {
                world.now = Timestamp(NOW.0 - 4_000_000 + i64::from(round) * 60_000);
                let branch = if round % 5 == 0 { "next" } else { "main" };
                let number = world.push(repository, branch, "Work on it", &[("test", &[], &["go"])]);
                world.start_step(number, "test", 0);
                world.now.0 += 10_000 + i64::from(round % 7) * 9_000;
                let failed = round % every == every - 1;
                world.end_step(number, "test", 0, i32::from(failed));
                let (outcome, reason) =
                    if failed { (Outcome::Failed, "step go ended with exit code 1") } else { (Outcome::Passed, "") };
                world.end_job(number, "test", outcome, reason);
            }
        }
        world.now = NOW;
        let number = world.push("acme/app", "main", "The newest", &[("test", &[], &["go"])]);
        world.start_step(number, "test", 0);
        let reason = Some("the registry moves".to_owned());
        let repository = Some("octo/site".to_owned());
        world.pauses.push(Pause { repository, by: "ann".to_owned(), since: Timestamp(NOW.0 - 90_000), reason });
    });
}

#[tokio::test]
async fn the_queue_is_filtered_as_one_types() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        for (repository, branch, title) in
            [("acme/app", "main", "Parse"), ("octo/site", "topic", "Paint"), ("octo/site", "main", "Print")]
        {
            world.push(repository, branch, title, &[("build", &[], &["make"]), ("test", &["build"], &["go"])]);
        }
        world.start_step(1, "build", 0);
    });
    driver.until("the list", |state| state.builds.total() == 3).await;
    driver.press(&[Char('2')]);
    driver.until("the queue", |state| state.queue_len() == 6).await;
    driver.press(&[Char('j'), Char('j'), Char('j'), Char('/')]);
    driver.type_text("site test");
    insta::assert_snapshot!("queue_filtered", driver.screen());
    assert_eq!(driver.state.queue_len(), 2);
    // The filter stays while the queue changes, and so does the selected job; keys speak of what is shown.
    driver.press(&[Enter, Char('G')]);
    let last = driver.state.queued_job().map(|job| job.id.clone()).expect("a job of the filter");
    assert_eq!((last.build, last.job.as_str()), (3, "test"));
    driver.fake.change(|world| {
        world.push("octo/site", "main", "Later", &[("test", &[], &["go"])]);
    });
    driver.until("the new job", |state| state.queue_len() == 3).await;
    assert_eq!(driver.state.queued_job().map(|job| &job.id), Some(&last));
    driver.press(&[Char('x')]);
    assert!(driver.screen().contains("3/test"), "{}", driver.screen());
    driver.press(&[Esc, Char('/')]);
    driver.type_text(" nothing like it");
    assert!(driver.screen().contains("no job fits the filter"), "{}", driver.screen());
    driver.press(&[Esc]);
    assert_eq!(driver.state.queue_len(), 7);
}

#[tokio::test]
async fn repositories_and_their_results() {
    let mut driver = Driver::start(SIZES[1]);
    history(&driver);
    driver.until("the list", |state| state.builds.total() == 136).await;
    driver.press(&[Char('4')]);
    driver.until("the repositories", |state| state.overview.repositories.is_some()).await;
    at_every_size(&mut driver, "repositories");
    insta::assert_snapshot!("repositories_ascii", driver.ascii_screen());
    driver.press(&[Char('j'), Char('/')]);
    driver.type_text("ac");
    insta::assert_snapshot!("repositories_filtered", driver.screen());
    assert_eq!(driver.state.overview.repository().map(|repository| repository.name.as_str()), Some("acme/new"));
    driver.type_text("xyz");
    assert!(driver.screen().contains("no repository fits the filter"), "{}", driver.screen());
    driver.press(&[Esc]);
    assert_eq!(driver.state.overview.repositories.as_ref().map(Vec::len), Some(4));
    // Its builds, and back to it.
    driver.press(&[Char('G'), Char('k'), Enter]);
    assert_eq!((driver.state.view, driver.state.builds.filter.as_str()), (View::Builds, "repo:octo/site"));
    driver.until("its builds", |state| state.builds.selected().is_some_and(|row| row.repository == "octo/site")).await;
    // A pause changes what is shown.
    driver.press(&[Esc, Char('4'), Char('g')]);
    driver.press(&[Char('P'), Char('j'), Char('j'), Enter, Char('j'), Enter]);
    let paused = |state: &State| state.overview.repository().is_some_and(|repository| repository.pause.is_some());
    driver.until("the pause", paused).await;
}

#[tokio::test]
async fn nodes_and_what_runs_there() {
    let mut driver = opened(SIZES[1]).await;
    driver.press(&[Char('5')]);
    driver.until("the nodes", |state| state.overview.nodes.is_some()).await;
    at_every_size(&mut driver, "nodes");
    driver.press(&[Char('j'), Enter]);
    driver.until("the job's build", |state| state.build_page(1).is_some_and(|page| page.view.is_some())).await;
    assert_eq!(selected(&driver.state), "end to end");
    driver.fake.change(|world| world.trouble = Some("nothing listens at /var/run/docker.sock".to_owned()));
    driver.press(&[Char('['), Char(']')]);
    let trouble = |state: &State| state.overview.nodes.iter().flatten().any(|node| node.engine.trouble.is_some());
    driver.until("the trouble", trouble).await;
    insta::assert_snapshot!("nodes_trouble", driver.screen());
}

#[tokio::test]
async fn the_results_of_the_selected_branch_stand_below_the_builds() {
    let mut driver = Driver::start(SIZES[1]);
    history(&driver);
    driver.until("the list", |state| state.builds.total() == 136).await;
    let known = |state: &State| {
        let row = state.builds.selected();
        row.is_some_and(|row| state.overview.branch(row).is_some_and(|results| results.len() > 1))
    };
    driver.until("the results", known).await;
    insta::assert_snapshot!("builds_branch", driver.screen());
    driver.press(&[Char('j')]);
    driver.until("the results of another branch", known).await;
    driver.resize((200, 50));
    insta::assert_snapshot!("builds_branch_wide", driver.screen());
}

#[tokio::test]
async fn a_delivery_is_replayed_after_a_question() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Once", &[("test", &[], &["go"])]);
        let delivery = |id: &str, no_replay: Option<&str>, builds: Vec<u64>| DeliveryView {
            delivery: id.to_owned(),
            event: "push".to_owned(),
            action: None,
            repository: Some("acme/app".to_owned()),
            received_at: Timestamp(NOW.0 - 60_000),
            state: DeliveryState::Accepted,
            reason: None,
            builds,
            no_replay: no_replay.map(str::to_owned),
        };
        world.deliveries.push(delivery("one", None, vec![number]));
        world.deliveries.push(delivery("two", Some("its content is not kept any more"), Vec::new()));
    });
    driver.press(&[Char('3')]);
    driver.until("deliveries", |state| state.deliveries.is_some()).await;
    driver.press(&[Char('/')]);
    driver.type_text("two");
    let shown =
        |state: &State| state.deliveries.iter().flatten().map(|shown| shown.delivery.clone()).collect::<Vec<_>>();
    assert_eq!(shown(&driver.state), ["two"]);
    assert!(driver.screen().contains("1 of the newest 2, filter \"two\""), "{}", driver.screen());
    driver.press(&[Enter, Esc]);
    assert_eq!(shown(&driver.state), ["one", "two"], "Esc clears it");
    driver.press(&[Char('g'), Char('j'), Char('a')]);
    assert!(driver.state.toasts.iter().any(|toast| toast.text.contains("not kept any more")));
    driver.press(&[Char('k'), Char('a')]);
    insta::assert_snapshot!("replay_asks", driver.screen());
    driver.press(&[Enter]);
    let replays = |world: &mut fake::World| {
        world.asked.iter().filter(|request| matches!(request, Request::Replay { .. })).count()
    };
    assert_eq!(driver.fake.change(replays), 0, "the answer that changes nothing is focused");
    driver.press(&[Char('a'), Char('j'), Enter]);
    driver.until("the new delivery", |state| state.deliveries.as_ref().is_some_and(|all| all.len() == 3)).await;
    assert!(driver.state.toasts.iter().any(|toast| toast.text.contains("as replay-2")));
}
