//! Reads a backup in one pass: checks every member against the manifest, and unpacks it where that is wanted. Member names
//! are not trusted. Must not know where a backup goes in the end.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{FORMAT, Hashing, MANIFEST, Manifest, Member, POSTGRES, Progress, Refused, SQLITE, told};
use crate::store::newest_schema;

/// A manifest has no more than this and so much a member; it is read whole.
const MOST_MANIFEST: (u64, u64) = (64 << 10, 1 << 10);
/// No name of ours is longer; those that do not fit into a header are read whole.
const LONGEST_NAME: u64 = 512;

/// Checks every member, and that this version understands it.
pub fn verify(file: &Path, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    read(file, None, progress)
}

/// One pass through the archive. With a folder, everything but the manifest is written below it.
pub(super) fn read(file: &Path, into: Option<&Path>, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    let refused = |what: String| anyhow::Error::new(Refused::File(what));
    let wrong = |what: &str| refused(format!("{} is no whole backup: {what}", file.display()));
    let opened = File::open(file).map_err(|error| told(&format!("{} cannot be read", file.display()), error))?;
    let decoder = zstd::Decoder::new(BufReader::with_capacity(1 << 20, opened))?;
    let mut archive = tar::Archive::new(decoder);
    if let Some(into) = into {
        private_folder(into)?;
    }
    let mut seen: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    let mut long_name: Option<String> = None;
    // As they are: what belongs together is not put together here, because that reads whatever a stranger wrote there.
    for entry in archive.entries().map_err(|error| wrong(&error.to_string()))?.raw(true) {
        let mut entry = entry.map_err(|error| wrong(&error.to_string()))?;
        if manifest.is_some() {
            return Err(wrong("something follows the manifest"));
        }
        if entry.header().entry_type().is_gnu_longname() && long_name.is_none() && entry.size() <= LONGEST_NAME {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(|error| wrong(&error.to_string()))?;
            long_name = Some(text.trim_end_matches('\0').to_owned());
            continue;
        }
        let short_name = entry.path().ok().and_then(|path| path.to_str().map(str::to_owned));
        let name = long_name.take().or(short_name).ok_or_else(|| wrong("a member without a plain name"))?;
        if !entry.header().entry_type().is_file() || !is_ours(&name) || seen.contains_key(&name) {
            return Err(wrong(&format!("it holds {name:?}, which no backup of ours does")));
        }
        if name == MANIFEST {
            if entry.size() > MOST_MANIFEST.0 + MOST_MANIFEST.1 * seen.len() as u64 {
                return Err(wrong("its manifest is longer than that of so many members"));
            }
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(|error| wrong(&error.to_string()))?;
            let format: Format = serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?;
            if format.format != FORMAT {
                return Err(refused(format!("{} was made by a newer windlassd: use that one", file.display())));
            }
            manifest = Some(serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?);
            continue;
        }
        progress(&format!("checking: {} files", seen.len()))?;
        let mut hashing = Hashing { from: entry, hash: Sha256::new(), read: 0 };
        match into.map(|into| into.join(place(&name))) {
            Some(path) => {
                let mut to =
                    create(&path).map_err(|error| told(&format!("{} cannot be made", path.display()), error))?;
                copy(&mut hashing, &mut to).and_then(|()| to.sync_data()).map_err(|error| match error.kind() {
                    // Of the archive's end, or of what is no zstd.
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::Other => {
                        wrong(&error.to_string())
                    }
                    _ => told(&format!("{} cannot be written", path.display()), error),
                })?;
            }
            None => copy(&mut hashing, &mut io::sink()).map_err(|error| wrong(&error.to_string()))?,
        }
        seen.insert(name, (hashing.read, hex::encode(hashing.hash.finalize())));
    }
    let manifest = manifest.ok_or_else(|| wrong("it ends without its manifest"))?;
    if manifest.schema > newest_schema() {
        return Err(refused(format!(
            "the backup has schema {}, made by windlassd {}; this one only knows schemas up to {}: use a newer windlassd",
            manifest.schema,
            manifest.windlass,
            newest_schema()
        )));
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
    let known = matches!(name, MANIFEST | SQLITE | POSTGRES)
        || ((name.starts_with("logs/") || name.starts_with("artifacts/")) && depth == 5)
        || (name.starts_with("secrets/") && depth == 2);
    plain && known && !name.contains("//") && !name.ends_with('/')
}

/// Where a member goes: what the operator has to put in place is not lost among the daemon's own files.
fn place(name: &str) -> PathBuf {
    name.strip_prefix("secrets/").map_or_else(|| name.into(), |secret| Path::new("restored-secrets").join(secret))
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn copy(from: &mut impl io::Read, to: &mut impl io::Write) -> io::Result<()> {
    io::copy(from, to).map(drop)
}

pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_unpacked() {
        let table = [
            ("manifest.json", true),
            ("database.sqlite", true),
            ("owner", false),
            ("logs/42/test/1/log", true),
            ("artifacts/42/test/1/7", true),
            ("artifacts/42/../../x", false),
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

    /// Archives as they are written, but for what `fill` puts in.
    fn written(home: &tempfile::TempDir, fill: impl FnOnce(&mut super::super::Archive)) -> PathBuf {
        let file = home.path().join("archive");
        let mut archive = super::super::Archive::create(&file).expect("a file");
        fill(&mut archive);
        let members = archive.members.clone();
        let manifest = Manifest {
            format: FORMAT,
            windlass: "1".to_owned(),
            schema: 1,
            database: "sqlite".to_owned(),
            made_at: windlass_protocol::time::Timestamp(1),
            with_secrets: false,
            counts: crate::store::Counts::default(),
            members,
        };
        archive.finish(&manifest).expect("written");
        file
    }

    #[test]
    fn the_longest_names_are_read_and_longer_ones_cost_nothing() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let longest = format!("logs/{}/{}/{}/log.zst", u64::MAX, "j".repeat(64), u32::MAX);
        assert!(longest.len() > 100, "it does not fit into a header");
        let file = written(&home, |archive| {
            archive.bytes(&longest, b"x").expect("written");
            archive.bytes(SQLITE, b"y").expect("written");
        });
        let manifest = verify(&file, &mut |_| Ok(())).expect("it is whole");
        assert_eq!(manifest.members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), [&longest, SQLITE]);

        for kind in [b'L', b'K', b'x', b'g', b'S', b'2'] {
            let file = written(&home, |archive| {
                let mut header = tar::Header::new_gnu();
                header.set_path("database.sqlite").expect("it fits");
                header.set_entry_type(tar::EntryType::new(kind));
                header.set_size(LONGEST_NAME + 1);
                header.set_cksum();
                archive.tar.append(&header, io::repeat(b'n').take(LONGEST_NAME + 1)).expect("written");
            });
            let error = verify(&file, &mut |_| Ok(())).expect_err("it is none of ours").to_string();
            assert!(error.contains("which no backup of ours does"), "{}: {error}", char::from(kind));
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
