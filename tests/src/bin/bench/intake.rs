//! Signed deliveries, each durable before its answer: accepted pushes whose head commit says that nothing is to run, so
//! that intake is measured and not the machine's speed at building.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use windlass_tests::http::{Connection, Response};
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

use crate::{Goal, Row, ms, percentile};

const CONNECTIONS: usize = 16;
const EACH: usize = 250;
const SIZE: usize = 8 * 1024;

/// A daemon, and so many different deliveries for it.
fn prepared(count: usize) -> (Daemon, Repository, Vec<Delivery>) {
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[(".windlass.yml", "execute: ['true']\n")], "docs [skip ci]");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let template: Value =
        serde_json::from_slice(&Delivery::push(&repository, &commit).body).expect("our own body is JSON");
    let make = |number: usize| {
        let mut body = template.clone();
        // Differs, since deliveries with the same body are duplicates; long, as GitHub's are.
        body["unique"] = json!(number);
        let length = body.to_string().len();
        body["padding"] = json!("x".repeat(SIZE.saturating_sub(length)));
        Delivery::new("push", &body)
    };
    let deliveries = (0..count).map(make).collect();
    (daemon, repository, deliveries)
}

/// Delivers them over 16 connections, one after the other on each.
fn each(daemon: &Daemon, deliveries: &[Delivery], check: impl Fn(&Delivery, &Response) + Sync) {
    let (address, check) = (&daemon.address(), &check);
    std::thread::scope(|scope| {
        for deliveries in deliveries.chunks(deliveries.len().div_ceil(CONNECTIONS)) {
            scope.spawn(move || {
                let mut connection = Connection::open(address).expect("the public listener is there");
                for delivery in deliveries {
                    let answer = connection.request("POST", "/webhooks/github", &delivery.headers(), &delivery.body);
                    check(delivery, &answer.expect("an answer"));
                }
            });
        }
    });
}

pub(crate) fn deliveries() -> Vec<Row> {
    let (daemon, _repository, deliveries) = prepared(CONNECTIONS * EACH);
    let start = Instant::now();
    each(&daemon, &deliveries, |_, answer| {
        assert!(matches!(answer.status, 200..=299), "{}: {}", answer.status, answer.text());
    });
    let rate = (CONNECTIONS * EACH) as f64 / start.elapsed().as_secs_f64();
    let what = "signed 8 kB deliveries a second, 16 at once";
    vec![Row { what, measured: rate, unit: "/s", reference: None, goal: Goal::AtLeast(1000.0) }]
}

const STORM: usize = 2_000;
/// A storm that is not answered within this is not answered.
const STORM_OVER: Duration = Duration::from_secs(120);

/// 2,000 deliveries in one moment: over 200 connections that are kept, as a proxy in front would, and over as many
/// connections as deliveries.
pub(crate) fn storm() -> Vec<Row> {
    let row = |what, connections| {
        let (daemon, _repository, deliveries) = prepared(STORM);
        let mut times = storm_over(&daemon, &deliveries, connections);
        // None is lost: the daemon knows each of them.
        each(&daemon, &deliveries, |delivery, answer| {
            assert_eq!(answer.json()["state"], "duplicate", "{} is lost", delivery.id);
        });
        Row { what, measured: percentile(&mut times, 99), unit: "ms", reference: None, goal: Goal::AtMost(250.0) }
    };
    vec![
        row("2,000 deliveries at once, 200 connections, p99", 200),
        row("2,000 deliveries at once, 2,000 connections, p99", STORM),
    ]
}

/// How long each answer took, from the moment its request was written to the moment it was read. All are accepted.
fn storm_over(daemon: &Daemon, deliveries: &[Delivery], connections: usize) -> Vec<f64> {
    let requests: Vec<Vec<u8>> = deliveries.iter().map(request).collect();
    let address = daemon.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let storm = async {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            streams.push(TcpStream::connect(&address).await.expect("the public listener is there"));
        }
        let each = requests.len() / connections;
        let mut clients = tokio::task::JoinSet::new();
        for (stream, requests) in streams.into_iter().zip(requests.chunks(each)) {
            clients.spawn(answers(stream, requests.to_vec()));
        }
        clients.join_all().await.concat()
    };
    let limit = async { tokio::time::timeout(STORM_OVER, storm).await.expect("the storm is over by then") };
    runtime.block_on(limit)
}

async fn answers(mut stream: TcpStream, requests: Vec<Vec<u8>>) -> Vec<f64> {
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let start = Instant::now();
        stream.write_all(&request).await.expect("the daemon reads");
        let mut answer = Vec::new();
        // Answers are one JSON object each.
        while !answer.ends_with(b"}") {
            assert!(stream.read_buf(&mut answer).await.expect("the daemon answers") > 0, "it hung up");
        }
        times.push(ms(start.elapsed()));
        assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer));
    }
    times
}

fn request(delivery: &Delivery) -> Vec<u8> {
    let mut request = String::from("POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in delivery.headers() {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n", delivery.body.len());
    [request.as_bytes(), &delivery.body].concat()
}
