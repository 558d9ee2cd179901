//! Configuration, the files that it names, the data folder and the socket. Must not know databases or engines.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Area, Doctor, Found, Mend, Weight};
use crate::backup::is_copy;
use crate::config::{Config, ConfigError, Database};
use crate::data_dir::RESTORING;
use crate::keeper::SETTLED;

/// A daemon that works answers its socket within this.
const ANSWER: Duration = Duration::from_secs(5);

impl Doctor<'_> {
    pub(super) fn configuration_is_wrong(&mut self, error: &ConfigError) {
        for problem in &error.problems {
            let remedy = "correct it; `windlassd check --print-default` explains every key";
            self.by_hand(Area::Configuration, "configuration", Weight::Wrong, "configuration", problem, remedy);
        }
    }

    pub(super) async fn configuration(&mut self, config: &Config) {
        self.say("looking at the configuration");
        let file = config.file.as_ref().map_or("no file, only defaults".to_owned(), |file| file.display().to_string());
        self.fact(Area::Configuration, file);
        let listed: Vec<&str> = config.repositories.iter().map(|repository| repository.name.as_str()).take(5).collect();
        if !listed.is_empty() {
            let more = if config.repositories.len() > listed.len() { ", …" } else { "" };
            self.fact(Area::Configuration, format!("builds {}{more}", listed.join(", ")));
        }
        let note = |doctor: &mut Self, key: &str, what: &str, remedy: &str| {
            doctor.by_hand(Area::Configuration, "configuration", Weight::Note, key, what, remedy);
        };
        if config.webhook_secrets.is_empty() {
            let remedy = "name a file there, made with `openssl rand -hex 32`";
            note(self, "github.webhook_secret_files", "there is no webhook secret: every webhook is refused", remedy);
        }
        if config.repositories.is_empty() {
            note(self, "repository", "no [[repository]] is listed: nothing builds", "list what is to be built");
        }
        let git = Command::new("git").arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
        if !git.is_ok_and(|git| git.status.success()) {
            let remedy = "install git where the daemon's PATH finds it";
            let what = "git cannot be run: no commit can be fetched";
            self.by_hand(Area::Configuration, "git", Weight::Wrong, "git", what, remedy);
        }
        let mut secret: Vec<&Path> = config.webhook_secret_files.iter().map(PathBuf::as_path).collect();
        if let Some((_, key)) = config.control.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref()) {
            secret.push(key);
        }
        if let (Database::Postgres(url), Some(file)) = (&config.database, &config.file)
            && url.contains('@')
            && std::fs::read_to_string(file).is_ok_and(|text| text.contains(url))
        {
            secret.push(file);
        }
        for path in secret {
            self.private(Area::Configuration, "secret_readable", path, 0o027).await;
        }
    }

    /// Nobody but its user, and where `bits` leave that its group, may read or change it.
    async fn private(&mut self, area: Area, kind: &'static str, path: &Path, bits: u32) {
        let Ok(seen) = path.metadata() else { return };
        let mode = seen.permissions().mode() & 0o777;
        if mode & bits == 0 {
            return;
        }
        let wanted = mode & !bits;
        let what = format!("{} has mode {mode:04o}: others than its user reach it", path.display());
        let does = format!("gives it mode {wanted:04o}");
        let found = Found { area, kind, weight: Weight::Wrong, subject: path.display().to_string(), what };
        let fix = async || Ok(std::fs::set_permissions(path, Permissions::from_mode(wanted))?);
        self.found(found, Mend { does, beside: None }, fix).await;
    }

    /// Whether it is there, and then whether this user may work in it.
    pub(super) async fn data_folder(&mut self, config: &Config) -> Option<bool> {
        let data = &config.data_dir;
        let shown = data.display().to_string();
        let Ok(seen) = data.metadata() else {
            self.fact(Area::Data, format!("{shown} is not there yet: the first `windlassd serve` makes it"));
            return None;
        };
        if !seen.is_dir() {
            let remedy = "name another data_dir, or move it away";
            self.by_hand(Area::Data, "data_dir", Weight::Wrong, &shown, format!("{shown} is no folder"), remedy);
            return Some(false);
        }
        let user = nix::unistd::geteuid().as_raw();
        if seen.uid() != user {
            // Root could, and would leave files there that the daemon cannot write.
            let what = format!("{shown} belongs to user {}, and doctor runs as user {user}", seen.uid());
            let remedy = "run doctor as the user that the daemon runs as, with `sudo -u` or `setpriv`";
            self.by_hand(Area::Data, "other_user", Weight::Wrong, &shown, what, remedy);
            return Some(false);
        }
        self.private(Area::Data, "data_readable", data, 0o077).await;
        if data.join(RESTORING).exists() {
            let what = format!("a restore into {shown} was cut off");
            self.by_hand(
                Area::Data,
                "half_restored",
                Weight::Wrong,
                &shown,
                what,
                "empty the folder, and restore again",
            );
            return Some(false);
        }
        for entry in std::fs::read_dir(data).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // One that is being written belongs to a backup that runs.
            let idle = entry.metadata().and_then(|seen| seen.modified()).ok().and_then(|at| at.elapsed().ok());
            if is_copy(&name) && idle.is_some_and(|idle| idle > SETTLED) {
                let path = entry.path();
                let what = format!("{} is what a backup left that was cut off", path.display());
                let found = Found {
                    area: Area::Data,
                    kind: "half_backup",
                    weight: Weight::Wrong,
                    subject: path.display().to_string(),
                    what,
                };
                let mend = Mend { does: "removes it".to_owned(), beside: None };
                self.found(found, mend, async || Ok(std::fs::remove_file(path)?)).await;
            }
        }
        Some(true)
    }

    pub(super) async fn socket(&mut self, config: &Config) {
        let path = &config.control.socket;
        let shown = path.display().to_string();
        let there = std::fs::symlink_metadata(path).ok();
        let is_socket = there.as_ref().is_some_and(|there| there.file_type().is_socket());
        if there.is_some() && !is_socket {
            let what = format!("{shown} is there and no socket: no daemon can start");
            self.by_hand(
                Area::Data,
                "socket",
                Weight::Wrong,
                &shown,
                what,
                "move it away, or name another control.socket",
            );
            return;
        }
        let answers = is_socket && answers(path);
        match (self.report.daemon, answers) {
            (true, true) => self.private(Area::Data, "socket_open", path, 0o177).await,
            // Its socket is not ours to judge when doctor only knows it from the database.
            (true, false) if self.held.is_none() => {
                let what = format!("a windlassd works on the data folder, and nobody answers at {shown}");
                let remedy = "look at its log; if it hangs, restart it: builds go on in their containers";
                self.by_hand(Area::Data, "no_answer", Weight::Wrong, &shown, what, remedy);
            }
            (true, false) => {}
            (false, true) => {
                let what = format!("somebody answers at {shown}, and no windlassd works on this data folder");
                self.by_hand(Area::Data, "socket", Weight::Wrong, &shown, what, "name another control.socket");
            }
            (false, false) => {
                let addresses = ["public.addr", "control.addr"].map(|name| config.data_dir.join(name));
                for stale in addresses.into_iter().chain(is_socket.then(|| path.clone())) {
                    if std::fs::symlink_metadata(&stale).is_err() {
                        continue;
                    }
                    let subject = stale.display().to_string();
                    let what = format!("{subject} is of a windlassd that was killed");
                    let found = Found { area: Area::Data, kind: "stale_file", weight: Weight::Note, subject, what };
                    let does = "removes it; the next start replaces it anyway".to_owned();
                    let beside = Some("the daemon that just started replaces it".to_owned());
                    self.found(found, Mend { does, beside }, async || Ok(std::fs::remove_file(stale)?)).await;
                }
            }
        }
    }
}

/// Whether a daemon answers, which is more than that somebody listens.
fn answers(path: &Path) -> bool {
    let ask = || {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: windlass\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok::<_, std::io::Error>(head)
    };
    ask().is_ok_and(|head| head.starts_with(b"HTTP/1.1 200"))
}
