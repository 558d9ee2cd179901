//! What can be seen of a log: only some lines, folded steps, and how they look at every size; from a daemon over a real
//! socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use driver::scene::SIZES;
use fake::World;
use windlass_protocol::live::RetryWhat;
use windlass_protocol::view::Outcome;
use windlass_tui::keymap::Key::{Char, Enter, Esc};
use windlass_tui::state::log::{LogPage, Shown};
use windlass_tui::state::{Effect, Page, State};

/// A job with two steps that passed and one that failed with several errors, opened at its end.
async fn opened() -> Driver {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let steps: &[&str] = &["checkout", "install", "pytest"];
        let number = world.push("acme/app", "main", "Many errors", &[("test", &[], steps)]);
        world.start_step(number, "test", 0);
        world.write(number, "test", "HEAD is now at 1c0ffee\n");
        world.end_step(number, "test", 0, 0);
        world.start_step(number, "test", 1);
        for line in 0..60 {
            world.now.0 += 40;
            let odd = if line % 25 == 7 { "\x1b[33mwarning\x1b[0m: old" } else { "installed" };
            world.write(number, "test", format!("{odd} package {line}\n"));
        }
        world.end_step(number, "test", 1, 0);
        world.start_step(number, "test", 2);
        for line in 0..120 {
            world.now.0 += 10;
            let text = match line {
                40 | 90 => format!("tests/test_{line}.py::case \x1b[31mFAILED\x1b[0m"),
                41 | 91 => "E   \x1b[31massert\x1b[0m 1 == 2".to_owned(),
                _ => format!("tests/test_{line}.py::case ok"),
            };
            world.write(number, "test", format!("{text}\n"));
        }
        world.end_step(number, "test", 2, 1);
        world.end_job(number, "test", Outcome::Failed, "step pytest ended with exit code 1");
    });
    driver.open_log().await;
    driver.press(&[Char('G')]);
    settled(&mut driver).await;
    driver
}

fn log(state: &State) -> &LogPage {
    match state.pages.last() {
        Some(Page::Log(log)) => log,
        _ => panic!("no log is open"),
    }
}

/// Until all that is in view is here.
async fn settled(driver: &mut Driver) {
    let here = |state: &State| {
        let log = log(state);
        let missing = |row: &Shown<'_>| matches!(row, Shown::Missing { .. } | Shown::Hole);
        let mapped = log.lines() == 0 || !log.finished() || log.mapped();
        let other = log.pair.as_ref().map(|pair| &pair.other);
        let beside = other.is_none_or(|log| log.mapped() && !log.shown().iter().any(|(_, row)| missing(row)));
        log.head.is_some()
            && mapped
            && beside
            && log.looking().is_none()
            && !log.shown().iter().any(|(_, row)| missing(row))
    };
    driver.until("all that is in view", here).await;
}

async fn at_every_size(driver: &mut Driver, name: &str) {
    for size in SIZES {
        driver.resize(size);
        settled(driver).await;
        let look = driver.look();
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), look);
    }
    driver.resize(SIZES[1]);
    settled(driver).await;
    insta::assert_snapshot!(format!("{name}_for_other_eyes"), driver.look_for_other_eyes());
}

#[tokio::test]
async fn only_errors_with_what_is_around_them() {
    let mut driver = opened().await;
    driver.press(&[Char('!'), Char('g')]);
    settled(&mut driver).await;
    at_every_size(&mut driver, "only_errors").await;
    driver.press(&[Char('-'), Char('-')]);
    settled(&mut driver).await;
    assert!(driver.screen().contains("only errors  end of 181 lines"), "{}", driver.screen());
    assert!(!driver.screen().contains("test_42"), "{}", driver.screen());
}

#[tokio::test]
async fn a_line_is_gone_to_by_its_number() {
    let mut driver = opened().await;
    let go = async |driver: &mut Driver, number: &str| {
        driver.press(&[Char(':')]);
        driver.type_text(number);
        let offered = driver.screen();
        driver.press(&[Enter]);
        settled(driver).await;
        offered
    };
    assert!(go(&mut driver, "7").await.contains("line 7 "), "{}", driver.screen());
    assert_eq!(log(&driver.state).cursor().0, 6);
    go(&mut driver, "1_50").await;
    assert_eq!(log(&driver.state).cursor().0, 149);
    // What is not there is said, and nothing moves.
    for (number, why) in [("0", "lines are counted from 1"), ("182", "this log has 181 lines")] {
        let offered = go(&mut driver, number).await;
        assert!(offered.contains(why), "{offered}");
        driver.press(&[Esc]);
        assert_eq!(log(&driver.state).cursor().0, 149);
    }
    // Outside of a log a number is a part of a name like any other.
    driver.press(&[Esc, Char(':')]);
    driver.type_text("7");
    assert!(!driver.screen().contains("line 7 "), "{}", driver.screen());
}

#[tokio::test]
async fn only_what_was_typed_and_everything_else() {
    let mut driver = opened().await;
    driver.press(&[Char('&')]);
    driver.type_text("package .[05]$");
    driver.press(&[Enter, Char('-'), Char('-'), Char('j')]);
    settled(&mut driver).await;
    let screen = driver.screen();
    assert!(screen.contains("& package .[05]$") && screen.contains("installed package 55"), "{screen}");
    assert!(!screen.contains("package 56"), "{screen}");
    at_every_size(&mut driver, "only_typed").await;
    // To a line that the filter leaves out: what is nearest is shown, and why.
    driver.press(&[Char('e')]);
    driver
        .until("the error", |state| log(state).errors.as_ref().is_some_and(|errors| errors.current == Some(101)))
        .await;
    assert!(driver.screen().contains("line 102 is left out: Esc shows every line"), "{}", driver.screen());
    // What was typed stands there again; Esc leaves it.
    driver.press(&[Char('&')]);
    driver.type_text("x");
    driver.press(&[Esc]);
    assert!(log(&driver.state).only.is_some());
    driver.press(&[Esc, Char('&')]);
    driver.type_text("!ok|installed");
    driver.press(&[Enter]);
    settled(&mut driver).await;
    let screen = driver.screen();
    assert!(screen.contains("&! ok|installed") && screen.contains("HEAD is now at"), "{screen}");
    assert!(screen.contains("FAILED") && !screen.contains("::case ok"), "{screen}");
}

#[tokio::test]
async fn steps_fold_to_their_headings_and_errors_are_unfolded() {
    let mut driver = opened().await;
    driver.press(&[Char('Z')]);
    settled(&mut driver).await;
    at_every_size(&mut driver, "folded").await;
    let screen = driver.screen();
    assert!(screen.contains("▸── 2/3 install ✓ passed") && screen.contains("60 lines folded"), "{screen}");
    assert!(!screen.contains("package"), "{screen}");
    // To an error in a folded step: the step opens.
    driver.press(&[Char('e')]);
    driver
        .until("the error", |state| log(state).errors.as_ref().is_some_and(|errors| errors.current == Some(101)))
        .await;
    settled(&mut driver).await;
    let screen = driver.screen();
    assert!(screen.contains("102! tests/test_40.py::case FAILED"), "{screen}");
    assert_eq!(log(&driver.state).folded.len(), 2);
}

#[tokio::test]
async fn a_filtered_log_is_followed() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Runs", &[("test", &[], &["count"])]);
        world.start_step(number, "test", 0);
        world.write(number, "test", "line 1\n");
    });
    driver.open_log().await;
    driver.press(&[Char('G'), Char('&')]);
    driver.type_text("7$");
    driver.press(&[Enter, Char('-'), Char('-')]);
    settled(&mut driver).await;
    driver.fake.change(|world| (2..=500).for_each(|line| world.write(1, "test", format!("line {line}\n"))));
    driver.until("the last that matches", |state| log(state).view().contains(&496)).await;
    settled(&mut driver).await;
    assert!(log(&driver.state).following());
    let screen = driver.screen();
    assert!(screen.contains("line 497") && screen.contains("line 487") && !screen.contains("line 498"), "{screen}");
}

#[tokio::test]
async fn lines_are_marked_selected_and_copied() {
    let mut driver = opened().await;
    driver.press(&[Char('k'), Char('k'), Char('m'), Char('k'), Char('k'), Char('v'), Char('k'), Char('k')]);
    settled(&mut driver).await;
    at_every_size(&mut driver, "selected").await;
    driver.press(&[Char('y')]);
    let text = "tests/test_113.py::case ok\ntests/test_114.py::case ok\ntests/test_115.py::case ok";
    assert_eq!(driver.effects.pop(), Some(Effect::Copy(text.to_owned())));
    driver.press(&[Char('g'), Char('m'), Char('j'), Char('m'), Char('"')]);
    insta::assert_snapshot!("bookmarks_80x24", driver.look());
}

#[tokio::test]
async fn a_cut_line_is_shown_whole() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Long", &[("test", &[], &["dump"])]);
        world.start_step(number, "test", 0);
        let long: String = (0..4_000).map(|n| format!("<{n}>")).collect();
        world.write(number, "test", format!("before\n\x1b[36m{long}\x1b[0mEND\nafter\n"));
        world.end_step(number, "test", 0, 0);
        world.end_job(number, "test", Outcome::Passed, "");
    });
    driver.open_log().await;
    settled(&mut driver).await;
    let shown = |state: &State| log(state).long.as_ref().is_some_and(|long| !long.rows().is_empty());
    driver.press(&[Char('g'), Char('j'), Char('j')]);
    assert!(driver.screen().contains("› 22 kB\n"), "{}", driver.screen());
    driver.press(&[Char('l'); 600]);
    assert!(driver.screen().contains("cut: this line has 22 kB (Enter)"), "{}", driver.screen());
    driver.press(&[Char('h'); 600]);
    driver.press(&[Enter]);
    driver.until("the whole line", shown).await;
    at_every_size(&mut driver, "long_line").await;
    driver.press(&[Char('G')]);
    settled(&mut driver).await;
    let screen = driver.screen();
    assert!(screen.contains("END") && screen.contains("<3999>") && screen.contains("  3  after"), "{screen}");
}

#[tokio::test]
async fn two_attempts_side_by_side() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Flaky", &[("test", &[], &["pytest"]), ("lint", &[], &["fmt"])]);
        let run = |world: &mut World, attempt: u64| {
            world.start_step(number, "test", 0);
            for line in 0..80 {
                let text = match (line, attempt) {
                    (30, 1) => "test_30 FAILED after 31 ms: connection reset".to_owned(),
                    (31, 1) => "retrying".to_owned(),
                    (line, _) => format!("test_{line} ok in {}.{attempt} s", line % 7),
                };
                world.write(number, "test", format!("{text}\n"));
            }
            world.end_step(number, "test", 0, i32::from(attempt == 1));
        };
        run(world, 1);
        world.end_job(number, "test", Outcome::Failed, "step pytest ended with exit code 1");
        world.retry(number, &RetryWhat::Failed).expect("a new attempt");
        run(world, 2);
        world.end_job(number, "test", Outcome::Passed, "");
    });
    driver.open_log().await;
    settled(&mut driver).await;
    driver.press(&[Char('b')]);
    assert!(driver.screen().contains("1/test#1") && driver.screen().contains("1/lint#1"), "{}", driver.screen());
    driver.press(&[Enter]);
    let compared = |state: &State| {
        let pair = log(state).pair.as_ref();
        pair.is_some_and(|pair| {
            let here = pair.compare.as_ref().is_some_and(|compare| compare.count(0).is_some());
            here && pair.other.mapped() && pair.other.lines() == 80
        })
    };
    driver.until("the comparison", compared).await;
    driver.press(&[Char('g'), Char('>')]);
    driver.until("the comparison", compared).await;
    at_every_size(&mut driver, "side_by_side").await;
}

#[tokio::test]
async fn a_filtered_log_goes_on_after_a_cut_and_bookmarks_stay() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Runs", &[("test", &[], &["count"])]);
        world.start_step(number, "test", 0);
        (1..=300).for_each(|line| world.write(number, "test", format!("line {line}\n")));
    });
    driver.open_log().await;
    driver.press(&[Char('G'), Char('&')]);
    driver.type_text("[05]$");
    driver.press(&[Enter, Char('-'), Char('-')]);
    settled(&mut driver).await;
    for round in 1..=20 {
        driver.fake.cut();
        driver.fake.change(|world| {
            (0..7).for_each(|line| world.write(1, "test", format!("line {}\n", 293 + round * 7 + line + 1)));
        });
        let lines = 300 + round * 7;
        driver
            .until("what came meanwhile", |state| {
                log(state).kept.as_ref().is_some_and(|kept| kept.known().end == lines)
            })
            .await;
        settled(&mut driver).await;
        let expected: Vec<u64> = (1..=lines).filter(|line| line % 5 == 0).map(|line| line - 1).rev().take(20).collect();
        let shown: Vec<u64> = log(&driver.state)
            .shown()
            .iter()
            .rev()
            .filter_map(|(_, row)| match row {
                Shown::Line { number, .. } => Some(*number),
                _ => None,
            })
            .collect();
        assert_eq!(shown[..20], expected, "nothing lost, nothing twice, after cut {round}");
    }
    driver.press(&[Char('m'), Esc, Esc, Enter, Char('\'')]);
    driver.until("the log again", |state| log(state).head.is_some()).await;
    assert_eq!(log(&driver.state).bookmarks.len(), 1, "it was found again");
}
