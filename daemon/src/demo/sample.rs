//! The sample repository: a harbour whose ships are inspected, tried and sent out. Five pushes, each with an outcome that it
//! intends: passed, failed, slow, skipped, broken.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::json;
use windlass_protocol::view::Outcome;

/// The repository's name towards the daemon.
pub(super) const NAME: &str = "sample/harbour";

/// Where the jobs run.
pub(super) enum Stage {
    Local,
    Docker { image: String },
}

pub(super) struct Sample {
    pub(super) folder: PathBuf,
    pub(super) pushes: Vec<Push>,
}

/// One push and what is to become of it.
pub(super) struct Push {
    /// The build it makes, counted from 1.
    pub(super) number: u64,
    pub(super) branch: &'static str,
    pub(super) title: &'static str,
    author: &'static str,
    sha: String,
    pub(super) intended: Outcome,
}

/// Branch, author, message, intended outcome, and what differs in the files.
struct Plan {
    branch: &'static str,
    author: &'static str,
    title: &'static str,
    intended: Outcome,
    change: Change,
}

enum Change {
    Calm,
    Storm,
    LongVoyage,
    Words,
    BrokenSpec,
}

const PLANS: [Plan; 5] = [
    Plan {
        branch: "main",
        author: "Mara Lind",
        title: "Paint the hull, oil the windlass",
        intended: Outcome::Passed,
        change: Change::Calm,
    },
    Plan {
        branch: "storm",
        author: "Ove Brandt",
        title: "Sail on although the glass falls",
        intended: Outcome::Failed,
        change: Change::Storm,
    },
    Plan {
        branch: "voyage",
        author: "Ines Costa",
        title: "Try the long way around",
        intended: Outcome::Passed,
        change: Change::LongVoyage,
    },
    Plan {
        branch: "docs",
        author: "Mara Lind",
        title: "Spell the ship's name right [skip ci]",
        intended: Outcome::Skipped,
        change: Change::Words,
    },
    Plan {
        branch: "spec",
        author: "Ove Brandt",
        title: "Rename a key that should have kept its name",
        intended: Outcome::Broken,
        change: Change::BrokenSpec,
    },
];

impl Sample {
    /// Makes the repository in `folder`, a commit for each push.
    pub(super) fn make(folder: &Path, stage: &Stage) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        git(folder, "Mara Lind", &["init", "-q"])?;
        git(folder, "Mara Lind", &["symbolic-ref", "HEAD", "refs/heads/main"])?;
        let mut pushes = Vec::new();
        for (number, plan) in (1..).zip(PLANS) {
            if plan.branch != "main" {
                git(folder, plan.author, &["checkout", "-q", "-B", plan.branch, "main"])?;
            }
            write(folder, stage, &plan)?;
            git(folder, plan.author, &["add", "-A"])?;
            git(folder, plan.author, &["commit", "-q", "--no-gpg-sign", "-m", plan.title])?;
            let sha = git(folder, plan.author, &["rev-parse", "HEAD"])?;
            let Plan { branch, author, title, intended, .. } = plan;
            pushes.push(Push { number, branch, title, author, sha, intended });
        }
        Ok(Self { folder: folder.to_owned(), pushes })
    }
}

impl Push {
    /// The body of the webhook, as far as the daemon reads it.
    pub(super) fn payload(&self) -> serde_json::Value {
        json!({
            "ref": format!("refs/heads/{}", self.branch),
            "before": "0000000000000000000000000000000000000000",
            "after": self.sha,
            "created": true,
            "deleted": false,
            "repository": {"id": 1, "full_name": NAME, "clone_url": "https://example.org/sample/harbour.git"},
            "pusher": {"name": self.author},
            "sender": {"login": self.author},
            "head_commit": {"id": self.sha, "message": self.title, "author": {"name": self.author, "email": ""}},
            "commits": [{"id": self.sha}],
        })
    }
}

fn write(folder: &Path, stage: &Stage, plan: &Plan) -> anyhow::Result<()> {
    let image = match stage {
        Stage::Local => String::new(),
        Stage::Docker { image } => format!("    image: {image}\n    network: none\n"),
    };
    let spec = SPEC.replace("    # image\n", &image);
    let spec = match plan.change {
        Change::BrokenSpec => {
            spec.replace("needs: [inspect]", "need: [inspct]").replace("timeout: 2m", "timeout: 2 minutes")
        }
        _ => spec,
    };
    let waves = match plan.change {
        Change::LongVoyage => 40,
        _ => 6,
    };
    let glass = match plan.change {
        Change::Storm => 968,
        _ => 1021,
    };
    std::fs::write(folder.join(".windlass.yml"), spec)?;
    std::fs::write(folder.join("inspect.sh"), INSPECT)?;
    std::fs::write(folder.join("sail.sh"), SAIL)?;
    std::fs::write(folder.join("weather"), format!("waves={waves}\nglass={glass}\n"))?;
    std::fs::write(folder.join("README"), format!("The good ship Capstan.\n{}\n", plan.title))?;
    Ok(())
}

/// Built by the demo and by whoever copies it.
const SPEC: &str = "\
environment: { SHIP: Capstan, CREW: 7 }
jobs:
  inspect:
    # image
    execute:
      - name: hull
        run: sh ./inspect.sh planks ropes anchors
      - name: papers
        run: |
          printf 'build \\033[1m%s\\033[0m of %s on %s\\n' \"$WINDLASS_BUILD\" \"$WINDLASS_REPO\" \"$WINDLASS_BRANCH\"
          cat README
  sail:
    # image
    needs: [inspect]
    execute:
      - name: sea trial
        run: sh ./sail.sh
        timeout: 2m
  cargo:
    # image
    needs: [inspect]
    execute: sh ./inspect.sh barrels crates
  depart:
    # image
    needs: [sail, cargo]
    execute:
      - printf '\\033[32m%s leaves the harbour with a crew of %s.\\033[0m\\n' \"$SHIP\" \"$CREW\"
";

const INSPECT: &str = "\
# Looks at each thing named on the command line.
for thing in \"$@\"; do
    printf 'looking at the \\033[36m%s\\033[0m ... ' \"$thing\"
    sleep 0.4
    printf '\\033[32msound\\033[0m\\n'
done
";

const SAIL: &str = "\
# Sails one wave after the other, unless the glass is too low.
. ./weather
printf 'the glass stands at \\033[1m%s\\033[0m hPa\\n' \"$glass\"
for wave in $(seq 1 \"$waves\"); do
    printf 'wave \\033[34m%2d\\033[0m of %s\\n' \"$wave\" \"$waves\"
    sleep 0.25
    if [ \"$glass\" -lt 990 ] && [ \"$wave\" -eq 4 ]; then
        printf '\\033[33mwarning: the foremast creaks\\033[0m\\n' >&2
        sleep 0.5
        printf '\\033[1;31merror: the foremast broke at %s hPa\\033[0m\\n' \"$glass\" >&2
        exit 3
    fi
done
echo 'back in the harbour'
";

fn git(folder: &Path, author: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "commit.gpgSign=false",
            "-c",
            &format!("user.name={author}"),
            "-c",
            "user.email=sample@example.org",
        ])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .output()
        .context("git cannot be run: install it (Debian: apt-get install git)")?;
    if !output.status.success() {
        bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
