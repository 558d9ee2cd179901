//! The stories in `tests/stories`, each against a real daemon, against a fake one whose manners are bad, and, where nothing is
//! ordered, against one whose connections are cut in the middle of messages again and again.

use std::path::{Path, PathBuf};

use windlass_tests::robot::{House, play};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stories")
}

/// The same stories in each of these houses, and a list of their names.
macro_rules! stories {
    ($names:ident, $($house:ident in $module:ident),+: $stories:tt) => {
        stories! { @names $names $stories }
        $(stories! { @tests $house $module $stories })+
    };
    (@names $names:ident { $($story:ident)* }) => {
        const $names: &[&str] = &[$(stringify!($story)),*];
    };
    (@tests $house:ident $module:ident { $($story:ident)* }) => {
        mod $module {
            $(
                #[test]
                fn $story() {
                    super::play(&super::folder().join(concat!(stringify!($story), ".story")), super::House::$house);
                }
            )*
        }
    };
}

stories! { ALL, Real in real, Rude in rude: {
    a_build_and_its_log
    a_cancel_and_its_undo
    a_daemon_of_another_version
    a_delivery_is_replayed
    a_log_through_drops
    an_order_is_never_answered
    artifacts_are_fetched
    search_and_next_error
    the_daemon_is_lost
    two_are_retried
} }

// An order that goes out on a connection that is cut is refused, and its story would be another one.
stories! { IN_PIECES, Cut in cut: {
    a_build_and_its_log
    a_log_through_drops
    artifacts_are_fetched
    search_and_next_error
} }

#[test]
fn every_story_is_played() {
    let files = std::fs::read_dir(folder()).expect("the folder of stories");
    let name = |file: std::io::Result<std::fs::DirEntry>| file.expect("an entry").file_name().into_string();
    let mut names: Vec<String> = files.map(|file| name(file).expect("plain names")).collect();
    names.sort();
    let played: Vec<String> = ALL.iter().map(|name| format!("{name}.story")).collect();
    assert_eq!(names, played);
    assert!(IN_PIECES.iter().all(|name| ALL.contains(name)));
}
