//! What a report in SARIF looks like, as far as anybody here wants to know: each piece bounded, and none where something else
//! stands. Must not know what follows from it.

use std::collections::BTreeMap;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::super::json::{Each, Elements, Fields, Into, List, Number, Object, Text};
use super::super::{MOST_MESSAGE, MOST_NAME, MOST_WORD};
use super::MOST_RUNS;

// More of them than any report has; what is beyond is not looked at.
const MOST_COMPONENTS: usize = 50;
const MOST_RULES: usize = 10_000;
const MOST_FILES: usize = 20_000;
const MOST_TEXTS: usize = 50;
const MOST_BASES: usize = 50;

/// The first way through: everything but results.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) version: Option<String>,
    pub(super) has_runs: bool,
    pub(super) runs: Vec<Object<RawRun>>,
}

#[derive(Debug, Default)]
pub(super) struct RawRun {
    pub(super) driver: Component,
    pub(super) extensions: Vec<Object<Component>>,
    pub(super) files: Vec<Object<Location>>,
    pub(super) bases: Bases,
}

/// A tool, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Component {
    pub(super) name: Option<String>,
    pub(super) rules: Vec<Object<Rule>>,
    pub(super) texts: Texts,
}

#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) id: Option<String>,
    pub(super) level: Option<String>,
    pub(super) texts: Texts,
    pub(super) short: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Texts(pub(super) BTreeMap<String, String>);

#[derive(Debug, Default)]
pub(super) struct Bases(pub(super) BTreeMap<String, Location>);

#[derive(Debug, Default)]
pub(super) struct Location {
    pub(super) uri: Option<String>,
    pub(super) base: Option<String>,
    pub(super) index: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) text: Option<String>,
    pub(super) id: Option<String>,
    pub(super) arguments: Vec<Text<MOST_NAME>>,
}

/// A result as it stands there.
#[derive(Debug, Default)]
pub(super) struct RawResult {
    pub(super) rule_id: Option<String>,
    pub(super) rule_index: Option<u32>,
    /// Of the tool's parts; none: the tool itself.
    pub(super) component: Option<u32>,
    pub(super) level: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) baseline: Option<String>,
    pub(super) suppressed: bool,
    pub(super) message: Message,
    pub(super) place: Option<Place>,
}

#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) location: Location,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) end_line: Option<u32>,
}

type Name = Text<MOST_NAME>;
type Word = Text<MOST_WORD>;
type Said = Text<MOST_MESSAGE>;

pub(super) fn pass<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

impl Fields for Report {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "version" => self.version = map.next_value::<Text<40>>()?.0,
            "runs" => {
                let mut runs = Runs(Vec::new());
                self.has_runs = map.next_value_seed(Each(&mut runs))?;
                self.runs = runs.0;
            }
            _ => pass(map)?,
        }
        Ok(())
    }
}

struct Runs(Vec<Object<RawRun>>);

impl Elements for Runs {
    fn next<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        if self.0.len() == MOST_RUNS {
            return Ok(list.next_element::<IgnoredAny>()?.is_some());
        }
        let run = list.next_element()?;
        let is_one = run.is_some();
        self.0.extend(run);
        Ok(is_one)
    }
}

impl Fields for RawRun {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "tool" => {
                let Object(tool) = map.next_value::<Object<Tool>>()?;
                let Tool { driver, extensions } = tool.unwrap_or_default();
                (self.driver, self.extensions) = (driver, extensions);
            }
            "artifacts" => {
                let files = map.next_value::<List<Object<File>, MOST_FILES>>()?.0;
                let location = |Object(file): Object<File>| Object(file.map(|file| file.0));
                self.files = files.into_iter().map(location).collect();
            }
            "originalUriBaseIds" => self.bases = map.next_value::<Object<Bases>>()?.0.unwrap_or_default(),
            _ => pass(map)?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Tool {
    pub(super) driver: Component,
    pub(super) extensions: Vec<Object<Component>>,
}

impl Fields for Tool {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "driver" => self.driver = map.next_value::<Object<Component>>()?.0.unwrap_or_default(),
            "extensions" => self.extensions = map.next_value::<List<_, MOST_COMPONENTS>>()?.0,
            _ => pass(map)?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct File(Location);

impl Fields for File {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "location" => self.0 = map.next_value::<Object<Location>>()?.0.unwrap_or_default(),
            _ => pass(map)?,
        }
        Ok(())
    }
}

impl Fields for Component {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => self.name = map.next_value::<Word>()?.0,
            "rules" => self.rules = map.next_value::<List<_, MOST_RULES>>()?.0,
            "globalMessageStrings" => self.texts = map.next_value::<Object<Texts>>()?.0.unwrap_or_default(),
            _ => pass(map)?,
        }
        Ok(())
    }
}

impl Fields for Rule {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => self.id = map.next_value::<Word>()?.0,
            "defaultConfiguration" => self.level = only(map, "level")?,
            "messageStrings" => self.texts = map.next_value::<Object<Texts>>()?.0.unwrap_or_default(),
            "shortDescription" => self.short = only(map, "text")?,
            _ => pass(map)?,
        }
        Ok(())
    }
}

/// One text of an object.
fn only<'de, A: MapAccess<'de>>(map: &mut A, name: &'static str) -> Result<Option<String>, A::Error> {
    struct Only(&'static str, Option<String>);
    impl Fields for Only {
        fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
            if name == self.0 {
                self.1 = map.next_value::<Said>()?.0;
                return Ok(());
            }
            pass(map)
        }
    }
    let mut it = Only(name, None);
    map.next_value_seed(Into(&mut it))?;
    Ok(it.1)
}

impl Fields for Texts {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if self.0.len() >= MOST_TEXTS || name.len() > MOST_WORD {
            return pass(map);
        }
        if let Some(text) = only(map, "text")? {
            self.0.insert(name.to_owned(), text);
        }
        Ok(())
    }
}

impl Fields for Bases {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if self.0.len() >= MOST_BASES || name.len() > MOST_WORD {
            return pass(map);
        }
        if let Object(Some(location)) = map.next_value()? {
            self.0.insert(name.to_owned(), location);
        }
        Ok(())
    }
}

impl Fields for Location {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "uri" => self.uri = map.next_value::<Text<4096>>()?.0,
            "uriBaseId" => self.base = map.next_value::<Word>()?.0,
            "index" => self.index = map.next_value::<Number>()?.0,
            _ => pass(map)?,
        }
        Ok(())
    }
}

impl Fields for Message {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "text" => self.text = map.next_value::<Said>()?.0,
            "id" => self.id = map.next_value::<Word>()?.0,
            "arguments" => self.arguments = map.next_value::<List<Name, MOST_TEXTS>>()?.0,
            _ => pass(map)?,
        }
        Ok(())
    }
}

impl Fields for RawResult {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "ruleId" => self.rule_id = map.next_value::<Word>()?.0.or(self.rule_id.take()),
            "ruleIndex" => self.rule_index = map.next_value::<Number>()?.0.or(self.rule_index),
            "rule" => {
                let rule = map.next_value::<Object<Reference>>()?.0.unwrap_or_default();
                self.rule_id = self.rule_id.take().or(rule.id);
                self.rule_index = rule.index.or(self.rule_index);
                self.component = rule.component;
            }
            "level" => self.level = map.next_value::<Word>()?.0,
            "kind" => self.kind = map.next_value::<Word>()?.0,
            "baselineState" => self.baseline = map.next_value::<Word>()?.0,
            "suppressions" => map.next_value_seed(Each(&mut Suppressions(&mut self.suppressed))).map(|_| ())?,
            "message" => self.message = map.next_value::<Object<Message>>()?.0.unwrap_or_default(),
            "locations" => {
                let mut places = Places(None);
                map.next_value_seed(Each(&mut places))?;
                self.place = places.0;
            }
            _ => pass(map)?,
        }
        Ok(())
    }
}

/// Which rule a result is of.
#[derive(Debug, Default)]
struct Reference {
    pub(super) id: Option<String>,
    pub(super) index: Option<u32>,
    pub(super) component: Option<u32>,
}

impl Fields for Reference {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => self.id = map.next_value::<Word>()?.0,
            "index" => self.index = map.next_value::<Number>()?.0,
            "toolComponent" => {
                self.component = map.next_value::<Object<Location>>()?.0.and_then(|component| component.index);
            }
            _ => pass(map)?,
        }
        Ok(())
    }
}

/// One that somebody accepted counts; one that was rejected or is being looked at does not.
struct Suppressions<'a>(&'a mut bool);

impl Elements for Suppressions<'_> {
    fn next<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        #[derive(Default)]
        struct Status(Option<String>);
        impl Fields for Status {
            fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
                match name {
                    "status" => self.0 = map.next_value::<Word>()?.0,
                    _ => pass(map)?,
                }
                Ok(())
            }
        }
        let Some(Object(suppression)) = list.next_element::<Object<Status>>()? else { return Ok(false) };
        *self.0 |= suppression.is_some_and(|is| is.0.is_none_or(|status| status == "accepted"));
        Ok(true)
    }
}

/// The first physical location.
struct Places(Option<Place>);

impl Elements for Places {
    fn next<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        #[derive(Default)]
        struct Physical(Option<Place>);
        impl Fields for Physical {
            fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
                match name {
                    "physicalLocation" => self.0 = map.next_value::<Object<Place>>()?.0,
                    _ => pass(map)?,
                }
                Ok(())
            }
        }
        if self.0.is_some() {
            return Ok(list.next_element::<IgnoredAny>()?.is_some());
        }
        let Some(Object(location)) = list.next_element::<Object<Physical>>()? else { return Ok(false) };
        self.0 = location.and_then(|location| location.0);
        Ok(true)
    }
}

impl Fields for Place {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "artifactLocation" => self.location = map.next_value::<Object<Location>>()?.0.unwrap_or_default(),
            "region" => {
                let region = map.next_value::<Object<Region>>()?.0.unwrap_or_default();
                (self.line, self.column, self.end_line) = (region.line, region.column, region.end_line);
            }
            _ => pass(map)?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Region {
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) end_line: Option<u32>,
}

impl Fields for Region {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let from_one = |Number(number): Number| number.filter(|number| *number > 0);
        match name {
            "startLine" => self.line = from_one(map.next_value()?),
            "startColumn" => self.column = from_one(map.next_value()?),
            "endLine" => self.end_line = from_one(map.next_value()?),
            _ => pass(map)?,
        }
        Ok(())
    }
}
