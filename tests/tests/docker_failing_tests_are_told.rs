//! A container's reports are read in it, after its last step, and what they say is there once, also when the daemon was
//! dead at that time. What leads out of the job's folder is not followed.

use serde_json::Value;
use windlass_tests::alone::{WAIT, end_while_dead};
use windlass_tests::{Daemon, DaemonOptions, Repository, image};

const REPORT: &str = "<testsuite name=\"pump\"><testcase name=\"fills\" time=\"0.5\"/><testcase name=\"drains\"><failure message=\"still 3 litres\"/></testcase></testsuite>\n";

#[test]
fn docker_failing_tests_are_told() {
    let spec = format!(
        "jobs:\n  test:\n    image: {}\n    execute:\n      - |\n        {WAIT}\n        mkdir out; cp report.xml out/1.xml; ln -s /etc/passwd out/2.xml\n        exit 3\n    finally: [cp report.xml out/3.xml]\n    reports: {{ junit: [out/1.xml, out/2.xml, out/3.xml] }}\n",
        image::busybox()
    );
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[(".windlass.yml", spec.as_str()), ("report.xml", REPORT)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    end_while_dead(&mut daemon, &format!("{number}/test"));
    let view = daemon.wait_finished(number);
    let job = view.job("test");
    assert_eq!((job.outcome(), job.attempt(1)["exit_code"].as_i64()), ("failed", Some(3)), "{:#}", view.0);
    let tests = job.attempt(1)["tests"].clone();
    assert_eq!((&tests["passed"], &tests["failed"]), (&2.into(), &2.into()), "{tests:#}");
    let told: Vec<&str> = tests["troubles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(told, ["out/2.xml: what is there is a link or no regular file, and is not followed"]);
    let failed = daemon.json(&["tests", &number.to_string(), "--failed"]);
    assert_eq!(failed["total"], 2, "{failed:#}");
    assert_eq!(failed["cases"][0]["message"], "still 3 litres");
}
