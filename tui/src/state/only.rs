//! What a log shows only: lines that match, or those that do not, with some of what stands around them. Must not know
//! where in the log one is.

use std::collections::BTreeSet;

use regex::Regex;
use windlass_protocol::live::LogView;

use super::search::{ERRORS, Search};

/// Lines around a match: at first, and at most.
const CONTEXT: u32 = 2;
const MOST: u32 = 100;

#[derive(Debug, Clone)]
pub struct Only {
    pub pattern: String,
    /// Finds what matches inside of a line, to light it up.
    pub regex: Regex,
    /// Only what does not match.
    pub invert: bool,
    pub context: u32,
}

impl Only {
    /// What was typed: a pattern, after `!` what is not to be shown.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        let (invert, pattern) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let Search { pattern, regex, .. } = Search::new(pattern.to_owned())?;
        Ok(Self { pattern, regex, invert, context: if invert { 0 } else { CONTEXT } })
    }

    /// The lines that speak of an error.
    pub(super) fn errors() -> Self {
        Self::new(ERRORS).expect("it is a pattern: a test makes one")
    }

    pub fn is_errors(&self) -> bool {
        self.pattern == ERRORS
    }

    pub(super) fn widen(&mut self, more: bool) {
        self.context = if more { (self.context + 1).min(MOST) } else { self.context.saturating_sub(1) };
    }

    /// `& error ±2`, `&! ok`, `only errors ±2`.
    pub fn words(&self) -> String {
        let context = if self.context > 0 { format!(" ±{}", self.context) } else { String::new() };
        match (self.is_errors(), self.invert) {
            (true, _) => format!("only errors{context}"),
            (false, true) => format!("&! {}{context}", self.pattern),
            (false, false) => format!("& {}{context}", self.pattern),
        }
    }
}

/// What the daemon is asked for; none when every line is shown.
pub(super) fn view(only: Option<&Only>, folded: &BTreeSet<u16>) -> Option<LogView> {
    let view = LogView {
        pattern: only.map(|only| only.pattern.clone()),
        invert: only.is_some_and(|only| only.invert),
        context: only.map_or(0, |only| only.context),
        folded: folded.iter().copied().collect(),
    };
    (view != LogView::default()).then_some(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_a_pattern_or_what_is_not_wanted() {
        let only = Only::new("error").expect("a pattern");
        assert_eq!((only.words().as_str(), only.invert), ("& error ±2", false));
        let mut not = Only::new("!ok").expect("a pattern");
        assert_eq!((not.words().as_str(), not.pattern.as_str()), ("&! ok", "ok"));
        not.widen(true);
        assert_eq!(not.words(), "&! ok ±1");
        not.widen(false);
        not.widen(false);
        assert_eq!(not.context, 0);
        assert!(Only::new("!(").is_err());
        assert_eq!(Only::errors().words(), "only errors ±2");
        assert_eq!(view(None, &BTreeSet::new()), None);
        let folded = view(None, &BTreeSet::from([3])).expect("a view");
        assert_eq!((folded.pattern, folded.folded), (None, vec![3]));
    }
}
