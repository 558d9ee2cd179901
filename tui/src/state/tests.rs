//! What events do to the state, one line each: no terminal, no socket, no clock.

mod away;
mod marks;
mod others;
mod patience;

use jiff::tz::TimeZone;
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{LogHead, LogWindow, Response, RetryWhat, Role, StepMark};
use windlass_protocol::log::{LogLine, NO_STEP};
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::view::{BuildRow, BuildView, Cancelling, EngineView, Outcome, QueueView};

use super::log::{Shown, Start};
use super::*;
use crate::keymap::Key::{Char, Ctrl, Down, End, Enter, Esc, PageUp};
use crate::keymap::Mode;
use crate::words;

mod logs;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn state() -> State {
    let mut state = State::new("unix:s".to_owned(), (100, 30), NOW, TimeZone::UTC, true, true);
    state.begin();
    happen(&mut state, Event::Connected(hello()));
    state
}

fn hello() -> Hello {
    let (version, instance) = ("0.1.0".to_owned(), "one".to_owned());
    Hello {
        protocol: 1,
        version,
        instance,
        capabilities: vec!["log_view".to_owned()],
        role: Role::Admin,
        now: Timestamp(NOW.0 + 5_000),
        webhook: None,
    }
}

fn happen(state: &mut State, event: Event) -> Vec<Effect> {
    state.update(NOW, event)
}

fn press(state: &mut State, keys: &[Key]) -> Vec<Effect> {
    keys.iter().flat_map(|key| happen(state, Event::Key(*key))).collect()
}

fn row(number: u64, status: Status, outcome: Option<Outcome>, title: &str) -> BuildRow {
    BuildRow {
        number,
        seq: number,
        repository: "acme/app".to_owned(),
        event: "push".to_owned(),
        r#ref: "refs/heads/main".to_owned(),
        branch: Some("main".to_owned()),
        pull_request: None,
        sha: "0123456789abcdef".to_owned(),
        title: title.to_owned(),
        author: "ada".to_owned(),
        status,
        outcome,
        reason: None,
        cancelling: false,
        because: None,
        jobs: Vec::new(),
        created_at: NOW,
        started_at: Some(NOW),
        finished_at: None,
    }
}

fn list(state: &mut State, rows: Vec<BuildRow>, total: u64) -> Vec<Effect> {
    let order = rows.iter().map(|row| row.number).collect();
    let message = ServerMessage::Builds { sub: BUILDS, seq: 1, total, offset: 0, order, changed: rows };
    happen(state, Event::Message(Box::new(message)))
}

/// Builds `count` down to 1: the third of every four failed.
fn with_builds(count: u64) -> State {
    let mut state = state();
    let one = |number: u64| match number % 4 {
        3 => row(number, Status::Finished, Some(Outcome::Failed), "broken"),
        _ => row(number, Status::Finished, Some(Outcome::Passed), "fine"),
    };
    list(&mut state, (1..=count).rev().map(one).collect(), count);
    state
}

fn sent(effects: &[Effect]) -> Vec<&ClientMessage> {
    effects.iter().filter_map(|effect| if let Effect::Send(message) = effect { Some(message) } else { None }).collect()
}

fn requests(effects: &[Effect]) -> Vec<Request> {
    let request = |message: &&ClientMessage| match message {
        ClientMessage::Request { request, .. } => Some(request.clone()),
        _ => None,
    };
    sent(effects).iter().filter_map(request).collect()
}

#[test]
fn keys_in_the_list_of_builds() {
    // keys, the build that is selected afterwards
    let table: [(&[Key], u64); 9] = [
        (&[], 40),
        (&[Char('j')], 39),
        (&[Down, Down, Char('k')], 39),
        (&[Char('G')], 1),
        (&[Char('G'), Char('g')], 40),
        (&[Char('e')], 39),
        (&[Char('e'), Char('e'), Char('E')], 39),
        (&[Char('!')], 39),
        (&[Char('!'), Char('j'), Esc], 35),
    ];
    for (keys, selected) in table {
        let mut state = with_builds(40);
        press(&mut state, keys);
        assert_eq!(state.builds.selected().map(|row| row.number), Some(selected), "{keys:?}");
    }
}

#[test]
fn the_selected_build_stays_selected_when_new_ones_come() {
    let mut state = with_builds(40);
    press(&mut state, &[Down, Down]);
    let rows = (1..=43).rev().map(|number| row(number, Status::Waiting, None, "x")).collect();
    list(&mut state, rows, 43);
    assert_eq!(state.builds.selected().map(|row| row.number), Some(38));
    assert_eq!(state.builds.cursor.at, 5);
}

#[test]
fn rows_that_are_missing_are_asked_for_anew() {
    let mut state = state();
    let message =
        ServerMessage::Builds { sub: BUILDS, seq: 1, total: 1, offset: 0, order: vec![9], changed: Vec::new() };
    let effects = happen(&mut state, Event::Message(Box::new(message)));
    assert!(matches!(sent(&effects)[..], [ClientMessage::Subscribe { sub: BUILDS, after: None, .. }]));
}

#[test]
fn far_down_the_window_moves_along() {
    let mut state = state();
    let rows = (1..=300).map(|n| row(10_000 - n, Status::Waiting, None, "x")).collect();
    list(&mut state, rows, 9_999);
    let effects = press(&mut state, &[End]);
    let window = sent(&effects).into_iter().find_map(|message| match message {
        ClientMessage::Subscribe { sub: BUILDS, topic: Topic::Builds { offset, .. }, .. } => Some(*offset),
        _ => None,
    });
    assert_eq!(window, Some(9_998 - 150));
    assert!(state.builds.selected().is_none(), "the row is not here yet");
}

#[test]
fn typing_filters_here_at_once_and_asks_the_daemon() {
    let mut state = with_builds(40);
    let effects = press(&mut state, &[Char('/'), Char('b'), Char('k'), Char('n')]);
    assert_eq!(state.builds.len(), 10, "the broken ones, fuzzily");
    assert_eq!(sent(&effects).len(), 3);
    // What the daemon found joins what was at hand.
    let found = row(7_000, Status::Waiting, None, "bkn exactly");
    let (order, changed) = (vec![7_000], vec![found]);
    let message = ServerMessage::Builds { sub: FOUND, seq: 1, total: 1, offset: 0, order, changed };
    happen(&mut state, Event::Message(Box::new(message)));
    assert_eq!((state.builds.len(), state.builds.row(0).map(|row| row.number)), (11, Some(7_000)));
    press(&mut state, &[Esc]);
    assert_eq!(state.builds.len(), 40);
}

#[test]
fn a_cancel_keeps_the_target_it_was_asked_for() {
    let mut state = state();
    list(&mut state, vec![row(2, Status::Running, None, "two"), row(1, Status::Running, None, "one")], 2);
    press(&mut state, &[Char('x')]);
    let dialog = state.dialog.clone().expect("a question");
    assert_eq!((dialog.title.as_str(), dialog.focus), ("Cancel build 2?", 0));
    assert!(dialog.answers[0].does.is_empty(), "the focused answer changes nothing");
    // Meanwhile a new build comes and takes the row.
    let rows = vec![row(3, Status::Running, None, "x"), row(2, Status::Running, None, "x")];
    list(&mut state, rows, 3);
    let effects = press(&mut state, &[Down, Enter]);
    assert_eq!(requests(&effects), [Request::Cancel { build: 2, job: None, force: false }]);
}

#[test]
fn what_ended_is_not_cancelled_and_the_count_is_shown() {
    let mut state = state();
    let ended = row(1, Status::Finished, Some(Outcome::Passed), "ended");
    list(&mut state, vec![row(3, Status::Running, None, "x"), row(2, Status::Waiting, None, "y"), ended], 3);
    press(&mut state, &[Char(' '), Char(' '), Char(' '), Char('X')]);
    assert_eq!(state.dialog.as_ref().map(|dialog| dialog.title.as_str()), Some("Kill 2 builds?"));
    let effects = press(&mut state, &[Down, Enter]);
    let kill = |build| Request::Cancel { build, job: None, force: true };
    assert_eq!(requests(&effects), [kill(2), kill(3)]);
    assert!(state.builds.marks.is_empty());
    press(&mut state, &[Char('G'), Char('x')]);
    assert!(state.dialog.is_none());
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("build 1 has ended already"));
}

#[test]
fn an_impossible_retry_stays_in_the_menu_with_its_reason() {
    let mut state = with_builds(1);
    press(&mut state, &[Char('R')]);
    let effects = press(&mut state, &[Down, Enter]);
    assert!(sent(&effects).is_empty());
    assert!(state.dialog.is_some());
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("select a job of the build first"));
    let effects = press(&mut state, &[Down, Enter]);
    assert_eq!(requests(&effects), [Request::Retry { build: 1, what: RetryWhat::Everything, head: false }]);
}

/// A view of build 1: name, needs, status and outcome of each job.
fn view(jobs: &[(&str, &[&str], Status, Option<Outcome>)]) -> Box<BuildView> {
    let jobs = jobs.iter().map(|(name, needs, status, outcome)| {
        let attempt = serde_json::json!({
            "number": 1, "status": status, "outcome": outcome, "queued_at": NOW, "steps": [],
            "log": { "lines": 0, "bytes": 0, "sha256": null },
        });
        serde_json::json!({
            "name": name, "needs": needs, "status": status, "outcome": outcome, "attempts": [attempt],
        })
    });
    let finished = jobs.clone().all(|job| job["status"] == "finished");
    serde_json::from_value(serde_json::json!({
        "number": 1, "seq": 1, "repository": "acme/app", "event": "push", "ref": "refs/heads/main", "sha": "0123456789",
        "title": "t", "author": "ada", "status": if finished { "finished" } else { "running" }, "created_at": NOW,
        "reason": "because", "jobs": jobs.collect::<Vec<_>>(),
    }))
    .expect("a build")
}

/// The page of build 1, the cursor on the whole of it.
fn on_build(build: Box<BuildView>) -> State {
    let mut state = with_builds(1);
    press(&mut state, &[Enter]);
    let sub = match state.pages.last() {
        Some(Page::Build(page)) => page.sub,
        other => panic!("{other:?}"),
    };
    happen(&mut state, Event::Message(Box::new(ServerMessage::Build { sub, seq: 1, build })));
    press(&mut state, &[Char('g')]);
    state
}

const FINISHED: Status = Status::Finished;

#[test]
fn retry_and_cancel_speak_of_the_selected_row_and_many_jobs_are_asked_about() {
    let (passed, failed) = (Some(Outcome::Passed), Some(Outcome::Failed));
    let build = || {
        let skipped = Some(Outcome::Skipped);
        let deploy: &[&str] = &["test"];
        view(&[("lint", &[], FINISHED, passed), ("test", &[], FINISHED, failed), ("deploy", deploy, FINISHED, skipped)])
    };
    let retry = |what| [Request::Retry { build: 1, what, head: false }];
    let job = |job: &str| RetryWhat::Job { job: job.to_owned() };
    // rows down, the question if there is one, what is asked for
    let table = [
        (0, Some("Retry build 1?"), RetryWhat::Failed),
        (1, None, job("lint")),
        (2, Some("Retry 1/test?"), job("test")),
        (3, None, job("deploy")),
    ];
    for (down, title, what) in table {
        let mut state = on_build(build());
        press(&mut state, &vec![Down; down]);
        let mut effects = press(&mut state, &[Char('r')]);
        assert_eq!(state.dialog.as_ref().map(|dialog| dialog.title.as_str()), title);
        if let Some(dialog) = &state.dialog {
            assert!(dialog.text.iter().any(|text| text.starts_with("2 jobs will run again")), "{dialog:?}");
            effects = press(&mut state, &[Down, Enter]);
        }
        assert_eq!(requests(&effects), retry(what.clone()));
        // The menu's first entry is the same.
        let effects = press(&mut state, &[Char('R'), Enter]);
        assert_eq!(requests(&effects), retry(what));
    }
    let mut state = on_build(view(&[("a", &[], Status::Running, None), ("b", &[], Status::Running, None)]));
    let effects = press(&mut state, &[Down, Char('x'), Down, Enter]);
    assert_eq!(requests(&effects), [Request::Cancel { build: 1, job: Some("a".to_owned()), force: false }]);
    press(&mut state, &[Char('r')]);
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("1/a: it has not ended yet"));
}

#[test]
fn a_build_without_jobs_of_its_own_is_read_again_or_not_at_all() {
    let mut state = on_build(view(&[("spec", &[], FINISHED, Some(Outcome::Broken))]));
    press(&mut state, &[Char('R')]);
    let dialog = state.dialog.clone().expect("a menu");
    assert_eq!(
        (dialog.answers[0].label.as_str(), dialog.answers.len()),
        ("Reads the spec again: makes a new build", 3)
    );
    let effects = press(&mut state, &[Enter]);
    assert_eq!(requests(&effects), [Request::Retry { build: 1, what: RetryWhat::Failed, head: false }]);
    let answer = ServerMessage::Response { id: 1, response: Response::Retry { attempts: Vec::new(), delivery: None } };
    happen(&mut state, Event::Message(Box::new(answer)));
    let words = "build 1: the commit is read again: a new build follows";
    assert_eq!(state.toasts.last().map(|toast| (toast.text.as_str(), toast.bad)), Some((words, false)));
    let mut state = on_build(view(&[("spec", &[], FINISHED, Some(Outcome::Skipped))]));
    assert!(press(&mut state, &[Char('r'), Down, Char('r'), Char('R'), Enter]).is_empty());
    let why = state.dialog.as_ref().and_then(|dialog| dialog.answers[0].why_not.clone());
    assert_eq!(why.as_deref(), Some("there is nothing to run: because"));
}

#[test]
fn a_second_cancel_is_asked_for_as_the_kill_that_it_is() {
    let mut build = view(&[("a", &[], Status::Running, None), ("b", &[], Status::Running, None)]);
    let kill_at = Timestamp(NOW.0 + 12_000);
    let cancelling = Cancelling { by: "you".to_owned(), since: NOW, kill_at, force: false };
    build.jobs[0].attempts[0].cancelling = Some(cancelling.clone());
    assert!(words::stopping(&build).is_none(), "the other job runs on");
    let mut state = on_build(build.clone());
    press(&mut state, &[Char('x')]);
    assert_eq!(state.dialog.as_ref().map(|dialog| dialog.title.as_str()), Some("Cancel build 1?"));
    press(&mut state, &[Esc, Down, Char('x')]);
    let dialog = state.dialog.clone().expect("a question");
    assert_eq!((dialog.title.as_str(), dialog.killed_at), ("Kill 1/a now?", Some(kill_at)));
    let effects = press(&mut state, &[Down, Enter]);
    assert_eq!(requests(&effects), [Request::Cancel { build: 1, job: Some("a".to_owned()), force: true }]);
    build.jobs[1].attempts[0].cancelling = Some(cancelling);
    assert!(words::stopping(&build).is_some());
}

#[test]
fn answers_and_refusals_are_said() {
    let mut state = with_builds(3);
    press(&mut state, &[Char('r')]);
    let attempts = vec![AttemptId { build: 3, job: "test".to_owned(), attempt: 2 }];
    let message = ServerMessage::Response { id: 1, response: Response::Retry { attempts, delivery: None } };
    happen(&mut state, Event::Message(Box::new(message)));
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("3/test#2 will run"));
    press(&mut state, &[Char('r')]);
    let refusal = Refusal::new(RefusalCode::Forbidden, "this token may only look");
    happen(&mut state, Event::Message(Box::new(ServerMessage::Refused { id: 2, refusal })));
    let toast = state.toasts.last().expect("a toast");
    assert_eq!((toast.text.as_str(), toast.bad), ("build 3: forbidden: this token may only look", true));
    state.update(Timestamp(NOW.0 + 60_000), Event::Deadline);
    assert!(state.toasts.is_empty());
}

#[test]
fn idle_has_no_deadline_and_running_counts_seconds_of_the_daemons_clock() {
    let mut state = with_builds(3);
    // How the builds of the branch ended is still to be told.
    assert_eq!(state.deadline(), Some(Timestamp(NOW.0 + 10_000)));
    let answer = ServerMessage::Response { id: FIRST_LOOK_UP, response: Response::Results { results: Vec::new() } };
    happen(&mut state, Event::Message(Box::new(answer)));
    assert_eq!(state.deadline(), None);
    list(&mut state, vec![row(4, Status::Running, None, "x")], 1);
    assert_eq!(state.deadline(), Some(Timestamp(NOW.0 + 1_000)));
    state.animation = false;
    let id = FIRST_LOOK_UP + 1;
    let refusal = Refusal::new(RefusalCode::Unavailable, "not now");
    happen(&mut state, Event::Message(Box::new(ServerMessage::Refused { id, refusal })));
    assert_eq!(state.deadline(), None);
    happen(&mut state, Event::Lost { error: "gone".to_owned(), pause: 100 });
    assert!(state.stale() && state.deadline().is_none());
}

#[test]
fn ctrl_c_quits_from_everywhere_and_stops_nothing() {
    for keys in [&[][..], &[Char('/')], &[Char('?')], &[Char('x')], &[Char('2')]] {
        let mut state = state();
        list(&mut state, vec![row(1, Status::Running, None, "x")], 1);
        press(&mut state, keys);
        assert_eq!(press(&mut state, &[Ctrl('c')]), [Effect::Quit], "{keys:?}");
    }
}

#[test]
fn pasted_text_is_never_keys() {
    let mut state = with_builds(3);
    let effects = happen(&mut state, Event::Paste("xj\nr".to_owned()));
    assert!(effects.is_empty() && state.dialog.is_none() && state.toasts.is_empty());
    press(&mut state, &[Char('/')]);
    happen(&mut state, Event::Paste("bro\x1bken\nx".to_owned()));
    assert_eq!((state.builds.filter.as_str(), state.builds.len()), ("broken", 1));
}

#[test]
fn clicks_select_and_a_second_one_opens() {
    let mut state = with_builds(9);
    happen(&mut state, Event::Click(Hit::Row(2)));
    assert_eq!((state.builds.cursor.at, state.pages.len()), (2, 0));
    happen(&mut state, Event::Click(Hit::Row(2)));
    assert_eq!(state.pages.len(), 1);
    happen(&mut state, Event::Click(Hit::View(View::Queue)));
    assert_eq!((state.view, state.pages.len()), (View::Queue, 0));
}

#[test]
fn a_border_follows_the_mouse_until_it_is_dropped_and_is_found_again() {
    let mut state = with_builds(3);
    happen(&mut state, Event::Resize(200, 50));
    press(&mut state, &[Enter]);
    let before = state.layout().jobs_width();
    happen(&mut state, Event::Drag(90, 20));
    assert_eq!(state.layout().jobs_width(), before, "nothing is held");
    happen(&mut state, Event::Click(Hit::Border(Border::Jobs)));
    assert!(state.holds());
    happen(&mut state, Event::Drag(90, 20));
    happen(&mut state, Event::Drag(101, 3));
    happen(&mut state, Event::Drop);
    happen(&mut state, Event::Drag(30, 3));
    assert_eq!(state.layout().jobs_width(), 101);
    let session = state.session();
    let mut again = with_builds(3);
    happen(&mut again, Event::Resize(200, 50));
    again.restore(&session);
    assert_eq!(again.layout().jobs_width(), 101);
}

#[test]
fn q_goes_back_and_quits_only_at_the_root() {
    let mut state = with_builds(3);
    press(&mut state, &[Enter]);
    assert_eq!(state.pages.len(), 1);
    let effects = press(&mut state, &[Char('q')]);
    assert!(state.pages.is_empty());
    assert!(matches!(sent(&effects)[..], [ClientMessage::Unsubscribe { .. }]));
    assert_eq!(press(&mut state, &[Char('q')]), [Effect::Quit]);
}

#[test]
fn a_loss_keeps_its_beginning_over_the_tries() {
    let mut state = state();
    let lost = || Event::Lost { error: "gone".to_owned(), pause: 100 };
    state.update(NOW, lost());
    state.update(Timestamp(NOW.0 + 9_000), lost());
    assert!(matches!(state.connection, Connection::Lost { since, .. } if since == NOW));
    state.update(Timestamp(NOW.0 + 10_000), Event::Connected(hello()));
    assert!(state.toasts.iter().any(|toast| toast.text.contains("10 s")));
}

#[test]
fn queue_keeps_its_cursor_inside() {
    let mut state = state();
    let engine = EngineView { kind: "docker".to_owned(), version: None, trouble: None };
    let queue =
        QueueView { running: 0, waiting: 0, blocked: 0, limit: 2, jobs: Vec::new(), engine, pauses: Vec::new() };
    press(&mut state, &[Char('2'), Char('G'), Enter, Char('x')]);
    happen(&mut state, Event::Message(Box::new(ServerMessage::Queue { sub: QUEUE, queue })));
    assert_eq!(state.queue_cursor, Cursor::default());
    assert!(state.pages.is_empty() && state.dialog.is_none());
}

// Logs: a page of 10 rows and 80 columns.

fn page(start: Start) -> LogPage {
    LogPage::new(AttemptId { build: 1, job: "test".to_owned(), attempt: 1 }, 10, start, (80, 10))
}

fn head(lines: u64, finished: bool, steps: &[(u16, u64)]) -> LogHead {
    let mark =
        |(step, first_line): &(u16, u64)| StepMark { step: *step, name: format!("s{step}"), first_line: *first_line };
    LogHead { lines, bytes: lines * 10, seq: lines, finished, steps: steps.iter().map(mark).collect() }
}

fn fill(page: &mut LogPage, lines: std::ops::Range<u64>, text: &str) {
    let line = |_| LogLine { at: 0, step: NO_STEP, open: false, raw_length: text.len() as u64, bytes: text.into() };
    page.take_lines(lines.start, lines.map(line).collect());
}

/// What each row in view shows: `s0` for a heading, `5` for a line, `5.1` for a wrapped row of it, `?5` when missing.
fn shown(page: &LogPage) -> Vec<String> {
    let word = |row: &Shown<'_>| match row {
        Shown::Step(mark) => mark.name.clone(),
        Shown::Line { number, row: 0, .. } => number.to_string(),
        Shown::Line { number, row, .. } => format!("{number}.{row}"),
        Shown::Long { number, row, .. } => format!("{number}+{row}"),
        Shown::Missing { number } => format!("?{number}"),
        Shown::Gap => "…".to_owned(),
        Shown::Hole => "~".to_owned(),
    };
    page.shown().iter().map(|(_, row)| word(row)).collect()
}

#[test]
fn a_log_follows_its_end_until_one_moves_up() {
    let mut log = page(Start::End);
    log.take_head(head(100, false, &[]));
    assert_eq!(log.top(), (90, 0));
    log.go(log::Motion::Up(5));
    log.take_head(head(200, false, &[]));
    assert_eq!((log.top(), log.following(), log.below()), ((85, 0), false, 105));
    log.go(log::Motion::Down(1_000));
    assert_eq!((log.top(), log.following()), ((190, 0), false));
    log.go(log::Motion::End);
    log.take_head(head(300, false, &[]));
    assert_eq!((log.top(), log.following()), ((290, 0), true));
}

#[test]
fn a_log_opens_at_the_end_of_the_failing_step() {
    let mut log = page(Start::EndOfStep(1));
    log.take_head(head(100, true, &[(0, 0), (1, 50), (2, 70)]));
    fill(&mut log, 40..80, "x");
    assert_eq!(shown(&log), ["60", "61", "62", "63", "64", "65", "66", "67", "68", "69"]);
    // A short step is shown with its heading and what stood before it.
    let mut log = page(Start::EndOfStep(1));
    log.take_head(head(100, true, &[(0, 0), (1, 68), (2, 70)]));
    fill(&mut log, 40..80, "x");
    assert_eq!(shown(&log), ["61", "62", "63", "64", "65", "66", "67", "s1", "68", "69"]);
}

#[test]
fn steps_without_output_are_shown_where_they_begin() {
    let mut log = page(Start::End);
    log.take_head(head(2, false, &[(0, 0), (1, 0), (2, 2)]));
    fill(&mut log, 0..2, "x");
    assert_eq!(shown(&log), ["s0", "s1", "0", "1", "s2"]);
    let mut empty = page(Start::End);
    empty.take_head(head(0, false, &[(0, 0)]));
    assert_eq!(shown(&empty), ["s0"]);
}

#[test]
fn wrapped_lines_take_the_rows_they_need() {
    let mut log = page(Start::Line(0));
    log.take_head(head(8, true, &[]));
    fill(&mut log, 0..8, &"word ".repeat(29)); // 145 columns: 2 rows of 74
    log.wrap = true;
    assert_eq!(log.text_width(), 74);
    log.go(log::Motion::First);
    assert_eq!(shown(&log), ["0", "0.1", "1", "1.1", "2", "2.1", "3", "3.1", "4", "4.1"]);
    log.go(log::Motion::Down(1));
    assert_eq!(log.top(), (0, 1));
    log.go(log::Motion::Down(100));
    assert_eq!(log.top(), (3, 0));
    log.go(log::Motion::Up(3));
    assert_eq!(log.top(), (1, 1));
}

#[test]
fn only_windows_that_are_not_at_hand_are_asked_for() {
    let mut log = page(Start::End);
    let window = |topic: Option<Topic>| match topic {
        Some(Topic::Log { window, .. }) => Some(window),
        _ => None,
    };
    assert_eq!(window(log.missing_window()), Some(LogWindow::Tail { count: 20 }));
    log.take_head(head(10_000, false, &[]));
    assert_eq!(window(log.missing_window()), None);
    log.go(log::Motion::First);
    assert_eq!(window(log.missing_window()), Some(LogWindow::Range { first: 0, count: 40 }));
    log.go(log::Motion::Down(5));
    assert_eq!(window(log.missing_window()), None);
    log.go(log::Motion::Down(500));
    assert_eq!(window(log.missing_window()), Some(LogWindow::Range { first: 490, count: 40 }));
    log.forget_window();
    assert!(log.missing_window().is_some());
}

#[test]
fn below_the_smallest_size_keys_only_quit_and_redraw() {
    let mut state = state();
    list(&mut state, vec![row(1, Status::Running, None, "x")], 1);
    press(&mut state, &[Char('X')]);
    happen(&mut state, Event::Resize(39, 10));
    assert!(state.dialog.is_none());
    let effects = press(&mut state, &[Char('X'), Down, Enter, Enter, Char('r'), Char('2'), Char('?'), Char('/')]);
    assert!(effects.is_empty() && state.dialog.is_none() && state.prompt.is_none() && state.help.is_none());
    assert!(state.pages.is_empty() && state.view == View::Builds);
    assert_eq!(press(&mut state, &[Ctrl('l'), Char('q'), Ctrl('c')]), [Effect::Redraw, Effect::Quit, Effect::Quit]);
    happen(&mut state, Event::Resize(40, 10));
    press(&mut state, &[Char('X')]);
    assert!(state.dialog.is_some());
}

#[test]
fn help_opens_at_the_section_of_the_screen_and_ends_at_its_end() {
    let mut state = with_builds(1);
    press(&mut state, &[Char('?')]);
    assert_eq!(state.help, Some(0));
    press(&mut state, &[Esc, Enter, Char('?')]);
    assert_eq!(state.help, Some(crate::keymap::section(Mode::Build)));
    press(&mut state, &[Char('j'), End]);
    let end = state.help;
    press(&mut state, &[Char('j'), Char('k')]);
    assert_eq!(state.help, end.map(|top| top - 1), "no row is scrolled beyond the end");
}

#[test]
fn nothing_panics_on_a_terminal_of_nothing() {
    for size in [(0, 0), (1, 1), (80, 1), (1, 80)] {
        let mut state = with_builds(40);
        happen(&mut state, Event::Resize(size.0, size.1));
        let keys =
            [Char('G'), PageUp, Char('x'), Esc, Enter, Down, Esc, Char('?'), Char('G'), Esc, Char('/'), Char('z')];
        press(&mut state, &keys);
        happen(&mut state, Event::Wheel(-3));
        let mut log = page(Start::End);
        log.resize(size);
        log.take_head(head(3, false, &[(0, 0)]));
        fill(&mut log, 0..3, "some text");
        log.wrap = true;
        log.go(log::Motion::Up(9));
        log.reveal(2);
        log.sideways(true);
        assert!(log.shown().len() <= usize::from(size.1));
    }
}

#[test]
fn a_size_that_was_another_for_a_moment_is_painted_whole() {
    let mut state = State::new("unix:s".to_owned(), (80, 24), Timestamp(0), TimeZone::UTC, true, true);
    assert_eq!(state.update(Timestamp(0), Event::Resize(80, 24)), [Effect::Redraw]);
}

#[test]
fn the_palette_finds_a_command_by_a_part_of_its_name() {
    let mut state = with_builds(8);
    press(&mut state, &[Char(':')]);
    assert_eq!(state.mode(), Mode::Prompt);
    "onlyf".chars().for_each(|c| drop(press(&mut state, &[Char(c)])));
    let menu = state.menu.as_ref().expect("the palette is open");
    assert_eq!(menu.item(0).map(|item| item.name.as_str()), Some("only-failed"));
    press(&mut state, &[Enter]);
    assert!(state.menu.is_none() && state.prompt.is_none());
    assert!(state.builds.only_failed, "it was done");
    press(&mut state, &[Char(':'), Char('z'), Char('q'), Char('z'), Enter]);
    assert!(state.menu.is_some(), "nothing has such a name: it stays open");
    let nothing = |state: &State| state.menu.as_ref().map(|menu| (menu.is_empty(), menu.nothing));
    assert_eq!(nothing(&state), Some((true, "no command has such a name")));
    press(&mut state, &[Ctrl('u')]);
    "99,999".chars().for_each(|c| drop(press(&mut state, &[Char(c)])));
    assert_eq!(nothing(&state), Some((true, "a number is a line of a log: open one first")));
    press(&mut state, &[Esc]);
    assert_eq!(state.mode(), Mode::List);
}

#[test]
fn the_menu_says_why_something_cannot_be() {
    let mut state = with_builds(8);
    press(&mut state, &[Char('.')]);
    "cancel".chars().for_each(|c| drop(press(&mut state, &[Char(c)])));
    let item = state.menu.as_ref().and_then(|menu| menu.item(0)).expect("cancel is in it");
    assert_eq!(item.why_not.as_deref(), Some("build 8 has ended already"));
    press(&mut state, &[Enter]);
    assert!(state.menu.is_some() && state.dialog.is_none());
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("cancel: build 8 has ended already"));
}

#[test]
fn the_palette_knows_the_other_daemons() {
    let mut state = with_builds(1);
    state.profiles = vec!["home".to_owned(), "work".to_owned()];
    state.profile = Some("home".to_owned());
    press(&mut state, &[Char(':')]);
    "daemonhome".chars().for_each(|c| drop(press(&mut state, &[Char(c)])));
    assert_eq!(press(&mut state, &[Enter]), [], "it is the one that is looked at");
    press(&mut state, &[Ctrl('u')]);
    "daemonwork".chars().for_each(|c| drop(press(&mut state, &[Char(c)])));
    assert_eq!(press(&mut state, &[Enter]), [Effect::Switch("work".to_owned())]);
}
