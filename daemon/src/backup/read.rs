//! Reads a backup: checks every member against the manifest, and unpacks into a folder beside the place where it is to be,
//! which is taken only when all of it was right. Member names are not trusted.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{FORMAT, Hashing, MANIFEST, Manifest, Member, POSTGRES, Progress, SQLITE, postgres, told, with_suffix};
use crate::config::{Config, Database};
use crate::secret::random_token;
use crate::store::{Store, newest_schema};

/// More cannot be a manifest.
const MOST_MANIFEST: u64 = 1 << 30;

/// Checks every member, and that this version understands it.
pub fn verify(file: &Path, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    read(file, None, progress)
}

/// Puts a backup in place: into a data folder that is not there or empty, and a database that is not there.
pub async fn restore(config: &Config, file: &Path, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    let data = &config.data_dir;
    if std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) {
        anyhow::bail!(
            "the data folder {} is not empty: stop its windlassd, move the folder away, and restore again",
            data.display()
        );
    }
    let inside = match &config.database {
        Database::Sqlite(path) if path.exists() => {
            anyhow::bail!("the database {} exists already: move it away, and restore again", path.display())
        }
        Database::Sqlite(path) => path.strip_prefix(data).ok().map(Path::to_owned),
        Database::Postgres(_) => match Store::health(&config.database).await?.schema {
            0 => None,
            _ => {
                anyhow::bail!("the database {} holds a Windlass already: name an empty one", config.database.describe())
            }
        },
    };
    if let Some(parent) = data.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| told(&format!("{} cannot be made", parent.display()), error))?;
    }
    let new = Folder(with_suffix(data, &format!(".restore-{}", &random_token()[..8])));
    let manifest = read(file, Some(&new.0), progress)?;
    progress("putting it in place");
    let kind = match &config.database {
        Database::Sqlite(_) => "sqlite",
        Database::Postgres(_) => "postgres",
    };
    if manifest.database != kind {
        anyhow::bail!(
            "the backup is of a {} database, but database.url names a {kind} one: change it, and restore again",
            manifest.database
        );
    }
    match &config.database {
        Database::Sqlite(path) => {
            let copy = new.0.join(SQLITE);
            let health = Store::health(&Database::Sqlite(copy.clone())).await?;
            if !health.damage.is_empty() {
                anyhow::bail!("the database in the backup is damaged: {}", health.damage.join("; "));
            }
            let place = inside.map_or_else(|| path.clone(), |inside| new.0.join(inside));
            if let Some(parent) = place.parent() {
                private_folder(parent)?;
            }
            if std::fs::rename(&copy, &place).is_err() {
                // Another file system.
                std::fs::copy(&copy, &place)
                    .and_then(|_| std::fs::remove_file(&copy))
                    .map_err(|error| told(&format!("{} cannot be written", place.display()), error))?;
            }
        }
        Database::Postgres(url) => {
            let copy = new.0.join(POSTGRES);
            postgres::load(url, &copy)?;
            std::fs::remove_file(&copy)?;
        }
    }
    // Fails when somebody put something there meanwhile, and nothing is lost then.
    let _ = std::fs::remove_dir(data);
    std::fs::rename(&new.0, data)
        .map_err(|error| told(&format!("cannot take the place of {}", data.display()), error))?;
    Ok(manifest)
}

/// One pass through the archive. With a folder, everything but the manifest is written below it.
fn read(file: &Path, into: Option<&Path>, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    let wrong = |what: &str| anyhow::anyhow!("{} is no whole backup: {what}", file.display());
    let opened = File::open(file).map_err(|error| told(&format!("{} cannot be read", file.display()), error))?;
    let decoder = zstd::Decoder::new(BufReader::with_capacity(1 << 20, opened))?;
    let mut archive = tar::Archive::new(decoder);
    if let Some(into) = into {
        private_folder(into)?;
    }
    let mut seen: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries().map_err(|error| wrong(&error.to_string()))? {
        let entry = entry.map_err(|error| wrong(&error.to_string()))?;
        if manifest.is_some() {
            return Err(wrong("something follows the manifest"));
        }
        let name = entry.path()?.to_str().map(str::to_owned).ok_or_else(|| wrong("a member without a plain name"))?;
        if !entry.header().entry_type().is_file() || !is_ours(&name) || seen.contains_key(&name) {
            return Err(wrong(&format!("it holds {name:?}, which no backup of ours does")));
        }
        if name == MANIFEST {
            let mut text = Vec::new();
            entry.take(MOST_MANIFEST).read_to_end(&mut text).map_err(|error| wrong(&error.to_string()))?;
            let format: Format = serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?;
            if format.format != FORMAT {
                anyhow::bail!("{} was made by a newer windlassd: use that one", file.display());
            }
            manifest = Some(serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?);
            continue;
        }
        if seen.len().is_multiple_of(100) {
            progress(&format!("checking: {} files", seen.len()));
        }
        let mut hashing = Hashing { from: entry, hash: Sha256::new(), read: 0 };
        match into {
            Some(into) => write(&into.join(place(&name)), &mut hashing)
                .map_err(|error| told(&format!("{name} cannot be unpacked"), error))?,
            None => io::copy(&mut hashing, &mut io::sink()).map(drop).map_err(|error| wrong(&error.to_string()))?,
        }
        seen.insert(name, (hashing.read, hex::encode(hashing.hash.finalize())));
    }
    let manifest = manifest.ok_or_else(|| wrong("it ends without its manifest"))?;
    if manifest.schema > newest_schema() {
        anyhow::bail!(
            "the backup has schema {}, made by windlassd {}; this one only knows schemas up to {}: use a newer windlassd",
            manifest.schema,
            manifest.windlass,
            newest_schema()
        );
    }
    compare(&manifest.members, seen).map_err(|what| wrong(&what))?;
    Ok(manifest)
}

/// The part that every format has.
#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

fn compare(members: &[Member], mut seen: BTreeMap<String, (u64, String)>) -> Result<(), String> {
    for member in members {
        match seen.remove(&member.name) {
            None => return Err(format!("{} is missing", member.name)),
            Some((bytes, sha256)) if bytes != member.bytes || sha256 != member.sha256 => {
                return Err(format!("{} is not what was written", member.name));
            }
            Some(_) => {}
        }
    }
    match seen.keys().next() {
        Some(name) => Err(format!("the manifest does not know {name}")),
        None => Ok(()),
    }
}

fn is_ours(name: &str) -> bool {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let depth = name.split('/').count();
    let known = matches!(name, MANIFEST | SQLITE | POSTGRES | "owner")
        || (name.starts_with("logs/") && depth == 5)
        || (name.starts_with("secrets/") && depth == 2);
    plain && known && !name.contains("//") && !name.ends_with('/')
}

/// Where a member goes: what the operator has to put in place is not lost among the daemon's own files.
fn place(name: &str) -> PathBuf {
    name.strip_prefix("secrets/").map_or_else(|| name.into(), |secret| Path::new("restored-secrets").join(secret))
}

fn write(path: &Path, from: &mut impl io::Read) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(from, &mut file)?;
    file.flush()?;
    file.sync_data()
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removed with all that is in it, unless it was put in place.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_unpacked() {
        let table = [
            ("manifest.json", true),
            ("database.sqlite", true),
            ("owner", true),
            ("logs/42/test/1/log", true),
            ("secrets/control.key", true),
            ("logs/42/test/1", false),
            ("logs/../../../etc/passwd", false),
            ("/etc/passwd", false),
            ("secrets/../owner", false),
            ("lock", false),
            ("", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_ours(name), expected, "{name:?}");
        }
    }

    #[test]
    fn what_differs_from_the_manifest_is_told() {
        let member = |name: &str| Member { name: name.to_owned(), bytes: 1, sha256: "a".to_owned() };
        let seen = |list: &[(&str, u64, &str)]| {
            list.iter().map(|(name, bytes, sha)| ((*name).to_owned(), (*bytes, (*sha).to_owned()))).collect()
        };
        assert_eq!(compare(&[member("x")], seen(&[("x", 1, "a")])), Ok(()));
        for (list, word) in [
            (vec![], "missing"),
            (vec![("x", 2, "a")], "not what was written"),
            (vec![("x", 1, "b")], "not what was written"),
            (vec![("x", 1, "a"), ("y", 1, "a")], "does not know y"),
        ] {
            let error = compare(&[member("x")], seen(&list)).expect_err("it differs");
            assert!(error.contains(word), "{error}");
        }
    }
}
