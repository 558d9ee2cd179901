//! Files that jobs left to be kept. Must not know where they are kept, nor how they came there.

use serde::{Deserialize, Serialize};

use crate::id::BuildNumber;
use crate::time::Timestamp;

/// What is kept of one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactCounts {
    pub files: u64,
    pub bytes: u64,
    /// What could not be kept, and why: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// When the files were removed to make room. What they were is still known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

/// One file of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactView {
    pub job: String,
    pub attempt: u32,
    /// By which [`crate::live::Request::ReadArtifact`] asks for it: counted from 1 within its attempt.
    pub number: u32,
    /// Below the job's folder, with slashes. A stranger chose it: not to be taken for a path of one's own unseen.
    pub path: String,
    pub bytes: u64,
    /// Hex.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

/// A window of the files of a build, in the order of its jobs and, within one, in that in which they were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactsPage {
    pub build: BuildNumber,
    /// How many there are, and what they have together.
    pub total: u64,
    pub bytes: u64,
    pub offset: u64,
    pub artifacts: Vec<ArtifactView>,
    /// What could not be kept, and why, by job: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}
