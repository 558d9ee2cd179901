//! How things are named: build `42`, job `42/test`, attempt `42/test#2`. Must not know what they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A build's number, global to one daemon, counted from 1.
pub type BuildNumber = u64;

/// A job of a build: `42/test`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    pub build: BuildNumber,
    pub job: String,
}

/// One try at a job: `42/test#2`, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub build: BuildNumber,
    pub job: String,
    pub attempt: u32,
}

/// What a person types to name a build, a job or an attempt: `42`, `42/test`, `42/test#2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub build: BuildNumber,
    pub job: Option<String>,
    pub attempt: Option<u32>,
}

/// Why a text is not an [`Address`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} names no build: write 42, 42/test or 42/test#2")]
pub struct NotAnAddress {
    pub text: String,
}

impl AttemptId {
    #[must_use]
    pub fn job_id(&self) -> JobId {
        JobId { build: self.build, job: self.job.clone() }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.build, self.job)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.build, self.job, self.attempt)
    }
}

impl FromStr for AttemptId {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address: Address = text.parse()?;
        match address {
            Address { build, job: Some(job), attempt: Some(attempt) } => Ok(Self { build, job, attempt }),
            _ => Err(NotAnAddress { text: text.to_owned() }),
        }
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotAnAddress { text: text.to_owned() };
        let (build, rest) = match text.strip_prefix('#').unwrap_or(text).split_once('/') {
            Some((build, rest)) => (build, Some(rest)),
            None => (text.strip_prefix('#').unwrap_or(text), None),
        };
        let number = |digits: &str| {
            if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            digits.parse::<u64>().ok()
        };
        let build = number(build).ok_or_else(refuse)?;
        let Some(rest) = rest else { return Ok(Self { build, job: None, attempt: None }) };
        let (job, attempt) = match rest.rsplit_once('#') {
            Some((job, attempt)) => {
                let attempt = number(attempt).and_then(|n| u32::try_from(n).ok()).ok_or_else(refuse)?;
                (job, Some(attempt))
            }
            None => (rest, None),
        };
        if job.is_empty() {
            return Err(refuse());
        }
        Ok(Self { build, job: Some(job.to_owned()), attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types() {
        let table = [
            ("42", Some((42, None, None))),
            ("#42", Some((42, None, None))),
            ("42/test", Some((42, Some("test"), None))),
            ("42/test#2", Some((42, Some("test"), Some(2)))),
            ("", None),
            ("0", None),
            ("042", None),
            ("-1", None),
            ("42/", None),
            ("42/#2", None),
            ("42/test#", None),
            ("42/test#0", None),
            ("latest", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            let got = text.parse::<Address>().ok();
            let expected = expected.map(|(build, job, attempt): (u64, Option<&str>, Option<u32>)| Address {
                build,
                job: job.map(str::to_owned),
                attempt,
            });
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn an_attempt_comes_back_from_its_own_words() {
        let id = AttemptId { build: 7, job: "lint (3.12)".to_owned(), attempt: 3 };
        assert_eq!(id.to_string().parse::<AttemptId>(), Ok(id));
    }
}
