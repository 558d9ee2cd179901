//! What a job's container looks like: the request for it, and whether the engine really made what was asked for. Pure;
//! must not call the engine.
//!
//! A job runs as the container's root, whatever user its image names: the checkout and the frame file have to be
//! writable, and package managers need it. That root is small. It has [`CAPABILITIES`], may gain none by executing
//! something, sees no device and no process of the host, and reaches neither other jobs' containers nor the engine.
//! Over the bridge it does reach what listens on the host's own addresses other than loopback: the control listener is
//! a Unix socket or on loopback by default and so out of reach; one that is bound to other addresses is guarded by its
//! tokens alone. That containers on the bridge cannot reach each other is the work of the engine's packet filter: it
//! does not hold where the engine was told to leave that filter alone.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountPoint,
    MountType, MountVolumeOptions, RestartPolicy, RestartPolicyNameEnum,
};
use windlass_protocol::id::AttemptId;

use crate::plan::{Network, Resources};

/// Where the runner's volume is mounted.
pub(super) const RUNNER_FOLDER: &str = "/windlass";
pub(super) const RUNNER: &str = "/windlass/windlassd";
/// The frame file as the runner sees it.
pub(super) const FRAMES: &str = "/run/windlass/frames";
/// The checkout, and where steps start.
pub(in crate::engine) const WORKSPACE: &str = "/workspace";

pub(super) const OWNER_LABEL: &str = "windlass.owner";
pub(super) const ATTEMPT_LABEL: &str = "windlass.attempt";
const BUILD_LABEL: &str = "windlass.build";
const JOB_LABEL: &str = "windlass.job";

/// What `apt-get install`, `pip`, `su` and ordinary builds need, and nothing that reaches beyond the container:
/// * CHOWN, DAC_OVERRIDE, FOWNER, FSETID: files of other users inside of the container, as package managers unpack them;
/// * SETGID, SETUID: `apt-get` downloads as its own user, database servers leave root;
/// * KILL: stopping what runs as those users;
/// * NET_BIND_SERVICE: test servers on ports below 1024, in the container's own network.
///
/// Docker's own default has six more, left out: MKNOD (devices), NET_RAW (forged packets on the shared bridge),
/// SETFCAP and SETPCAP (capabilities for others), SYS_CHROOT, AUDIT_WRITE.
pub(super) const CAPABILITIES: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

/// A log that is never rotated: what rotation drops would be lost to whoever follows it.
const LOG_SIZE: &str = "1000g";

/// How much a job may use. `None`: the engine's or the kernel's own bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory without swap on top.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    pub pids: Option<u64>,
}

/// Everything that decides what a container looks like.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub id: &'a AttemptId,
    pub owner: &'a str,
    pub image: &'a str,
    /// The volume with the runner.
    pub runner: &'a str,
    pub network: Network,
    /// The bridge's id.
    pub bridge: &'a str,
    /// The frame file on the host; `None`: frames go to standard output.
    pub frames: Option<&'a Path>,
    pub limits: Limits,
    /// Granted by the operator, on top of [`CAPABILITIES`].
    pub capabilities: &'a [String],
}

impl Limits {
    /// What applies to a job: what it asks for, else what `self` says, or the words for why it asks for too much.
    pub(super) fn applied(&self, asked: &Resources, most: &Limits) -> Result<Limits, String> {
        let one = |asked: Option<u64>, default: Option<u64>, most: Option<u64>, what: &str| match (asked, most) {
            (Some(asked), Some(most)) if asked > most => {
                Err(format!("the job asks for {asked} {what}, but a job here gets at most {most}"))
            }
            (asked, most) => Ok(asked.or_else(|| default.into_iter().chain(most).min())),
        };
        Ok(Limits {
            memory_bytes: one(asked.memory_bytes, self.memory_bytes, most.memory_bytes, "bytes of memory")?,
            cpu_millis: one(asked.cpu_millis, self.cpu_millis, most.cpu_millis, "thousandths of a core")?,
            pids: one(asked.pids, self.pids, most.pids, "processes")?,
        })
    }
}

/// The request that makes the container.
pub(super) fn body(shape: &Shape<'_>) -> ContainerCreateBody {
    let text = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let memory = shape.limits.memory_bytes.map(signed);
    let log = match shape.frames {
        Some(_) => HostConfigLogConfig { typ: Some("none".to_owned()), config: None },
        None => HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(labels([("max-size", LOG_SIZE), ("max-file", "1")])),
        },
    };
    let mut mounts = vec![Mount {
        typ: Some(MountType::VOLUME),
        source: Some(shape.runner.to_owned()),
        target: Some(RUNNER_FOLDER.to_owned()),
        read_only: Some(true),
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..Mount::default()
    }];
    // The file, not its folder: the job can then neither replace it by a link nor put something beside it.
    mounts.extend(shape.frames.map(|frames| Mount {
        typ: Some(MountType::BIND),
        source: Some(frames.to_string_lossy().into_owned()),
        target: Some(FRAMES.to_owned()),
        ..Mount::default()
    }));
    let mut capabilities = text(&CAPABILITIES);
    capabilities.extend(shape.capabilities.iter().cloned());
    ContainerCreateBody {
        image: Some(shape.image.to_owned()),
        user: Some("0:0".to_owned()),
        entrypoint: Some(text(&[RUNNER, "runner"])),
        cmd: Some(Vec::new()),
        working_dir: Some(WORKSPACE.to_owned()),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        tty: Some(false),
        // An image's health check would be a process that nobody asked for.
        healthcheck: Some(HealthConfig { test: Some(text(&["NONE"])), ..HealthConfig::default() }),
        stop_signal: Some("SIGTERM".to_owned()),
        labels: Some(labels([
            (OWNER_LABEL, shape.owner),
            (ATTEMPT_LABEL, &shape.id.to_string()),
            (BUILD_LABEL, &shape.id.build.to_string()),
            (JOB_LABEL, &shape.id.job),
        ])),
        host_config: Some(HostConfig {
            mounts: Some(mounts),
            network_mode: Some(match shape.network {
                Network::Bridge => shape.bridge.to_owned(),
                Network::None => "none".to_owned(),
            }),
            cap_drop: Some(text(&["ALL"])),
            cap_add: Some(capabilities),
            security_opt: Some(text(&["no-new-privileges"])),
            privileged: Some(false),
            ipc_mode: Some("private".to_owned()),
            memory,
            // Memory and swap together: no swap.
            memory_swap: memory,
            nano_cpus: shape.limits.cpu_millis.map(|millis| signed(millis.saturating_mul(1_000_000))),
            pids_limit: shape.limits.pids.map(signed),
            log_config: Some(log),
            init: Some(false), // the runner reaps
            auto_remove: Some(false),
            restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// What the engine made otherwise than it was asked to: one phrase each.
pub(super) fn differences(asked: &ContainerCreateBody, made: &ContainerInspectResponse) -> Vec<String> {
    let none = HostConfig::default();
    let want = asked.host_config.as_ref().unwrap_or(&none);
    let Some(have) = &made.host_config else { return vec!["it tells nothing of the container".to_owned()] };
    let mut found = Vec::new();
    let mut check = |what: &str, want: String, have: String| {
        if want != have {
            found.push(format!("{what} is {have} instead of {want}"));
        }
    };
    let number =
        |value: Option<i64>| value.filter(|value| *value > 0).map_or("unlimited".to_owned(), |v| v.to_string());
    check("memory", number(want.memory), number(have.memory));
    check("memory with swap", number(want.memory_swap), number(have.memory_swap));
    check("cpu", number(want.nano_cpus), number(have.nano_cpus));
    check("the limit of processes", number(want.pids_limit), number(have.pids_limit));
    let flag = |value: Option<bool>| value.unwrap_or(false).to_string();
    check("privileged", flag(want.privileged), flag(have.privileged));
    check("publishing all ports", flag(None), flag(have.publish_all_ports));
    let word = |value: &Option<String>| format!("{:?}", value.as_deref().unwrap_or_default());
    check("the network", word(&want.network_mode), word(&have.network_mode));
    check("the process namespace", word(&None), word(&have.pid_mode));
    check("the host name's namespace", word(&None), word(&have.uts_mode));
    check("the user namespace", word(&None), word(&have.userns_mode));
    check("the namespace for shared memory", word(&want.ipc_mode), word(&have.ipc_mode));
    check("the runtime's parent group", word(&None), word(&have.cgroup_parent));
    check("dropped capabilities", set(&want.cap_drop), set(&have.cap_drop));
    check("added capabilities", set(&want.cap_add), set(&have.cap_add));
    check("security options", set(&want.security_opt), set(&have.security_opt));
    check("binds", set(&None), set(&have.binds));
    check("volumes from others", set(&None), set(&have.volumes_from));
    check("devices", "0".to_owned(), have.devices.as_ref().map_or(0, Vec::len).to_string());
    let log = |config: &Option<HostConfigLogConfig>| word(&config.as_ref().and_then(|config| config.typ.clone()));
    check("the log", log(&want.log_config), log(&have.log_config));
    let user = made.config.as_ref().map_or(&None, |config| &config.user);
    check("the user", word(&asked.user), word(user));

    let wanted = want.mounts.as_deref().unwrap_or_default();
    let point = |point: &MountPoint| {
        let writable = if point.rw == Some(true) { "writable" } else { "read-only" };
        format!("{} {writable}", point.destination.as_deref().unwrap_or_default())
    };
    let mut expected: Vec<_> = wanted
        .iter()
        .map(|mount| {
            let writable = if mount.read_only == Some(true) { "read-only" } else { "writable" };
            format!("{} {writable}", mount.target.as_deref().unwrap_or_default())
        })
        .collect();
    let is_ours = |point: &&MountPoint| wanted.iter().any(|mount| mount.target == point.destination);
    // Volumes that the image itself declares are empty ones of the container's own, removed with it.
    let is_volume = |point: &MountPoint| point.typ.as_deref() == Some("volume");
    let points = made.mounts.as_deref().unwrap_or_default();
    let mut actual: Vec<_> = points.iter().filter(|point| is_ours(point) || !is_volume(point)).map(point).collect();
    expected.sort();
    actual.sort();
    check("what is mounted", expected.join(", "), actual.join(", "));
    found
}

/// A set of words in one order; engines add a prefix to capabilities or not.
fn set(values: &Option<Vec<String>>) -> String {
    let mut values: Vec<_> = values.iter().flatten().map(|value| value.strip_prefix("CAP_").unwrap_or(value)).collect();
    values.sort_unstable();
    format!("[{}]", values.join(" "))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerConfig;

    use super::*;

    fn asked() -> ContainerCreateBody {
        body(&Shape {
            id: &AttemptId { build: 42, job: "test".to_owned(), attempt: 2 },
            owner: "me",
            image: "alpine",
            runner: "windlass-runner-00",
            network: Network::Bridge,
            bridge: "b1",
            frames: Some(Path::new("/jobs/42.2.test/frames")),
            limits: Limits { memory_bytes: Some(1 << 30), cpu_millis: Some(1500), pids: Some(100) },
            capabilities: &[],
        })
    }

    /// As an obedient engine would describe what it made.
    fn made(asked: &ContainerCreateBody) -> ContainerInspectResponse {
        let host = asked.host_config.clone().expect("body sets it");
        let mounts = host.mounts.iter().flatten().map(|mount| MountPoint {
            destination: mount.target.clone(),
            rw: Some(mount.read_only != Some(true)),
            ..MountPoint::default()
        });
        ContainerInspectResponse {
            mounts: Some(mounts.collect()),
            host_config: Some(host),
            config: Some(ContainerConfig { user: asked.user.clone(), ..ContainerConfig::default() }),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn an_obedient_engine_differs_in_nothing() {
        let asked = asked();
        let mut made = made(&asked);
        assert_eq!(differences(&asked, &made), Vec::<String>::new());
        let image_volume = MountPoint {
            typ: Some("volume".to_owned()),
            destination: Some("/var/lib/postgresql".to_owned()),
            rw: Some(true),
            ..MountPoint::default()
        };
        made.mounts.as_mut().expect("set above").push(image_volume);
        assert_eq!(differences(&asked, &made), Vec::<String>::new());
    }

    #[test]
    fn every_weakening_is_seen() {
        type Weaken = fn(&mut HostConfig);
        let table: [(&str, Weaken); 13] = [
            ("memory is unlimited", |host| host.memory = Some(0)),
            ("memory with swap is", |host| host.memory_swap = Some(2 << 30)),
            ("cpu is unlimited", |host| host.nano_cpus = None),
            ("the limit of processes is unlimited", |host| host.pids_limit = Some(-1)),
            ("privileged is true", |host| host.privileged = Some(true)),
            ("the network is \"host\"", |host| host.network_mode = Some("host".to_owned())),
            ("the process namespace is \"host\"", |host| host.pid_mode = Some("host".to_owned())),
            ("the namespace for shared memory", |host| host.ipc_mode = Some("host".to_owned())),
            ("dropped capabilities is []", |host| host.cap_drop = None),
            ("added capabilities", |host| host.cap_add.get_or_insert_default().push("CAP_SYS_ADMIN".to_owned())),
            ("security options is []", |host| host.security_opt = None),
            ("binds is [/:/host]", |host| host.binds = Some(vec!["/:/host".to_owned()])),
            ("devices is 1", |host| host.devices = Some(vec![bollard::models::DeviceMapping::default()])),
        ];
        for (expected, weaken) in table {
            let asked = asked();
            let mut made = made(&asked);
            weaken(made.host_config.as_mut().expect("set above"));
            let found = differences(&asked, &made);
            assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:?}");
        }
        let asked = asked();
        let mut made = made(&asked);
        made.mounts.as_mut().expect("set above")[0].rw = Some(true);
        assert_eq!(differences(&asked, &made).len(), 1, "a writable runner volume is seen");
        made.mounts.as_mut().expect("set above")[0] = MountPoint {
            typ: Some("bind".to_owned()),
            destination: Some("/var/run/docker.sock".to_owned()),
            ..MountPoint::default()
        };
        assert_eq!(differences(&asked, &made).len(), 1, "a mount that nobody asked for is seen");
    }

    #[test]
    fn a_job_gets_what_it_asks_for_within_bounds() {
        let defaults = Limits { memory_bytes: Some(4), cpu_millis: None, pids: Some(9) };
        let most = Limits { memory_bytes: Some(8), cpu_millis: Some(2000), pids: Some(5) };
        let asked = |memory_bytes| Resources { memory_bytes, ..Resources::default() };
        let applied = defaults.applied(&asked(None), &most).expect("within bounds");
        assert_eq!(applied, Limits { memory_bytes: Some(4), cpu_millis: Some(2000), pids: Some(5) });
        assert_eq!(defaults.applied(&asked(Some(8)), &most).expect("within bounds").memory_bytes, Some(8));
        let refusal = defaults.applied(&asked(Some(9)), &most).expect_err("too much");
        assert_eq!(refusal, "the job asks for 9 bytes of memory, but a job here gets at most 8");
    }
}
