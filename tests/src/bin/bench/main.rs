//! `cargo bench-windlass [NAME…]`: measures the real executables, release build, against what else is measured in the same
//! run on the same machine, and prints the ratios. Must not know how anything is done inside.
//!
//! Read ratios, not milliseconds: machines differ. Where a goal is an absolute number, that number is the reference.

mod artifacts; // a large file that a job leaves
mod containers; // against the engine's own API
mod idle; // a daemon with nothing to do
mod intake; // deliveries
mod jobs; // processes of this host, and logs
mod process; // what the system says of a running process
mod queue; // twenty thousand jobs that wait
mod results; // of tests, as many as are listed
mod terminal; // the terminal client, through a pseudo-terminal

use std::time::{Duration, Instant};

use windlass_protocol::live::{BuildFilter, ClientMessage, Request, RetryWhat, ServerMessage, Topic};
use windlass_protocol::view::{BuildRow, Outcome, Status};
use windlass_tests::live::{Live, Told};
use windlass_tests::{Daemon, Delivery};

/// One line of the table.
struct Row {
    what: &'static str,
    measured: f64,
    unit: &'static str,
    /// What it is held against, measured in this run; `None`: the goal itself is an absolute number.
    reference: Option<(&'static str, f64)>,
    goal: Goal,
}

/// For a ratio where there is a reference, for the number itself where there is none.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is another's, shown beside ours: there is nothing for it to reach.
    Beside,
}

impl Row {
    /// Held against the goal itself.
    fn of(what: &'static str, measured: f64, unit: &'static str, goal: Goal) -> Self {
        Self { what, measured, unit, reference: None, goal }
    }

    /// To the reference, else to the goal; a goal of nothing has no ratio.
    fn ratio(&self) -> f64 {
        let goal = match self.goal {
            Goal::AtMost(goal) | Goal::AtLeast(goal) => goal,
            Goal::Beside => 0.0,
        };
        let reference = self.reference.map_or(goal, |(_, reference)| reference);
        if reference == 0.0 { self.measured } else { self.measured / reference }
    }

    fn reached(&self) -> bool {
        let number = if self.reference.is_some() { self.ratio() } else { self.measured };
        match self.goal {
            Goal::AtMost(most) => number <= most,
            Goal::AtLeast(least) => number >= least,
            Goal::Beside => true,
        }
    }
}

type Bench = fn() -> Vec<Row>;

const BENCHES: [(&str, Bench); 17] = [
    ("container", containers::no_op),
    ("lines", containers::million_lines),
    ("process", jobs::no_op),
    ("window", jobs::windows_of_a_long_log),
    ("deliveries", intake::deliveries),
    ("storm", intake::storm),
    ("queue", queue::twenty_thousand),
    ("results", results::of_many_tests),
    ("artifacts", artifacts::of_a_large_file),
    ("idle", idle::idle_daemon),
    ("frame", terminal::first_frame),
    ("key", terminal::key_to_frame),
    ("still", terminal::idle_client),
    ("big", terminal::big_log),
    ("follow", terminal::following),
    ("cuts", terminal::reconnections),
    ("filter", terminal::many_builds),
];

/// What is going on now.
#[expect(clippy::print_stderr, reason = "the table is for standard output")]
fn progress(words: &str) {
    eprintln!("… {words}");
}

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn main() -> std::io::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    if wanted.first().is_some_and(|word| word == "write") {
        return terminal::writer::run(&wanted[1..]);
    }
    println!("{:48} {:>12}  {:>26}  {:>7}  {:>9}", "", "measured", "reference", "ratio", "goal");
    let mut missed = 0;
    for (name, bench) in BENCHES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        progress(name);
        for row in bench() {
            let reference = match row.reference {
                Some((name, value)) => format!("{name} {}", number(value)),
                None => "the goal".to_owned(),
            };
            let goal = match row.goal {
                Goal::AtMost(goal) => format!("<= {:>6}", number(goal)),
                Goal::AtLeast(goal) => format!(">= {:>6}", number(goal)),
                Goal::Beside => format!("{:>9}", "-"),
            };
            let measured = format!("{} {}", number(row.measured), row.unit);
            let verdict = if row.reached() { "" } else { "  MISSED" };
            missed += usize::from(!row.reached());
            let (what, ratio) = (row.what, row.ratio());
            println!("{what:48} {measured:>12}  {reference:>26}  {ratio:>6.2}x  {goal}{verdict}");
        }
    }
    println!("{missed} missed");
    Ok(())
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 50)
}

/// The value that `percent` of the values do not exceed.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent).div_ceil(100).saturating_sub(1)]
}

/// A live connection that is told of every build: how the benches see the end of one without asking for it.
struct Ends(Live);

impl Ends {
    fn of(daemon: &Daemon) -> Self {
        let mut live = Live::unix(daemon);
        live.hello();
        let topic = Topic::Builds { filter: BuildFilter::default(), offset: 0, limit: 20 };
        live.say(&ClientMessage::Subscribe { sub: 1, topic, after: None });
        live.until("the list of builds", |told| match told {
            Told::Message(message) => matches!(**message, ServerMessage::Builds { sub: 1, .. }).then_some(()),
            _ => None,
        });
        Self(live)
    }

    /// From the delivery's first byte to the news that its build has passed.
    fn time(&mut self, daemon: &Daemon, delivery: &Delivery, sha: &str) -> Duration {
        let start = Instant::now();
        daemon.accept(delivery);
        self.end(start, |row| row.sha == sha)
    }

    /// From the order to run a finished build again to the news that it has passed: the job alone, for its commit is here.
    fn time_again(&mut self, number: u64) -> Duration {
        let start = Instant::now();
        let request = Request::Retry { build: number, what: RetryWhat::Everything, head: false };
        self.0.say(&ClientMessage::Request { id: u64::MAX, request });
        // The list is told of the new attempt before it is told of its end.
        self.0.until("the build's new round", |told| match told {
            Told::Message(message) => match &**message {
                ServerMessage::Builds { sub: 1, changed, .. } => {
                    changed.iter().any(|row| row.number == number && row.status != Status::Finished).then_some(())
                }
                _ => None,
            },
            _ => None,
        });
        self.end(start, |row| row.number == number)
    }

    fn end(&mut self, start: Instant, is_it: impl Fn(&BuildRow) -> bool) -> Duration {
        let outcome = self.0.until("the build's end", |told| match told {
            Told::Message(message) => match &**message {
                ServerMessage::Builds { sub: 1, changed, .. } => {
                    changed.iter().find(|row| is_it(row) && row.status == Status::Finished)?.outcome
                }
                _ => None,
            },
            _ => None,
        });
        let took = start.elapsed();
        assert_eq!(outcome, Outcome::Passed, "what was measured did not work");
        took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_values_themselves() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(percentile(&mut [4.0, 1.0, 3.0, 2.0], 99), 4.0);
        assert_eq!(percentile(&mut [1.0], 50), 1.0);
    }

    #[test]
    fn goals_are_of_ratios_where_there_is_a_reference() {
        let row = |measured, reference, goal| Row { what: "", measured, unit: "", reference, goal };
        assert!(row(12.0, Some(("x", 10.0)), Goal::AtMost(1.3)).reached());
        assert!(!row(14.0, Some(("x", 10.0)), Goal::AtMost(1.3)).reached());
        assert!(row(29.0, None, Goal::AtMost(30.0)).reached());
        assert!(!row(999.0, None, Goal::AtLeast(1000.0)).reached());
        let other = row(30.0, Some(("ours", 10.0)), Goal::Beside);
        assert_eq!((other.ratio(), other.reached()), (3.0, true));
    }
}
