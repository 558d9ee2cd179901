//! Marks, what is done with them, and what is taken back.

use super::*;

fn marked(state: &State) -> Vec<u64> {
    state.builds.marks.iter().copied().collect()
}

fn said(state: &State) -> (&str, bool) {
    state.toasts.last().map_or(("", false), |toast| (toast.text.as_str(), toast.bad))
}

#[test]
fn marks_one_by_one_in_a_stretch_and_all_that_is_shown() {
    // keys, what is marked afterwards
    let table: [(&[Key], &[u64]); 12] = [
        (&[Char(' '), Char(' ')], &[39, 40]),
        (&[Char('V'), Down, Down], &[38, 39, 40]),
        (&[Char('V'), Down, Down, Char('V'), Down], &[38, 39, 40]),
        (&[Char('V'), Down, Down, Char('k')], &[39, 40]),
        (&[Char('V'), Down, Esc], &[]),
        (&[Char(' '), Down, Char('V'), Down, Esc], &[40]),
        (&[Char('V'), Down, Char('\\'), Down], &[]),
        (&[Down, Down, Char('V'), Char('k')], &[38, 39]),
        (&[Char('!'), Char('*')], &[3, 7, 11, 15, 19, 23, 27, 31, 35, 39]),
        (&[Char('!'), Char('V'), Down], &[35, 39]),
        (&[Char(' '), Char('*'), Char('u')], &[40]),
        (&[Char(' '), Char('V'), Down, Char('V'), Char('u'), Char('u')], &[]),
    ];
    for (keys, expected) in table {
        let mut state = with_builds(40);
        press(&mut state, keys);
        assert_eq!(marked(&state), expected, "{keys:?}");
    }
}

#[test]
fn a_stretch_goes_on_when_builds_come_and_ends_when_it_is_too_long() {
    let mut state = state();
    let rows = |from: u64, to: u64| (from..=to).rev().map(|number| row(number, Status::Waiting, None, "x")).collect();
    list(&mut state, rows(1, 40), 40);
    press(&mut state, &[Down, Char('V'), Down]);
    list(&mut state, rows(1, 43), 43);
    press(&mut state, &[Down]);
    assert_eq!(marked(&state), [37, 38, 39]);
    // The window of rows moved away from where it began.
    let order = (9_000..9_300).rev().collect();
    let changed = rows(9_000, 9_299);
    let message = ServerMessage::Builds { sub: BUILDS, seq: 1, total: 9_999, offset: 700, order, changed };
    happen(&mut state, Event::Message(Box::new(message)));
    assert_eq!(said(&state), ("too far for one stretch: it ended, what it had is marked", true));
    assert_eq!((marked(&state), state.builds.marking()), (vec![37, 38, 39], false));
}

#[test]
fn what_is_not_here_is_not_marked_and_that_is_said() {
    let mut state = state();
    list(&mut state, (9_700..10_000).rev().map(|number| row(number, Status::Waiting, None, "x")).collect(), 9_999);
    press(&mut state, &[Char('*')]);
    assert_eq!(said(&state), ("300 marked: only those of 9,999 that are here; a filter finds others", false));
}

#[test]
fn a_filter_is_taken_back_and_only_for_a_while() {
    let mut state = with_builds(40);
    press(&mut state, &[Char('/'), Char('b'), Char('k'), Enter, Char('!')]);
    assert_eq!((state.builds.filter.as_str(), state.builds.only_failed), ("bk", true));
    press(&mut state, &[Char('u')]);
    assert_eq!((state.builds.filter.as_str(), state.builds.only_failed), ("bk", false));
    press(&mut state, &[Char('u')]);
    assert_eq!((state.builds.filter.as_str(), state.builds.len()), ("", 40));
    press(&mut state, &[Char('u')]);
    assert_eq!(said(&state), ("nothing was done in the last 5 s that can be taken back", true));
    press(&mut state, &[Char('!')]);
    state.update(Timestamp(NOW.0 + 5_001), Event::Key(Char('u')));
    assert!(state.builds.only_failed, "that was too late");
}

fn answer(state: &mut State, id: u64, response: Response) {
    happen(state, Event::Message(Box::new(ServerMessage::Response { id, response })));
}

fn stopped(stopping: &[&str], cancelled: &[&str]) -> Response {
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
    Response::Cancel { stopping: names(stopping), killing: Vec::new(), cancelled: names(cancelled) }
}

#[test]
fn what_a_cancel_ended_before_it_began_is_taken_back_and_nothing_else() {
    let mut state = state();
    list(&mut state, vec![row(2, Status::Running, None, "two"), row(1, Status::Waiting, None, "one")], 2);
    press(&mut state, &[Char('*'), Char('x'), Down, Enter]);
    answer(&mut state, 1, stopped(&[], &["lint", "test"]));
    assert_eq!(said(&state), ("2 marked", false), "one of two is answered");
    answer(&mut state, 2, stopped(&["build"], &["deploy"]));
    let words = "2 builds: 1 job being stopped, 3 cancelled while waiting (u takes back what had not begun)";
    assert_eq!(said(&state), (words, false));
    let effects = press(&mut state, &[Char('u')]);
    let back = |build, jobs: &[&str]| {
        let what = RetryWhat::Jobs { jobs: jobs.iter().map(|job| (*job).to_owned()).collect() };
        Request::Retry { build, what, head: false }
    };
    assert_eq!(requests(&effects), [back(1, &["lint", "test"]), back(2, &["deploy"])]);
    let made = |job: &str| AttemptId { build: 1, job: job.to_owned(), attempt: 2 };
    answer(&mut state, 3, Response::Retry { attempts: vec![made("lint"), made("test")], delivery: None });
    let refusal = Refusal::new(RefusalCode::Conflict, "job deploy is still waiting");
    happen(&mut state, Event::Message(Box::new(ServerMessage::Refused { id: 4, refusal })));
    let words = "taken back: 2 jobs will run; 2/deploy: not possible in this state: job deploy is still waiting";
    assert_eq!(said(&state), (words, true));
    assert!(requests(&press(&mut state, &[Char('u')])).is_empty(), "once");
    // What ran and is being stopped cannot be taken back.
    press(&mut state, &[Char('x'), Down, Enter]);
    answer(&mut state, 5, stopped(&["build"], &[]));
    assert_eq!(said(&state), ("build 2 is being stopped (1 job)", false));
    assert!(requests(&press(&mut state, &[Char('u')])).iter().all(|request| !matches!(request, Request::Retry { .. })));
}

#[test]
fn many_retries_are_asked_about_with_their_number_and_told_as_one() {
    let mut state = with_builds(12);
    press(&mut state, &[Char('!'), Char('*'), Char('R')]);
    let dialog = state.dialog.clone().expect("a menu");
    assert_eq!((dialog.title.as_str(), dialog.focus), ("Retry 3 builds", 0));
    let labels: Vec<&str> = dialog.answers.iter().map(|answer| answer.label.as_str()).collect();
    assert_eq!(labels[1], "What did not pass of 3 builds, and what was skipped");
    let effects = press(&mut state, &[Down, Down, Down, Enter]);
    let heads: Vec<Request> = requests(&effects);
    assert!(heads.len() == 3 && heads.iter().all(|request| matches!(request, Request::Retry { head: true, .. })));
    for id in 1..=3 {
        let delivery = Some(format!("retry-{id}"));
        answer(&mut state, id, Response::Retry { attempts: Vec::new(), delivery });
    }
    assert_eq!(said(&state), ("3 builds: the newest commits are read: new builds follow", false));
    assert!(marked(&state).is_empty());

    press(&mut state, &[Char('*'), Char('r'), Down, Enter]);
    let refuse = |state: &mut State, id| {
        let refusal = Refusal::new(RefusalCode::Conflict, "it has not ended yet");
        happen(state, Event::Message(Box::new(ServerMessage::Refused { id, refusal })));
    };
    let attempt = AttemptId { build: 11, job: "test".to_owned(), attempt: 2 };
    answer(&mut state, 4, Response::Retry { attempts: vec![attempt], delivery: None });
    refuse(&mut state, 5);
    refuse(&mut state, 6);
    let words =
        "1 of 3 builds: 1 job will run again; 2 refused: build 7: not possible in this state: it has not ended yet";
    assert_eq!(said(&state), (words, true));
}
