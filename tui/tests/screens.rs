//! Every screen at every size, painted from what a daemon said over a real socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use driver::scene::{SIZES, started, whole};
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::Outcome;
use windlass_tui::keymap::Key::{Char, Ctrl, Enter, Esc};
use windlass_tui::state::log::LogPage;
use windlass_tui::state::{Effect, Event, Page, Reader, State};

async fn at_every_size(driver: &mut Driver, name: &str) {
    for size in SIZES {
        driver.resize(size);
        driver.until("the log in view", whole).await;
        let look = driver.look();
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), look);
    }
    driver.resize(SIZES[1]);
    driver.until("the log in view", whole).await;
    insta::assert_snapshot!(format!("{name}_for_other_eyes"), driver.look_for_other_eyes());
}

#[tokio::test]
async fn builds() {
    let mut driver = started().await;
    at_every_size(&mut driver, "builds").await;
    insta::assert_snapshot!("builds_ascii", driver.ascii_screen());
    driver.press(&[Char('/')]);
    driver.type_text("quted"); // a letter is missing: fuzzy
    insta::assert_snapshot!("builds_filtered", driver.screen());
    driver.press(&[Esc, Char('/')]);
    driver.type_text("repo:acme status:fail");
    insta::assert_snapshot!("builds_filter_unclear", driver.look());
    driver.type_text("ed");
    let shown = |state: &State| (0..state.builds.len()).filter_map(|row| Some(state.builds.row(row)?.number)).collect();
    let numbers: Vec<u64> = shown(&driver.state);
    assert_eq!(numbers, [2]);
    driver.press(&[Ctrl('u')]);
    driver.type_text("branch:MAIN");
    let numbers: Vec<u64> = shown(&driver.state);
    assert_eq!(numbers, [3, 1]);
    driver.press(&[Esc, Char('g'), Char(' '), Char(' '), Char(' '), Char('X')]);
    insta::assert_snapshot!("kill_many", driver.look());
}

#[tokio::test]
async fn a_stretch_is_marked_and_many_are_retried() {
    let mut driver = started().await;
    driver.press(&[Char('j'), Char('V'), Char('j'), Char('j')]);
    insta::assert_snapshot!("marking", driver.look());
    driver.press(&[Char('V'), Char('R')]);
    insta::assert_snapshot!("retry_many", driver.look());
    for (size, name) in [(SIZES[0], "retry_many_200x50"), (SIZES[2], "retry_many_40x10")] {
        driver.resize(size);
        insta::assert_snapshot!(name, driver.screen());
    }
}

#[tokio::test]
async fn a_cancel_is_taken_back() {
    let mut driver = started().await;
    driver.press(&[Char('x'), Char('j'), Enter]);
    let said = |words: &'static str| move |state: &State| state.toasts.iter().any(|toast| toast.text.contains(words));
    driver.until("it is cancelled", said("build 4 is cancelled (u takes back what had not begun)")).await;
    driver.press(&[Char('u')]);
    driver.until("it is taken back", said("taken back: 4/build#2 will run")).await;
}

#[tokio::test]
async fn watched_builds_carry_a_sign() {
    let mut driver = started().await;
    driver.press(&[Char('w'), Char('j'), Char('w')]);
    insta::assert_snapshot!("watched", driver.look());
    driver.press(&[Char('2')]);
    driver.resize(SIZES[2]);
    insta::assert_snapshot!("watched_queue_40x10", driver.screen());
}

#[tokio::test]
async fn queue() {
    let mut driver = started().await;
    driver.press(&[Char('2')]);
    at_every_size(&mut driver, "queue").await;
}

#[tokio::test]
async fn deliveries() {
    let mut driver = started().await;
    driver.press(&[Char('3')]);
    driver.until("deliveries", |state| state.deliveries.is_some()).await;
    at_every_size(&mut driver, "deliveries").await;
}

#[tokio::test]
async fn a_build() {
    let mut driver = started().await;
    driver.press(&[Char('e'), Enter]);
    at_every_size(&mut driver, "build").await;
    driver.press(&[Char('R')]);
    insta::assert_snapshot!("retry_menu", driver.look());
}

#[tokio::test]
async fn a_failed_job_opens_where_it_failed() {
    let mut driver = started().await;
    driver.press(&[Char('e'), Enter]);
    driver.until("the build", whole).await;
    driver.press(&[Enter]);
    let opened = |log: &LogPage| log.errors.as_ref().is_some_and(|errors| errors.current == Some(100));
    driver.until("its first error", |state| screen_has(state, opened)).await;
    at_every_size(&mut driver, "log").await;
    driver.press(&[Char('/')]);
    driver.type_text("package 4.");
    driver.press(&[Enter]);
    driver
        .until("hits", |state| screen_has(state, |log| log.search.as_ref().is_some_and(|s| s.current.is_some())))
        .await;
    driver.until("lines", whole).await;
    driver.press(&[Char('n'), Char('t'), Char('t')]);
    insta::assert_snapshot!("log_searched", driver.look());
}

#[tokio::test]
async fn a_failed_log_opens_at_its_first_error_and_goes_from_error_to_error() {
    let mut driver = Driver::start(SIZES[1]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Errors", &[("test", &[], &["install", "pytest"])]);
        world.start_step(number, "test", 0);
        world.write(number, "test", "warning: error in a step that passed\n");
        world.end_step(number, "test", 0, 0);
        world.start_step(number, "test", 1);
        for line in 1..500 {
            let text = if line % 200 == 0 { "\x1b[31mERROR\x1b[0m: it broke" } else { "fine" };
            world.write(number, "test", format!("{text} {line}\n"));
        }
        world.end_step(number, "test", 1, 1);
        world.end_job(number, "test", Outcome::Failed, "step pytest ended with exit code 1");
    });
    driver.open_log().await;
    let at = |line: u64| {
        move |state: &State| {
            screen_has(state, |log| {
                log.errors.as_ref().is_some_and(|errors| errors.current == Some(line)) && log.view().contains(&line)
            })
        }
    };
    driver.until("the first error of the step that failed", at(200)).await;
    driver.until("its lines", whole).await;
    assert!(driver.screen().contains("error 2/3") && driver.screen().contains("it broke 200"), "{}", driver.screen());
    driver.press(&[Char('e')]);
    driver.until("the next", at(400)).await;
    driver.press(&[Char('E'), Char('E')]);
    driver.until("the one before, of another step", at(0)).await;
    // Who moves before the first error is known stays where he went.
    driver.press(&[Esc, Enter, Char('G')]);
    driver.until("the end", |state| screen_has(state, |log| log.head.is_some()) && whole(state)).await;
    assert!(driver.screen().contains("fine 499"), "{}", driver.screen());
}

#[tokio::test]
async fn an_address_is_copied_and_a_log_handed_over() {
    let mut driver = started().await;
    driver.press(&[Char('e'), Char('y')]);
    assert_eq!(driver.effects.pop(), Some(Effect::Copy("2".to_owned())));
    driver.press(&[Enter]);
    driver.until("the build", whole).await;
    driver.press(&[Char('y'), Char('p')]);
    let id = AttemptId { build: 2, job: "test (3.13)".to_owned(), attempt: 1 };
    let expected = [Effect::Copy("2/test (3.13)".to_owned()), Effect::Read(Reader::Pager, id.clone())];
    assert_eq!(driver.effects.split_off(driver.effects.len() - 2), expected);
    driver.press(&[Enter, Char('S'), Ctrl('e')]);
    let expected = [Effect::Read(Reader::File, id.clone()), Effect::Read(Reader::Editor, id)];
    assert_eq!(driver.effects.split_off(driver.effects.len() - 2), expected);
}

#[tokio::test]
async fn a_search_goes_on_from_where_one_looks() {
    let mut driver = started().await;
    driver.fake.change(|world| world.search_limit = 3);
    driver.press(&[Char('e'), Enter]);
    driver.until("the build", whole).await;
    driver.press(&[Enter]);
    driver.until("the log", whole).await;
    driver.press(&[Char('G')]);
    driver.press(&[Char('/')]);
    driver.type_text("package .0$");
    driver.press(&[Enter]);
    let at = |line: u64| {
        move |state: &State| screen_has(state, |log| log.search.as_ref().is_some_and(|s| s.current == Some(line)))
    };
    driver.until("the first hit in view", at(90)).await;
    driver.press(&[Char('n')]);
    driver.until("around the end", at(10)).await;
    assert!(driver.state.toasts.iter().any(|toast| toast.text == "search wrapped"));
    driver.press(&[Char('g'), Char('G'), Char('N')]);
    driver.until("the hit above the view", at(80)).await;
    driver.press(&[Char('N')]);
    driver.until("the hit before", at(70)).await;
    driver.press(&[Char('g'), Char(' '), Char('n')]);
    driver.until("from the view on", at(20)).await;
}

#[tokio::test]
async fn a_log_counts_the_planned_steps_and_a_retry_moves_the_preview() {
    let mut driver = Driver::start(SIZES[0]);
    driver.fake.change(|world| {
        let number = world.push("acme/app", "main", "Three", &[("test", &[], &["one", "two", "three"])]);
        world.start_step(number, "test", 0);
        world.write(number, "test", "begun\n");
    });
    driver.until("the build", |state| state.builds.total() == 1).await;
    driver.press(&[Enter]);
    driver.until("the preview", whole).await;
    driver
        .until("its line", |state| state.build_page(1).is_some_and(|page| page.preview.is_some()) && whole(state))
        .await;
    assert!(driver.screen().contains("1/3 one"), "{}", driver.screen());
    driver.fake.change(|world| world.end_job(1, "test", Outcome::Failed, "broke"));
    let job = |state: &State, attempts: usize| {
        let view = state.build_page(1).and_then(|page| page.view.as_deref());
        view.is_some_and(|view| {
            view.jobs[0].attempts.len() == attempts && view.jobs[0].outcome.is_some() == (attempts == 1)
        })
    };
    driver.until("its end", |state| job(state, 1)).await;
    driver.press(&[Char('g'), Char('r')]);
    driver.until("the new attempt", |state| job(state, 2)).await;
    let preview = driver.state.build_page(1).and_then(|page| page.preview.as_ref());
    assert_eq!(preview.map(|log| log.id.attempt), Some(2));
}

fn screen_has(state: &State, wished: impl Fn(&LogPage) -> bool) -> bool {
    matches!(state.pages.last(), Some(Page::Log(log)) if wished(log))
}

#[tokio::test]
async fn a_cancel_asks_counts_down_and_says_what_came_of_it() {
    let mut driver = started().await;
    driver.press(&[Char('2'), Enter]);
    driver.until("the build", whole).await;
    driver.press(&[Char('x')]);
    insta::assert_snapshot!("cancel_asks", driver.screen());
    // The answer that changes nothing is focused.
    driver.press(&[Enter]);
    assert!(driver.fake.change(|world| world.asked.is_empty()));
    driver.press(&[Char('x'), Char('j'), Enter]);
    driver.until("the countdown", |state| !state.toasts.is_empty()).await;
    driver
        .until("the countdown", |state| {
            state.build_page(3).and_then(|page| page.job()).is_some_and(|job| job.attempts[0].cancelling.is_some())
        })
        .await;
    driver.now.0 += 3_500;
    driver.happen(Event::Deadline);
    insta::assert_snapshot!("countdown", driver.screen());
}

#[tokio::test]
async fn nothing_yet() {
    let mut driver = Driver::start(SIZES[1]);
    insta::assert_snapshot!("before_the_daemon", driver.screen());
    driver.until("empty lists", |state| state.builds.loaded && state.queue.is_some()).await;
    at_every_size(&mut driver, "no_builds").await;
    driver.press(&[Char('2')]);
    insta::assert_snapshot!("empty_queue", driver.screen());
}

#[tokio::test]
async fn help() {
    let mut driver = started().await;
    driver.press(&[Char('?')]);
    at_every_size(&mut driver, "help").await;
    driver.press(&[Char('G'), Ctrl('l')]);
    insta::assert_snapshot!("help_end", driver.screen());
}

#[tokio::test]
async fn a_lost_daemon_is_said_and_what_changed_meanwhile_comes() {
    let mut driver = started().await;
    driver.fake.cut();
    driver.until("the loss", State::stale).await;
    let banner = driver.screen().lines().nth(1).unwrap_or_default().to_owned();
    assert!(banner.contains("no daemon since 22:13:20"), "{banner}");
    driver.fake.change(|world| world.push("acme/app", "main", "While you were away", &[("test", &[], &["x"])]));
    driver.until("the news", |state| state.builds.total() == 5).await;
    assert!(!driver.state.stale());
    assert!(driver.screen().contains("While you"));
    // The list was taken up where it was, not asked for anew.
    let resumed = driver.fake.change(|world| world.subscribed.iter().filter(|(_, after)| after.is_some()).count());
    assert_eq!(resumed, 1);
}

#[tokio::test]
async fn a_lost_daemon() {
    let mut driver = started().await;
    driver.happen(Event::Lost { error: "connection refused".to_owned(), pause: 2_000 });
    at_every_size(&mut driver, "lost").await;
}

#[tokio::test]
async fn a_followed_log_shows_its_end_through_floods_and_cuts() {
    let mut driver = started().await;
    driver.press(&[Char('2'), Enter]);
    driver.until("the build", whole).await;
    driver.press(&[Enter]);
    for round in 1..=5u64 {
        let flood: String = (0..5_000).map(|line| format!("line {line} of round {round}\n")).collect();
        driver.fake.change(|world| world.write(3, "build", &flood));
        if round % 2 == 0 {
            driver.fake.cut();
        }
        let lines = 1 + round * 5_000;
        driver.until("the flood", |state| screen_has(state, |log| log.lines() == lines) && whole(state)).await;
        let screen = driver.screen();
        let last = format!("line 4999 of round {round}");
        assert!(screen.contains(&last) && screen.contains("line 4981"), "{screen}");
    }
    // Back in the middle: what was skipped comes when it is looked at.
    driver.press(&[Char('g')]);
    driver.until("the beginning", whole).await;
    assert!(driver.screen().contains("compiling") && driver.screen().contains("line 3 of round 1"));
}

#[tokio::test]
async fn palette() {
    let mut driver = started().await;
    driver.state.profiles = vec!["home".to_owned()];
    driver.press(&[Char('2'), Char(':')]);
    driver.type_text("on");
    insta::assert_snapshot!("palette_80x24", driver.look());
    driver.resize(SIZES[2]);
    insta::assert_snapshot!("palette_40x10", driver.look());
    driver.press(&[Esc]);
}
