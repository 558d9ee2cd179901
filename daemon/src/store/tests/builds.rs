//! Builds as they are made, read and listed; the list's filters against `state::build`.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use windlass_protocol::view::Status;

use super::*;
use crate::state::build::{JobStanding, derive};

on_each!(
    a_build_is_read_as_it_was_made,
    a_build_is_made_whole_or_not_at_all,
    numbers_are_never_given_twice,
    each_filter_lets_through_what_it_names,
    words_are_looked_for_as_they_are_written,
    what_is_made_while_something_is_looked_for_is_found,
    pages_are_windows_of_one_order,
    a_page_far_apart_has_its_jobs,
    the_list_derives_what_the_states_derive,
);

async fn a_build_is_read_as_it_was_made(store: Store) {
    let mut build = sketch(&store, &[("b", &[]), ("a", &["b"])]).await;
    build.facts.request = BuildRequest {
        event: "pull_request".to_owned(),
        action: Some("opened".to_owned()),
        r#ref: "refs/pull/7/head".to_owned(),
        branch: Some("it's \"new\"".to_owned()),
        tag: Some("v1".to_owned()),
        base_branch: Some("main".to_owned()),
        pull_request: Some(7),
        title: "quotes ' \" and \u{1f6a2} \\ %".to_owned(),
        commit_count: 3,
        from_fork: true,
        repository_id: 1 << 40,
        ..request()
    };
    store.create_build(&build).await.expect("made");
    let read = store.build(build.number).await.expect("there");
    assert_eq!((read.facts.request, read.facts.created_at), (build.facts.request, at(1_000)));
    assert_eq!((read.number, read.facts.delivery), (build.number, None));
    let jobs = store.jobs(build.number).await.expect("jobs");
    assert_eq!(jobs.iter().map(|job| job.plan.clone()).collect::<Vec<_>>(), [plan("b", &[]), plan("a", &["b"])]);

    let bare = NewBuild {
        number: store.next_build_number().await.expect("a number"),
        facts: BuildFacts { delivery: None, request: BuildRequest { branch: None, ..request() }, created_at: at(1) },
        jobs: Vec::new(),
        priority: 0,
        engine: None,
        concurrency: None,
    };
    store.create_build(&bare).await.expect("made");
    assert_eq!(store.build(bare.number).await.expect("there").facts.request, bare.facts.request);
    assert!(store.jobs(bare.number).await.expect("asked").is_empty());
    assert!(is_missing(&store.build(bare.number + 1).await));
}

async fn a_build_is_made_whole_or_not_at_all(store: Store) {
    let twice = sketch(&store, &[("same", &[]), ("same", &[])]).await;
    let changes = store.last_change().await.expect("a number");
    assert!(matches!(store.create_build(&twice).await, Err(StoreError::Query { query: "job_insert", .. })));
    assert!(is_missing(&store.build(twice.number).await));
    assert_eq!(store.last_change().await.expect("a number"), changes);
    let build = made(&store, &[("same", &[])]).await;
    assert!(build > twice.number, "the writer after a failed one gets its turn");
}

async fn numbers_are_never_given_twice(store: Store) {
    let takers: Vec<_> = (0..30)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.next_build_number().await.expect("a number") })
        })
        .collect();
    let mut numbers = Vec::new();
    for taker in takers {
        numbers.push(taker.await.expect("a task"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<u64>>());
}

async fn with(store: &Store, change: impl FnOnce(&mut BuildRequest)) -> u64 {
    let mut build = sketch(store, &[("test", &[])]).await;
    change(&mut build.facts.request);
    store.create_build(&build).await.expect("made");
    build.number
}

async fn numbers(store: &Store, filter: &PageFilter) -> Vec<u64> {
    let page = store.build_page(filter, 0, 1_000).await.expect("a page");
    let numbers: Vec<u64> = page.builds.iter().map(|(build, _)| build.number).collect();
    assert_eq!(page.total, numbers.len() as u64, "{filter:?}");
    numbers
}

async fn each_filter_lets_through_what_it_names(store: Store) {
    let plain = with(&store, |_| {}).await;
    let other = with(&store, |request| request.repository = "acme/other".to_owned()).await;
    let branch = with(&store, |request| request.branch = Some("dev".to_owned())).await;
    let tag = with(&store, |request| (request.branch, request.tag) = (None, Some("v1".to_owned()))).await;
    let event = with(&store, |request| request.event = "pull_request".to_owned()).await;
    let author = with(&store, |request| request.author = "Bob".to_owned()).await;
    let any = PageFilter::default();
    let some = |text: &str| Some(text.to_owned());
    let table = [
        (any.clone(), vec![author, event, tag, branch, other, plain]),
        (PageFilter { repository: some("Acme/Other"), ..any.clone() }, vec![other]),
        (PageFilter { repository: some("acme/%"), ..any.clone() }, vec![]),
        (PageFilter { branch: some("dev"), ..any.clone() }, vec![branch]),
        (PageFilter { branch: some("DEV"), ..any.clone() }, vec![]),
        (PageFilter { branch: some("v1"), ..any.clone() }, vec![]),
        (PageFilter { event: some("pull_request"), ..any.clone() }, vec![event]),
        (PageFilter { author: some("bob"), ..any.clone() }, vec![author]),
        (PageFilter { author: some("ann"), repository: some("acme/other"), ..any.clone() }, vec![other]),
        (PageFilter { author: some("bob"), repository: some("acme/other"), ..any.clone() }, vec![]),
        (PageFilter { branch: some("main\0"), ..any.clone() }, vec![]),
        (PageFilter { status: Some(Status::Finished), ..any.clone() }, vec![]),
        (PageFilter { text: some(""), ..any.clone() }, vec![author, event, tag, branch, other, plain]),
    ];
    for (filter, expected) in table {
        assert_eq!(numbers(&store, &filter).await, expected, "{filter:?}");
    }
}

async fn words_are_looked_for_as_they_are_written(store: Store) {
    let titled = async |title: &str| with(&store, |request| request.title = title.to_owned()).await;
    let percent = titled("Raise coverage to 100% at last").await;
    let hundred = titled("Raise coverage to 1000 lines").await;
    let underscore = titled("rename a_b").await;
    let dash = titled("rename a-b").await;
    let backslash = titled(r"open c:\temp\new").await;
    let umlaut = titled("Ärger mit Öl").await;
    let table: [(&str, Vec<u64>); 20] = [
        ("100%", vec![percent]),
        ("100", vec![hundred, percent]),
        ("%", vec![percent]),
        ("a_b", vec![underscore]),
        ("a?b", vec![]),
        ("a-b", vec![dash]),
        ("RENAME", vec![dash, underscore]),
        (r"c:\temp", vec![backslash]),
        (r"\", vec![backslash]),
        (r"\%", vec![]),
        ("Ärger", vec![umlaut]),
        ("Öl Ärger", vec![umlaut]),
        ("last raise", vec![percent]),
        ("  acme/APP   ann\tto ", vec![hundred, percent]),
        ("raise coverage to lines", vec![hundred]),
        ("raise coverage to at last", vec![percent]),
        ("raise coverage to 1000 seas", vec![]),
        ("0123456789abcdef 100%", vec![percent]),
        ("main' or '1'='1", vec![]),
        ("\0", vec![]),
    ];
    for (text, expected) in table {
        let filter = PageFilter { text: Some(text.to_owned()), ..PageFilter::default() };
        assert_eq!(numbers(&store, &filter).await, expected, "{text:?}");
    }
    let by_number = PageFilter { text: Some(format!("{umlaut} öl").replace('ö', "Ö")), ..PageFilter::default() };
    assert_eq!(numbers(&store, &by_number).await, [umlaut]);
}

async fn what_is_made_while_something_is_looked_for_is_found(store: Store) {
    let titled = async |title: &str| {
        let mut build = sketch(&store, &[("test", &[])]).await;
        build.facts.request.title = title.to_owned();
        build
    };
    let zebra = PageFilter { text: Some("zebra".to_owned()), ..PageFilter::default() };
    assert!(numbers(&store, &zebra).await.is_empty());
    // Numbers are taken before builds are made, so an older number may be made later.
    let (first, second, third) = (titled("a zebra").await, titled("the ZEBRA").await, titled("none").await);
    store.create_build(&second).await.expect("made");
    store.create_build(&third).await.expect("made");
    assert_eq!(numbers(&store, &zebra).await, [second.number]);
    store.create_build(&first).await.expect("made");
    assert_eq!(numbers(&store, &zebra).await, [second.number, first.number]);
    let page = store.build_page(&zebra, 1, 1).await.expect("a page");
    assert_eq!((page.total, page.builds.len()), (2, 1));
    let (build, jobs) = &page.builds[0];
    assert_eq!((build.number, jobs.len()), (first.number, 1));
    for (offset, limit) in [(0, 1), (0, 2), (0, 3), (1, 3), (7, 1), (2, 1)] {
        let total = store.build_page(&zebra, offset, limit).await.expect("a page").total;
        assert_eq!(total, 2, "of all, also where no row is: {offset}, {limit}");
    }
    let finished = PageFilter { status: Some(Status::Finished), ..zebra };
    assert_eq!(store.build_page(&finished, 0, 1).await.expect("a page").total, 0);
}

async fn pages_are_windows_of_one_order(store: Store) {
    let mut all = Vec::new();
    for _ in 0..7 {
        all.insert(0, made(&store, &[("a", &[]), ("b", &["a"])]).await);
    }
    for (offset, limit, expected) in
        [(0, 3, &all[..3]), (3, 3, &all[3..6]), (6, 3, &all[6..]), (7, 3, &[]), (90, 1, &[]), (0, 0, &[])]
    {
        let page = store.build_page(&PageFilter::default(), offset, limit).await.expect("a page");
        assert_eq!(page.builds.iter().map(|(build, _)| build.number).collect::<Vec<_>>(), expected);
        assert_eq!(page.total, 7, "of all, whatever the window: {offset}, {limit}");
        for (build, jobs) in page.builds {
            let jobs: Vec<(u64, &str)> = jobs.iter().map(|job| (job.build, job.job.as_str())).collect();
            assert_eq!(jobs, [(build.number, "a"), (build.number, "b")]);
        }
    }
}

async fn a_page_far_apart_has_its_jobs(store: Store) {
    let near = made(&store, &[("near", &[])]).await;
    let mut far = sketch(&store, &[("far", &[])]).await;
    far.number = near + 1_000_000;
    store.create_build(&far).await.expect("made");
    let page = store.build_page(&PageFilter::default(), 0, 10).await.expect("a page");
    let jobs: Vec<(u64, &str)> = page.builds.iter().map(|(build, jobs)| (build.number, jobs[0].job.as_str())).collect();
    assert_eq!(jobs, [(far.number, "far"), (near, "near")]);
}

/// What follows for a build from its jobs, and these.
type Derived = (Status, Option<Outcome>, Vec<(State, Outcome)>);

/// A few hundred builds of random jobs: what the list's SQL says of each is what `state::build` says.
async fn the_list_derives_what_the_states_derive(store: Store) {
    let any_job = (prop::sample::select(State::ALL.to_vec()), prop::sample::select(Outcome::ALL.to_vec()));
    // Half of the builds are finished: else hardly any with several jobs would be.
    let finished = (Just(State::Finished), prop::sample::select(Outcome::ALL.to_vec()));
    let jobs = prop_oneof![prop::collection::vec(any_job, 0..5), prop::collection::vec(finished, 1..5)];
    let mut runner = TestRunner::default();
    let mut builds: BTreeMap<u64, Derived> = BTreeMap::new();
    for _ in 0..250 {
        let jobs = jobs.new_tree(&mut runner).expect("a build").current();
        let standings: Vec<JobStanding> = jobs
            .iter()
            .map(|&(state, outcome)| JobStanding {
                status: state.status(),
                outcome: (state == State::Finished).then_some(outcome),
            })
            .collect();
        let (status, outcome) = derive(&standings);
        builds.insert(random_build(&store, &jobs).await, (status, outcome, jobs));
    }
    for status in [Status::Waiting, Status::Running, Status::Finished] {
        let filter = PageFilter { status: Some(status), ..PageFilter::default() };
        agrees(&store, &filter, &builds, |(of, _, _)| *of == status).await;
    }
    for outcome in Outcome::ALL {
        let filter = PageFilter { outcome: Some(outcome), ..PageFilter::default() };
        agrees(&store, &filter, &builds, |(_, of, _)| *of == Some(outcome)).await;
        let filter = PageFilter { status: Some(Status::Running), ..filter };
        agrees(&store, &filter, &builds, |_| false).await;
    }
}

async fn agrees(
    store: &Store,
    filter: &PageFilter,
    builds: &BTreeMap<u64, Derived>,
    wanted: impl Fn(&Derived) -> bool,
) {
    let listed = numbers(store, filter).await;
    for (number, derived) in builds {
        assert_eq!(listed.contains(number), wanted(derived), "{filter:?} and a build of {derived:?}");
    }
}

/// A build whose jobs stand like this, each with an older attempt that must not count.
async fn random_build(store: &Store, jobs: &[(State, Outcome)]) -> u64 {
    let names: Vec<String> = (0..jobs.len()).map(|job| format!("job{job}")).collect();
    let names: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), [].as_slice())).collect();
    let mut build = sketch(store, &names).await;
    for (job, &(state, outcome)) in build.jobs.iter_mut().zip(jobs) {
        if state == State::Finished {
            let verdict = Verdict { outcome, ..Verdict::passed() };
            job.first = FirstState::Finished { verdict, log: LogSummary::default() };
        }
    }
    store.create_build(&build).await.expect("made");
    let mut writing = store.write().await.expect("a turn");
    for ((name, _), (state, outcome)) in names.iter().zip(jobs) {
        if *state != State::Finished {
            sqlx::query("update attempt set state = $3 where build = $1 and job = $2")
                .bind(signed(build.number))
                .bind(*name)
                .bind(state.word())
                .execute(&mut *writing.tx)
                .await
                .expect("set");
        }
        sqlx::query(
            "insert into attempt (build, job, number, current, position, state, outcome, queued_at, finished_at) \
             values ($1, $2, 0, 0, 0, 'finished', $3, 1, 1)",
        )
        .bind(signed(build.number))
        .bind(*name)
        .bind(outcome.word())
        .execute(&mut *writing.tx)
        .await
        .expect("an older one");
    }
    writing.commit().await.expect("committed");
    build.number
}
