//! `windlassd doctor` finds containers and volumes that no living attempt has, and leaves alone what builds: also while no
//! daemon works.

use windlass_tests::cleanup::{containers, docker, no_containers_left};
use windlass_tests::doctor::doctor;
use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, image, wait_for};

/// Gone with the story, however it ends.
struct Volume(String);

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = docker(&["volume", "rm", "--force", &self.0]);
    }
}

#[test]
fn docker_doctor_finds_leftovers() {
    let spec = format!(
        "jobs:\n  test:\n    image: {}\n    execute:\n      - |\n        pwd\n        until [ -e go ]; do sleep 0.05; done\n",
        image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let mut daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let secret = daemon.root().join("webhook.secret");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("our own file");
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "\n");
    let folder = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).trim().to_owned();
    let found = containers(daemon.root());
    let [living] = found.as_slice() else { panic!("not exactly one container: {found:?}") };
    doctor(&daemon, &[]).says(0, &[]);
    daemon.kill9();

    // As a daemon leaves it that was killed, and whose database came from a backup.
    let label = docker(&["inspect", "--format", "{{index .Config.Labels \"windlass.owner\"}}", living]);
    let owner = label.trim();
    assert!(!owner.is_empty(), "containers say whose they are");
    let (left, volume) = (format!("windlass-{owner}-4711.1.gone"), format!("windlass-left-{owner}"));
    let ours = format!("windlass.owner={owner}");
    let attempt = "windlass.attempt=4711/gone#1";
    let job = daemon.data().join("jobs/docker/4711.1.gone");
    std::fs::create_dir_all(&job).expect("a folder");
    std::fs::write(job.join("attempt"), "4711/gone#1").expect("a file");
    let mount = format!("{}:/left", job.display());
    let _planted = Volume(volume.clone());
    let image = image::busybox();
    for arguments in [
        vec!["create", "--name", &left, "--label", &ours, "--label", attempt, "-v", &mount, &image, "/bin/sh"],
        vec!["volume", "create", "--label", &ours, &volume],
    ] {
        assert!(!docker(&arguments).is_empty(), "docker {arguments:?}");
    }
    let there = |name: &str| {
        let names = docker(&["ps", "--all", "--format", "{{.Names}}"]) + &docker(&["volume", "ls", "--quiet"]);
        names.lines().any(|line| line == name)
    };
    assert!(there(&left) && there(&volume), "planted");

    let look = doctor(&daemon, &[]);
    look.says(1, &["leftover_container: possible", "leftover_volume: possible"]);
    assert!(
        look.finding("leftover_volume", &volume)["what"].as_str().is_some_and(|what| what.contains("nobody uses it"))
    );
    assert!(there(&left) && there(&volume) && job.exists(), "looking changes nothing");

    doctor(&daemon, &["--repair"]).says(0, &["leftover_container: done", "leftover_volume: done"]);
    assert!(!there(&left) && !there(&volume) && !job.exists());
    doctor(&daemon, &["--deep"]).says(0, &[]);

    // What builds was not touched.
    daemon.restart();
    wait_for("the job is told to go on", SHORT, || {
        let done = docker(&["exec", living, "/bin/sh", "-c", &format!("touch {folder}/go && echo done")]);
        if done.trim() == "done" { Ok(()) } else { Err(done) }
    });
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    assert_eq!(build.job("test").attempts().len(), 1);
    no_containers_left(daemon.root());
}
