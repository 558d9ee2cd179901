//! Findings as they are kept: one piece for each attempt, compressed, for they are written and read as a whole. Must not
//! know where.

use std::borrow::Cow;
use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};
use windlass_protocol::annotation::Level;

use super::Finding;

/// No piece unpacks to more: several times what all findings together can have.
const MOST: u64 = 32 << 20;
const LEVEL: i32 = 3;

/// A finding with short names.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(rename = "v")]
    level: Level,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
    #[serde(rename = "m")]
    message: Cow<'a, str>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    title: Option<Cow<'a, str>>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    rule: Option<Cow<'a, str>>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    tool: Option<Cow<'a, str>>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    log_line: Option<u64>,
}

/// Why a piece is no findings.
#[derive(Debug, thiserror::Error)]
#[error("annotations that cannot be read: {0}")]
pub struct Unreadable(String);

#[must_use]
pub fn pack(findings: &[Finding]) -> Vec<u8> {
    let kept: Vec<Kept<'_>> = findings
        .iter()
        .map(|finding| Kept {
            level: finding.level,
            path: finding.path.as_deref().map(Cow::Borrowed),
            line: finding.line,
            column: finding.column,
            end_line: finding.end_line,
            message: finding.message.as_str().into(),
            title: finding.title.as_deref().map(Cow::Borrowed),
            rule: finding.rule.as_deref().map(Cow::Borrowed),
            tool: finding.tool.as_deref().map(Cow::Borrowed),
            log_line: finding.log_line,
        })
        .collect();
    let json = serde_json::to_vec(&kept).expect("plain data with text keys is always JSON");
    zstd::bulk::compress(&json, LEVEL).expect("compressing into memory does not fail")
}

pub fn unpack(piece: &[u8]) -> Result<Vec<Finding>, Unreadable> {
    let mut json = Vec::new();
    let unpacked = zstd::stream::read::Decoder::new(piece).and_then(|from| from.take(MOST).read_to_end(&mut json));
    unpacked.map_err(|error: io::Error| Unreadable(error.to_string()))?;
    let kept: Vec<Kept<'_>> = serde_json::from_slice(&json).map_err(|error| Unreadable(error.to_string()))?;
    let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    Ok(kept
        .into_iter()
        .map(|kept| Finding {
            level: kept.level,
            path: owned(kept.path),
            line: kept.line,
            column: kept.column,
            end_line: kept.end_line,
            message: kept.message.into_owned(),
            title: owned(kept.title),
            rule: owned(kept.rule),
            tool: owned(kept.tool),
            log_line: kept.log_line,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_finding() -> impl Strategy<Value = Finding> {
        let text = || prop::option::of(".{0,30}");
        let level = prop::sample::select(Level::ALL.to_vec());
        let numbers = any::<(Option<u32>, Option<u32>, Option<u32>, Option<u64>)>();
        (level, ".{0,30}", (text(), text(), text(), text()), numbers).prop_map(
            |(level, message, (path, title, rule, tool), (line, column, end_line, log_line))| Finding {
                level,
                path,
                line,
                column,
                end_line,
                message,
                title,
                rule,
                tool,
                log_line,
            },
        )
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(findings in prop::collection::vec(any_finding(), 0..20)) {
            prop_assert_eq!(unpack(&pack(&findings)).expect("readable"), findings);
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).is_err());
        }
    }
}
