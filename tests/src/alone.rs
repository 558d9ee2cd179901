//! A container that ends while its daemon is dead. Must not know what its job is for.

use crate::cleanup::{containers, docker};
use crate::daemon::Daemon;
use crate::wait::{SHORT, wait_for};

/// What a job's script has to begin with: it says where it is, and waits until nobody listens.
pub const WAIT: &str = "echo \"at $PWD\"; until [ -e dead ]; do sleep 0.05; done";

/// Kills the daemon while the only container of its own is at [`WAIT`], lets the container go on to its end, and starts the
/// daemon again. `job`: `1/test`.
#[track_caller]
pub fn end_while_dead(daemon: &mut Daemon, job: &str) {
    daemon.wait_log(job, "at /");
    let log = String::from_utf8_lossy(&daemon.raw_log(job)).into_owned();
    let folder = log.lines().find_map(|line| line.strip_prefix("at ")).expect("it said so");
    let found = containers(daemon.root());
    let [container] = found.as_slice() else { panic!("not exactly one container: {found:?}") };
    daemon.kill9();
    let done = docker(&["exec", container, "/bin/sh", "-c", &format!("touch {folder}/dead && echo done")]);
    assert_eq!(done.trim(), "done");
    wait_for("the container ends while the daemon is dead", SHORT, || {
        let state = docker(&["inspect", "--format", "{{.State.Running}}", container]);
        if state.trim() == "false" { Ok(()) } else { Err(state) }
    });
    daemon.restart();
}
