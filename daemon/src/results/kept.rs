//! Results as they are kept: one piece for each attempt, compressed, for they are written and read as a whole. Must not
//! know where.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use windlass_protocol::cases::CaseOutcome;

use super::Case;
use crate::piece::{self, Unreadable};

/// A case with short names.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(rename = "s", borrow, default)]
    suite: Cow<'a, str>,
    #[serde(rename = "n", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(rename = "o")]
    outcome: CaseOutcome,
    #[serde(rename = "d", default)]
    duration_ms: u64,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "y", default, skip_serializing_if = "std::ops::Not::not")]
    flaky: bool,
}

#[must_use]
pub fn pack(cases: &[Case]) -> Vec<u8> {
    let kept: Vec<Kept<'_>> = cases
        .iter()
        .map(|case| Kept {
            suite: case.suite.as_str().into(),
            name: case.name.as_str().into(),
            file: case.file.clone(),
            line: case.line,
            outcome: case.outcome,
            duration_ms: case.duration_ms,
            message: case.message.clone(),
            flaky: case.flaky,
        })
        .collect();
    piece::pack(&kept)
}

pub fn unpack(piece: &[u8]) -> Result<Vec<Case>, Unreadable> {
    let json = piece::json(piece).map_err(|error| Unreadable(error.to_string()))?;
    let kept: Vec<Kept<'_>> = serde_json::from_slice(&json).map_err(|error| Unreadable(error.to_string()))?;
    Ok(kept
        .into_iter()
        .map(|kept| Case {
            suite: kept.suite.into_owned(),
            name: kept.name.into_owned(),
            file: kept.file,
            line: kept.line,
            outcome: kept.outcome,
            duration_ms: kept.duration_ms,
            message: kept.message,
            flaky: kept.flaky,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_case() -> impl Strategy<Value = Case> {
        let outcome = prop::sample::select(CaseOutcome::ALL.to_vec());
        let text = || prop::option::of(".{0,30}");
        let names = (".{0,30}", ".{0,30}", text());
        (names, any::<Option<u32>>(), outcome, any::<u64>(), text(), any::<bool>()).prop_map(
            |((suite, name, file), line, outcome, duration_ms, message, flaky)| Case {
                suite,
                name,
                file,
                line,
                outcome,
                duration_ms,
                message,
                flaky,
            },
        )
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(cases in prop::collection::vec(any_case(), 0..20)) {
            prop_assert_eq!(unpack(&pack(&cases)).expect("readable"), cases);
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).is_err());
        }
    }
}
