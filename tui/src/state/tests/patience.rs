//! Questions that the daemon leaves open.

use super::*;

fn later(state: &mut State, ms: i64) {
    state.update(Timestamp(NOW.0 + ms), Event::Deadline);
}

fn toasts(state: &State) -> Vec<&str> {
    state.toasts.iter().map(|toast| toast.text.as_str()).collect()
}

#[test]
fn an_order_without_an_answer_is_told_once_and_its_answer_is_welcome_later() {
    let mut state = state();
    list(&mut state, vec![row(7, Status::Running, None, "runs")], 1);
    let before = state.next_request;
    press(&mut state, &[Char('x'), Down, Enter]);
    assert_eq!(state.deadline().map(|at| at.0 - NOW.0).filter(|ms| *ms > 1_000), None, "it wakes for the seconds");
    later(&mut state, 9_999);
    assert_eq!(toasts(&state), Vec::<&str>::new());
    later(&mut state, 10_000);
    assert_eq!(toasts(&state), ["build 7: the daemon has not answered for 10 s: look whether it was done"]);
    later(&mut state, 20_000);
    assert_eq!(toasts(&state), Vec::<&str>::new());
    let response = Response::Cancel { stopping: vec!["test".to_owned()], killing: Vec::new(), cancelled: Vec::new() };
    let answer = ServerMessage::Response { id: before, response };
    state.update(Timestamp(NOW.0 + 21_000), Event::Message(Box::new(answer)));
    assert_eq!(toasts(&state), ["build 7 is being stopped (1 job)"]);
}

#[test]
fn what_the_screen_asked_by_itself_can_be_asked_again() {
    let mut state = state();
    let asked = press(&mut state, &[Char('3')]);
    assert_eq!(requests(&asked), [Request::Deliveries { limit: 200 }]);
    assert_eq!(state.deadline(), Some(Timestamp(NOW.0 + 10_000)));
    later(&mut state, 10_000);
    assert_eq!(toasts(&state), ["deliveries: the daemon has not answered for 10 s"]);
    let again = state.update(Timestamp(NOW.0 + 11_000), Event::Key(Ctrl('r')));
    assert_eq!(requests(&again), [Request::Deliveries { limit: 200 }]);
}

#[test]
fn what_ends_after_it_was_left_is_not_told() {
    let mut state = state();
    let ended =
        |sub| ServerMessage::Ended { sub, refusal: Refusal::new(RefusalCode::NotFound, "there is no such log") };
    happen(&mut state, Event::Message(Box::new(ended(77))));
    assert_eq!(toasts(&state), Vec::<&str>::new());
    happen(&mut state, Event::Message(Box::new(ended(BUILDS))));
    assert_eq!(toasts(&state), ["there is no such log"]);
}
