//! Plays a story: the real client in a pseudo-terminal, its keys, and what its screen shows. Must not know what is behind the
//! client: see `stage`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::stage::{House, Stage};
use super::story::{self, Sentence, Told};
use crate::binaries;
use crate::daemon::{finish, windlass};
use crate::fake::acts::{JOB, left};
use crate::terminal::Terminal;
use crate::wait::{LONG, SHORT, wait_for};

const ROWS: u16 = 30;
const COLUMNS: u16 = 110;
/// The header, the row about the log, the footer, and a row for where its only step begins.
const NOT_LINES: usize = 4;

/// Plays a story to its end: the client leaves in order, and leaves nothing behind.
#[track_caller]
pub fn play(file: &Path, house: House) {
    let story = story::read(file).unwrap_or_else(|faults| panic!("{faults}"));
    let room = story.iter().find_map(|told| if let Sentence::Room(room) = told.sentence { Some(room) } else { None });
    let line = story.iter().any(|told| told.sentence.is_about_the_line());
    let stage = Stage::new(house, room.unwrap_or(2), line);
    let mut robot = Robot { stage, terminal: None, pipe: None };
    for told in &story {
        robot.carry_out(told);
    }
    let terminal = robot.terminal.as_mut().expect("a story opens the client");
    terminal.keys("\x03");
    assert_eq!(terminal.wait_end(), 0, "it leaves in order:\n{}", terminal.screen());
    assert_eq!(terminal.left_behind(), Vec::<&str>::new());
    let cuts = if house == House::Cut { robot.stage.line().connections() } else { 2 };
    assert!(cuts > 1, "the connection was never cut");
}

struct Robot {
    stage: Stage,
    terminal: Option<Terminal>,
    /// A command beside the client, and what it prints.
    pipe: Option<(Child, File)>,
}

impl Robot {
    #[track_caller]
    fn carry_out(&mut self, told: &Told) {
        let what = format!("{}: {}", told.place, told.text);
        match &told.sentence {
            Sentence::Room(_) => {}
            Sentence::Build { title, acts } => self.stage.build(title, acts),
            Sentence::LetGoOn(title) => self.stage.let_go_on(title),
            Sentence::OpenClient => {
                let to = format!("unix:{}", self.stage.socket().display());
                let arguments = ["--connect", to.as_str()];
                let terminal = Terminal::start(&binaries::windlass(), &arguments, self.stage.home(), ROWS, COLUMNS);
                self.terminal = Some(terminal);
            }
            Sentence::OpenView(name) => {
                let names = ["builds", "queue", "deliveries", "repositories", "nodes"];
                let index = names.iter().position(|known| known == name);
                let index = index.unwrap_or_else(|| panic!("{what}: there is no such view"));
                self.keys(&(index + 1).to_string());
            }
            Sentence::Select(title) => self.select(&what, title),
            Sentence::Open(title) => {
                self.select(&what, title);
                self.keys("\r");
            }
            Sentence::Mark(title) => {
                self.select(&what, title);
                self.keys(" ");
            }
            Sentence::Press(keys) => keys.iter().for_each(|key| self.press(key)),
            Sentence::Answer(answer) => self.answer(&what, answer),
            Sentence::See(text) => self.until(&what, |screen| screen.contains(text)),
            Sentence::SeeNo(text) => self.until(&what, |screen| !screen.contains(text)),
            Sentence::SeeRunning(count) => {
                let (some, none) = (format!("● {count}/"), format!("{count}/"));
                let shown =
                    |row: &str| row.contains(&some) || (*count == 0 && !row.contains('●') && row.contains(&none));
                self.until(&what, |screen| screen.lines().next().is_some_and(shown));
            }
            Sentence::SeeAs { title, state } => {
                let shown = |row: &str| row.contains(title.as_str()) && row.contains(&format!(" {state} "));
                self.until(&what, |screen| screen.lines().any(shown));
            }
            Sentence::SeeLines(first, last) => self.see_lines(&what, *first, *last),
            Sentence::LineDrops => self.stage.line().drop_all(),
            Sentence::LosesAnswers => self.stage.line().behave(|manners| manners.lost = true),
            Sentence::Speaks(version) => self.stage.line().behave(|manners| manners.protocol = Some(*version)),
            Sentence::GoesAway => self.stage.goes_away(),
            Sentence::ComesBack => self.stage.comes_back(),
            Sentence::FollowInPipe(title) => self.follow_in_pipe(title),
            Sentence::PipeHas(first, last) => self.pipe_has(&what, *first, *last),
            Sentence::Fetch { title, folder } => {
                let number = self.stage.number(title).to_string();
                let to = format!("unix:{}", self.stage.socket().display());
                let command = windlass(self.stage.home(), &["--connect", &to, "artifacts", &number, "-o", folder]);
                let output = finish(command, LONG);
                assert_eq!(output.code, 0, "{what}: {}{}", output.text(), output.stderr);
            }
            Sentence::File { path, bytes } => {
                let here = std::fs::read(self.stage.home().join(path));
                let here = here.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(here == left(*bytes as usize), "{what}: it has {} bytes, or others", here.len());
            }
            Sentence::InTruth { title, state } => {
                let number = self.stage.number(title).to_string();
                wait_for(&what, LONG, || {
                    let build = self.stage.truth(&["show", &number]);
                    let is = |key: &str| build[key] == state.as_str();
                    if is("status") || is("outcome") { Ok(()) } else { Err(build) }
                });
            }
            Sentence::Attempts { title, count } => {
                let build = self.stage.truth(&["show", &self.stage.number(title).to_string()]);
                let attempts = build["jobs"][0]["attempts"].as_array().map_or(0, Vec::len);
                assert_eq!(attempts, *count as usize, "{what}: {build:#}");
            }
            Sentence::Builds(count) => wait_for(&what, SHORT, || {
                let builds = self.stage.truth(&["builds"]);
                let found = builds.as_array().map_or(0, Vec::len);
                if found == *count as usize { Ok(()) } else { Err(builds) }
            }),
        }
    }

    #[track_caller]
    fn terminal(&self) -> &Terminal {
        self.terminal.as_ref().expect("the story opens the client first")
    }

    #[track_caller]
    fn keys(&self, keys: &str) {
        self.terminal().keys(keys);
    }

    /// One key. With another right behind it, an Esc would be the Alt of that one.
    #[track_caller]
    fn press(&self, key: &str) {
        self.keys(key);
        if key == "\x1b" {
            self.terminal().wait_still(Duration::from_millis(100));
        }
    }

    /// What a person sees. `Err`: just now nothing new, the client is in the middle of painting.
    #[track_caller]
    fn screen(&self) -> Result<String, Lines> {
        let terminal = self.terminal();
        terminal.whole_screen().ok_or_else(|| Lines(format!("in the middle of a frame:\n{}", terminal.screen())))
    }

    /// Waits until the screen is as wished.
    #[track_caller]
    fn until(&self, what: &str, wished: impl Fn(&str) -> bool) {
        wait_for(what, SHORT, || {
            let screen = self.screen()?;
            if wished(&screen) { Ok(()) } else { Err(Lines(screen)) }
        });
    }

    /// Moves to a build in the list of builds: from the top down, then looks whether it is there.
    #[track_caller]
    fn select(&self, what: &str, title: &str) {
        let row = self.stage.titles().iter().position(|known| *known == title);
        let row = row.unwrap_or_else(|| panic!("{what}: there is no such build"));
        self.until(what, |screen| screen.contains(title));
        self.keys(&format!("g{}", "j".repeat(row)));
        // What is selected is told below the list.
        let selected = format!("#{} {title}", self.stage.number(title));
        self.until(what, |screen| screen.lines().any(|line| line.trim_start().starts_with(&selected)));
    }

    /// Chooses an answer of the question that is open.
    #[track_caller]
    fn answer(&self, what: &str, answer: &str) {
        let focused = format!("▸ {answer}");
        wait_for(what, SHORT, || {
            let screen = self.screen()?;
            if screen.contains(&focused) {
                return Ok(());
            }
            let before = screen.lines().position(|line| line.contains('▸'));
            let wanted = screen.lines().position(|line| line.contains(answer));
            if let (Some(before), Some(wanted)) = (before, wanted) {
                self.keys(if wanted > before { "j" } else { "k" });
                let moved = |screen: &str| screen.lines().position(|line| line.contains('▸')) != Some(before);
                self.until(what, moved);
            }
            Err(Lines(screen))
        });
        self.keys("\r");
    }

    /// From the beginning of a log to its end, page by page.
    #[track_caller]
    fn see_lines(&self, what: &str, first: u32, last: u32) {
        let full = usize::from(ROWS) - NOT_LINES;
        let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
        self.keys("g");
        loop {
            let next = seen.last_key_value().map_or(first, |(line, _)| line + 1);
            let page = wait_for(what, SHORT, || {
                let screen = self.screen()?;
                let page = lines_of(&screen);
                let whole = page.len() >= full || page.iter().any(|(_, line)| *line == last);
                let goes_on = page.iter().any(|(_, line)| *line == next);
                if whole && goes_on { Ok(page) } else { Err(Lines(screen)) }
            });
            for pair in page.windows(2) {
                assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{what}: twice or out of order: {page:?}");
            }
            for (place, line) in page {
                let before = *seen.entry(line).or_insert(place);
                assert_eq!(before, place, "{what}: line {line} stands in two places");
            }
            if seen.contains_key(&last) {
                break;
            }
            self.keys("\x1b[6~");
        }
        let offset = seen.get(&first).copied().unwrap_or_default();
        for (index, line) in (first..=last).enumerate() {
            assert_eq!(seen.get(&line), Some(&(offset + index as u64)), "{what}: line {line} is lost or moved");
        }
    }

    fn follow_in_pipe(&mut self, title: &str) {
        let to = format!("unix:{}", self.stage.socket().display());
        let address = format!("{}/{JOB}", self.stage.number(title));
        let mut command = windlass(self.stage.home(), &["--connect", &to, "logs", "-f", &address]);
        let printed = tempfile::tempfile().expect("a temporary file");
        let copy = || Stdio::from(printed.try_clone().expect("a second handle"));
        let child = command.stdout(copy()).stderr(copy()).spawn().expect("the client starts");
        self.pipe = Some((child, printed));
    }

    #[track_caller]
    fn pipe_has(&mut self, what: &str, first: u32, last: u32) {
        use std::io::{Read as _, Seek as _};
        let (mut child, mut printed) = self.pipe.take().unwrap_or_else(|| panic!("{what}: nothing is followed"));
        let status = wait_for(what, LONG, || child.try_wait().expect("our own child").ok_or("it still follows"));
        let mut text = String::new();
        printed.rewind().and_then(|()| printed.read_to_string(&mut text)).expect("our own file");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("line ")).collect();
        let wanted: Vec<String> = (first..=last).map(|line| format!("line {line}")).collect();
        assert!(lines == wanted, "{what}: {status}, not each of them once: {text}");
    }
}

impl Drop for Robot {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.pipe.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The rows of a log that say `line N`, each with the number in front of it.
fn lines_of(screen: &str) -> Vec<(u64, u32)> {
    let row = |row: &str| {
        let (place, text) = row.split_once("line ")?;
        let place = place.trim().trim_end_matches(['!', '\'', '~']).trim_end().parse().ok()?;
        let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((place, digits.parse().ok()?))
    };
    screen.lines().filter_map(row).collect()
}

/// Shown in failures as the lines they are.
struct Lines(String);

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_places() {
        let screen = " 1 Builds  2  3\n  9  line 7     |\n 10! line 8\n▾── 1/1 work ──\n 11  other\n     line 9\n";
        assert_eq!(lines_of(screen), [(9, 7), (10, 8)]);
    }
}
