//! The files that jobs left on the screen: found, saved, and told what becomes of them. Painted from what a daemon said over a
//! real socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use fake::NOW;
use windlass_protocol::live::Request;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;
use windlass_tui::keymap::Key::{Char, Enter, Esc};
use windlass_tui::keymap::Mode;
use windlass_tui::state::artifacts::{Artifacts, id_of};
use windlass_tui::state::{Effect, Event, Hit, Page, State};

const SIZES: [(u16, u16); 5] = [(200, 50), (80, 24), (40, 10), (20, 5), (1, 1)];

fn at_every_size(driver: &mut Driver, name: &str) {
    for size in SIZES {
        driver.resize(size);
        let look = driver.look();
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), look);
    }
    driver.resize(SIZES[1]);
}

/// A build of two jobs, opened.
async fn opened(with: impl FnOnce(&mut fake::World, u64)) -> (Driver, u64) {
    let mut driver = Driver::start(SIZES[1]);
    let number = driver.fake.change(|world| {
        world.now = Timestamp(NOW.0 - 90_000);
        let jobs: [(&str, &[&str], &[&str]); 2] = [("wheel", &[], &["build"]), ("docs (html)", &[], &["make"])];
        let number = world.push("acme/app", "main", "Release 1.2", &jobs);
        for (job, ..) in jobs {
            world.start_step(number, job, 0);
            world.now.0 += 31_000;
            world.end_step(number, job, 0, 0);
            world.end_job(number, job, Outcome::Passed, "");
        }
        world.now = NOW;
        with(world, number);
        number
    });
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(number).is_some_and(|page| page.view.is_some())).await;
    (driver, number)
}

fn some(world: &mut fake::World, number: u64) {
    let large = vec![7; 12_345_678];
    let files: [(&str, &[u8]); 3] = [
        ("dist/app-1.2-py3-none-any.whl", &large),
        ("dist/app-1.2.tar.gz", b"source"),
        ("dist/\u{1b}[31mred\u{202e}.txt", b""),
    ];
    world.left(number, "wheel", &files, &[]);
    world.left(
        number,
        "docs (html)",
        &[("site/index.html", b"<h1>hello</h1>")],
        &["site/video.mp4: left out, larger than 256 MiB"],
    );
}

async fn shown(with: impl FnOnce(&mut fake::World, u64)) -> (Driver, u64) {
    let (mut driver, number) = opened(with).await;
    driver.press(&[Char('A')]);
    driver.until("its files", |state| of(state).is_some_and(Artifacts::known)).await;
    (driver, number)
}

fn of(state: &State) -> Option<&Artifacts> {
    match state.pages.last() {
        Some(Page::Build(page)) => page.artifacts.as_deref(),
        _ => None,
    }
}

fn path(state: &State) -> String {
    of(state).and_then(Artifacts::selected).map(|file| file.path.clone()).unwrap_or_default()
}

fn said(driver: &Driver, words: &str) -> bool {
    driver.state.toasts.iter().any(|toast| toast.text.contains(words))
}

#[tokio::test]
async fn files_are_listed_and_saved() {
    let (mut driver, number) = opened(some).await;
    assert!(driver.screen().contains("2 jobs; left 4 files, 12 MB"), "{}", driver.screen());
    insta::assert_snapshot!("build_details", driver.screen());
    driver.press(&[Char('A')]);
    driver.until("its files", |state| of(state).is_some_and(Artifacts::known)).await;
    assert_eq!(driver.state.mode(), Mode::Artifacts);
    driver.press(&[Enter, Char('j'), Char('S')]);
    let wanted: Vec<String> = driver
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Fetch { build, file } => Some(format!("{build} {}", file.path)),
            _ => None,
        })
        .collect();
    assert_eq!(wanted, [format!("{number} dist/app-1.2-py3-none-any.whl"), format!("{number} dist/app-1.2.tar.gz")]);
    let id =
        |driver: &Driver, index| id_of(number, of(&driver.state).and_then(|files| files.row(index)).expect("a file"));
    let (first, second) = (id(&driver, 0), id(&driver, 1));
    driver.happen(Event::Coming { file: first.clone(), bytes: 4_567_890 });
    driver.press(&[Char('k'), Enter]);
    assert!(said(&driver, "it is coming already"));
    driver.happen(Event::Came { file: second, text: "saved as /home/ada/app-1.2.tar.gz, 6 B".to_owned(), bad: false });
    driver.press(&[Char('j')]);
    assert!(said(&driver, "saved as /home/ada/app-1.2.tar.gz"));
    driver.now.0 += 5_000;
    driver.happen(Event::Deadline);
    at_every_size(&mut driver, "artifacts");
    driver.happen(Event::Came { file: first, text: "dist/app: no room is left".to_owned(), bad: true });
    assert!(driver.screen().contains("✗ failed"), "{}", driver.screen());
    assert!(driver.ascii_screen().contains("left 4 files"));
    driver.press(&[Char('y')]);
    let sha256 = of(&driver.state).and_then(Artifacts::selected).map(|file| file.sha256.clone()).expect("selected");
    assert!(driver.effects.contains(&Effect::Copy(sha256)), "{:?}", driver.effects);
    driver.press(&[Char('A')]);
    assert!(of(&driver.state).is_none(), "A is the way back, too");
    // From the graph as well, and then back to the list of jobs.
    driver.press(&[Char('D'), Char('A')]);
    driver.until("its files", |state| of(state).is_some_and(Artifacts::known)).await;
    driver.press(&[Char('q')]);
    assert_eq!(driver.state.mode(), Mode::Build);
}

#[tokio::test]
async fn a_filter_finds_one_and_a_click_saves_it() {
    let (mut driver, number) = shown(|world, number| {
        some(world, number);
        let many: Vec<String> = (0..1_200).map(|n| format!("coverage/file_{n}.html")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|path| (path.as_str(), &b"x"[..])).collect();
        world.left(number, "docs (html)", &many, &[]);
    })
    .await;
    assert_eq!(of(&driver.state).map(Artifacts::len), Some(1_204), "in windows of 500");
    driver.press(&[Char('/')]);
    driver.type_text("DOCS file_77");
    driver.press(&[Enter]);
    assert_eq!(of(&driver.state).map(Artifacts::len), Some(11));
    insta::assert_snapshot!("artifacts_filtered", driver.screen());
    driver.happen(Event::Click(Hit::Row(2)));
    assert_eq!(path(&driver.state), "coverage/file_771.html");
    driver.happen(Event::Click(Hit::Row(2)));
    assert!(matches!(driver.effects.last(), Some(Effect::Fetch { build, .. }) if *build == number));
    driver.happen(Event::Wheel(3));
    driver.press(&[Char('G')]);
    assert_eq!(path(&driver.state), "coverage/file_779.html");
    let job = |state: &State| state.build_page(number).and_then(|page| page.job()).map(|job| job.name.clone());
    assert_eq!(job(&driver.state).as_deref(), Some("docs (html)"), "what else keys do is about its job");
    driver.press(&[Char('/')]);
    driver.type_text(" nothing");
    assert!(driver.screen().contains("no file fits the filter"), "{}", driver.screen());
    driver.press(&[Esc]);
    assert_eq!(of(&driver.state).map(Artifacts::len), Some(1_204));
    driver.press(&[Char('/')]);
    driver.type_text("whl");
    driver.press(&[Enter, Esc]);
    assert_eq!(of(&driver.state).map(Artifacts::len), Some(1_204), "Esc ends the filter first");
    driver.press(&[Esc]);
    assert!(of(&driver.state).is_none());
}

#[tokio::test]
async fn without_files_it_teaches_and_news_are_seen() {
    let (mut driver, number) = shown(|_, _| {}).await;
    insta::assert_snapshot!("artifacts_none", driver.screen());
    driver.resize((40, 10));
    insta::assert_snapshot!("artifacts_none_40x10", driver.screen());
    driver.resize(SIZES[1]);
    driver.press(&[Enter]);
    assert!(said(&driver, "nothing is selected"));
    // What a job leaves while one looks is there at once; what is removed says so.
    driver.fake.change(|world| some(world, number));
    driver.until("the files", |state| of(state).is_some_and(|files| files.len() == 4)).await;
    driver.fake.change(|world| world.remove_files(number, Timestamp(NOW.0 - 3_600_000)));
    let removed =
        |state: &State| of(state).and_then(|files| files.row(0)).is_some_and(|file| file.removed_at.is_some());
    driver.until("the removal", removed).await;
    insta::assert_snapshot!("artifacts_removed", driver.screen());
    driver.press(&[Enter]);
    assert!(said(&driver, "it was removed 1h ago to make room"));
    let asked = |request: &&Request| matches!(request, Request::Artifacts { .. });
    driver.fake.change(|world| assert_eq!(world.asked.iter().filter(asked).count(), 3, "only when something changed"));
    driver.press(&[Char('.')]);
    assert!(driver.screen().contains("it was removed 1h ago"), "{}", driver.screen());
}

#[tokio::test]
async fn an_older_daemon_is_not_asked() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| world.abilities.clear());
    let number = driver.fake.change(|world| world.push("acme/app", "main", "Old", &[("test", &[], &["go"])]));
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(number).is_some_and(|page| page.view.is_some())).await;
    driver.press(&[Char('A')]);
    assert!(of(&driver.state).is_none());
    assert!(said(&driver, "this daemon is older than the client and keeps no files of jobs"));
    // One that says it knows of files, and refuses: why is said, and nothing is asked for again and again.
    driver.fake.change(|world| world.abilities = vec!["artifacts".to_owned()]);
    driver.fake.cut();
    driver.until("away", |state| state.stale()).await;
    driver.until("back", |state| !state.stale()).await;
    driver.fake.change(|world| world.refuses = Some("files are being counted".to_owned()));
    driver.press(&[Char('A')]);
    driver.until("the reason", |state| of(state).is_some_and(|files| files.refused.is_some())).await;
    assert!(driver.screen().contains("artifacts: files are being counted"), "{}", driver.screen());
    driver.fake.change(|world| world.refuses = None);
    driver.press(&[Char('r'), Char('A'), Char('A')]);
    driver.until("none", |state| of(state).is_some_and(Artifacts::known)).await;
}
