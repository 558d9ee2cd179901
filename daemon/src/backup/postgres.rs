//! Postgres is copied by its own programs, which know how to do it consistently. Must not know archives.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The custom format of `pg_dump`, in one snapshot.
pub(super) fn dump(url: &str, to: &Path) -> anyhow::Result<()> {
    let mut command = program("pg_dump", url)?;
    // What is restored belongs to the data folder that it is restored into.
    command.args(["--format=custom", "--compress=0", "--no-owner", "--no-privileges"]);
    command.arg("--exclude-table-data=data_folder").arg("--file").arg(to);
    run("pg_dump", command)
}

/// Into a database that holds nothing of ours yet; all or nothing.
pub(super) fn load(url: &str, from: &Path) -> anyhow::Result<()> {
    let mut command = program("pg_restore", url)?;
    command.args(["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]).arg(from);
    run("pg_restore", command)
}

/// A program of Postgres' on this database. The URL goes through the environment: others can read command lines.
fn program(name: &str, url: &str) -> anyhow::Result<Command> {
    let found = find(name).ok_or_else(|| {
        anyhow::anyhow!(
            "{name} is not installed, and a Postgres is copied by its own programs: install the client programs of your \
             server's version, or copy the database with the means of its host and the folder `logs` by hand"
        )
    })?;
    let mut command = Command::new(found);
    let (url, password) = without_password(url);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command.arg("--dbname").arg(url).stdin(Stdio::null());
    Ok(command)
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).map(|folder| folder.join(name)).collect();
    // Debian keeps them out of the PATH, a folder for each version; the newest understands all older servers.
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path()).collect();
        versions.sort_by_key(|folder| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
        places.extend(versions.into_iter().rev().map(|folder| folder.join("bin").join(name)));
    }
    places.into_iter().find(|place| place.is_file())
}

fn run(name: &str, mut command: Command) -> anyhow::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::bail!("{name} failed: {}", said.trim().lines().last().unwrap_or("it said nothing"))
}

/// `postgres://user:password@host/name` in two parts; the password as it is meant, not as it is written in a URL.
fn without_password(url: &str) -> (String, Option<String>) {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, place) = rest.split('/').next().and_then(|authority| authority.rsplit_once('@'))?;
        let (user, password) = user.split_once(':')?;
        let tail = &rest[rest.find('/').unwrap_or(rest.len())..];
        Some((format!("{scheme}://{user}@{place}{tail}"), decoded(password)))
    });
    parts.map_or_else(|| (url.to_owned(), None), |(url, password)| (url, Some(password)))
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_stands_on_a_command_line() {
        let table = [
            (
                "postgres://me:s%40cret@db:5432/windlass?sslmode=x",
                "postgres://me@db:5432/windlass?sslmode=x",
                Some("s@cret"),
            ),
            ("postgres://me@db/windlass", "postgres://me@db/windlass", None),
            ("postgres://db/windlass?host=/run/a:b@c", "postgres://db/windlass?host=/run/a:b@c", None),
            ("postgres://me:x@db", "postgres://me@db", Some("x")),
        ];
        for (url, expected, password) in table {
            assert_eq!(without_password(url), (expected.to_owned(), password.map(str::to_owned)), "{url}");
        }
    }
}
