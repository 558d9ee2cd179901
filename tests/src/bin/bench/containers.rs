//! Builds in containers against the engine alone: bare API calls for the latency, `docker run` for the lines.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;
use windlass_tests::http::{Connection, Response};
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository, image};

use crate::{Ends, Goal, Row, median, ms};

const ROUNDS: usize = 11;

/// Side by side, round by round, so that a slow moment of the machine hits both.
pub(crate) fn no_op() -> Vec<Row> {
    let image = image::busybox();
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let mut ends = Ends::of(&daemon);
    let spec = format!("image: {image}\nnetwork: none\nexecute: ['true']\n");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let commit = repository.commit("main", &[(".windlass.yml", &spec)], &format!("round {round}"));
        let took = ends.time(&daemon, &Delivery::push(&repository, &commit), &commit.sha);
        let reference = bare_container(&image);
        if round > 0 {
            // The first round makes the runner's volume and warms what both use.
            ours.push(ms(took));
            bare.push(ms(reference));
        }
    }
    vec![Row {
        what: "no-op container build, POST to its end",
        measured: median(ours),
        unit: "ms",
        reference: Some(("bare engine API", median(bare))),
        goal: Goal::AtMost(1.3),
    }]
}

fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    Path::new(host.strip_prefix("unix://").expect("the engine is at a Unix socket")).to_owned()
}

/// Create, start, wait, remove: the least that anyone needs.
fn bare_container(image: &str) -> std::time::Duration {
    let mut engine = Connection::unix(&engine_socket()).expect("the engine answers");
    let mut call = |method: &str, path: &str, body: &[u8]| -> Response {
        let headers = [("Content-Type", "application/json")];
        let response = engine.request(method, path, &headers, body).expect("the engine answers");
        assert!(response.status < 300, "{method} {path}: {}", response.text());
        response
    };
    let request = json!({ "Image": image, "Cmd": ["true"], "HostConfig": { "NetworkMode": "none" } });
    let start = Instant::now();
    let made = call("POST", "/containers/create", request.to_string().as_bytes()).json();
    let id = made["Id"].as_str().expect("a container's id").to_owned();
    call("POST", &format!("/containers/{id}/start"), b"");
    let ended = call("POST", &format!("/containers/{id}/wait"), b"").json();
    call("DELETE", &format!("/containers/{id}"), b"");
    let took = start.elapsed();
    assert_eq!(ended["StatusCode"], 0);
    took
}

const LINES: &str = "yes 123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 | head -n 1000000";

pub(crate) fn million_lines() -> Vec<Row> {
    let image = image::busybox();
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository).set("limits", "log = \"1GiB\""));
    let mut ends = Ends::of(&daemon);
    let spec = format!("image: {image}\nnetwork: none\nexecute: ['{LINES}']\n");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..4 {
        let commit = repository.commit("main", &[(".windlass.yml", &spec)], &format!("round {round}"));
        let took = ends.time(&daemon, &Delivery::push(&repository, &commit), &commit.sha);
        let attempt = daemon.builds()[0].only_job().attempt(1);
        assert_eq!((&attempt["log"]["lines"], &attempt["log"]["bytes"]), (&json!(1_000_000), &json!(100_000_000)));
        let file = daemon.root().join("reference.log");
        let into = std::fs::File::create(&file).expect("a file");
        let start = Instant::now();
        let status = Command::new("docker")
            .args(["run", "--rm", "--network", "none", &image, "sh", "-c", LINES])
            .stdout(Stdio::from(into))
            .status();
        let reference = start.elapsed();
        assert!(status.expect("the docker command").success());
        assert_eq!(std::fs::metadata(&file).expect("it is there").len(), 100_000_000);
        if round > 0 {
            ours.push(took.as_secs_f64());
            bare.push(reference.as_secs_f64());
        }
    }
    vec![Row {
        what: "1,000,000 lines of 100 bytes, wholly stored",
        measured: median(ours),
        unit: "s",
        reference: Some(("docker run > file", median(bare))),
        goal: Goal::AtMost(0.6),
    }]
}
