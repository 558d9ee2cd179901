//! Stories as texts: what may be said, and how it is read. Whatever is no sentence is an error with its file and line. Must
//! not know how anything is done.

use std::fmt;
use std::path::Path;

use crate::fake::acts::Act;

/// Everything that can be said, in the order in which stories need it. `{text}` stands in double quotes, `{number}` is one,
/// `{word}` is a single word, `{acts}` and `{keys}` go to the end of the line.
const SENTENCES: &[(&str, Make)] = &[
    ("there is room for {number} jobs", |p| Ok(Sentence::Room(p.number()?))),
    ("there is a build {text} that {acts}", |p| Ok(Sentence::Build { title: p.text()?, acts: acts(&p.rest()?)? })),
    ("let {text} go on", |p| Ok(Sentence::LetGoOn(p.text()?))),
    ("open the client", |_| Ok(Sentence::OpenClient)),
    ("open the view {word}", |p| Ok(Sentence::OpenView(p.text()?))),
    ("select {text}", |p| Ok(Sentence::Select(p.text()?))),
    ("open {text}", |p| Ok(Sentence::Open(p.text()?))),
    ("mark {text}", |p| Ok(Sentence::Mark(p.text()?))),
    ("press {keys}", |p| Ok(Sentence::Press(keys(&p.rest()?)?))),
    ("type {text}", |p| Ok(Sentence::Press(vec![p.text()?]))),
    ("answer {text}", |p| Ok(Sentence::Answer(p.text()?))),
    ("see {text}", |p| Ok(Sentence::See(p.text()?))),
    ("see no {text}", |p| Ok(Sentence::SeeNo(p.text()?))),
    ("see {number} running", |p| Ok(Sentence::SeeRunning(p.number()?))),
    ("see {text} as {word}", |p| Ok(Sentence::SeeAs { title: p.text()?, state: p.text()? })),
    ("see each of the lines {number} to {number} once", |p| Ok(Sentence::SeeLines(p.number()?, p.number()?))),
    ("the line drops", |_| Ok(Sentence::LineDrops)),
    ("the line loses answers", |_| Ok(Sentence::LosesAnswers)),
    ("the daemon speaks version {number}", |p| Ok(Sentence::Speaks(p.number()?))),
    ("the daemon goes away", |_| Ok(Sentence::GoesAway)),
    ("the daemon comes back", |_| Ok(Sentence::ComesBack)),
    ("follow {text} into a pipe", |p| Ok(Sentence::FollowInPipe(p.text()?))),
    ("the pipe has each of the lines {number} to {number} once", |p| Ok(Sentence::PipeHas(p.number()?, p.number()?))),
    ("fetch {text} into {text}", |p| Ok(Sentence::Fetch { title: p.text()?, folder: p.text()? })),
    ("there is a file {text} of {number} bytes", |p| Ok(Sentence::File { path: p.text()?, bytes: p.number()? })),
    ("in truth {text} is {word}", |p| Ok(Sentence::InTruth { title: p.text()?, state: p.text()? })),
    ("in truth {text} has {number} attempts", |p| Ok(Sentence::Attempts { title: p.text()?, count: p.number()? })),
    ("in truth there are {number} builds", |p| Ok(Sentence::Builds(p.number()?))),
];

type Make = fn(&mut Parts) -> Result<Sentence, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sentence {
    /// So many jobs run at once.
    Room(u32),
    /// A push comes in, whose only job does this.
    Build {
        title: String,
        acts: Vec<Act>,
    },
    LetGoOn(String),
    OpenClient,
    OpenView(String),
    /// In the list of builds.
    Select(String),
    Open(String),
    Mark(String),
    /// These keys one after the other, as a terminal sends them.
    Press(Vec<String>),
    /// Of a question that is open.
    Answer(String),
    See(String),
    SeeNo(String),
    /// How many jobs run, at the top of the screen.
    SeeRunning(u32),
    /// The row of the list with this title has this word in it.
    SeeAs {
        title: String,
        state: String,
    },
    /// From the log's beginning to its end, each under its own number.
    SeeLines(u32, u32),
    LineDrops,
    LosesAnswers,
    Speaks(u32),
    GoesAway,
    ComesBack,
    /// `windlass logs -f`, beside the client.
    FollowInPipe(String),
    PipeHas(u32, u32),
    /// `windlass artifacts`, beside the client: all that the jobs of a build left.
    Fetch {
        title: String,
        folder: String,
    },
    /// One that a job left, exactly, where the client was started.
    File {
        path: String,
        bytes: u32,
    },
    /// As the daemon says when it is asked directly.
    InTruth {
        title: String,
        state: String,
    },
    Attempts {
        title: String,
        count: u32,
    },
    Builds(u32),
}

impl Sentence {
    /// It needs a line that can be made to misbehave.
    #[must_use]
    pub fn is_about_the_line(&self) -> bool {
        matches!(self, Self::LineDrops | Self::LosesAnswers | Self::Speaks(_))
    }
}

/// A sentence with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub place: Place,
    pub text: String,
    pub sentence: Sentence,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Reads a story from its file.
///
/// # Errors
/// Everything in it that is no sentence.
pub fn read(path: &Path) -> Result<Vec<Told>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&path.display().to_string(), &text)
}

/// Empty lines and lines that begin with `#` are for readers.
///
/// # Errors
/// Everything in it that is no sentence, each with its place.
pub fn parse(file: &str, text: &str) -> Result<Vec<Told>, String> {
    let (mut told, mut faults) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Place { file: file.to_owned(), line: index + 1 };
        match sentence(line) {
            Ok(sentence) => told.push(Told { place, text: line.to_owned(), sentence }),
            Err(fault) => faults.push(format!("{place}: {fault}: {line}")),
        }
    }
    if faults.is_empty() { Ok(told) } else { Err(faults.join("\n")) }
}

fn sentence(line: &str) -> Result<Sentence, String> {
    let mut fault = None;
    for (form, make) in SENTENCES {
        if let Some(mut parts) = fit(form, line) {
            match make(&mut parts) {
                Ok(sentence) => return Ok(sentence),
                Err(words) => fault = fault.or(Some(words)),
            }
        }
    }
    Err(fault.unwrap_or_else(|| "no sentence of the stories".to_owned()))
}

/// What stands in the places of a form.
struct Parts(std::vec::IntoIter<String>);

impl Parts {
    fn text(&mut self) -> Result<String, String> {
        self.0.next().ok_or_else(|| "something is missing".to_owned())
    }

    fn rest(&mut self) -> Result<String, String> {
        self.text()
    }

    fn number(&mut self) -> Result<u32, String> {
        let text = self.text()?;
        text.parse().map_err(|_| format!("{text} is no number"))
    }
}

/// The parts of a line that has this form.
fn fit(form: &str, line: &str) -> Option<Parts> {
    let (mut parts, mut left) = (Vec::new(), line);
    let mut words = form.split(' ').peekable();
    while let Some(word) = words.next() {
        left = match word {
            "{acts}" | "{keys}" => {
                parts.push(left.to_owned());
                ""
            }
            "{text}" => {
                let (text, rest) = left.strip_prefix('"')?.split_once('"')?;
                parts.push(text.to_owned());
                rest
            }
            "{number}" | "{word}" => {
                let (text, rest) = left.split_at(left.find(' ').unwrap_or(left.len()));
                let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if text.is_empty() || text.starts_with('"') || (word == "{number}" && !number) {
                    return None;
                }
                parts.push(text.to_owned());
                rest
            }
            // One job, two jobs.
            "jobs" | "attempts" | "builds" => {
                left.strip_prefix(word).or_else(|| left.strip_prefix(&word[..word.len() - 1]))?
            }
            _ => left.strip_prefix(word)?,
        };
        if words.peek().is_some() {
            left = left.strip_prefix(' ')?;
        }
    }
    left.is_empty().then(|| Parts(parts.into_iter()))
}

/// `prints "begun", prints lines 1 to 100, waits, fails at first`.
fn acts(text: &str) -> Result<Vec<Act>, String> {
    const ACTS: &[&str] = &[
        "prints {text}",
        "prints lines {number} to {number}",
        "leaves {number} bytes as {text}",
        "waits",
        "fails at first",
        "fails",
        "passes",
    ];
    let act = |text: &str| {
        let found = ACTS.iter().find_map(|form| Some((*form, fit(form, text)?)));
        let (form, mut parts) = found.ok_or_else(|| format!("a job cannot do {text:?}"))?;
        Ok(match form {
            "prints {text}" => Some(Act::Print(parts.text()?)),
            "waits" => Some(Act::Wait),
            "fails at first" => Some(Act::Fail { at_first: true }),
            "fails" => Some(Act::Fail { at_first: false }),
            "passes" => None,
            "leaves {number} bytes as {text}" => {
                let bytes = parts.number()?;
                Some(Act::Leave { path: parts.text()?, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) })
            }
            _ => Some(Act::Lines { first: parts.number()?, last: parts.number()? }),
        })
    };
    let all: Result<Vec<Option<Act>>, String> = text.split(", ").map(act).collect();
    Ok(all?.into_iter().flatten().collect())
}

/// Keys by their names, with spaces between them.
fn keys(text: &str) -> Result<Vec<String>, String> {
    let key = |name: &str| {
        let sent = match name {
            "Enter" => "\r",
            "Esc" => "\x1b",
            "Tab" => "\t",
            "Space" => " ",
            "Up" => "\x1b[A",
            "Down" => "\x1b[B",
            "PgUp" => "\x1b[5~",
            "PgDn" => "\x1b[6~",
            "Home" => "\x1b[H",
            "End" => "\x1b[F",
            _ => {
                let mut letters = name.chars();
                return match (letters.next(), letters.next(), name.strip_prefix("Ctrl-")) {
                    (Some(letter), None, _) => Ok(letter.to_string()),
                    (.., Some(letter)) if letter.len() == 1 && letter.as_bytes()[0].is_ascii_uppercase() => {
                        Ok(char::from(letter.as_bytes()[0] & 0x1f).to_string())
                    }
                    _ => Err(format!("no key {name}")),
                };
            }
        };
        Ok(sent.to_owned())
    };
    text.split(' ').map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_read() {
        let story = "# for readers\n\nthere is room for 1 job\nthere is a build \"One, two\" that prints \"up\", prints lines 1 to 9, waits, fails at first\n  see no \"x\"\nsee \"a\" as failed\npress j Enter Ctrl-C\n";
        let told = parse("a.story", story).expect("a story");
        let lines: Vec<usize> = told.iter().map(|told| told.place.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7]);
        let sentences: Vec<Sentence> = told.into_iter().map(|told| told.sentence).collect();
        let acts = vec![
            Act::Print("up".to_owned()),
            Act::Lines { first: 1, last: 9 },
            Act::Wait,
            Act::Fail { at_first: true },
        ];
        let wanted = [
            Sentence::Room(1),
            Sentence::Build { title: "One, two".to_owned(), acts },
            Sentence::SeeNo("x".to_owned()),
            Sentence::SeeAs { title: "a".to_owned(), state: "failed".to_owned() },
            Sentence::Press(["j", "\r", "\x03"].map(str::to_owned).to_vec()),
        ];
        assert_eq!(sentences, wanted);
    }

    #[test]
    fn what_is_no_sentence_is_said_with_its_place() {
        let story = "open the client\nsee the light\nopen the client now\nsee x running\nsee \"open\n\npress Hyper\nthere is a build \"A\" that flies\nsee 99999999999 running\n";
        let faults = parse("b.story", story).expect_err("nothing of it is allowed");
        let faults: Vec<&str> = faults.lines().collect();
        let wanted = [
            "b.story:2: no sentence of the stories: see the light",
            "b.story:3: no sentence of the stories: open the client now",
            "b.story:4: no sentence of the stories: see x running",
            "b.story:5: no sentence of the stories: see \"open",
            "b.story:7: no key Hyper: press Hyper",
            "b.story:8: a job cannot do \"flies\": there is a build \"A\" that flies",
            "b.story:9: 99999999999 is no number: see 99999999999 running",
        ];
        assert_eq!(faults, wanted);
    }
}
