//! YAML to a small tree in which every key and value knows its place. Refuses what makes YAML dangerous or surprising:
//! bombs, deep nesting, duplicate and merge keys, tags, several documents. Must not know what any key means.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::report::{Pos, Problems, shown};

/// How deep lists and maps may be nested.
pub(super) const MOST_DEPTH: usize = 32;

/// How many values all aliases together may stand for, and how many bytes of text.
const MOST_ALIASED_NODES: usize = 10_000;
const MOST_ALIASED_BYTES: usize = 1 << 20;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Pos,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, or a plain `null` or `~`.
    Null,
    /// Any other scalar: numbers and booleans are their text.
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: Pos,
    pub(super) key: String,
    pub(super) value: Node,
}

impl Node {
    /// What it is, in words for a message.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map of keys",
        }
    }

    fn measure(&self) -> Measure {
        let inner = match &self.value {
            Value::Null => Measure::default(),
            Value::Text(text) => Measure { bytes: text.len(), ..Measure::default() },
            Value::List(items) => items.iter().map(Self::measure).fold(Measure::default(), Measure::beside),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let value = entry.value.measure();
                    Measure { bytes: value.bytes + entry.key.len(), ..value }
                })
                .fold(Measure::default(), Measure::beside),
        };
        let depth = match &self.value {
            Value::List(_) | Value::Map(_) => inner.depth + 1,
            Value::Null | Value::Text(_) => 0,
        };
        Measure { nodes: inner.nodes + 1, bytes: inner.bytes, depth }
    }
}

/// How large a value is.
#[derive(Debug, Clone, Copy, Default)]
struct Measure {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Measure {
    fn beside(self, other: Self) -> Self {
        Self { nodes: self.nodes + other.nodes, bytes: self.bytes + other.bytes, depth: self.depth.max(other.depth) }
    }
}

/// Reads the one document in `text`. `None`: nothing that makes sense can be made of it; the reason is in `problems`.
/// A tree may come back although there are problems (a duplicate key, say), so that what it holds can be checked too.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> Option<Node> {
    // The parser takes NUL for the end of the file, and the rest would be ignored.
    if let Some(at) = text.char_indices().find(|(_, c)| is_forbidden(*c)).map(|(index, _)| position_of(text, index)) {
        problems.add(at, "a control character: this is not a text file");
        return None;
    }
    Reader::new(problems).run(text).unwrap_or_default()
}

/// Line and column of the byte at `index`.
pub(super) fn position_of(text: &str, index: usize) -> Pos {
    let before = &text[..index];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    Pos { line: number(line), column: number(column) }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}')
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn pos(marker: &Marker) -> Pos {
    Pos { line: number(marker.line().max(1)), column: number(marker.col() + 1) }
}

/// Reading cannot go on; the reason is among the problems.
struct Stopped;

/// A list or map that is not complete yet.
enum Open {
    List { at: Pos, anchor: usize, items: Vec<Node> },
    Map { at: Pos, anchor: usize, entries: Vec<Entry>, seen: HashMap<String, Pos>, key: Option<Key> },
}

/// A key that waits for its value.
struct Key {
    at: Pos,
    text: String,
    /// A problem already: its value is read and forgotten.
    refused: bool,
}

struct Reader<'p, 't> {
    problems: &'p mut Problems<'t>,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, Measure)>,
    aliased: Measure,
}

impl<'p, 't> Reader<'p, 't> {
    fn new(problems: &'p mut Problems<'t>) -> Self {
        Self { problems, open: Vec::new(), root: None, anchors: HashMap::new(), aliased: Measure::default() }
    }

    fn run(mut self, text: &str) -> Result<Option<Node>, Stopped> {
        let mut documents = 0;
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.not_yaml(&error))?;
            let at = pos(&span.start);
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.stop(
                            at,
                            "a second document: a spec is one document",
                            "remove this `---` and what follows",
                        ));
                    }
                }
                Event::Alias(anchor) => self.alias(at, anchor)?,
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_tag(at, tag.is_some());
                    let null =
                        style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                    if self.wants_key() {
                        self.key(at, text.into_owned());
                        continue;
                    }
                    let value = if null { Value::Null } else { Value::Text(text.into_owned()) };
                    self.complete(Node { at, value }, anchor);
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse_tag(at, tag.is_some());
                    self.deeper(at)?;
                    self.open.push(Open::List { at, anchor, items: Vec::new() });
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse_tag(at, tag.is_some());
                    self.deeper(at)?;
                    self.open.push(Open::Map { at, anchor, entries: Vec::new(), seen: HashMap::new(), key: None });
                }
                Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                    Some(Open::List { at, anchor, items }) => {
                        self.complete(Node { at, value: Value::List(items) }, anchor);
                    }
                    Some(Open::Map { at, anchor, entries, .. }) => {
                        self.complete(Node { at, value: Value::Map(entries) }, anchor);
                    }
                    None => {}
                },
            }
        }
        Ok(self.root)
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn key(&mut self, at: Pos, text: String) {
        let Some(Open::Map { seen, key, .. }) = self.open.last_mut() else { return };
        let merge = text == "<<";
        let first = seen.get(&text).copied();
        if merge {
            self.problems.add_with_hint(
                at,
                "merge keys (`<<`) are not supported",
                "write the keys out, or use an alias for a whole value",
            );
        } else if let Some(first) = first {
            self.problems.add_with_hint(
                at,
                format!("`{}` is there twice", shown(&text)),
                format!("the first one is in line {}: keep one of them", first.line),
            );
        } else {
            seen.insert(text.clone(), at);
        }
        *key = Some(Key { at, text, refused: merge || first.is_some() });
    }

    /// A list or map begins.
    fn deeper(&mut self, at: Pos) -> Result<(), Stopped> {
        if self.wants_key() {
            return Err(self.stop(
                at,
                "a list or map cannot be a key",
                "keys are plain text; quote it if it is meant as text",
            ));
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(self.too_deep(at));
        }
        Ok(())
    }

    fn alias(&mut self, at: Pos, anchor: usize) -> Result<(), Stopped> {
        if self.wants_key() {
            return Err(self.stop(at, "an alias cannot be a key", "write the key out"));
        }
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(self.stop(
                at,
                "an alias of something that is not complete here",
                "an alias cannot stand inside of what it names",
            ));
        };
        let (node, size) = (node, *size);
        self.aliased =
            Measure { nodes: self.aliased.nodes + size.nodes, bytes: self.aliased.bytes + size.bytes, depth: 0 };
        if self.aliased.nodes > MOST_ALIASED_NODES || self.aliased.bytes > MOST_ALIASED_BYTES {
            return Err(self.stop(
                at,
                format!("aliases stand for more than {MOST_ALIASED_NODES} values or {MOST_ALIASED_BYTES} bytes"),
                "write fewer of them",
            ));
        }
        if self.open.len() + size.depth > MOST_DEPTH {
            return Err(self.too_deep(at));
        }
        // Problems inside of it are problems of the place where it is written out.
        let node = node.clone();
        self.complete(node, 0);
        Ok(())
    }

    /// A value is complete: it goes to whatever is open.
    fn complete(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let size = node.measure();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                if let Some(Key { at, text, refused: false }) = key.take() {
                    entries.push(Entry { at, key: text, value: node });
                }
            }
        }
    }

    fn refuse_tag(&mut self, at: Pos, there: bool) {
        if there {
            self.problems.add_with_hint(
                at,
                "tags (`!…`) are not supported",
                "remove it; text that begins with `!` has to be quoted",
            );
        }
    }

    fn stop(&mut self, at: Pos, message: impl Into<String>, hint: &str) -> Stopped {
        self.problems.add_with_hint(at, message, hint);
        Stopped
    }

    fn too_deep(&mut self, at: Pos) -> Stopped {
        self.stop(at, format!("nested deeper than {MOST_DEPTH} levels"), "a spec needs about five")
    }

    fn not_yaml(&mut self, error: &ScanError) -> Stopped {
        let at = pos(error.marker());
        // The parser has a limit of its own, and looks ahead.
        if error.info().contains("recursion limit") {
            return self.too_deep(at);
        }
        let message = format!("this is not YAML: {}", error.info());
        match hint_for(error.info()) {
            Some(hint) => self.problems.add_with_hint(at, message, hint),
            None => self.problems.add(at, message),
        }
        Stopped
    }
}

/// What most often leads to an error of the parser.
fn hint_for(info: &str) -> Option<&'static str> {
    let has = |words: &str| info.contains(words);
    if has("tab") {
        Some("indent with spaces; YAML knows no tabs there")
    } else if has("mapping values are not allowed") || has("illegal placement of ':'") {
        Some("a colon and a space make a key: quote the text if it is none, or check the indentation")
    } else if has("flow sequence") || has("flow mapping") || has("misplaced bracket") {
        Some("brackets and commas inside of […] or {…} belong to YAML: quote the text, or write one item a line")
    } else if has("indentation") || has("did not find expected key") || has("simple key") {
        Some("check the indentation of this line and the one before")
    } else if has("unknown anchor") {
        Some("`*name` repeats what `&name` marked earlier; text that begins with `*` has to be quoted")
    } else if has("quoted scalar") {
        Some("is the closing quote missing?")
    } else if has("block sequence entries") {
        Some("a list begins on a line of its own; text that begins with `-` and a space has to be quoted")
    } else if has("unexpected character") {
        Some("text that begins with `%`, `@` or a backtick has to be quoted")
    } else {
        None
    }
}
