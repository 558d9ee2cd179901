//! What other people do is said, what we do ourselves is not said again.

use super::*;

fn toasts(state: &State) -> Vec<&str> {
    state.toasts.iter().map(|toast| toast.text.as_str()).collect()
}

fn news(state: &mut State, build: &BuildView) {
    let sub = match state.pages.first() {
        Some(Page::Build(page)) => page.sub,
        other => panic!("{other:?}"),
    };
    let build = Box::new(build.clone());
    happen(state, Event::Message(Box::new(ServerMessage::Build { sub, seq: 1, build })));
}

fn by(name: &str, force: bool) -> Cancelling {
    Cancelling { by: name.to_owned(), since: NOW, kill_at: NOW, force }
}

#[test]
fn what_others_do_to_a_build_that_is_looked_at_is_said_once() {
    let running = (Status::Running, None);
    let before =
        view(&[("a", &[], running.0, running.1), ("b", &[], running.0, running.1), ("c", &[], Status::Waiting, None)]);
    let mut state = on_build(before.clone());
    let mut build = before.clone();
    for job in &mut build.jobs[..2] {
        job.attempts[0].cancelling = Some(by("ada", false));
    }
    let waited = &mut build.jobs[2];
    (waited.status, waited.outcome) = (FINISHED, Some(Outcome::Cancelled));
    waited.attempts[0].reason = Some("cancelled by ada before it began".to_owned());
    news(&mut state, &build);
    let words = ["2 jobs of build 1: asked to stop by ada", "1/c: cancelled by ada before it began"];
    assert_eq!(toasts(&state), words);
    // That they stop then is no news, nor is what nobody asked for.
    state.toasts.clear();
    for job in &mut build.jobs[..2] {
        (job.status, job.outcome, job.attempts[0].cancelling) = (FINISHED, Some(Outcome::Cancelled), None);
        job.attempts[0].reason = Some("cancelled by ada".to_owned());
    }
    news(&mut state, &build);
    let again = |build: &mut BuildView, job: usize, because: &str| {
        let mut attempt = build.jobs[job].attempts[0].clone();
        (attempt.number, attempt.because) = (2, Some(because.to_owned()));
        build.jobs[job].attempts.push(attempt);
    };
    again(&mut build, 0, "tried again by itself: the engine went away");
    news(&mut state, &build);
    assert_eq!(toasts(&state), Vec::<&str>::new());
    again(&mut build, 1, "retried by grace");
    news(&mut state, &build);
    assert_eq!(toasts(&state), ["1/b: retried by grace"]);
}

#[test]
fn what_we_do_ourselves_is_not_said_again() {
    let before = view(&[("a", &[], Status::Running, None)]);
    let mut state = on_build(before.clone());
    press(&mut state, &[Char('x'), Down, Enter]);
    let mut build = before;
    build.jobs[0].attempts[0].cancelling = Some(by("me", false));
    news(&mut state, &build);
    let response = Response::Cancel { stopping: vec!["a".to_owned()], killing: Vec::new(), cancelled: Vec::new() };
    happen(&mut state, Event::Message(Box::new(ServerMessage::Response { id: 1, response })));
    assert_eq!(toasts(&state), ["build 1 is being stopped (1 job)"]);
    // Somebody else's, later.
    build.jobs[0].attempts[0].cancelling = None;
    news(&mut state, &build);
    build.jobs[0].attempts[0].cancelling = Some(by("ada", true));
    state.update(Timestamp(NOW.0 + 10_000), Event::Deadline);
    let sub = match state.pages.first() {
        Some(Page::Build(page)) => page.sub,
        other => panic!("{other:?}"),
    };
    let message = ServerMessage::Build { sub, seq: 2, build };
    state.update(Timestamp(NOW.0 + 10_000), Event::Message(Box::new(message)));
    assert_eq!(toasts(&state), ["1/a: asked to be killed by ada"]);
}

#[test]
fn a_pause_by_others_is_said_wherever_one_looks_and_so_is_its_end() {
    let mut state = with_builds(3);
    let queue = |pauses: Vec<windlass_protocol::view::Pause>| {
        let engine = EngineView { kind: "docker".to_owned(), version: None, trouble: None };
        let queue = QueueView { running: 0, waiting: 0, blocked: 0, limit: 2, jobs: Vec::new(), engine, pauses };
        Event::Message(Box::new(ServerMessage::Queue { sub: QUEUE, queue }))
    };
    let pause = windlass_protocol::view::Pause {
        repository: Some("acme/app".to_owned()),
        by: "ada".to_owned(),
        since: NOW,
        reason: Some("the registry moves".to_owned()),
    };
    happen(&mut state, queue(vec![pause.clone()]));
    assert!(state.toasts.is_empty(), "what was so before we came is no news");
    happen(&mut state, queue(Vec::new()));
    happen(&mut state, queue(vec![pause]));
    let words = ["acme/app goes on: somebody ended the pause", "acme/app is paused by ada: the registry moves"];
    assert_eq!(toasts(&state), words);
}
