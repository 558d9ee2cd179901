//! SARIF 2.1.0, as analysers of many languages write it. The bytes come from a stranger: nothing of a wrong kind, no size and
//! no depth costs more than the file is long. Read twice: what rules say first, for they may stand behind the results, and
//! then the results, of which none is held. Must not know where the file is.

mod shape; // what such a report looks like

use std::collections::HashMap;

use serde::de::{DeserializeSeed as _, IgnoredAny, MapAccess, SeqAccess};
use windlass_protocol::annotation::Level;

use self::shape::{Component, Location, RawResult, RawRun, Report, Rule, Texts, pass};
use super::json::{Each, Elements, Fields, Into, Object};
use super::place::Roots;
use super::{Finding, MOST_MESSAGE};

/// More of them than any report has.
const MOST_RUNS: usize = 50;
/// Bases that are relative to others.
const MOST_LEVELS: usize = 8;

/// Why a file is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the file is empty")]
    Empty,
    #[error("it is not UTF-8 but UTF-16")]
    Utf16,
    #[error("it is not SARIF: it has no `runs`")]
    NotSarif,
    #[error("it is SARIF {0}: only 2 is read")]
    Version(String),
    #[error("it has more than {MOST_RUNS} runs")]
    Runs,
    #[error("it ends in the middle (line {0})")]
    Cut(usize),
    #[error("it is not well-formed JSON: {why} (line {line})")]
    Malformed { why: String, line: usize },
}

/// Reads a whole file. Of one that is broken something may have been told.
pub fn read(bytes: &[u8], roots: &Roots, tell: &mut dyn FnMut(Finding)) -> Result<(), Broken> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Broken::Utf16);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim_ascii().is_empty() {
        return Err(Broken::Empty);
    }
    let mut report = Report::default();
    walk(text, &mut report)?;
    if !report.has_runs {
        return Err(Broken::NotSarif);
    }
    if let Some(version) = report.version.filter(|version| !version.starts_with("2.")) {
        return Err(Broken::Version(version));
    }
    let runs: Vec<Run> = report.runs.into_iter().map(Run::from).collect();
    walk(text, &mut Results { runs: &runs, at: 0, roots, tell, too_many: false }).and_then(|too_many| match too_many {
        true => Err(Broken::Runs),
        false => Ok(()),
    })
}

/// Goes through the whole text.
fn walk<T: Walk>(text: &str, into: &mut T) -> Result<T::Gives, Broken> {
    let mut from = serde_json::Deserializer::from_str(text);
    let walked = Into(&mut *into).deserialize(&mut from).and_then(|_| from.end());
    walked.map_err(|error| match error.is_eof() {
        true => Broken::Cut(error.line()),
        false => {
            let why = error.to_string();
            let why = why.split(" at line ").next().unwrap_or_default().to_owned();
            Broken::Malformed { why, line: error.line() }
        }
    })?;
    Ok(into.gives())
}

/// Fields of the outermost object, and what came of them.
trait Walk: Fields {
    type Gives;

    fn gives(&self) -> Self::Gives;
}

impl Walk for Report {
    type Gives = ();

    fn gives(&self) {}
}

/// What results of a run are understood by.
struct Run {
    raw: RawRun,
    /// Of the tool itself first: which part of it, and which of its rules.
    by_id: HashMap<String, (Option<usize>, usize)>,
}

impl From<Object<RawRun>> for Run {
    fn from(Object(raw): Object<RawRun>) -> Self {
        let raw = raw.unwrap_or_default();
        let mut by_id = HashMap::new();
        let parts = raw.extensions.iter().enumerate().filter_map(|(at, part)| Some((Some(at), part.0.as_ref()?)));
        for (part, component) in [(None, &raw.driver)].into_iter().chain(parts) {
            for (at, rule) in component.rules.iter().enumerate() {
                if let Some(id) = rule.0.as_ref().and_then(|rule| rule.id.clone()) {
                    by_id.entry(id).or_insert((part, at));
                }
            }
        }
        Self { raw, by_id }
    }
}

impl Run {
    fn component(&self, at: Option<usize>) -> Option<&Component> {
        match at {
            None => Some(&self.raw.driver),
            Some(at) => self.raw.extensions.get(at)?.0.as_ref(),
        }
    }

    /// The part of the tool that a result is of, and its rule.
    fn rule(&self, result: &RawResult) -> (Option<&Component>, Option<&Rule>) {
        let small = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
        let found = match small(result.rule_index) {
            Some(at) => Some((small(result.component), at)),
            None => result.rule_id.as_deref().and_then(|id| {
                // `CA1000/1` is of the rule `CA1000`.
                let outer = id.rsplit_once('/').map(|(outer, _)| outer);
                self.by_id.get(id).or_else(|| self.by_id.get(outer?)).copied()
            }),
        };
        let component = found.map_or(Some(&self.raw.driver), |(part, _)| self.component(part));
        let rule = found.and_then(|(_, at)| component?.rules.get(at)?.0.as_ref());
        (component, rule)
    }

    fn path(&self, location: &Location, roots: &Roots) -> Option<String> {
        let file = |index: u32| self.raw.files.get(usize::try_from(index).ok()?)?.0.as_ref();
        let location = match (&location.uri, location.index.and_then(file)) {
            (None, Some(file)) => file,
            _ => location,
        };
        let (mut bases, mut base) = (Vec::new(), location.base.as_deref());
        while let Some(name) = base
            && bases.len() < MOST_LEVELS
            && let Some(outer) = self.raw.bases.0.get(name)
        {
            bases.push(outer.uri.as_deref().unwrap_or_default());
            base = outer.base.as_deref();
        }
        roots.of_uri(location.uri.as_deref()?, &bases)
    }

    /// What a result says; `None`: nothing that anybody should look at.
    fn finding(&self, result: RawResult, roots: &Roots) -> Option<Finding> {
        if result.suppressed || result.baseline.as_deref() == Some("absent") {
            return None;
        }
        let (component, rule) = self.rule(&result);
        let fails = result.kind.as_deref().is_none_or(|kind| kind == "fail");
        let usual = || if fails { rule.and_then(|rule| rule.level.as_deref()) } else { Some("none") };
        let level = match result.level.as_deref().or_else(usual) {
            Some("none") => return None,
            Some("error") => Level::Error,
            Some("note") => Level::Note,
            _ => Level::Warning,
        };
        let id = result.message.id.as_deref();
        let by_id = |texts: &Texts| texts.0.get(id?).cloned();
        let said = result.message.text.filter(|text| !text.trim().is_empty());
        let said = said.or_else(|| by_id(&rule?.texts)).or_else(|| by_id(&component?.texts));
        let arguments: Vec<&str> =
            result.message.arguments.iter().map(|argument| argument.0.as_deref().unwrap_or_default()).collect();
        let said = said.map(|said| if arguments.is_empty() { said } else { filled(&said, &arguments) });
        let rule_id = result.rule_id.or_else(|| rule.and_then(|rule| rule.id.clone()));
        let message = said
            .or_else(|| rule.and_then(|rule| rule.short.clone()))
            .or_else(|| rule_id.clone())
            .unwrap_or_else(|| "no message".to_owned());
        let place = result.place.unwrap_or_default();
        let path = self.path(&place.location, roots);
        let known = |number: Option<u32>| number.filter(|_| path.is_some());
        Some(Finding {
            level,
            line: known(place.line),
            column: known(place.column),
            end_line: known(place.end_line),
            path,
            message: message.trim().to_owned(),
            title: None,
            rule: rule_id,
            tool: self.raw.driver.name.clone(),
            log_line: None,
        })
    }
}

/// With `{0}` and so on filled in; `{{` is a brace.
fn filled(text: &str, arguments: &[&str]) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['{', '}'])
        && out.len() <= MOST_MESSAGE
    {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        let place = || {
            after
                .split_once('}')
                .and_then(|(number, after)| Some((*arguments.get(number.parse::<usize>().ok()?)?, after)))
        };
        rest = if let Some(after) = after.strip_prefix(brace) {
            out.push_str(brace);
            after
        } else if let Some((argument, after)) = place().filter(|_| brace == "{") {
            out.push_str(argument);
            after
        } else {
            out.push_str(brace);
            after
        };
    }
    out.push_str(rest);
    out
}

/// The second way through: results, as they come.
struct Results<'a> {
    runs: &'a [Run],
    at: usize,
    roots: &'a Roots,
    tell: &'a mut dyn FnMut(Finding),
    too_many: bool,
}

impl Walk for Results<'_> {
    type Gives = bool;

    fn gives(&self) -> bool {
        self.too_many
    }
}

impl Fields for Results<'_> {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name != "runs" {
            return pass(map);
        }
        self.at = 0;
        map.next_value_seed(Each(self)).map(|_| ())
    }
}

impl Elements for Results<'_> {
    fn next<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(run) = self.runs.get(self.at) else {
            let more = list.next_element::<IgnoredAny>()?.is_some();
            self.too_many |= more;
            return Ok(more);
        };
        self.at += 1;
        let mut of_run = OfRun { run, roots: self.roots, tell: self.tell };
        Ok(list.next_element_seed(Into(&mut of_run))?.is_some())
    }
}

struct OfRun<'a> {
    run: &'a Run,
    roots: &'a Roots,
    tell: &'a mut dyn FnMut(Finding),
}

impl Fields for OfRun<'_> {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "results" => map.next_value_seed(Each(self)).map(|_| ()),
            _ => pass(map),
        }
    }
}

impl Elements for OfRun<'_> {
    fn next<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(Object(result)) = list.next_element::<Object<RawResult>>()? else { return Ok(false) };
        if let Some(finding) = result.and_then(|result| self.run.finding(result, self.roots)) {
            (self.tell)(finding);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
