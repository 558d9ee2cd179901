//! Concurrency groups: what the variables in a group's name stand for, and what holds where a spec says nothing. Pure;
//! must not know how builds wait for each other.

use super::{CancelOlder, Concurrency};
use crate::event::BuildRequest;

/// What a group's name may mention, as `${…}`.
pub const VARIABLES: [&str; 6] = ["branch", "event", "pull_request", "ref", "repository", "tag"];

/// What they stand for in one build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub repository: String,
    /// `push` or `pull_request`.
    pub event: String,
    pub r#ref: String,
    /// The branch pushed to, or the pull request's own.
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub pull_request: Option<u64>,
}

impl From<&BuildRequest> for Facts {
    fn from(request: &BuildRequest) -> Self {
        Self {
            repository: request.repository.clone(),
            event: request.event.clone(),
            r#ref: request.r#ref.clone(),
            branch: request.branch.clone(),
            tag: request.tag.clone(),
            pull_request: request.pull_request,
        }
    }
}

impl Facts {
    /// What a variable stands for; empty where there is no such thing.
    #[must_use]
    pub fn value(&self, variable: &str) -> String {
        let number = self.pull_request;
        match variable {
            // A stranger may call the branch of a pull request `main`: its builds are never those of a branch here.
            "branch" => match (&self.branch, number) {
                (Some(branch), None) => branch.clone(),
                (Some(branch), Some(number)) => format!("{branch} (pull request {number})"),
                // Tags are no branch, and not all of them the same one.
                (None, _) => self.r#ref.clone(),
            },
            "event" => self.event.clone(),
            "pull_request" => number.map(|number| number.to_string()).unwrap_or_default(),
            "ref" => self.r#ref.clone(),
            "repository" => self.repository.clone(),
            "tag" => self.tag.clone().unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// The group of a build: what its spec asks for; where it asks for nothing, the builds of one pull request replace each
/// other and all others run side by side. A name that comes out empty is no group.
#[must_use]
pub fn concurrency(asked: Option<Concurrency>, facts: &Facts) -> Option<Concurrency> {
    let by_default =
        |number: u64| Concurrency { group: format!("pull request {number}"), cancel: CancelOlder::Outdated };
    match asked {
        Some(asked) => Some(asked).filter(|asked| !asked.group.trim().is_empty()),
        None => facts.pull_request.map(by_default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_for_what_happened() {
        let push = Facts {
            repository: "acme/app".into(),
            event: "push".into(),
            r#ref: "refs/heads/main".into(),
            branch: Some("main".into()),
            ..Facts::default()
        };
        let tag = Facts { r#ref: "refs/tags/v1".into(), branch: None, tag: Some("v1".into()), ..push.clone() };
        let pull = Facts {
            event: "pull_request".into(),
            r#ref: "refs/pull/7/head".into(),
            pull_request: Some(7),
            ..push.clone()
        };
        let values = |facts: &Facts| VARIABLES.map(|variable| facts.value(variable));
        assert_eq!(values(&push), ["main", "push", "", "refs/heads/main", "acme/app", ""]);
        assert_eq!(values(&tag), ["refs/tags/v1", "push", "", "refs/tags/v1", "acme/app", "v1"]);
        let of_pull = ["main (pull request 7)", "pull_request", "7", "refs/pull/7/head", "acme/app", ""];
        assert_eq!(values(&pull), of_pull);
    }

    #[test]
    fn pull_requests_replace_their_older_builds_unless_the_spec_says_otherwise() {
        let pull = Facts { pull_request: Some(7), ..Facts::default() };
        let asked = |group: &str| Some(Concurrency { group: group.to_owned(), cancel: CancelOlder::Never });
        let default = Concurrency { group: "pull request 7".to_owned(), cancel: CancelOlder::Outdated };
        assert_eq!(concurrency(None, &pull), Some(default));
        assert_eq!(concurrency(None, &Facts::default()), None);
        assert_eq!(concurrency(asked("deploy"), &pull), asked("deploy"));
        assert_eq!(concurrency(asked("  "), &pull), None);
    }
}
