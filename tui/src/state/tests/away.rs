//! Watching while one looks elsewhere, leaving and coming back.

use super::*;
use crate::state::session::Session;

/// Another run of the client, which knows what this one kept.
fn left_and_come_back(state: &State) -> (State, Vec<Effect>) {
    let mut again = State::new("unix:s".to_owned(), (100, 30), NOW, TimeZone::UTC, true, true);
    let effects = again.restore(&state.session());
    happen(&mut again, Event::Connected(hello()));
    (again, effects)
}

#[test]
fn what_was_looked_at_is_found_again() {
    let mut state = state();
    let rows = |count: u64| (1..=count).rev().map(|number| row(number, Status::Running, None, "t")).collect();
    list(&mut state, rows(40), 40);
    press(&mut state, &[Down, Down, Down, Char('w'), Down]);
    let (mut again, effects) = left_and_come_back(&state);
    assert_eq!(watched_sub(&effects), FIRST_FREE);
    list(&mut again, rows(45), 45);
    assert_eq!((again.builds.selected().map(|row| row.number), again.builds.cursor.at), (Some(36), 9));
    assert_eq!(again.session(), Session { at: 9, ..state.session() });
    // Whoever moves before the rows are here is not moved back; the same when the build is no more.
    let (mut again, _) = left_and_come_back(&state);
    press(&mut again, &[End]);
    list(&mut again, rows(45), 45);
    assert_eq!(again.builds.cursor.at, 0);
    let (mut again, _) = left_and_come_back(&state);
    list(&mut again, rows(30), 30);
    assert_eq!(again.builds.cursor.at, 0);
}

#[test]
fn a_build_far_down_the_list_is_found_again() {
    let session = Session { selected: Some(8_000), at: 2_000, ..Session::default() };
    let mut state = State::new("unix:s".to_owned(), (100, 30), NOW, TimeZone::UTC, true, true);
    let effects = state.restore(&session);
    let offset = sent(&effects).into_iter().find_map(|message| match message {
        ClientMessage::Subscribe { topic: Topic::Builds { offset, .. }, .. } => Some(*offset),
        _ => None,
    });
    assert_eq!(offset, Some(1_850));
    let rows: Vec<BuildRow> = (7_900..8_200).rev().map(|number| row(number, Status::Running, None, "t")).collect();
    let order = rows.iter().map(|row| row.number).collect();
    let message = ServerMessage::Builds { sub: BUILDS, seq: 1, total: 10_049, offset: 1_850, order, changed: rows };
    happen(&mut state, Event::Message(Box::new(message)));
    assert_eq!((state.builds.selected().map(|row| row.number), state.builds.cursor.at), (Some(8_000), 2_049));
}

#[test]
fn an_open_log_is_found_again_at_its_line_or_following() {
    let mut state = on_build(view(&[("a", &[], Status::Running, None), ("b", &[], Status::Running, None)]));
    press(&mut state, &[Down, Down, Enter]);
    let open = |state: &State| match state.pages.as_slice() {
        [Page::Build(build), Page::Log(log)] => (build.number, log.id.to_string(), log.following()),
        other => panic!("{other:?}"),
    };
    assert_eq!(open(&left_and_come_back(&state).0), (1, "1/b#1".to_owned(), true));
    let steps = Vec::new();
    let Some(Page::Log(log)) = state.pages.last_mut() else { panic!("a log") };
    log.take_head(LogHead { lines: 10_000, bytes: 1, seq: 1, finished: false, steps });
    press(&mut state, &[PageUp, PageUp]);
    let line = match state.pages.last() {
        Some(Page::Log(log)) => log.top().0,
        other => panic!("{other:?}"),
    };
    let (again, effects) = left_and_come_back(&state);
    assert_eq!(open(&again), (1, "1/b#1".to_owned(), false));
    let asked = sent(&effects).into_iter().find_map(|message| match message {
        ClientMessage::Subscribe { topic: Topic::Log { window: LogWindow::Range { first, count }, .. }, .. } => {
            Some(*first..first + u64::from(*count))
        }
        _ => None,
    });
    assert!(line > 9_000 && asked.is_some_and(|asked| asked.contains(&line)), "{line}");
}

/// What whoever looks elsewhere is told.
fn told(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Notify(text) = effect { Some(text.as_str()) } else { None })
        .collect()
}

fn watched_sub(effects: &[Effect]) -> Sub {
    let sub = sent(effects).into_iter().find_map(|message| match message {
        ClientMessage::Subscribe { sub, topic: Topic::Build { .. }, .. } => Some(*sub),
        _ => None,
    });
    sub.expect("it is subscribed to")
}

#[test]
fn the_end_of_a_watched_build_is_told_once_wherever_one_looks() {
    let mut state = state();
    list(&mut state, vec![row(1, Status::Running, None, "t")], 1);
    let sub = watched_sub(&press(&mut state, &[Char('w')]));
    assert!(state.watches.has(1));
    press(&mut state, &[Char('3'), Char('?')]);
    let mut build = view(&[("a", &[], Status::Running, None)]);
    let news = |state: &mut State, build: &BuildView| {
        let build = Box::new(build.clone());
        happen(state, Event::Message(Box::new(ServerMessage::Build { sub, seq: 1, build })))
    };
    assert_eq!(told(&news(&mut state, &build)), Vec::<&str>::new());
    (build.build.status, build.build.outcome) = (Status::Finished, Some(Outcome::Failed));
    build.build.title = "hostile \x1b]0;x\x07 \u{202e}".to_owned();
    let effects = news(&mut state, &build);
    assert_eq!(told(&effects), ["build 1 failed: acme/app main: hostile  <U+202E>"]);
    assert_eq!(sent(&effects), [&ClientMessage::Unsubscribe { sub }]);
    assert!(state.watches.is_empty() && state.toasts.last().is_some_and(|toast| toast.bad));
    assert_eq!(told(&news(&mut state, &build)), Vec::<&str>::new(), "what was on its way still");
}

#[test]
fn watching_is_switched_off_again_and_what_ended_is_not_watched() {
    let mut state = state();
    let ended = row(1, Status::Finished, Some(Outcome::Passed), "x");
    list(&mut state, vec![row(3, Status::Running, None, "x"), row(2, Status::Waiting, None, "y"), ended], 3);
    press(&mut state, &[Char('G'), Char('w')]);
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("build 1 has ended already"));
    // With marks it speaks of them: the two that have not ended.
    press(&mut state, &[Char('g'), Char(' '), Char(' '), Char(' '), Char('w')]);
    assert_eq!(state.watches.numbers().collect::<Vec<_>>(), [2, 3]);
    press(&mut state, &[Char('w')]);
    assert!(state.watches.is_empty());
    press(&mut state, &[Char('w')]);
    press(&mut state, &[Char('\\'), Char('g'), Char('w')]);
    assert_eq!(state.watches.numbers().collect::<Vec<_>>(), [2]);
    let words = Refusal::new(RefusalCode::NotFound, "there is no such build");
    let sub = (FIRST_FREE..100).find(|sub| state.watches.of_sub(*sub) == Some(2)).expect("it has one");
    happen(&mut state, Event::Message(Box::new(ServerMessage::Ended { sub, refusal: words })));
    assert!(state.watches.is_empty());
}

#[test]
fn no_more_is_watched_than_a_connection_has_room_for() {
    let mut state = state();
    list(&mut state, (1..=60).rev().map(|number| row(number, Status::Running, None, "x")).collect(), 60);
    press(&mut state, &vec![Char(' '); 60]);
    press(&mut state, &[Char('w')]);
    assert_eq!(state.watches.len(), 40);
    press(&mut state, &[Char('w')]);
    let words = "40 builds are watched already, more cannot be";
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some(words));
}

#[test]
fn every_view_is_found_again_and_asks_for_what_it_shows() {
    for view in View::ALL {
        let session = Session { view: view.name().to_owned(), ..Session::default() };
        let mut state = State::new("unix:s".to_owned(), (100, 30), NOW, TimeZone::UTC, true, true);
        state.restore(&session);
        assert_eq!(state.view, view);
        let asked = requests(&happen(&mut state, Event::Connected(hello())));
        assert_eq!(asked.is_empty(), matches!(view, View::Builds | View::Queue), "{view:?}: {asked:?}");
    }
}
