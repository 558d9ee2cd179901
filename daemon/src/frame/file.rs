//! Files that a job left for its daemon, such as the results of its tests, piece by piece. Who reads them must believe
//! neither names nor bytes. Pure; must not know what the files are for.

use serde::{Deserialize, Serialize};

use super::{FrameError, bounded, json};

/// A piece of a file, in order: it begins, some bytes, it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePart {
    /// `path`: below the job's folder; what is no UTF-8 in it is replaced.
    Begins {
        of: Purpose,
        path: String,
    },
    Bytes(Vec<u8>),
    /// That was all of it.
    Ends,
    /// What was asked for is not to be had. Of a file that had begun no more comes, and what came stands for nothing.
    Refused {
        of: Purpose,
        /// Of a file, or the pattern as the spec has it.
        path: String,
        /// A fragment that follows the path.
        why: String,
    },
}

/// Why the spec wants a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Results of tests, in JUnit's XML.
    #[default]
    Junit,
    /// Findings about the source, in SARIF.
    Sarif,
    /// To be kept as it is.
    Artifact,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    /// Runners before artifacts sent only results of tests, and did not say so.
    #[serde(default, skip_serializing_if = "is_junit")]
    of: Purpose,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl FilePart {
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        let named = |of: Purpose, path: &str, why: Option<&str>| {
            json(&Named { of, path: bounded(path).to_owned(), why: why.map(|why| bounded(why).to_owned()) })
        };
        match self {
            Self::Begins { of, path } => out.extend_from_slice(&named(*of, path, None)),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Ends => {}
            Self::Refused { of, path, why } => out.extend_from_slice(&named(*of, path, Some(why))),
        }
    }
}

pub(super) fn begins(payload: &[u8]) -> Result<FilePart, FrameError> {
    let Named { of, path, .. } = named(payload)?;
    Ok(FilePart::Begins { of, path })
}

pub(super) fn refused(payload: &[u8]) -> Result<FilePart, FrameError> {
    let Named { of, path, why } = named(payload)?;
    Ok(FilePart::Refused { of, path, why: why.unwrap_or_default() })
}

fn named(payload: &[u8]) -> Result<Named, FrameError> {
    serde_json::from_slice(payload).map_err(|_| FrameError::BadPayload("the name of a file is not readable"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_junit(of: &Purpose) -> bool {
    *of == Purpose::Junit
}
