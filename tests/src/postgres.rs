//! A database of a story's own on the Postgres that `WINDLASS_TEST_POSTGRES` names; gone when the story is over. Must not
//! know what is in it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// Dropped from the server with this.
#[derive(Debug)]
pub struct Postgres {
    server: String,
    name: String,
    /// What `database.url` is to say.
    pub url: String,
}

/// `None` where no Postgres is named; `CI=true` leaves nothing out.
#[must_use]
#[track_caller]
pub fn fresh(of: &str) -> Option<Postgres> {
    let Ok(server) = std::env::var("WINDLASS_TEST_POSTGRES") else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI=true leaves nothing out: WINDLASS_TEST_POSTGRES is not set"
        );
        let _ = writeln!(std::io::stderr(), "left out: WINDLASS_TEST_POSTGRES names no Postgres; tests/run starts one");
        return None;
    };
    let name = format!("windlass_story_{}_{of}", std::process::id());
    let (address, options) = server.split_once('?').unwrap_or((server.as_str(), ""));
    let (scheme, rest) = address.split_once("://").expect("postgres://…");
    let authority = rest.split('/').next().unwrap_or_default();
    let url = format!("{scheme}://{authority}/{name}?{options}");
    administer(&server, &format!("drop database if exists {name}"));
    administer(&server, &format!("create database {name}"));
    Some(Postgres { server, name, url })
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = psql().arg(&self.server).arg("-qc").arg(format!("drop database {} with (force)", self.name)).output();
    }
}

#[track_caller]
fn administer(server: &str, statement: &str) {
    let output = psql().arg(server).arg("-qc").arg(statement).output().expect("psql can be executed");
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Debian keeps it out of the PATH, in a folder of the server's version.
fn psql() -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin/psql")).filter(|path| path.is_file()).collect();
    found.sort();
    Command::new(found.pop().unwrap_or_else(|| "psql".into()))
}
