//! One story's engine on the real Docker, and its tidying up. Network, runner volume and images carry this process' name, and
//! go with the last story that uses them. Must not know the stories.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    ListVolumesOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures_util::StreamExt;
use tempfile::TempDir;
use windlass_daemon::config::docker_socket;
use windlass_daemon::engine::Source;
use windlass_daemon::engine::docker::{DockerEngine, DockerSettings};
use windlass_daemon::plan::AttemptPlan;

use crate::plans::{plan, source};

const APPLETS: [&str; 24] = [
    "cat",
    "dd",
    "echo",
    "env",
    "false",
    "grep",
    "head",
    "hostname",
    "id",
    "ip",
    "ls",
    "mkdir",
    "mount",
    "nc",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "tail",
    "tr",
    "touch",
    "true",
    "wc",
    "yes",
];

/// How many stories use what they share.
static USERS: Mutex<usize> = Mutex::new(0);

fn users() -> MutexGuard<'static, usize> {
    USERS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn namespace() -> String {
    format!("windlass-test-{}", std::process::id())
}

fn image() -> String {
    format!("{}-box:1", namespace())
}

/// One story's engine; removes what the story made when it ends, also when it fails.
pub(crate) struct Host {
    pub(crate) home: TempDir,
    pub(crate) settings: DockerSettings,
    pub(crate) engine: DockerEngine,
    pub(crate) source: Source,
    pub(crate) docker: Docker,
}

impl Host {
    pub(crate) async fn new(owner: &str) -> Self {
        Self::with(owner, |_| {}).await
    }

    pub(crate) async fn with(owner: &str, change: impl FnOnce(&mut DockerSettings)) -> Self {
        *users() += 1;
        let home = tempfile::tempdir().expect("a temporary folder");
        let executable = PathBuf::from(env!("CARGO_BIN_EXE_windlassd"));
        let owner = format!("{owner}-{}", std::process::id());
        let mut settings = DockerSettings::new(docker_socket(), executable, home.path().join("jobs"), &owner);
        settings.namespace = namespace();
        change(&mut settings);
        let engine = DockerEngine::connect(settings.clone()).await.expect("an engine answers");
        let docker = client(&settings);
        make_image(&docker).await;
        let source = source(home.path());
        Self { home, settings, engine, source, docker }
    }

    pub(crate) fn plan(&self, job: &str, scripts: &[&str]) -> AttemptPlan {
        plan(job, Some(&image()), scripts)
    }

    /// Neither a container nor a folder of a job.
    pub(crate) async fn has_nothing_left(&self) {
        assert_eq!(self.containers().await, []);
        assert_eq!(std::fs::read_dir(self.home.path().join("jobs")).expect("listed").count(), 0);
    }

    /// Everything of the story's that is on the engine.
    pub(crate) async fn containers(&self) -> Vec<ContainerSummary> {
        containers(&self.docker, &self.settings.owner).await
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut users = users();
        *users -= 1;
        let (settings, last) = (self.settings.clone(), *users == 0);
        // A runtime of its own: the story's is at its end. The lock is held until all is gone.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let docker = client(&settings);
                for container in containers(&docker, &settings.owner).await {
                    remove(&docker, &container.id.expect("an id")).await;
                }
                if last {
                    remove_shared(&docker, &namespace()).await;
                }
            });
        });
        cleaner.join().expect("cleaned");
    }
}

pub(crate) fn client(settings: &DockerSettings) -> Docker {
    Docker::connect_with_unix(&settings.socket.to_string_lossy(), 120, bollard::API_DEFAULT_VERSION).expect("a client")
}

pub(crate) async fn containers(docker: &Docker, owner: &str) -> Vec<ContainerSummary> {
    let filters = std::collections::HashMap::from([("label", vec![format!("windlass.owner={owner}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await.expect("listed")
}

pub(crate) async fn remove(docker: &Docker, container: &str) {
    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let _ = docker.remove_container(container, Some(options)).await;
}

pub(crate) async fn networks(docker: &Docker, name: &str) -> Vec<String> {
    let filters = std::collections::HashMap::from([("name", vec![name])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let networks = docker.list_networks(Some(options)).await.expect("listed").into_iter();
    networks.filter(|network| network.name.as_deref() == Some(name)).filter_map(|network| network.id).collect()
}

pub(crate) async fn volumes(docker: &Docker, namespace: &str) -> Vec<String> {
    let filters = std::collections::HashMap::from([("label", vec![format!("windlass.shared={namespace}")])]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let volumes = docker.list_volumes(Some(options)).await.expect("listed").volumes;
    volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect()
}

pub(crate) async fn remove_shared(docker: &Docker, namespace: &str) {
    for network in networks(docker, namespace).await {
        let _ = docker.remove_network(&network).await;
    }
    for volume in volumes(docker, namespace).await {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        let _ = docker.remove_volume(&volume, Some(options)).await;
    }
    let filters = std::collections::HashMap::from([("label", vec![format!("windlass.shared={namespace}")])]);
    let options = ListImagesOptionsBuilder::default().all(true).filters(&filters).build();
    for image in docker.list_images(Some(options)).await.expect("listed") {
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        let _ = docker.remove_image(&image.id, Some(options), None).await;
    }
}

/// An image of the host's static busybox and links to it.
async fn make_image(docker: &Docker) {
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _making = MAKING.lock().await;
    if docker.inspect_image(&image()).await.is_ok() {
        return;
    }
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut archive = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        match link {
            Some(target) => archive.append_link(&mut header, path, target).expect("appended"),
            None => archive.append_data(&mut header, path, content).expect("appended"),
        }
    };
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("run", 0o755), ("tmp", 0o1777)] {
        put(folder, tar::EntryType::Directory, mode, &[], None);
    }
    put("bin/busybox", tar::EntryType::Regular, 0o755, &busybox, None);
    put("etc/passwd", tar::EntryType::Regular, 0o644, b"root:x:0:0:root:/root:/bin/sh\n", None);
    for applet in APPLETS {
        put(&format!("bin/{applet}"), tar::EntryType::Symlink, 0o777, &[], Some("busybox"));
    }
    let body = bollard::body_full(archive.into_inner().expect("ended").into());
    let repository = format!("{}-box", namespace());
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(&repository).tag("1");
    let options =
        options.changes(vec!["ENV PATH=/bin".to_owned(), format!("LABEL windlass.shared={}", namespace())]).build();
    let mut events = std::pin::pin!(docker.create_image(Some(options), Some(body), None));
    while let Some(event) = events.next().await {
        event.expect("imported");
    }
}
