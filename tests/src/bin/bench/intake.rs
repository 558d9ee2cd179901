//! Signed deliveries, each durable before its answer: accepted pushes whose head commit says that nothing is to run, so
//! that intake is measured and not the machine's speed at building.

use std::time::Instant;

use serde_json::{Value, json};
use windlass_tests::http::Connection;
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

use crate::{Goal, Row};

const CONNECTIONS: usize = 16;
const EACH: usize = 250;
const SIZE: usize = 8 * 1024;

pub(crate) fn deliveries() -> Vec<Row> {
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
    let address = &daemon.address();
    let all: Vec<Vec<Delivery>> =
        (0..CONNECTIONS).map(|of| (0..EACH).map(|number| make(of * EACH + number)).collect()).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for deliveries in &all {
            scope.spawn(move || {
                let mut connection = Connection::open(address).expect("the public listener is there");
                for delivery in deliveries {
                    let answer = connection.request("POST", "/webhooks/github", &delivery.headers(), &delivery.body);
                    let answer = answer.expect("an answer");
                    assert!(matches!(answer.status, 200..=299), "{}: {}", answer.status, answer.text());
                }
            });
        }
    });
    let rate = (CONNECTIONS * EACH) as f64 / start.elapsed().as_secs_f64();
    let what = "signed 8 kB deliveries a second, 16 at once";
    vec![Row { what, measured: rate, unit: "/s", reference: None, goal: Goal::AtLeast(1000.0) }]
}
