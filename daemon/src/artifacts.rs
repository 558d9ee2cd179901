//! Files that jobs left to be kept, exactly as they are: one folder an attempt, and in it a file for each, called by its
//! number. What a job called it is never a path here. Must not know who asks for them, nor why they are removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use windlass_protocol::id::AttemptId;

use crate::attempt_dirs;

/// What is known of a kept file besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Below the job's folder. A stranger chose it.
    #[serde(rename = "p")]
    pub path: String,
    #[serde(rename = "b")]
    pub bytes: u64,
    /// Hex.
    #[serde(rename = "s")]
    pub sha256: String,
}

/// All of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    dir: Arc<Path>,
    /// Folders are made and removed by one at a time.
    folders: Arc<Mutex<()>>,
}

/// What is there of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifacts {
    pub id: AttemptId,
    /// What they take of the disk.
    pub bytes: u64,
    /// Since anything of it was written.
    pub idle: Duration,
}

/// Takes up the files of one attempt, one after the other. What does not come to its end is not there.
#[derive(Debug)]
pub struct ArtifactWriter {
    store: ArtifactStore,
    id: AttemptId,
    folder: Option<PathBuf>,
    list: Vec<Artifact>,
    coming: Option<Coming>,
}

#[derive(Debug)]
struct Coming {
    path: String,
    file: File,
    bytes: u64,
    hash: Sha256,
}

impl ArtifactStore {
    pub fn open(dir: impl AsRef<Path>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir.as_ref())?;
        Ok(Self::at(dir))
    }

    /// Makes nothing before something comes.
    #[must_use]
    pub fn at(dir: impl AsRef<Path>) -> Self {
        Self { dir: dir.as_ref().into(), folders: Arc::default() }
    }

    /// Nothing is made before the first file begins.
    #[must_use]
    pub fn writer(&self, id: &AttemptId) -> ArtifactWriter {
        ArtifactWriter { store: self.clone(), id: id.clone(), folder: None, list: Vec::new(), coming: None }
    }

    /// At most `limit` bytes of a file from byte `from` on: fewer only at its end. `number` counts from 1.
    pub fn read(&self, id: &AttemptId, number: u32, from: u64, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.folder(id)?.join(number.to_string()))?;
        file.seek(io::SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Length and SHA-256 of a file, read to its end.
    pub fn sum(&self, id: &AttemptId, number: u32) -> io::Result<(u64, String)> {
        let mut file = File::open(self.folder(id)?.join(number.to_string()))?;
        let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 256 << 10]);
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok((bytes, hex::encode(hash.finalize()))),
                Ok(n) => {
                    hash.update(&piece[..n]);
                    bytes += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Everything of an attempt; nothing there is no error.
    pub fn remove(&self, id: &AttemptId) -> io::Result<()> {
        let Ok(folder) = self.folder(id) else { return Ok(()) };
        let _one = self.one();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        attempt_dirs::remove_empty_parents(&folder);
        Ok(())
    }

    /// What is on the disk, in order.
    pub fn list(&self) -> io::Result<Vec<StoredArtifacts>> {
        let stored = |(id, folder): (AttemptId, PathBuf)| {
            let bytes = attempt_dirs::taken(&folder).ok()?;
            Some(StoredArtifacts { id, bytes, idle: attempt_dirs::idle(&folder) })
        };
        match attempt_dirs::list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => Ok(listed?.into_iter().filter_map(stored).collect()),
        }
    }

    fn folder(&self, id: &AttemptId) -> io::Result<PathBuf> {
        let bad = || io::Error::new(io::ErrorKind::NotFound, format!("{:?} cannot be a job's name", id.job));
        attempt_dirs::path(&self.dir, id).ok_or_else(bad)
    }

    fn one(&self) -> MutexGuard<'_, ()> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ArtifactWriter {
    /// The next file begins; one that had not ended is gone. Can be tried again when it fails.
    pub fn begin(&mut self, path: &str) -> io::Result<()> {
        self.drop_coming();
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => self.make_folder()?,
        };
        let name = folder.join((self.list.len() + 1).to_string());
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(name)?;
        self.coming = Some(Coming { path: path.to_owned(), file, bytes: 0, hash: Sha256::new() });
        Ok(())
    }

    /// More of the file that began. Can be tried again when it fails: then none of `bytes` counts.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(coming) = &mut self.coming else { return Ok(()) };
        coming.file.write_all_at(bytes, coming.bytes)?;
        coming.hash.update(bytes);
        coming.bytes += bytes.len() as u64;
        Ok(())
    }

    /// That was all of it.
    pub fn end(&mut self) {
        let Some(Coming { path, bytes, hash, .. }) = self.coming.take() else { return };
        self.list.push(Artifact { path, bytes, sha256: hex::encode(hash.finalize()) });
    }

    /// The file that is coming, if one is.
    #[must_use]
    pub fn coming(&self) -> Option<&str> {
        self.coming.as_ref().map(|coming| coming.path.as_str())
    }

    /// It is not to be kept; gives its room back.
    pub fn drop_coming(&mut self) {
        if self.coming.take().is_some()
            && let Some(folder) = &self.folder
        {
            // Where this fails it is a file without an entry, which goes with the others.
            let _ = fs::remove_file(folder.join((self.list.len() + 1).to_string()));
        }
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Everything is on the disk from here on. When nothing came, nothing is left either.
    pub fn finish(mut self) -> io::Result<Vec<Artifact>> {
        self.drop_coming();
        if self.list.is_empty() {
            self.store.remove(&self.id)?;
            return Ok(Vec::new());
        }
        if let Some(folder) = &self.folder {
            for number in 1..=self.list.len() {
                File::open(folder.join(number.to_string()))?.sync_all()?;
            }
            for folder in folder.ancestors().take(4) {
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(self.list)
    }

    /// Empty: what an earlier daemon had taken up comes again.
    fn make_folder(&mut self) -> io::Result<PathBuf> {
        let folder = self.store.folder(&self.id)?;
        let _one = self.store.one();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        self.folder = Some(folder.clone());
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AttemptId {
        text.parse().expect("an id")
    }

    #[test]
    fn files_come_whole_or_not_at_all() {
        let home = tempfile::tempdir().expect("a folder");
        let store = ArtifactStore::open(home.path().join("artifacts")).expect("a store");
        let one = id("7/test#1");
        let mut writer = store.writer(&one);
        assert!(!home.path().join("artifacts/7").exists(), "nothing came yet");
        for (path, pieces, ends) in [("a", &["1", "23"][..], true), ("b", &["x"], false), ("../c", &[], true)] {
            writer.begin(path).expect("begun");
            for piece in pieces {
                writer.append(piece.as_bytes()).expect("written");
            }
            if ends {
                writer.end();
            }
        }
        writer.append(b"nobody's").expect("nothing is coming");
        writer.begin("cut").expect("begun");
        writer.append(b"cut").expect("written");
        let list = writer.finish().expect("kept");
        let told: Vec<(&str, u64)> = list.iter().map(|of| (of.path.as_str(), of.bytes)).collect();
        assert_eq!(told, [("a", 3), ("../c", 0)]);
        assert_eq!(list[0].sha256, hex::encode(Sha256::digest(b"123")));
        assert_eq!(store.read(&one, 1, 0, 100).expect("there"), b"123");
        assert_eq!(store.read(&one, 1, 1, 1).expect("there"), b"2");
        assert!(store.read(&one, 1, 99, 100).expect("there").is_empty());
        assert_eq!(store.sum(&one, 1).expect("there"), (3, list[0].sha256.clone()));
        for number in [0, 3, 4] {
            let gone = store.read(&one, number, 0, 1).map_err(|error| error.kind());
            assert_eq!(gone, Err(io::ErrorKind::NotFound), "{number}");
        }
    }

    #[test]
    fn what_an_earlier_daemon_took_up_counts_for_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let store = ArtifactStore::open(home.path()).expect("a store");
        let one = id("7/test#1");
        for files in [3, 1, 0] {
            let mut writer = store.writer(&one);
            for n in 0..files {
                writer.begin(&n.to_string()).expect("begun");
                writer.end();
            }
            assert_eq!(writer.finish().expect("kept").len(), files);
            assert_eq!(home.path().join("7").exists(), files > 0);
            assert!(!home.path().join("7/test/1/2").exists() || files == 3);
        }
    }

    #[test]
    fn an_attempt_goes_and_others_stay() {
        let home = tempfile::tempdir().expect("a folder");
        let store = ArtifactStore::open(home.path()).expect("a store");
        for of in ["7/test#1", "7/test#2", "12/lint#1"] {
            let mut writer = store.writer(&id(of));
            writer.begin("x").expect("begun");
            writer.append(b"xy").expect("written");
            writer.end();
            writer.finish().expect("kept");
        }
        let ids = || -> Vec<String> { store.list().expect("listed").iter().map(|of| of.id.to_string()).collect() };
        assert_eq!(ids(), ["7/test#1", "7/test#2", "12/lint#1"]);
        assert!(store.list().expect("listed").iter().all(|of| of.bytes >= 2));
        for of in ["7/test#1", "12/lint#1", "99/none#1", "7/..#1"] {
            store.remove(&AttemptId { job: "..".into(), ..id("7/x#1") }).expect("there cannot be one");
            if let Ok(id) = of.parse() {
                store.remove(&id).expect("removed");
            }
        }
        assert_eq!(ids(), ["7/test#2"]);
        assert!(!home.path().join("12").exists() && home.path().exists());
    }
}
