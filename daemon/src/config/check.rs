//! Raw configuration -> checked configuration, every problem at once, each naming its key. Reads the files that the
//! configuration names (secrets) and nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::raw::Raw;
use super::{
    Config, ConfigError, Control, ControlTcp, Database, EngineChoice, Limits, Priority, Public, Repository, Retention,
    absolute, default_data_dir, default_file, units,
};
use crate::github::signature;

const DEFAULT_DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What flags and environment say; they win over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub public_listen: Option<String>,
    pub database_url: Option<String>,
    pub engine: Option<String>,
}

/// Reads and checks. Without `overrides.config` the default file is read if it is there.
pub fn load(overrides: &Overrides) -> Result<Config, ConfigError> {
    let file = match &overrides.config {
        Some(file) => Some(std::path::absolute(file).unwrap_or_else(|_| file.clone())),
        None => default_file().filter(|file| file.exists()),
    };
    let raw = match &file {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| one(format!("{}: cannot be read: {error}", file.display())))?;
            parse(&text, file)?
        }
        None => Raw::default(),
    };
    check(raw, file, overrides)
}

fn one(problem: String) -> ConfigError {
    ConfigError { problems: vec![problem] }
}

fn parse(text: &str, file: &Path) -> Result<Raw, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..offset).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        let words = text.lines().nth(line - 1).unwrap_or("").trim_end();
        one(format!("{}:{line}:{column}: {}\n  {line} | {words}", file.display(), error.message()))
    })
}

/// Collects problems, each under the key it belongs to.
struct Problems {
    file: String,
    list: Vec<String>,
}

impl Problems {
    fn add(&mut self, key: &str, what: impl std::fmt::Display) {
        self.list.push(format!("{}: {key}: {what}", self.file));
    }

    fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|what| self.add(key, what)).ok()
    }
}

fn check(raw: Raw, file: Option<PathBuf>, overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut problems = Problems {
        file: file.as_ref().map_or_else(|| "configuration".to_owned(), |file| file.display().to_string()),
        list: Vec::new(),
    };
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let base = file.as_deref().and_then(Path::parent).map_or_else(|| here.clone(), Path::to_owned);

    let data_dir = match (&overrides.data_dir, &raw.data_dir) {
        (Some(dir), _) => absolute(&here, dir),
        (None, Some(dir)) => absolute(&base, dir),
        (None, None) => default_data_dir().unwrap_or_else(|| {
            problems.add("data_dir", "there is no home folder to put data into: name a folder");
            PathBuf::new()
        }),
    };
    let public = public(&raw, overrides, &mut problems);
    let control = control(&raw, &base, &data_dir, &mut problems);
    let webhook_secrets = secrets(&raw.github.webhook_secret_files, &base, &mut problems);
    if raw.github.api_url.as_deref().is_some_and(|url| !is_web(url)) {
        problems.add("github.api_url", "must begin with https:// or http://");
    }
    let engine_word = overrides.engine.as_deref().or(raw.engine.kind.as_deref()).unwrap_or("auto");
    let engine = problems.take("engine.kind", engine_choice(engine_word)).unwrap_or(EngineChoice::Auto);
    let frames_over_stdout = match raw.engine.frames.as_deref() {
        None | Some("auto") => false,
        Some("stdout") => true,
        Some(other) => {
            problems.add("engine.frames", format!("{other:?} is neither \"auto\" nor \"stdout\""));
            false
        }
    };
    let docker_socket = match &raw.engine.docker_socket {
        Some(path) => absolute(&base, path),
        None => socket_of(docker_host().as_deref()).unwrap_or_else(|what| {
            if engine != EngineChoice::Local {
                problems.add("engine.docker_socket", what);
            }
            DEFAULT_DOCKER_SOCKET.into()
        }),
    };
    let limits = limits(&raw, &mut problems);
    let retention = retention(&raw, &mut problems);
    let url = overrides.database_url.as_deref().or(raw.database.url.as_deref()).unwrap_or("sqlite:windlass.db");
    let database = problems.take("database.url", database(url, &data_dir));
    let repositories = repositories(&raw, &base, &mut problems);

    let (Some(public), Some(database)) = (public, database) else {
        return Err(ConfigError { problems: problems.list });
    };
    if !problems.list.is_empty() {
        return Err(ConfigError { problems: problems.list });
    }
    Ok(Config {
        file,
        data_dir,
        public,
        control,
        webhook_secrets,
        webhook_secret_files: raw.github.webhook_secret_files.iter().map(|file| absolute(&base, file)).collect(),
        engine,
        docker_socket,
        frames_over_stdout,
        limits,
        retention,
        database,
        repositories,
    })
}

fn public(raw: &Raw, overrides: &Overrides, problems: &mut Problems) -> Option<Public> {
    let listen = overrides.public_listen.as_deref().or(raw.public.listen.as_deref()).unwrap_or("127.0.0.1:8080");
    let listen = problems.take("public.listen", socket_addr(listen));
    let pages = match raw.public.pages.as_deref() {
        None | Some("open") => true,
        Some("off") => false,
        Some(other) => {
            problems.add("public.pages", format!("{other:?} is neither \"open\" nor \"off\""));
            true
        }
    };
    let url = raw.public.url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    if url.as_deref().is_some_and(|url| !is_web(url)) {
        problems.add("public.url", "must begin with https:// or http://");
    }
    Some(Public { listen: listen?, url, pages })
}

fn control(raw: &Raw, base: &Path, data_dir: &Path, problems: &mut Problems) -> Control {
    let raw = &raw.control;
    let socket = raw.socket.as_ref().map_or_else(|| data_dir.join("control.sock"), |socket| absolute(base, socket));
    // sun_path holds 108 bytes with its final zero.
    if socket.as_os_str().len() > 107 {
        problems.add(
            "control.socket",
            format!("{} is longer than the 107 bytes a socket's path may have", socket.display()),
        );
    }
    let tls = match (&raw.tls_certificate, &raw.tls_key) {
        (Some(certificate), Some(key)) => Some((absolute(base, certificate), absolute(base, key))),
        (None, None) => None,
        _ => {
            problems.add("control.tls_certificate, control.tls_key", "both or none");
            None
        }
    };
    let listen = raw.listen.as_deref().and_then(|listen| problems.take("control.listen", socket_addr(listen)));
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
        && tls.is_none()
        && !raw.tls_in_front
    {
        problems.add(
            "control.listen",
            format!(
                "{listen} is reachable from other machines: tokens would travel in the clear. Name tls_certificate and \
                 tls_key, or say tls_in_front = true when a proxy encrypts"
            ),
        );
    }
    Control {
        socket,
        tcp: listen.map(|listen| ControlTcp { listen, tls }),
        allowed_origins: raw.allowed_origins.clone(),
    }
}

fn secrets(files: &[PathBuf], base: &Path, problems: &mut Problems) -> Vec<SecretString> {
    let mut secrets = Vec::new();
    for file in files {
        let file = absolute(base, file);
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                let secret = SecretString::from(text);
                if let Err(weak) = signature::check_secret(&secret) {
                    let what = format!("{}: {weak} (`openssl rand -hex 32`)", file.display());
                    problems.add("github.webhook_secret_files", what);
                }
                secrets.push(secret);
            }
            Err(error) => {
                problems.add("github.webhook_secret_files", format!("{} cannot be read: {error}", file.display()));
            }
        }
    }
    secrets
}

fn limits(raw: &Raw, problems: &mut Problems) -> Limits {
    let raw = &raw.limits;
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let jobs = raw.jobs.unwrap_or(cores);
    if jobs == 0 || jobs > 10_000 {
        problems.add("limits.jobs", "must be between 1 and 10000");
    }
    let mut size = |key: &str, text: &Option<String>, default: u64| {
        text.as_deref().map_or(Some(default), |text| problems.take(key, units::bytes(text))).unwrap_or(default)
    };
    let memory = size("limits.memory", &raw.memory, 4 << 30);
    let log = size("limits.log", &raw.log, 64 << 20);
    let artifacts = size("limits.artifacts", &raw.artifacts, 1 << 30);
    let webhook_body = size("limits.webhook_body", &raw.webhook_body, 25 << 20);
    let free_disk_bytes = size("limits.free_disk", &raw.free_disk, 256 << 20);
    if memory != 0 && memory < 6 << 20 {
        problems.add("limits.memory", "engines refuse less than 6MiB");
    }
    if webhook_body == 0 || webhook_body > 100 << 20 {
        problems.add("limits.webhook_body", "must be between 1B and 100MiB");
    }
    let cpus = raw.cpus.unwrap_or(0.0);
    if !(0.0..=4096.0).contains(&cpus) {
        problems.add("limits.cpus", "must be between 0 (no limit) and 4096");
    }
    let grace = raw.grace.as_deref().map_or(Ok(Duration::from_secs(10)), units::duration);
    let grace = problems.take("limits.grace", grace).unwrap_or_default();
    let some = |n: u64| (n != 0).then_some(n);
    Limits {
        jobs,
        memory_bytes: some(memory),
        cpu_millis: some((cpus * 1000.0).round() as u64),
        pids: some(raw.pids.unwrap_or(4096)),
        grace,
        log_bytes: some(log),
        artifact_bytes: some(artifacts),
        webhook_body_bytes: usize::try_from(webhook_body).unwrap_or(usize::MAX),
        free_disk_bytes,
    }
}

fn retention(raw: &Raw, problems: &mut Problems) -> Retention {
    let raw = &raw.retention;
    let keep_for = raw.keep_for.as_deref().map_or(Ok(Duration::from_hours(90 * 24)), units::duration);
    let keep_for = problems.take("retention.keep_for", keep_for).unwrap_or_default();
    let mut size = |key: &str, text: &Option<String>| {
        text.as_deref().map_or(Some(10 << 30), |text| problems.take(key, units::bytes(text))).unwrap_or_default()
    };
    let log_bytes = size("retention.logs", &raw.logs);
    let artifact_bytes = size("retention.artifacts", &raw.artifacts);
    let cache_bytes = size("retention.caches", &raw.caches);
    let every = raw.every.as_deref().map_or(Ok(Duration::from_secs(3600)), units::duration);
    let every = problems.take("retention.every", every).unwrap_or_default();
    if every < Duration::from_secs(1) {
        problems.add("retention.every", "must be at least 1s");
    }
    let some = |n: u64| (n != 0).then_some(n);
    Retention {
        keep_for: (!keep_for.is_zero()).then_some(keep_for),
        keep_builds: some(raw.keep_builds.unwrap_or(100)),
        log_bytes: some(log_bytes),
        artifact_bytes: some(artifact_bytes),
        cache_bytes: some(cache_bytes),
        every,
    }
}

fn repositories(raw: &Raw, base: &Path, problems: &mut Problems) -> Vec<Repository> {
    let mut list = Vec::new();
    for (index, entry) in raw.repository.iter().enumerate() {
        let key = format!("repository[{index}]");
        let well_formed = entry.name.split_once('/').is_some_and(|(owner, name)| {
            let word = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            word(owner) && (name == "*" || word(name))
        });
        if !well_formed {
            problems.add(&format!("{key}.name"), format!("{:?} is neither owner/name nor owner/*", entry.name));
        }
        if entry.clone_url.is_some() && entry.name.ends_with("/*") {
            problems.add(
                &format!("{key}.clone_url"),
                "one URL cannot serve a whole owner: list the repositories one by one",
            );
        }
        let clone_url = entry.clone_url.as_ref().map(|url| {
            if url.starts_with('/') || url.contains("://") || url.contains('@') {
                url.clone()
            } else {
                absolute(base, Path::new(url)).display().to_string()
            }
        });
        let engine =
            entry.engine.as_deref().and_then(|word| problems.take(&format!("{key}.engine"), engine_choice(word)));
        let priority = entry.priority.as_ref().map_or(Ok(Priority::default()), priority);
        let priority = problems.take(&format!("{key}.priority"), priority).unwrap_or_default();
        list.push(Repository { name: entry.name.clone(), clone_url, engine, priority });
    }
    list
}

fn priority(value: &toml::Value) -> Result<Priority, String> {
    let number = |value: &toml::Value| match value.as_integer() {
        Some(number) if (-1000..=1000).contains(&number) => Ok(number),
        _ => Err(format!("{value} is no whole number between -1000 and 1000")),
    };
    let Some(table) = value.as_table() else {
        let both = number(value).map_err(|what| format!("{what}, nor {{ push = …, pull_request = … }}"))?;
        return Ok(Priority { push: both, pull_request: both });
    };
    let mut priority = Priority::default();
    for (event, value) in table {
        match event.as_str() {
            "push" => priority.push = number(value)?,
            "pull_request" => priority.pull_request = number(value)?,
            other => return Err(format!("{other:?} is neither push nor pull_request")),
        }
    }
    Ok(priority)
}

fn engine_choice(word: &str) -> Result<EngineChoice, String> {
    match word {
        "auto" => Ok(EngineChoice::Auto),
        "docker" => Ok(EngineChoice::Docker),
        "local" => Ok(EngineChoice::Local),
        "swarm" => Err("swarm is not built yet: use docker".to_owned()),
        other => Err(format!("{other:?} is none of auto, docker, local")),
    }
}

fn database(url: &str, data_dir: &Path) -> Result<Database, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(url.to_owned()));
    }
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('?') {
                return Err("write sqlite:FILE, without parameters".to_owned());
            }
            Ok(Database::Sqlite(absolute(data_dir, Path::new(path))))
        }
        None => Err("write sqlite:FILE or postgres://user:password@host/name".to_owned()),
    }
}

fn socket_addr(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| format!("{text:?} is no address: write 127.0.0.1:8080 or [::]:8080"))
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Where the engine is when the configuration does not say.
#[must_use]
pub fn docker_socket() -> PathBuf {
    socket_of(docker_host().as_deref()).unwrap_or_else(|_| DEFAULT_DOCKER_SOCKET.into())
}

fn docker_host() -> Option<String> {
    std::env::var("DOCKER_HOST").ok()
}

fn socket_of(docker_host: Option<&str>) -> Result<PathBuf, String> {
    match docker_host {
        None | Some("") => Ok(DEFAULT_DOCKER_SOCKET.into()),
        Some(host) => host.strip_prefix("unix://").map(PathBuf::from).ok_or_else(|| {
            format!(
                "DOCKER_HOST is {host}, but only unix:// sockets are supported: name a socket, or unset DOCKER_HOST"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Config, ConfigError> {
        let file = PathBuf::from("/etc/windlass/windlassd.toml");
        let overrides = Overrides { data_dir: Some("/tmp/windlass-data".into()), ..Overrides::default() };
        check(parse(text, &file)?, Some(file), &overrides)
    }

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        let written = checked(crate::config::DEFAULT_FILE).expect("the shipped file is right");
        let empty = checked("").expect("no key is needed");
        assert_eq!(format!("{written:?}"), format!("{empty:?}"));
    }

    #[test]
    fn every_commented_key_is_a_key() {
        let uncommented: String = crate::config::DEFAULT_FILE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let raw = parse(&uncommented, Path::new("windlassd.toml")).expect("every key is known");
        assert_eq!(raw.repository.len(), 1);
        assert!(raw.control.listen.is_some() && raw.data_dir.is_some() && raw.limits.jobs.is_some());
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line() {
        let error = checked("[public]\nlisten = \"127.0.0.1:1\"\nlisen = 3\n").expect_err("unknown key").to_string();
        assert!(error.contains("windlassd.toml:3:1") && error.contains("lisen"), "{error}");
    }

    #[test]
    fn all_problems_at_once() {
        let error = checked(
            "[public]\nlisten = \"nowhere\"\n[limits]\njobs = 0\nmemory = \"4GB\"\n[engine]\nkind = \"podman\"\n\
             [[repository]]\nname = \"acme\"\n[control]\nlisten = \"0.0.0.0:9\"\n[github]\nwebhook_secret_files = [\"none\"]\n",
        )
        .expect_err("many problems");
        let all = error.to_string();
        for key in [
            "public.listen",
            "limits.jobs",
            "limits.memory",
            "engine.kind",
            "repository[0].name",
            "control.listen",
            "github.webhook_secret_files",
        ] {
            assert!(all.contains(key), "{key} is missing in:\n{all}");
        }
    }

    #[test]
    fn repositories_are_found_by_name_or_owner() {
        let config =
            checked("[[repository]]\nname = \"acme/app\"\nclone_url = \"app.git\"\n[[repository]]\nname = \"zoo/*\"\n")
                .expect("right");
        assert_eq!(
            config.repository("Acme/App").and_then(|r| r.clone_url.clone()).as_deref(),
            Some("/etc/windlass/app.git")
        );
        assert!(config.repository("acme/other").is_none());
        assert!(config.repository("zoo/lion").is_some());
        assert!(config.repository("zoo").is_none());
        assert!(config.repository("zoology/x").is_none());
    }

    #[test]
    fn a_priority_is_a_number_or_one_for_each_event() {
        let table = [
            ("", Ok((0, 0))),
            ("priority = 7", Ok((7, 7))),
            ("priority = { push = 5, pull_request = -1 }", Ok((5, -1))),
            ("priority = { push = 5 }", Ok((5, 0))),
            ("priority = 1001", Err("between -1000 and 1000")),
            ("priority = \"high\"", Err("repository[0].priority")),
            ("priority = { pull = 5 }", Err("neither push nor pull_request")),
        ];
        for (line, expected) in table {
            let checked = checked(&format!("[[repository]]\nname = \"acme/app\"\n{line}\n"));
            match (checked, expected) {
                (Ok(config), Ok((push, pull_request))) => {
                    let priority = config.repositories[0].priority;
                    assert_eq!((priority.of("push"), priority.of("pull_request")), (push, pull_request), "{line}");
                }
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (other, _) => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_engines_socket_is_what_docker_host_names_or_the_usual_one() {
        let table = [
            (None, Ok("/var/run/docker.sock")),
            (Some(""), Ok("/var/run/docker.sock")),
            (Some("unix:///run/user/1000/docker.sock"), Ok("/run/user/1000/docker.sock")),
            (Some("tcp://build:2375"), Err("DOCKER_HOST is tcp://build:2375")),
            (Some("ssh://build"), Err("DOCKER_HOST is ssh://build")),
        ];
        for (host, expected) in table {
            match (socket_of(host), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path, Path::new(expected)),
                (Err(what), Err(expected)) => assert!(what.contains(expected), "{what}"),
                (other, _) => panic!("{host:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_password_is_never_described() {
        let database = Database::Postgres("postgres://me:pa@ss@db/windlass?sslmode=x".into());
        assert_eq!(database.describe(), "postgres://db/windlass");
    }
}
