//! The image that stories with containers use: the host's static busybox, made by `tests/run`. Must not know what runs
//! in it.

/// Its name; panics when no engine has it, with the way out.
#[must_use]
#[track_caller]
pub fn busybox() -> String {
    let name = std::env::var("WINDLASS_TEST_IMAGE").unwrap_or_else(|_| "windlass-test/busybox:1".to_owned());
    let there = crate::cleanup::docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
    assert!(!there.trim().is_empty(), "no engine answers, or it has no image {name}: tests/run makes both");
    name
}
