//! The log screen against a real daemon: a log of many lines is filtered while it grows, folded, searched with a map, and
//! two attempts of it are compared.

use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, binaries};

fn client(daemon: &Daemon, rows: u16, columns: u16) -> Terminal {
    let to = daemon.connect();
    Terminal::start(&binaries::windlass(), &["--connect", &to], daemon.root(), rows, columns)
}

#[test]
fn a_log_is_filtered_while_it_grows_and_folded() {
    let repository = Repository::new("acme/app");
    let marker = repository.work().with_file_name("go");
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - name: count\n        run: seq 1 200000\n      - name: wait\n        run: 'echo up; until [ -e {} ]; do sleep 0.02; done; echo late 777'\n",
        marker.display()
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "up\n");
    let mut terminal = client(&daemon, 24, 80);
    terminal.wait_words(&["acme/app"]);
    terminal.keys("\r");
    terminal.wait_words(&["whole build"]);
    terminal.keys("\r");
    terminal.wait_words(&["following", "200,001 lines"]);
    terminal.keys("&77$\r--");
    terminal.wait_words(&["& 77$", "199977", "199877"]);
    std::fs::write(&marker, "").expect("a file");
    // Following goes on under the filter.
    terminal.wait_words(&["late 777", "end of 200,002 lines"]);
    assert!(!terminal.screen().contains("199976"), "{}", terminal.screen());
    // From the end to the beginning, with all that lies between left out.
    terminal.keys("g");
    terminal.wait_words(&["count", " 77", "177", "1977"]);
    // Every line again, the steps folded: what is left are two headings.
    terminal.keys("\x1b");
    terminal.wait_words(&["     3  3"]);
    terminal.keys("Z");
    terminal.wait_words(&["200,000 lines folded", "2 lines folded"]);
    terminal.keys("Zg/^1999..$\r");
    terminal.wait_words(&["1/100", "199900"]);
    terminal.keys("q");
    terminal.keys("\x03");
    assert_eq!(terminal.wait_end(), 0);
}

#[test]
fn two_attempts_are_compared() {
    let repository = Repository::new("acme/app");
    let spec = "jobs: { test: { execute: ['seq 1 500; echo \"attempt $WINDLASS_ATTEMPT took 0.$$ s\"; seq 501 600; exit 1'] } }\n";
    let commit = repository.commit("main", &[(".windlass.yml", spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_finished(number);
    assert_eq!(daemon.cli(&["retry", &number.to_string()]).code, 0);
    daemon.wait_until(number, "tried again", |build| {
        build.jobs()[0].attempts().len() == 2 && build.status() == "finished"
    });
    let mut terminal = client(&daemon, 40, 160);
    terminal.wait_words(&["acme/app"]);
    terminal.keys("\r");
    terminal.wait_words(&["whole build"]);
    terminal.keys("\r");
    terminal.wait_words(&["test#2", "601 lines"]);
    terminal.keys("b");
    terminal.wait_words(&["Beside this log", "test#1"]);
    terminal.keys("\r");
    terminal.wait_words(&["~ 1 differ"]);
    terminal.keys("g>");
    terminal.wait_words(&["attempt 1 took", "attempt 2 took"]);
    terminal.keys("\x03");
    terminal.wait_end();
}
