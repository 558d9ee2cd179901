//! `less` and `lnav` on a file of the same lines, where they are installed: what they take is shown beside ours.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windlass_tests::terminal::Terminal;

use super::big::Figures;
use super::writer::{self, NEEDLES};
use super::{COLUMNS, LATE, ROWS};
use crate::{Goal, Row, ms, progress};

/// What another program has to show a hit.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody else's program, and how it is told things.
struct Other {
    program: PathBuf,
    arguments: &'static [&'static str],
    names: [&'static str; 3],
    jump: fn(u64) -> String,
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

pub(super) fn rows(lines: u64, ours: &Figures) -> Vec<Row> {
    let others = [
        (
            "less",
            &["+G"][..],
            ["less, to the last line", "less, jump to a line", "less, search, first hit"],
            less_jump as _,
        ),
        (
            "lnav",
            &["-q"][..],
            ["lnav, to the last line", "lnav, jump to a line", "lnav, search, first hit"],
            lnav_jump as _,
        ),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("lines.log");
    let mut rows = Vec::new();
    for (name, arguments, names, jump) in others {
        let Some(program) = on_path(name) else {
            progress(&format!("{name} is not installed, so nothing is shown beside ours"));
            continue;
        };
        if !file.exists() {
            let out = File::create(&file).expect("a new file");
            writer::write(out, lines, 0, &|| false).expect("there is room for it");
        }
        progress(&format!("{name} on the same file"));
        let other = Other { program, arguments, names, jump };
        rows.extend(other.rows(&file, lines, ours));
    }
    rows
}

fn less_jump(line: u64) -> String {
    format!("{line}g")
}

fn lnav_jump(line: u64) -> String {
    format!(":goto {}\r", line - 1)
}

impl Other {
    fn rows(&self, file: &Path, lines: u64, ours: &Figures) -> Vec<Row> {
        let home = file.parent().expect("it is in a folder");
        let mut arguments = self.arguments.to_vec();
        arguments.push(file.to_str().expect("a plain name"));
        let start = Instant::now();
        let screen = Terminal::start(&self.program, &arguments, home, ROWS, COLUMNS);
        let last = format!("line {lines} at");
        let ((), at) = screen.until("the last line", LATE, |screen| screen.contents().contains(&last).then_some(()));
        let opened = ms(at.saturating_duration_since(start));
        // A line in the middle; then the first one, and from there what is searched.
        let middle = lines / 2 + 1;
        let jumped = ms(screen.time_words(&(self.jump)(middle), LATE, &[&format!("line {middle} at")]));
        screen.time_words(&(self.jump)(1), LATE, &["line 1 at"]);
        screen.keys("/needle");
        let hit = format!("line {} at", lines / NEEDLES);
        let found = time_hit(&screen, &hit);
        let row = |at: usize, measured, ours| Row {
            what: self.names[at],
            measured,
            unit: "ms",
            reference: Some(("ours", ours)),
            goal: Goal::Beside,
        };
        let mut rows = vec![row(0, opened, ours.attach), row(1, jumped, ours.jump)];
        match found {
            Some(found) => rows.push(row(2, found, ours.first_hit)),
            // Seen of lnav, now and then: it counts its hits and stays where it was.
            None => progress(&format!("no figure of: {}: it did not go to the hit", self.names[2])),
        }
        rows
    }
}

/// From Enter to the hit, in milliseconds. What another program does not do is no reason to lose our own figures.
fn time_hit(screen: &Terminal, hit: &str) -> Option<f64> {
    let start = Instant::now();
    screen.keys("\r");
    while start.elapsed() < PATIENCE {
        if screen.screen().contains(hit) {
            return Some(ms(start.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}
