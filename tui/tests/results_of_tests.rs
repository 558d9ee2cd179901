//! The tests of a build on the screen: what failed first, its message, its place in the log. Painted from what a daemon said
//! over a real socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use fake::NOW;
use fake::cases::passed;
use windlass_protocol::cases::{CaseKind, CaseOutcome, CaseView};
use windlass_protocol::live::Topic;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;
use windlass_tui::keymap::Key::{Char, Enter, Esc};
use windlass_tui::state::cases::Cases;
use windlass_tui::state::log::Shown;
use windlass_tui::state::{Effect, Page, State};

const SIZES: [(u16, u16); 5] = [(200, 50), (80, 24), (40, 10), (20, 5), (1, 1)];

fn at_every_size(driver: &mut Driver, name: &str) {
    for size in SIZES {
        driver.resize(size);
        let look = driver.look();
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), look);
    }
    driver.resize(SIZES[1]);
}

fn case(name: &str, outcome: CaseOutcome, message: Option<&str>) -> CaseView {
    CaseView { outcome, message: message.map(str::to_owned), ..passed(name) }
}

/// As the daemon orders them.
fn cases() -> Vec<CaseView> {
    let overflow = "assert 0 == 18446744073709551616\n\n    def test_overflow():\n>       assert parse(TEXT) == 2 ** 64\n\u{1b}[31mE       assert 0 == 18446744073709551616\u{1b}[0m\n\ntests/test_parser.py:20: AssertionError\u{202e}";
    let mut all = vec![
        CaseView {
            suite: "tests.test_parser".to_owned(),
            file: Some("tests/test_parser.py".to_owned()),
            line: Some(17),
            new: true,
            ..case("test_overflow[2**64]", CaseOutcome::Failed, Some(overflow))
        },
        CaseView { new: true, ..case("test_\u{1b}]0;evil\u{7}setup", CaseOutcome::Error, Some("fixture broke")) },
        CaseView { failed_before: 7, ..case("test_leaks", CaseOutcome::Failed, Some("it drips")) },
        CaseView { flaky: true, failed_before: 3, duration_ms: 61_500, ..passed("test_spins") },
    ];
    all.extend((0..900).map(|n| passed(&format!("test_number_{n}"))));
    all.push(case("test_windows", CaseOutcome::Skipped, Some("not on this machine")));
    all
}

/// A build whose tests are known, opened, and its tests shown.
async fn opened() -> (Driver, u64) {
    let mut driver = Driver::start(SIZES[1]);
    let number = driver.fake.change(|world| {
        world.now = Timestamp(NOW.0 - 90_000);
        let number = world.push("acme/app", "topic", "Parse large numbers", &[("test", &[], &["pytest"])]);
        world.start_step(number, "test", 0);
        for n in 0..200 {
            world.write(number, "test", format!("test_number_{n} ok\n"));
        }
        world.write(number, "test", "tests/test_parser.py::test_overflow[2**64] FAILED\nE   it drips\n");
        world.now.0 += 61_000;
        world.end_step(number, "test", 0, 1);
        world.end_job(number, "test", Outcome::Failed, "step pytest ended with exit code 1");
        world.now = NOW;
        let trouble = "slow.xml: left out: it ends in the middle (line 90)";
        world.tested(number, cases(), &[trouble]);
        number
    });
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(number).is_some_and(|page| page.view.is_some())).await;
    (driver, number)
}

async fn shown() -> (Driver, u64) {
    let (mut driver, number) = opened().await;
    driver.press(&[Char('T')]);
    driver.until("its tests", |state| of(state).is_some_and(|cases| cases.page.is_some())).await;
    (driver, number)
}

fn of(state: &State) -> Option<&Cases> {
    match state.pages.last() {
        Some(Page::Build(page)) => page.cases.as_deref(),
        _ => None,
    }
}

fn name(state: &State) -> String {
    of(state).and_then(Cases::selected).map(|case| case.name.clone()).unwrap_or_default()
}

#[tokio::test]
async fn failed_tests_stand_first_with_what_they_say() {
    let (mut driver, _) = opened().await;
    assert!(driver.screen().contains("tests: 3 failed (2 new), 1 flaky, 901 passed, 1 skipped"), "{}", driver.screen());
    insta::assert_snapshot!("build_details", driver.screen());
    driver.press(&[Char('T')]);
    driver.until("its tests", |state| of(state).is_some_and(|cases| cases.page.is_some())).await;
    at_every_size(&mut driver, "tests");
    // More room for the message, and back.
    driver.press(&[Char('d')]);
    insta::assert_snapshot!("tests_message", driver.screen());
    driver.resize(SIZES[2]);
    insta::assert_snapshot!("tests_message_small", driver.screen());
    driver.resize(SIZES[1]);
    driver.press(&[Char('d'), Char('T')]);
    assert!(of(&driver.state).is_none(), "T is the way back, too");
    assert!(driver.ascii_screen().contains("tests: 3 failed"));
    driver.press(&[Char('D'), Char('T')]);
    assert!(of(&driver.state).is_some(), "from the graph as well");
}

#[tokio::test]
async fn a_test_opens_at_its_place_in_the_log() {
    let (mut driver, _) = shown().await;
    driver.press(&[Enter]);
    let at = |line: u64| {
        move |state: &State| match state.pages.last() {
            Some(Page::Log(log)) => {
                let there =
                    log.shown().iter().any(|(_, row)| matches!(row, Shown::Line { number, .. } if *number == line));
                there && log.search.as_ref().is_some_and(|search| search.current == Some(line))
            }
            _ => false,
        }
    };
    driver.until("its name", at(200)).await;
    assert!(driver.screen().contains("test_overflow[2**64] FAILED"), "{}", driver.screen());
    driver.press(&[Esc, Esc]);
    assert_eq!(name(&driver.state), "test_overflow[2**64]", "back where it was");
    // Its name is nowhere: what it says is.
    driver.press(&[Char('j'), Char('j')]);
    assert_eq!(name(&driver.state), "test_leaks");
    driver.press(&[Enter]);
    driver.until("what it says", at(201)).await;
    driver.press(&[Esc, Esc]);
    // Neither is: the log is open, and says so.
    driver.press(&[Char('k'), Enter]);
    let nothing = |state: &State| match state.pages.last() {
        Some(Page::Log(log)) => log.search.as_ref().is_some_and(|search| search.words() == "no match"),
        _ => false,
    };
    driver.until("no match", nothing).await;
}

#[tokio::test]
async fn filters_find_tests_among_thousands() {
    let (mut driver, number) = shown().await;
    driver.press(&[Char('/')]);
    driver.type_text("PUMP number_77");
    driver
        .until("what fits", |state| of(state).is_some_and(|cases| cases.len() == 11 && !name(state).is_empty()))
        .await;
    driver.press(&[Enter]);
    insta::assert_snapshot!("tests_filtered", driver.screen());
    driver.press(&[Esc]);
    driver.until("all of them", |state| of(state).is_some_and(|cases| cases.len() == 905)).await;
    driver.press(&[Char('!')]);
    driver.until("only failures", |state| of(state).is_some_and(|cases| cases.len() == 3)).await;
    let asked = driver.fake.change(|world| world.subscribed.last().cloned());
    let Some((Topic::Tests { number: of_build, filter, .. }, None)) = asked else { panic!("{asked:?}") };
    assert_eq!((of_build, filter.only), (number, Some(CaseKind::Failed)));
    driver.press(&[Char('!'), Char('/')]);
    driver.type_text("nothing like it");
    driver.until("nothing", |state| of(state).is_some_and(|cases| cases.page.is_some() && cases.is_empty())).await;
    assert!(driver.screen().contains("no test fits the filter"), "{}", driver.screen());
    driver.press(&[Esc]);
    driver.until("all of them", |state| of(state).is_some_and(|cases| cases.len() == 905)).await;
    // To the end: the window moves along.
    driver.press(&[Char('G')]);
    driver.until("the last", |state| name(state) == "test_windows").await;
    driver.press(&[Char('g')]);
    driver.until("the first", |state| name(state) == "test_overflow[2**64]").await;
    driver.press(&[Char('e'), Char('e')]);
    assert_eq!(name(&driver.state), "test_leaks");
    driver.press(&[Char('e')]);
    assert_eq!(name(&driver.state), "test_leaks", "there is no other");
    driver.press(&[Char('y')]);
    let copied = Effect::Copy("tests.test_pump test_leaks".to_owned());
    assert!(driver.effects.contains(&copied), "{:?}", driver.effects);
}

#[tokio::test]
async fn without_results_it_says_why() {
    let mut driver = Driver::start(SIZES[1]);
    let number = driver.fake.change(|world| world.push("acme/app", "main", "None", &[("test", &[], &["go"])]));
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(number).is_some_and(|page| page.view.is_some())).await;
    driver.press(&[Char('T')]);
    assert!(of(&driver.state).is_none());
    assert!(driver.state.toasts.iter().any(|toast| toast.text.contains("reports: { junit: FILE }")));
    driver.fake.change(|world| world.tested(number, Vec::new(), &["a.xml: no such file was written"]));
    driver
        .until("news", |state| {
            state.build_page(number).is_some_and(|page| page.view.as_ref().is_some_and(|view| view.tests.is_some()))
        })
        .await;
    driver.press(&[Char('T')]);
    driver.until("no tests", |state| of(state).is_some_and(|cases| cases.page.is_some())).await;
    insta::assert_snapshot!("tests_none", driver.screen());
}
