//! A push runs in a container that can do nothing but the build: the commit's files, limits that hold, no capabilities to
//! speak of, no network where none is asked for, no way to the engine.

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, cleanup, image, wait_for};

/// Runs the steps in the test image and gives the log.
#[track_caller]
fn log_of(more: &str, steps: &str) -> String {
    let spec = format!("jobs:\n  test:\n    image: {}\n{more}    execute:\n{steps}", image::busybox());
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[(".windlass.yml", spec.as_str()), ("file", "contents\n")], "first");
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert_eq!(build.outcome(), "passed", "{:#}\n{log}", build.0);
    let attempt = build.job("test").attempt(1);
    assert_eq!(attempt["engine"], "docker");
    assert!(attempt["node"].is_string(), "{attempt:#}");
    cleanup::no_containers_left(daemon.root());
    log
}

#[test]
fn docker_it_has_the_files_and_the_environment() {
    let log = log_of(
        "    environment: { COLOUR: green }\n",
        "      - cat file\n      - echo $CI $COLOUR $WINDLASS_OWNER/$WINDLASS_REPO $WINDLASS_BRANCH $WINDLASS_EVENT\n      - 'test -d .git && echo checkout'\n      - run: [echo, no, shell]\n      - echo $$ >&2\n",
    );
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("contents"));
    assert_eq!(lines.next(), Some("true green acme/app main push"));
    assert_eq!(lines.next(), Some("checkout"));
    assert_eq!(lines.next(), Some("no shell"));
    assert!(lines.next().is_some_and(|pid| pid.parse::<u32>().is_ok_and(|pid| pid > 1)), "the runner is pid 1: {log}");
}

#[test]
fn docker_network_none_is_none() {
    let log = log_of("    network: none\n", "      - ls /sys/class/net\n      - cat /proc/net/route\n");
    assert_eq!(log.lines().next(), Some("lo"));
    assert_eq!(log.lines().count(), 2, "no interface but lo, no route: {log}");
}

#[test]
fn docker_it_can_do_little() {
    let log = log_of(
        "",
        "      - grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status\n      - 'test ! -e /var/run/docker.sock && test ! -e /run/docker.sock && echo no engine'\n      - 'if mount -t tmpfs none /mnt 2>/dev/null || mount -t proc none /proc 2>/dev/null; then echo mounts; else echo no mounts; fi'\n      - 'if echo 1 2>/dev/null >/proc/sys/kernel/panic; then echo writes; else echo no writes; fi'\n",
    );
    let value = |name: &str| {
        let line = log.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {log}"));
        line.trim().to_owned()
    };
    let capabilities = |name: &str| u64::from_str_radix(&value(name), 16).expect("hexadecimal");
    // SYS_ADMIN 21, SYS_MODULE 16, SYS_PTRACE 19, NET_ADMIN 12, NET_RAW 13, SYS_RAWIO 17, MKNOD 27, DAC_READ_SEARCH 2
    let dangerous = [21, 16, 19, 12, 13, 17, 27, 2].iter().fold(0_u64, |bits, bit| bits | 1 << bit);
    assert_eq!(capabilities("CapEff:") & dangerous, 0, "{log}");
    assert_eq!(capabilities("CapBnd:") & dangerous, 0, "{log}");
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("Seccomp:"), "2");
    for words in ["no engine", "no mounts", "no writes"] {
        assert!(log.contains(words), "{log}");
    }
}

#[test]
fn docker_limits_are_those_asked_for() {
    let log = log_of(
        "    resources: { memory: 64MiB, cpu: 1 }\n",
        "      - cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes\n      - cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max\n",
    );
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("67108864"));
    let pids = lines.next().and_then(|pids| pids.parse::<u32>().ok());
    assert!(pids.is_some_and(|pids| pids > 16), "a limit of processes that is no hindrance: {log}");
}

/// Asks the listener at `address` from inside of a container, and says what came and how it ended. That `ended` is there
/// shows that the command ran in the container; anything else is a story that proves nothing.
#[track_caller]
fn ask(container: &str, address: &str) -> String {
    let script = format!("timeout 5 nc -w 3 {address} 7777 </dev/null; echo ended $?");
    let said = cleanup::docker(&["exec", container, "sh", "-c", &script]);
    assert!(said.contains("ended "), "nothing ran in {container}: {said:?}");
    said
}

#[test]
fn docker_jobs_do_not_reach_each_other() {
    let spec = format!(
        "jobs:\n  server:\n    image: {image}\n    execute:\n      - hostname -i\n      - nc -ll -p 7777 -e echo reached\n  client:\n    image: {image}\n    execute:\n      - hostname -i\n      - sleep 600\n",
        image = image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_until(number, "both run", |build| build.summary() == "server: running, client: running");
    let address_of = |job: &str| {
        daemon.wait_log(&format!("{number}/{job}"), "\n");
        String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/{job}"))).trim().to_owned()
    };
    let containers = cleanup::containers(daemon.root());
    assert_eq!(containers.len(), 2);
    let container_of = |job: &str| {
        let address = address_of(job);
        assert!(address.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| !ip.is_loopback()), "{job}: {address:?}");
        let is_it = |id: &&String| cleanup::docker(&["exec", id.as_str(), "hostname", "-i"]).trim() == address;
        let found: Vec<_> = containers.iter().filter(is_it).cloned().collect();
        assert_eq!(found.len(), 1, "not exactly one container has {address}");
        (found[0].clone(), address)
    };
    let (server, address) = container_of("server");
    let (client, _) = container_of("client");
    assert_ne!(server, client);

    // The same command reaches the listener from where it may, both before and after.
    wait_for("the listener answers in its own container", SHORT, || match ask(&server, &address) {
        said if said == "reached\nended 0\n" => Ok(()),
        said => Err(said),
    });
    let said = ask(&client, &address);
    assert!(!said.contains("reached") && !said.contains("ended 0"), "one job reached another: {said:?}");
    assert_eq!(ask(&server, &address), "reached\nended 0\n", "the listener is still there");

    assert_eq!(daemon.cli(&["cancel", "--force", &number.to_string()]).code, 0);
    daemon.wait_finished(number);
}
