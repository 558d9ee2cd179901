//! JUnit's XML, as the tools of many languages write it. The bytes come from a stranger: no document type, no entities of
//! its own, few levels, and never more work than the file is long. Must not know where the file is.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};
use windlass_protocol::cases::CaseOutcome;

use super::{Case, MOST_MESSAGE, MOST_NAME, cut};

/// Elements inside of each other: a suite of suites of cases with properties needs six.
const MOST_DEPTH: usize = 9;
/// Attributes of one element that are looked at.
const MOST_ATTRIBUTES: usize = 64;
/// No test takes longer: a hundred years.
const LONGEST_MS: f64 = 3.2e12;

/// Why a file is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} (line {line})")]
pub struct Broken {
    pub why: Why,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("the file is empty")]
    Empty,
    #[error("it is not UTF-8 but UTF-16")]
    Utf16,
    #[error("it has a DOCTYPE, which no report needs")]
    DocType,
    #[error("it has the entity &{0};, which XML does not know")]
    Entity(String),
    #[error("its elements are nested more than {MOST_DEPTH} deep")]
    TooDeep,
    #[error("it is not JUnit's XML: it begins with <{0}>")]
    NotJunit(String),
    #[error("it ends in the middle")]
    Cut,
    #[error("it is not well-formed XML: {0}")]
    Malformed(String),
}

/// What an element is to us.
#[derive(Debug)]
enum Element {
    Suite { name: String, file: Option<String> },
    Case,
    Said(Said),
    Other,
}

/// What is said about a case.
#[derive(Debug)]
struct Said {
    what: What,
    message: Option<String>,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Failure,
    Error,
    Skipped,
    /// It failed, was run again and passed.
    Flaky,
}

/// Reads a whole file; what was found before it broke is told all the same.
pub fn read(bytes: &[u8], tell: &mut dyn FnMut(Case)) -> Result<(), Broken> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Broken { why: Why::Utf16, line: 1 });
    }
    // Whatever encoding a report claims: what is not UTF-8 in it is shown as such.
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = Reader::from_str(text);
    let mut reading = Reading { stack: Vec::new(), case: None, decided: None, tell, begun: false };
    loop {
        let event = reader.read_event();
        let position = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
        let broken = |why| Broken { why, line: memchr::memchr_iter(b'\n', &text.as_bytes()[..position]).count() + 1 };
        match event {
            Ok(Event::Eof) if !reading.begun => return Err(broken(Why::Empty)),
            Ok(Event::Eof) if !reading.stack.is_empty() => return Err(broken(Why::Cut)),
            Ok(Event::Eof) => return Ok(()),
            Ok(event) => reading.take(event).map_err(broken)?,
            Err(error) => {
                let why = match &error {
                    quick_xml::Error::Syntax(_) if position >= text.len() => Why::Cut,
                    error => Why::Malformed(error.to_string()),
                };
                return Err(broken(why));
            }
        }
    }
}

struct Reading<'t> {
    stack: Vec<Element>,
    case: Option<Case>,
    /// What decided how the case ended: an error counts more than a failure, that more than being skipped.
    decided: Option<What>,
    tell: &'t mut dyn FnMut(Case),
    begun: bool,
}

impl Reading<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), Why> {
        match event {
            Event::Start(start) => self.open(&start),
            Event::Empty(start) => {
                self.open(&start)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => {
                self.say(&text);
                Ok(())
            }
            Event::CData(text) => {
                self.say(&text);
                Ok(())
            }
            Event::GeneralRef(reference) => {
                let text = resolve(&reference)?;
                self.say(&text);
                Ok(())
            }
            Event::DocType(_) => Err(Why::DocType),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Why> {
        if self.stack.len() == MOST_DEPTH {
            return Err(Why::TooDeep);
        }
        let name = start.local_name();
        let name = name.as_ref();
        if self.stack.is_empty() && !matches!(name, "testsuites" | "testsuite") {
            let mut name = name.to_owned();
            cut(&mut name, 40);
            return Err(Why::NotJunit(name));
        }
        self.begun = true;
        let element = match name {
            "testsuites" | "testsuite" if self.case.is_none() => self.suite(start)?,
            "testcase" if self.case.is_none() => {
                self.case = Some(self.case(start)?);
                Element::Case
            }
            _ => match (self.stack.last(), what(name)) {
                (Some(Element::Case), Some(what)) => {
                    let mut message = None;
                    attributes(start, |name, value| {
                        match name {
                            "message" => message = Some(value(MOST_MESSAGE)?),
                            "type" if message.is_none() => message = Some(value(MOST_NAME)?),
                            _ => {}
                        }
                        Ok(())
                    })?;
                    Element::Said(Said { what, message, text: String::new() })
                }
                _ => Element::Other,
            },
        };
        self.stack.push(element);
        Ok(())
    }

    fn suite(&self, start: &BytesStart<'_>) -> Result<Element, Why> {
        let (mut name, mut file) = (String::new(), None);
        attributes(start, |attribute, value| {
            match attribute {
                "name" => name = value(MOST_NAME)?,
                "file" => file = Some(value(MOST_NAME)?),
                _ => {}
            }
            Ok(())
        })?;
        let around = self.stack.iter().rev().find_map(|element| match element {
            Element::Suite { name, file } => Some((name, file)),
            _ => None,
        });
        if let Some((outer, of_outer)) = around {
            if name.is_empty() {
                name.clone_from(outer);
            }
            file = file.or_else(|| of_outer.clone());
        }
        Ok(Element::Suite { name, file })
    }

    fn case(&self, start: &BytesStart<'_>) -> Result<Case, Why> {
        let mut case = Case {
            suite: String::new(),
            name: String::new(),
            file: None,
            line: None,
            outcome: CaseOutcome::Passed,
            duration_ms: 0,
            message: None,
            flaky: false,
        };
        attributes(start, |attribute, value| {
            match attribute {
                "name" => case.name = value(MOST_NAME)?,
                "classname" => case.suite = value(MOST_NAME)?,
                "file" => case.file = Some(value(MOST_NAME)?).filter(|file| !file.is_empty()),
                "line" => case.line = value(20)?.trim().parse().ok(),
                "time" => case.duration_ms = milliseconds(&value(40)?),
                // Some tools say it only here.
                "status" | "result" if matches!(&*value(20)?, "notrun" | "disabled" | "skipped" | "suppressed") => {
                    case.outcome = CaseOutcome::Skipped;
                }
                _ => {}
            }
            Ok(())
        })?;
        if let Some(Element::Suite { name, file }) = self.stack.last() {
            if case.suite.is_empty() {
                case.suite.clone_from(name);
            }
            case.file = case.file.or_else(|| file.clone());
        }
        Ok(case)
    }

    /// The end of the innermost element.
    fn close(&mut self) {
        match self.stack.pop() {
            Some(Element::Case) => {
                self.decided = None;
                if let Some(case) = self.case.take() {
                    (self.tell)(case);
                }
            }
            Some(Element::Said(said)) => self.hear(said),
            Some(Element::Suite { .. } | Element::Other) | None => {}
        }
    }

    fn hear(&mut self, Said { what, message, text }: Said) {
        let Some(case) = &mut self.case else { return };
        if what == What::Flaky {
            case.flaky = true;
            return;
        }
        if self.decided.is_some_and(|before| weight(before) >= weight(what)) {
            return;
        }
        self.decided = Some(what);
        case.outcome = match what {
            What::Failure => CaseOutcome::Failed,
            What::Error => CaseOutcome::Error,
            What::Skipped | What::Flaky => CaseOutcome::Skipped,
        };
        case.message = words(message.as_deref().unwrap_or_default(), &text);
    }

    fn say(&mut self, more: &str) {
        if let Some(Element::Said(Said { text, .. })) = self.stack.last_mut() {
            let room = (MOST_MESSAGE + 1).saturating_sub(text.len());
            let end = (0..=room.min(more.len())).rev().find(|end| more.is_char_boundary(*end)).unwrap_or(0);
            text.push_str(&more[..end]);
        }
    }
}

fn weight(what: What) -> u8 {
    match what {
        What::Error => 3,
        What::Failure => 2,
        What::Skipped => 1,
        What::Flaky => 0,
    }
}

fn what(name: &str) -> Option<What> {
    Some(match name {
        "failure" => What::Failure,
        "error" => What::Error,
        "skipped" | "disabled" => What::Skipped,
        "flakyFailure" | "flakyError" => What::Flaky,
        _ => return None,
    })
}

/// The message, and the text below it unless that begins with the message.
fn words(message: &str, text: &str) -> Option<String> {
    let (message, text) = (message.trim(), text.trim_end().trim_start_matches(['\n', '\r']));
    let repeats = message.is_empty() || text.trim_start().starts_with(message);
    let words = match (repeats, text.is_empty()) {
        (true, _) => text.to_owned(),
        (false, true) => message.to_owned(),
        (false, false) => format!("{message}\n{text}"),
    };
    (!words.is_empty()).then_some(words)
}

/// Calls `take` with each attribute's name and a way to its value, cut to so many bytes.
fn attributes(
    start: &BytesStart<'_>,
    mut take: impl FnMut(&str, &dyn Fn(usize) -> Result<String, Why>) -> Result<(), Why>,
) -> Result<(), Why> {
    // Unchecked: looking for doubles compares each with each, and the last one wins anyway.
    let mut all = start.attributes();
    for attribute in all.with_checks(false).take(MOST_ATTRIBUTES) {
        let attribute = attribute.map_err(|error| Why::Malformed(error.to_string()))?;
        let value = |most: usize| {
            let mut value = unescape(&attribute.value).map_err(entity)?.into_owned();
            cut(&mut value, most);
            Ok(value)
        };
        take(attribute.key.local_name().as_ref(), &value)?;
    }
    Ok(())
}

fn entity(error: quick_xml::escape::EscapeError) -> Why {
    match error {
        quick_xml::escape::EscapeError::UnrecognizedEntity(_, mut name) => {
            cut(&mut name, 40);
            Why::Entity(name)
        }
        other => Why::Malformed(other.to_string()),
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, Why> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => return Ok(character.to_string()),
        Ok(None) => {}
        Err(error) => return Err(Why::Malformed(error.to_string())),
    }
    let mut name = reference.to_string();
    if let Some(known) = resolve_predefined_entity(&name) {
        return Ok(known.to_owned());
    }
    cut(&mut name, 40);
    Err(Why::Entity(name))
}

/// `1.234` seconds, also `1,234.5`.
fn milliseconds(text: &str) -> u64 {
    let seconds: f64 = text.trim().replace(',', "").parse().unwrap_or(0.0);
    let ms = (seconds * 1000.0).round();
    if ms.is_finite() && ms > 0.0 { ms.min(LONGEST_MS) as u64 } else { 0 }
}

#[cfg(test)]
mod tests;
