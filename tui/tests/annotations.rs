//! What tools say about the source of a build on the screen: the worst first, its place in the log, and all of it made safe.
//! Painted from what a daemon said over a real socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use fake::NOW;
use fake::annotations::warning;
use windlass_protocol::annotation::{AnnotationView, Level};
use windlass_protocol::live::Request;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;
use windlass_tui::keymap::Key::{Char, Enter, Esc};
use windlass_tui::state::annotations::Annotations;
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

/// As the daemon orders them.
fn annotations() -> Vec<AnnotationView> {
    let error = AnnotationView {
        level: Level::Error,
        column: Some(5),
        rule: Some("clippy::infinite_loop".to_owned()),
        tool: Some("clippy".to_owned()),
        ..warning("src/pump.rs", 17, "this loop never ends\nand nothing in it \u{1b}[31mbreaks\u{1b}[0m\u{202e} it")
    };
    let far = "crates/a-rather-long-name/src/deeply/nested/module/with_a_long_name.rs";
    let in_log = AnnotationView {
        level: Level::Error,
        title: Some("Odd".to_owned()),
        log_line: Some(100),
        ..warning(far, 4, "very odd")
    };
    let test = AnnotationView {
        level: Level::Error,
        title: Some("tests.test_pump drains".to_owned()),
        test: true,
        ..warning("tests/test_pump.py", 7, "still 3 litres")
    };
    let mut all = vec![error, in_log, test];
    all.extend((0..20).map(|n| AnnotationView {
        rule: Some("unused".to_owned()),
        ..warning("src/main.rs", 20 + n, &format!("unused variable: `x{n}`"))
    }));
    all.push(AnnotationView {
        level: Level::Note,
        path: None,
        line: None,
        ..warning("", 0, "no licence \u{1b}]0;x\u{7}")
    });
    all
}

/// A build of which tools said something, opened.
async fn opened() -> (Driver, u64) {
    let mut driver = Driver::start(SIZES[1]);
    let number = driver.fake.change(|world| {
        world.now = Timestamp(NOW.0 - 90_000);
        let number =
            world.push("acme/app", "topic", "Drain it", &[("test", &[], &["clippy"]), ("docs", &[], &["doc"])]);
        world.start_step(number, "test", 0);
        for n in 0..100 {
            world.write(number, "test", format!("compiling {n}\n"));
        }
        world.write(number, "test", "::error file=x::very odd\nerror: this loop never ends\n");
        world.now.0 += 61_000;
        world.end_step(number, "test", 0, 1);
        world.end_job(number, "test", Outcome::Failed, "step clippy ended with exit code 1");
        world.now = NOW;
        world.annotated(number, annotations(), 900, &["b.sarif: left out: it ends in the middle (line 90)"]);
        number
    });
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver
        .until("what is said", |state| state.build_page(number).is_some_and(|page| !page.annotations.all().is_empty()))
        .await;
    (driver, number)
}

fn of(state: &State) -> Option<&Annotations> {
    match state.pages.last() {
        Some(Page::Build(page)) if page.annotations.list.is_some() => Some(&page.annotations),
        _ => None,
    }
}

fn said(state: &State) -> &str {
    of(state).and_then(Annotations::selected).map_or("", |one| one.message.as_str())
}

fn asked(driver: &Driver) -> usize {
    let is_one = |request: &&Request| matches!(request, Request::Annotations { .. });
    driver.fake.change(|world| world.asked.iter().chain(&world.looked_up).filter(is_one).count())
}

#[tokio::test]
async fn the_worst_stands_in_the_build_and_in_its_details() {
    let (mut driver, number) = opened().await;
    assert!(
        driver.screen().contains("3 errors, 920 warnings, 1 note: src/pump.rs:17:5 this loop"),
        "{}",
        driver.screen()
    );
    let excerpt = |state: &State| state.build_page(number).is_some_and(|page| !page.digests.is_empty());
    driver.until("the errors of its log", excerpt).await;
    at_every_size(&mut driver, "annotated_build");
    driver.resize((80, 40));
    insta::assert_snapshot!("annotated_details", driver.screen());
    assert_eq!(asked(&driver), 1, "once, for nothing else is said");
    driver.fake.change(|world| world.annotated(number, vec![warning("a.rs", 1, "only this")], 0, &[]));
    let less = |state: &State| state.build_page(number).is_some_and(|page| page.annotations.all().len() == 1);
    driver.until("what is said now", less).await;
    assert_eq!(asked(&driver), 2);
    assert!(driver.screen().contains("1 warning: a.rs:1 only this"), "{}", driver.screen());
}

#[tokio::test]
async fn a_list_leads_to_each_place_in_the_log() {
    let (mut driver, _) = opened().await;
    driver.press(&[Char('N')]);
    at_every_size(&mut driver, "annotations");
    driver.press(&[Char('y')]);
    assert!(driver.effects.contains(&Effect::Copy("src/pump.rs:17".to_owned())), "{:?}", driver.effects);
    let at = |line: u64| {
        move |state: &State| match state.pages.last() {
            Some(Page::Log(log)) => {
                let there =
                    log.shown().iter().any(|(_, row)| matches!(row, Shown::Line { number, .. } if *number == line));
                there && log.cursor().0 == line
            }
            _ => false,
        }
    };
    // It stands in a report alone: what it says is looked for.
    driver.press(&[Enter]);
    driver.until("what it says", at(101)).await;
    driver.press(&[Esc, Esc, Char('j'), Enter]);
    driver.until("its line", at(100)).await;
    driver.press(&[Esc]);
    assert_eq!(said(&driver.state), "very odd", "back where it was");
    driver.press(&[Char('e'), Char('e')]);
    assert_eq!(said(&driver.state), "still 3 litres", "there is no other error");
    driver.press(&[Char('G')]);
    assert!(said(&driver.state).starts_with("no licence"));
    driver.press(&[Char('E')]);
    assert_eq!(said(&driver.state), "still 3 litres");
    driver.press(&[Char('N')]);
    assert!(of(&driver.state).is_none(), "N is the way back, too");
}

#[tokio::test]
async fn where_nothing_is_said_it_says_so() {
    let mut driver = Driver::start(SIZES[1]);
    let number = driver.fake.change(|world| world.push("acme/app", "main", "None", &[("test", &[], &["go"])]));
    driver.until("the list", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the build", |state| state.build_page(number).is_some_and(|page| page.view.is_some())).await;
    driver.press(&[Char('N')]);
    assert!(of(&driver.state).is_none());
    assert!(driver.state.toasts.iter().any(|toast| toast.text.contains("reports: { sarif: FILE }")));
    assert_eq!(asked(&driver), 0);
}
