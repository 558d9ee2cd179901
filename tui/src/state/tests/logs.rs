//! Logs: the cursor, and what is shown while only some lines are. A page of 10 rows and 80 columns.

use proptest::prelude::*;
use windlass_protocol::live::{LineRun, LogView, ViewWindow};

use super::*;
use crate::state::log::{Looking, Motion};
use crate::state::only::Only;

/// A log of 1,000 lines and two steps whose view shows these runs of `known`.
fn with_view(known: std::ops::Range<u64>, runs: &[(u64, u64)], context: u32) -> LogPage {
    let mut log = page(Start::Line(0));
    log.take_head(head(1_000, true, &[(0, 0), (1, 500)]));
    fill(&mut log, 0..1_000, "x");
    let mut only = Only::new("x").expect("a pattern");
    only.context = context;
    assert_eq!(log.show(Some(only), Default::default(), 11), Some(10), "the old subscription ends");
    rows(&mut log, known, runs);
    log
}

fn rows(log: &mut LogPage, known: std::ops::Range<u64>, runs: &[(u64, u64)]) {
    let runs: Vec<LineRun> = runs.iter().map(|(first, count)| LineRun { first: *first, count: *count }).collect();
    log.take_rows(known.start, known.end, &runs);
}

#[test]
fn the_cursor_walks_and_the_view_follows_it() {
    let mut log = page(Start::Line(0));
    log.take_head(head(100, true, &[(0, 0)]));
    fill(&mut log, 0..100, "x");
    assert_eq!((log.cursor(), log.line()), ((0, 0), None), "the heading of a step is no line");
    log.go(Motion::Below);
    assert_eq!((log.cursor(), log.line()), ((0, 1), Some(0)));
    (0..9).for_each(|_| log.go(Motion::Below));
    assert_eq!((log.cursor(), log.top()), ((9, 0), (0, 1)));
    log.go(Motion::Down(20));
    assert_eq!((log.cursor(), log.top()), ((29, 0), (20, 0)));
    log.go(Motion::Down(500));
    assert_eq!((log.cursor(), log.top()), ((99, 0), (90, 0)));
    log.go(Motion::Above);
    log.go(Motion::Up(80));
    assert_eq!((log.cursor(), log.top()), ((18, 0), (10, 0)));
    log.go(Motion::End);
    assert_eq!((log.cursor(), log.following()), ((99, 0), true));
    log.go(Motion::Above);
    assert_eq!((log.cursor(), log.following(), log.top()), ((98, 0), false, (90, 0)));
    log.click(3);
    assert_eq!(log.cursor(), (93, 0));
}

#[test]
fn only_kept_lines_are_shown_and_left_out_ones_are_told() {
    let mut log = with_view(0..1_000, &[(3, 3), (400, 1), (501, 2), (900, 1)], 1);
    assert_eq!(shown(&log), ["s0", "3", "4", "5", "…", "400", "s1", "501", "502", "…"]);
    assert_eq!(log.looking(), None);
    log.go(Motion::End);
    assert_eq!(shown(&log), ["3", "4", "5", "…", "400", "s1", "501", "502", "…", "900"]);
    assert_eq!(log.cursor(), (900, 1));
    log.headers = false;
    assert_eq!(shown(&log), ["3", "4", "5", "…", "400", "…", "501", "502", "…", "900"]);
    let mut log = with_view(0..1_000, &[(3, 1), (400, 1)], 0);
    log.go(Motion::Below);
    assert_eq!(shown(&log), ["s0", "3", "400", "s1"], "without context nothing is between");
    assert_eq!(log.cursor(), (3, 0));
}

#[test]
fn what_is_not_known_yet_is_a_hole_and_is_asked_for() {
    let mut log = with_view(0..300, &[(3, 1), (200, 1)], 0);
    assert_eq!(shown(&log), ["s0", "3", "200", "~"]);
    assert_eq!(log.looking(), Some(Looking::Percent(30)));
    let asked = |topic: Option<Topic>| match topic {
        Some(Topic::LogView { window, .. }) => Some(window),
        _ => None,
    };
    assert_eq!(asked(log.missing_window()), Some(ViewWindow::Around { line: 0, above: 20, below: 30 }));
    assert_eq!(asked(log.missing_window()), None, "it is on its way");
    rows(&mut log, 300..900, &[(301, 40)]);
    assert_eq!(shown(&log)[2..5], ["200", "301", "302"]);
    log.go(Motion::Down(5));
    assert_eq!(asked(log.missing_window()), None, "there is enough around");
    log.go(Motion::Down(25));
    assert_eq!(asked(log.missing_window()), Some(ViewWindow::Around { line: 328, above: 20, below: 30 }));
    log.go(Motion::End);
    assert_eq!(asked(log.missing_window()), Some(ViewWindow::Tail { count: 20 }));
    rows(&mut log, 990..1_000, &[(990, 10)]);
    assert_eq!(shown(&log)[0], "990", "what lies between was skipped");
    log.go(Motion::First);
    assert_eq!(shown(&log), ["s0", "~"]);
    assert_eq!(asked(log.missing_window()), Some(ViewWindow::Around { line: 0, above: 20, below: 30 }));
}

#[test]
fn the_line_with_the_cursor_stays_when_a_filter_comes_and_goes() {
    let mut log = page(Start::Line(0));
    log.take_head(head(1_000, true, &[]));
    fill(&mut log, 0..1_000, "x");
    log.go(Motion::Down(500));
    (0..4).for_each(|_| log.go(Motion::Below));
    assert_eq!((log.cursor(), log.top()), ((504, 0), (500, 0)));
    log.show(Some(Only::new("x").expect("a pattern")), Default::default(), 11);
    assert_eq!(log.cursor(), (504, 0));
    assert_eq!(shown(&log)[0], "500", "the old rows stay until new ones come");
    rows(&mut log, 0..1_000, &[(100, 10), (503, 1), (700, 1)]);
    assert_eq!(log.cursor().0, 503, "the nearest");
    log.show(None, Default::default(), 12);
    assert_eq!((log.cursor(), log.kept.is_none()), ((503, 0), true));
    assert_eq!(shown(&log).iter().position(|row| row == "503"), Some(7), "at the same height");
}

#[test]
fn a_folded_step_is_its_heading() {
    let mut state = on_a_log();
    let log = |state: &mut State| match state.pages.last_mut() {
        Some(Page::Log(log)) => std::mem::take(&mut log.asked),
        _ => panic!("no log"),
    };
    press(&mut state, &[Char('g'), Down]);
    let effects = press(&mut state, &[Char('z')]);
    assert!(matches!(
        sent(&effects)[..],
        [
            ClientMessage::Unsubscribe { .. },
            ClientMessage::Subscribe { topic: Topic::LogView { view: LogView { pattern: None, .. }, .. }, .. }
        ]
    ));
    let Some(Page::Log(page)) = state.pages.last_mut() else { panic!("no log") };
    assert_eq!(page.folded.iter().copied().collect::<Vec<_>>(), [0]);
    rows(page, 0..100, &[(50, 50)]);
    assert_eq!(shown(page)[..3], ["s0", "s1", "50"]);
    assert_eq!((page.cursor(), page.lines_of(&page.head.clone().expect("a head").steps[0])), ((0, 0), 50));
    page.headers = false;
    assert_eq!(shown(page)[..2], ["s0", "50"], "the heading is all there is of it");
    // Again, and it is there; nothing is left out, so plain lines are asked for.
    log(&mut state);
    let effects = press(&mut state, &[Char('z')]);
    assert!(matches!(sent(&effects)[..], [_, ClientMessage::Subscribe { topic: Topic::Log { .. }, .. }]));
    press(&mut state, &[Char('Z')]);
    let Some(Page::Log(page)) = state.pages.last() else { panic!("no log") };
    assert_eq!(page.folded.len(), 2);
}

#[test]
fn a_filter_is_typed_widened_and_cleared() {
    let mut state = on_a_log();
    press(&mut state, &[Char('+')]);
    assert_eq!(state.toasts.last().map(|toast| toast.text.as_str()), Some("every line is shown already"));
    press(&mut state, &[Char('&')]);
    "!ok".chars().for_each(|c| drop(press(&mut state, &[Char(c)])));
    let effects = press(&mut state, &[Enter, Char('+')]);
    let views: Vec<&LogView> = sent(&effects)
        .into_iter()
        .filter_map(|message| match message {
            ClientMessage::Subscribe { topic: Topic::LogView { view, .. }, .. } => Some(view),
            _ => None,
        })
        .collect();
    let view = |context| LogView { pattern: Some("ok".to_owned()), invert: true, context, folded: vec![] };
    assert_eq!(views.into_iter().cloned().collect::<Vec<_>>(), [view(0), view(1)]);
    press(&mut state, &[Esc]);
    let only = |state: &State| match state.pages.last() {
        Some(Page::Log(log)) => log.only.as_ref().map(Only::words),
        _ => panic!("no log"),
    };
    assert_eq!(only(&state), None, "Esc shows every line again");
    press(&mut state, &[Char('!')]);
    assert_eq!(only(&state).as_deref(), Some("only errors ±2"));
    press(&mut state, &[Char('!')]);
    assert_eq!(only(&state), None);
    press(&mut state, &[Char('&'), Char('('), Enter]);
    assert_eq!(only(&state), None);
    assert!(state.toasts.last().is_some_and(|toast| toast.bad));
}

#[test]
fn an_older_daemon_is_not_asked_for_what_it_does_not_know() {
    let mut state = on_a_log();
    if let Connection::Up(hello) = &mut state.connection {
        hello.capabilities.clear();
    }
    let effects = press(&mut state, &[Char('!')]);
    assert!(sent(&effects).is_empty());
    assert!(state.toasts.last().is_some_and(|toast| toast.text.contains("older than the client")));
}

/// A finished log of 100 lines and two steps, open over the list.
fn on_a_log() -> State {
    let mut state = with_builds(1);
    let mut log = page(Start::Line(0));
    log.sub = state.fresh_sub();
    let sub = log.sub;
    state.pages.push(Page::Log(Box::new(log)));
    let message = ServerMessage::LogHead { sub, head: head(100, true, &[(0, 0), (1, 50)]) };
    happen(&mut state, Event::Message(Box::new(message)));
    let line = LogLine { at: 0, step: NO_STEP, open: false, raw_length: 1, bytes: b"x".to_vec() };
    happen(&mut state, Event::Log(LogFrame::Lines { sub, first: 0, lines: vec![line; 100] }));
    state
}

#[test]
fn the_column_shows_where_one_is_and_what_is_where() {
    use crate::state::log::{Tick, TickMark};
    let mut log = page(Start::Line(0));
    log.take_head(head(1_000, true, &[]));
    fill(&mut log, 0..1_000, "x");
    let asked = log.missing_maps(NOW);
    assert_eq!(asked.len(), 1, "errors; nothing was searched");
    let Request::MapLog { buckets: 10, pattern, .. } = &asked[0].1 else { panic!("{asked:?}") };
    assert!(log.missing_maps(NOW).is_empty());
    log.take_map(pattern, 1_000, 800, &[0, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    log.bookmarks.insert(350);
    log.reveal(520);
    let ticks = log.ticks(std::iter::empty());
    let marks: Vec<Option<TickMark>> = ticks.iter().map(|tick| tick.mark).collect();
    let (none, error) = (None, Some(TickMark::Error));
    let (bookmark, unknown) = (Some(TickMark::Bookmark), Some(TickMark::Unknown));
    assert_eq!(marks, [none, error, none, bookmark, none, none, none, none, unknown, unknown]);
    assert_eq!(ticks.iter().position(|tick| tick.in_view), Some(5));
    assert_eq!(ticks.iter().filter(|tick| tick.in_view).count(), 1);
    // All of a short log is in view: nothing is said.
    let mut log = page(Start::Line(0));
    log.take_head(head(5, true, &[]));
    assert!(log.ticks(std::iter::empty()).iter().all(|tick| *tick == Tick::default()));
    log.preview = true;
    assert!(log.ticks(std::iter::empty()).is_empty());
}

fn toast(state: &State) -> &str {
    state.toasts.last().map_or("", |toast| toast.text.as_str())
}

fn current(state: &State) -> &LogPage {
    match state.pages.last() {
        Some(Page::Log(log)) => log,
        _ => panic!("no log"),
    }
}

fn go_to(state: &mut State, line: u64) {
    let Some(Page::Log(log)) = state.pages.last_mut() else { panic!("no log") };
    log.reveal(line);
}

#[test]
fn bookmarks_are_set_gone_through_and_listed() {
    let mut state = on_a_log();
    press(&mut state, &[Char('\'')]);
    assert_eq!(toast(&state), "no line is bookmarked yet");
    press(&mut state, &[Char('m')]);
    assert_eq!(toast(&state), "the cursor is on no line", "it is on a heading");
    for line in [70, 20, 40] {
        go_to(&mut state, line);
        press(&mut state, &[Char('m')]);
    }
    assert_eq!(toast(&state), "line 41 is bookmarked");
    let at = |state: &mut State| {
        press(state, &[Char('\'')]);
        current(state).cursor().0
    };
    assert_eq!([at(&mut state), at(&mut state), at(&mut state)], [70, 20, 40]);
    press(&mut state, &[Char('"')]);
    let menu = state.menu.as_ref().expect("the list is open");
    let names: Vec<&str> = (0..menu.len()).filter_map(|at| menu.item(at)).map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["line 21", "line 41", "line 71"]);
    press(&mut state, &[Char('7'), Enter]);
    assert_eq!((current(&state).cursor().0, state.mode()), (70, Mode::Log));
    press(&mut state, &[Char('m')]);
    assert_eq!(current(&state).bookmarks.iter().copied().collect::<Vec<_>>(), [20, 40]);
}

#[test]
fn selected_lines_are_copied_whole_or_not_at_all() {
    let copied = |effects: &[Effect]| match effects {
        [Effect::Copy(text)] => Some(text.clone()),
        _ => None,
    };
    let mut state = on_a_log();
    go_to(&mut state, 10);
    assert_eq!(copied(&press(&mut state, &[Char('y')])).as_deref(), Some("x"), "the line with the cursor");
    press(&mut state, &[Char('v'), Down, Down]);
    assert_eq!(current(&state).selected(), Some(10..=12));
    assert_eq!(copied(&press(&mut state, &[Char('y')])).as_deref(), Some("x\nx\nx"));
    assert_eq!((current(&state).selected(), toast(&state)), (None, "3 lines sent to the terminal's clipboard"));
    press(&mut state, &[Char('v'), Char('k'), Esc]);
    assert_eq!(current(&state).selected(), None, "Esc ends it");
    assert_eq!(copied(&press(&mut state, &[Char('Y')])).as_deref(), Some("1/test#1:12"));

    // Colours and controls stay behind; what is too much or cut is refused.
    let line = |bytes: &[u8], raw_length| LogLine { at: 0, step: 0, open: false, raw_length, bytes: bytes.to_vec() };
    let Some(Page::Log(log)) = state.pages.last_mut() else { panic!("no log") };
    log.take_lines(10, vec![line(b"\x1b[31mred\x07\x1b[0m", 12), line(&[b'y'; 16_384], 20_000)]);
    log.take_lines(20, vec![line(&[b'z'; 16_000], 16_000); 4]);
    go_to(&mut state, 10);
    assert_eq!(copied(&press(&mut state, &[Char('y')])).as_deref(), Some("red"));
    assert_eq!(press(&mut state, &[Down, Char('y')]), []);
    assert!(toast(&state).starts_with("line 12 is longer than what is shown of it"));
    go_to(&mut state, 20);
    assert_eq!(press(&mut state, &[Char('v'), Down, Down, Down, Char('y')]), []);
    assert!(toast(&state).starts_with("that is more than terminals take"));
    assert!(current(&state).selected().is_some(), "nothing was copied, it stays");
}

#[test]
fn a_selection_takes_what_is_shown_and_no_more() {
    let mut log = with_view(0..600, &[(3, 2), (400, 1), (501, 1)], 0);
    log.reveal(3);
    log.selection = Some(3);
    log.go(Motion::Below);
    log.go(Motion::Below);
    assert_eq!(log.selected(), Some(3..=400));
    assert_eq!(log.copied(), Ok(("x\nx\nx".to_owned(), 3)));
    log.go(Motion::End);
    rows(&mut log, 800..1_000, &[(900, 1)]);
    assert_eq!(log.copied(), Err("it is not known yet which of these lines are shown".to_owned()));
}

#[test]
fn a_long_line_is_read_whole_on_enter_and_put_away_again() {
    let mut state = on_a_log();
    let line = |bytes: &[u8], raw_length| LogLine { at: 0, step: 0, open: false, raw_length, bytes: bytes.to_vec() };
    let Some(Page::Log(log)) = state.pages.last_mut() else { panic!("no log") };
    log.take_lines(60, vec![line(&[b'y'; 16_384], 20_000)]);
    go_to(&mut state, 61);
    assert_eq!(press(&mut state, &[Enter]), []);
    assert!(toast(&state).starts_with("only a line that is cut"));
    go_to(&mut state, 60);
    let effects = press(&mut state, &[Enter]);
    let [ClientMessage::Subscribe { sub, topic: Topic::LogLine { line: 60, from: 0, .. }, .. }] = sent(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    happen(&mut state, Event::Log(LogFrame::Bytes { sub: *sub, offset: 0, bytes: vec![b'y'; 20_000] }));
    let ended = ServerMessage::LogHead { sub: *sub, head: head(100, true, &[]) };
    let effects = happen(&mut state, Event::Message(Box::new(ended)));
    assert!(matches!(sent(&effects)[..], [ClientMessage::Unsubscribe { .. }]), "it is not asked for again");
    let rows = 20_000_usize.div_ceil(current(&state).text_width());
    assert!(shown(current(&state)).contains(&"60+1".to_owned()), "{:?}", shown(current(&state)));
    press(&mut state, &[Char('y')]);
    assert_eq!(toast(&state), "1 line sent to the terminal's clipboard");
    press(&mut state, &vec![Down; rows]);
    assert_eq!(current(&state).cursor(), (61, 0), "through all its rows");
    press(&mut state, &[Char('k'), Enter]);
    assert_eq!((current(&state).cursor(), current(&state).long.is_none()), ((60, 0), true));
    assert!(shown(current(&state)).contains(&"60".to_owned()));
}

/// Two attempts of a job side by side, with what was asked for: the first is on the left and has the keys.
fn beside() -> (State, Vec<Effect>) {
    let mut state = on_a_log();
    let id = AttemptId { attempt: 2, ..current(&state).id.clone() };
    let mut effects = Vec::new();
    state.open_beside(id, &mut effects);
    effects.extend(happen(&mut state, Event::Deadline));
    (state, effects)
}

/// What the daemon says of a log by a subscription: lines of these texts.
fn tell(state: &mut State, sub: Sub, texts: &[String]) {
    let line = |text: &String| LogLine {
        at: 0,
        step: 0,
        open: false,
        raw_length: text.len() as u64,
        bytes: text.clone().into_bytes(),
    };
    happen(state, Event::Log(LogFrame::Lines { sub, first: 0, lines: texts.iter().map(line).collect() }));
    let message = ServerMessage::LogHead { sub, head: head(texts.len() as u64, true, &[]) };
    happen(state, Event::Message(Box::new(message)));
}

#[test]
fn two_attempts_are_compared_and_move_together() {
    let (mut state, effects) = beside();
    let log_of = |message: &&ClientMessage| match message {
        ClientMessage::Subscribe { sub, topic: Topic::Log { log, window }, .. } => Some((*sub, log.attempt, *window)),
        _ => None,
    };
    let asked: Vec<_> = sent(&effects).iter().filter_map(log_of).collect();
    let [(left, 1, LogWindow::Range { first: 0, count: 5_000 }), (right, 2, _), (other, 2, _), ..] = asked[..] else {
        panic!("{asked:?}")
    };
    press(&mut state, &[Char('>')]);
    assert_eq!(toast(&state), "still comparing");
    let texts = |odd: &[u64], from: u64| -> Vec<String> {
        (from..100).map(|line| if odd.contains(&line) { "odd".to_owned() } else { format!("line {line}.") }).collect()
    };
    tell(&mut state, left, &texts(&[], 0));
    tell(&mut state, right, &texts(&[40, 80], 10)); // ten lines are missing at its beginning
    tell(&mut state, other, &texts(&[40, 80], 10));
    let pair = |state: &State| {
        let log = current(state);
        let pair = log.pair.as_ref().expect("a pair");
        let compare = pair.compare.as_ref().expect("attempts of one job are compared");
        (log.id.attempt, pair.right, log.cursor().0, pair.other.cursor().0, compare.count(0), compare.count(1))
    };
    press(&mut state, &[Char('g'), Char('>')]);
    assert_eq!(pair(&state), (1, false, 40, 30, Some(12), Some(2)), "the other goes along, ten lines behind");
    press(&mut state, &[Char('>'), Char('>')]);
    assert_eq!(toast(&state), "nothing differs any more in this direction");
    assert_eq!(pair(&state).2, 80);
    // Keys speak of the other one: nothing moves by that.
    press(&mut state, &[Key::Tab]);
    assert_eq!(pair(&state), (2, true, 70, 80, Some(12), Some(2)));
    press(&mut state, &[Char('<')]);
    assert_eq!(pair(&state), (2, true, 30, 40, Some(12), Some(2)));
    // An end of it: the one with the keys stays, everything of the other is let go.
    let effects = press(&mut state, &[Esc]);
    assert_eq!(sent(&effects).iter().filter(|message| matches!(message, ClientMessage::Unsubscribe { .. })).count(), 3);
    assert_eq!((current(&state).id.attempt, current(&state).pair.is_none()), (2, true));
}

#[test]
fn without_another_log_there_is_a_reason() {
    let mut state = on_a_log();
    press(&mut state, &[Char('b')]);
    assert_eq!(toast(&state), "the build has no other attempt or job");
    press(&mut state, &[Char('>')]);
    assert_eq!(toast(&state), "no other log is beside this one (b)");
    press(&mut state, &[Key::Tab]);
    assert!(state.pages.is_empty() && state.view == View::Queue, "Tab is the next view then");
}

/// Something that happens to a log page.
#[derive(Debug, Clone)]
enum Happening {
    Grow(u64),
    Rows(u64, u64, Vec<(u64, u64)>),
    Lines(u64, usize, usize),
    Move(u8, usize),
    Reveal(u64),
    Click(usize),
    Only(Option<u32>),
    Fold(u16),
    Resize(u16, u16),
    Toggle(u8),
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let line = || prop_oneof![0u64..60, 0u64..2_000];
    let runs = proptest::collection::vec((line(), 0u64..30), 0..6);
    prop_oneof![
        (0u64..300).prop_map(Happening::Grow),
        (line(), 0u64..500, runs).prop_map(|(from, length, runs)| Happening::Rows(from, from + length, runs)),
        (line(), 0usize..60, 0usize..200).prop_map(|(first, count, width)| Happening::Lines(first, count, width)),
        (0u8..6, 0usize..40).prop_map(|(motion, by)| Happening::Move(motion, by)),
        line().prop_map(Happening::Reveal),
        (0usize..30).prop_map(Happening::Click),
        proptest::option::of(0u32..3).prop_map(Happening::Only),
        (0u16..4).prop_map(Happening::Fold),
        (0u16..120, 0u16..30).prop_map(|(width, height)| Happening::Resize(width, height)),
        (0u8..4).prop_map(Happening::Toggle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever comes in whatever order: the view is as tall as it may be, in order, and the cursor is in it.
    #[test]
    fn the_view_holds_together(happenings in proptest::collection::vec(any_happening(), 1..40)) {
        let mut log = page(Start::End);
        let (mut lines, steps) = (50, [(0, 0), (1, 20), (2, 20), (3, 400)]);
        let head_of = |lines: u64| {
            let begun: Vec<(u16, u64)> = steps.iter().copied().filter(|(_, first)| *first <= lines).collect();
            head(lines, false, &begun)
        };
        log.take_head(head_of(lines));
        for happening in happenings {
            match happening {
                Happening::Grow(by) => {
                    lines += by;
                    log.take_head(head_of(lines));
                }
                Happening::Rows(from, to, runs) => rows(&mut log, from.min(lines)..to.min(lines), &runs),
                Happening::Lines(first, count, width) if first < lines => {
                    let end = (first + count as u64).min(lines);
                    fill(&mut log, first..end, &"x".repeat(width));
                }
                Happening::Lines(..) => {}
                Happening::Move(motion, by) => log.go(match motion {
                    0 => Motion::Above,
                    1 => Motion::Below,
                    2 => Motion::Up(by),
                    3 => Motion::Down(by),
                    4 => Motion::First,
                    _ => Motion::End,
                }),
                Happening::Reveal(line) => log.reveal(line.min(lines.saturating_sub(1))),
                Happening::Click(row) => log.click(row),
                Happening::Only(context) => {
                    let only = context.map(|context| {
                        let mut only = Only::new("x").expect("a pattern");
                        only.context = context;
                        only
                    });
                    log.show(only, log.folded.clone(), 11);
                }
                Happening::Fold(step) => {
                    let mut folded = log.folded.clone();
                    if !folded.remove(&step) {
                        folded.insert(step);
                    }
                    log.show(log.only.clone(), folded, 12);
                }
                Happening::Resize(width, height) => log.resize((width, height)),
                Happening::Toggle(0) => log.wrap = !log.wrap,
                Happening::Toggle(1) => log.headers = !log.headers,
                Happening::Toggle(2) => log.toggle_follow(),
                Happening::Toggle(_) => log.sideways(true),
            }
            let size = log.size();
            log.resize(size); // as after every event
            log.missing_window();
            let shown: Vec<_> = log.shown().into_iter().map(|(place, _)| place).collect();
            prop_assert!(shown.len() <= log.height());
            prop_assert!(shown.is_sorted() && shown.windows(2).all(|two| two[0] != two[1]), "{:?}", shown);
            prop_assert!(log.ticks(std::iter::empty()).len() <= log.height());
            let cursor = log.cursor();
            // Where the daemon speaks of another part than the one that was asked for, nothing is promised but no panic.
            let here = log.kept.as_ref().is_none_or(|kept| kept.known().contains(&cursor.0));
            if let (false, true, Some(first)) = (log.following(), log.start.is_none() && here, shown.first()) {
                let last = shown.last().expect("there is a first");
                prop_assert!((*first..=*last).contains(&cursor), "{:?} is not in {:?}", cursor, shown);
            }
        }
    }
}
