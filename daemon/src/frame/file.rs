//! Files that a job left for its daemon, such as the results of its tests, piece by piece. Who reads them must believe
//! neither names nor bytes. Pure; must not know what the files are for.

use serde::{Deserialize, Serialize};

use super::{FrameError, bounded, json};

/// A piece of a file, in order: it begins, some bytes, it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePart {
    /// `path`: below the job's folder; what is no UTF-8 in it is replaced.
    Begins {
        path: String,
    },
    Bytes(Vec<u8>),
    /// That was all of it.
    Ends,
    /// What was asked for is not to be had. Of a file that had begun no more comes, and what came stands for nothing.
    Refused {
        /// Of a file, or the pattern as the spec has it.
        path: String,
        /// A fragment that follows the path.
        why: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl FilePart {
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        let named = |path: &str, why: Option<&str>| {
            json(&Named { path: bounded(path).to_owned(), why: why.map(|why| bounded(why).to_owned()) })
        };
        match self {
            Self::Begins { path } => out.extend_from_slice(&named(path, None)),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Ends => {}
            Self::Refused { path, why } => out.extend_from_slice(&named(path, Some(why))),
        }
    }
}

pub(super) fn begins(payload: &[u8]) -> Result<FilePart, FrameError> {
    Ok(FilePart::Begins { path: named(payload)?.path })
}

pub(super) fn refused(payload: &[u8]) -> Result<FilePart, FrameError> {
    let Named { path, why } = named(payload)?;
    Ok(FilePart::Refused { path, why: why.unwrap_or_default() })
}

fn named(payload: &[u8]) -> Result<Named, FrameError> {
    serde_json::from_slice(payload).map_err(|_| FrameError::BadPayload("the name of a file is not readable"))
}
