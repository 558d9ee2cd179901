//! Fault scripts against a fake engine on a Unix socket: whatever it does, a job ends in a typed outcome in bounded time, or
//! says why it waits, and leaves nothing. Scheduler, executor, engine, log and database are the real ones.

#[path = "engine_fake/engine.rs"]
mod engine;
#[path = "engine_fake/faults.rs"]
mod faults;
#[path = "engine_fake/http.rs"]
mod http;
#[path = "engine_fake/inside.rs"]
mod inside;
#[path = "engine_common/plans.rs"]
mod plans;
#[path = "engine_fake/presence.rs"]
mod presence;
#[path = "engine_fake/stream.rs"]
mod stream;
#[path = "engine_fake/story.rs"]
mod story;

use futures_util::StreamExt as _;
use serde_json::json;
use windlass_daemon::engine::TroubleKind::{Away, Fault as Faulty, Late, Nonsense, RateLimit, Registry};
use windlass_daemon::logs::LogStore;
use windlass_daemon::plan::Pull;
use windlass_protocol::view::Outcome::{Broken, Cancelled, Failed, OutOfMemory};

use engine::DIGEST;
use faults::{Call, Fault, always, once, though_done};
use inside::{Act, ended, output, ready, report, started};
use story::{Meanwhile, Script};

/// Scripts at once: most of their time they wait.
const AT_ONCE: usize = 8;

async fn play(scripts: Vec<Script>) {
    let all = scripts.len();
    let played = futures_util::stream::iter(scripts)
        .map(|script| async move { script.play().await.map_err(|why| format!("{}: {why}", script.name)) })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    let failed: Vec<_> = played.await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} of {all} scripts:\n{}", failed.len(), failed.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_good_day_a_job_passes() {
    let real = || Script::new("the real runner", vec![]).acts(vec![Act::Runner]);
    play(vec![
        Script::new("played frames", vec![]).logs("hello\n"),
        Script::new("played frames over standard output", vec![]).over_stdout().logs("hello\n"),
        real().runs("echo from a real runner").logs("from a real runner\n"),
        real().runs("echo from a real runner").over_stdout().logs("from a real runner\n"),
        real().runs("exit 7").ends(Failed, "exit code 7"),
        real().runs("echo up; sleep 600").meanwhile(Meanwhile::Cancel { force: false }).ends(Cancelled, "by ann"),
        Script::new("an image that has to be pulled", vec![])
            .pulls(vec![json!({ "id": "aa", "status": "Downloading", "progressDetail": { "current": 1, "total": 2 } })])
            .logs(DIGEST),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_cannot_be_known_is_waited_for() {
    let info = |name, fault| Script::new(name, vec![always(Call::Info, fault)]);
    let in_place = |name, make| Script::new(name, vec![]).in_place(make);
    play(vec![
        info("it says nothing of itself", Fault::Hang).waits("no answer within"),
        Script::new("it hangs at its version", vec![always(Call::Version, Fault::Hang)]).waits("no answer within"),
        info("it has a fault", Fault::Say(500, "the daemon is shutting down")).waits("shutting down"),
        info("it hangs up", Fault::ResetAtOnce).waits("could not be asked"),
        info("it hangs up inside of a header", Fault::ResetInHead).waits("could not be asked"),
        info("it hangs up inside of a body", Fault::ResetInBody).waits("could not be asked"),
        info("half of what it says", Fault::HalfJson).waits("no container engine"),
        info("words where numbers go", Fault::Body("{\"NCPU\": \"four\"}")).waits("makes no sense"),
        info("what it says never ends", Fault::Endless).waits("makes no sense"),
        info("it is no engine", Fault::Body("<html>Welcome to nginx</html>")).waits("makes no sense"),
        Script::new("it is too old", vec![always(Call::Version, Fault::Body("{\"ApiVersion\": \"1.24\"}"))])
            .waits("speaks version 1.24 of Docker's API, and 1.40 is needed"),
        in_place("nothing is there", |_| {}).waits("engine.sock"),
        in_place("a folder is there", |socket| std::fs::create_dir(socket).expect("made")).waits("engine.sock"),
        in_place("a file is there", |socket| std::fs::write(socket, "").expect("written")).waits("engine.sock"),
        in_place("nobody listens any more", |socket| drop(std::os::unix::net::UnixListener::bind(socket)))
            .waits("engine.sock"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_before_there_is_a_container() {
    let at = |name, call, fault| Script::new(name, vec![always(call, fault)]);
    let done = |name, call, fault| Script::new(name, vec![though_done(call, fault)]);
    play(vec![
        at("the network hangs", Call::Network, Fault::Hang).lost(Late, "no answer within"),
        at("the volume cannot be made", Call::Volume, Fault::Say(500, "no space left on device"))
            .lost(windlass_daemon::engine::TroubleKind::Full, "no space left"),
        at("helper containers hang", Call::Helper, Fault::Hang).lost(Late, "no answer within"),
        at("the image hangs", Call::Image, Fault::Hang).lost(Late, "looking at an image"),
        at("the image is a fault", Call::Image, Fault::Say(500, "layer store is locked")).lost(Faulty, "layer store"),
        at("the image breaks off in a header", Call::Image, Fault::ResetInHead).lost(Away, "could not be asked"),
        at("the image breaks off in its body", Call::Image, Fault::ResetInBody).lost(Away, "could not be asked"),
        at("half an image", Call::Image, Fault::HalfJson).lost(Away, "looking at an image"),
        at("the image is a list", Call::Image, Fault::Body("[1]")).lost(Nonsense, "makes no sense"),
        at("an image without end", Call::Image, Fault::Endless).lost(Nonsense, "longer than 64 MiB"),
        at("no such thing as that image", Call::Image, Fault::Say(400, "invalid reference format"))
            .ends(Broken, "invalid reference format"),
        at("creating hangs", Call::Create, Fault::Hang).lost(Late, "creating a container"),
        at("creating is a fault", Call::Create, Fault::Say(500, "devmapper: out of metadata")).lost(Faulty, "metadata"),
        at("creating is refused", Call::Create, Fault::Say(400, "bad capability")).ends(Broken, "bad capability"),
        at("the image went meanwhile", Call::Create, Fault::Say(404, "No such image: busybox:1"))
            .lost(Faulty, "No such image"),
        done("made, and no answer", Call::Create, Fault::Hang).lost(Late, "creating a container"),
        done("made, and hung up", Call::Create, Fault::ResetAtOnce).lost(Away, "creating a container"),
        done("half of the answer", Call::Create, Fault::HalfJson).lost(Away, "creating a container"),
        at("the name is taken by nobody", Call::Create, Fault::Say(409, "name is in use")).lost(None, "is gone"),
        done("the name is taken by ours", Call::Create, Fault::Say(409, "name is in use")),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulls_that_go_wrong() {
    let downloading = || json!({ "id": "aa", "status": "Downloading", "progressDetail": { "current": 5, "total": 9 } });
    let pulls =
        |name, fault| Script::new(name, vec![always(Call::Pull, fault)]).pulls(vec![downloading(), downloading()]);
    let fails = |name, words: &str| {
        let error = json!({ "errorDetail": { "message": words }, "error": words });
        Script::new(name, vec![]).pulls(vec![downloading(), error])
    };
    play(vec![
        Script::new("nobody may pull it", vec![]).pulls(vec![]).pull(Pull::Never).ends(Broken, "`pull: never`"),
        pulls("no such image", Fault::Say(404, "manifest unknown")).ends(Broken, "check its name and tag"),
        pulls("not for us", Fault::Say(500, "unauthorized: authentication required")).ends(Broken, "log the engine in"),
        pulls(
            "the registry has a fault",
            Fault::Say(500, "received unexpected HTTP status: 500 Internal Server Error"),
        )
        .lost(Registry, "could not be pulled just now"),
        pulls("too many", Fault::Say(429, "toomanyrequests: slow down")).lost(RateLimit, "slow down"),
        pulls("it hangs", Fault::Hang).lost(Late, "no progress"),
        pulls("it stands still", Fault::StallAfter(100)).lost(Late, "no progress"),
        pulls("it breaks off", Fault::BreakAfter(100)).lost(Away, "pulling"),
        pulls("it ends in the middle of a line", Fault::EndAfter(100)).lost(Away, "pulling"),
        pulls("it is no progress", Fault::Body("[[[")).lost(Nonsense, "makes no sense"),
        fails("an error in the stream", "manifest for app:2 not found: manifest unknown")
            .ends(Broken, "check its name"),
        fails("a broken way in the stream", "read tcp: connection reset by peer").lost(Registry, "reset by peer"),
        Script::new("pulled, and not there", vec![always(Call::Image, Fault::Say(404, "No such image"))])
            .pulls(vec![downloading()])
            .lost(Faulty, "although it was pulled"),
    ])
    .await;
}

/// Whatever it would write to such a log, nobody would see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_whose_log_cannot_be_written() {
    play(vec![
        Script::new("it was finished before", vec![])
            .after(|logs, id| {
                let logs = LogStore::open(logs).expect("a folder");
                logs.writer(id).expect("a writer").finish(1).expect("finished");
            })
            .lost(None, "the daemon stopped while recording its end"),
        Script::new("its folder cannot be made", vec![])
            .after(|logs, id| std::fs::write(logs.join(id.build.to_string()), "no folder").expect("written"))
            .lost(None, "its log cannot be opened"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_as_it_is_started() {
    let at = |name, call, fault| Script::new(name, vec![always(call, fault)]);
    let cut = vec![Act::Feed, Act::Exit(64)];
    play(vec![
        at("attaching hangs", Call::Attach, Fault::Hang).lost(Late, "attaching to a container"),
        at("attaching is a fault", Call::Attach, Fault::Say(500, "no pipes left")).lost(Faulty, "no pipes left"),
        at("attaching breaks off", Call::Attach, Fault::ResetInHead).lost(Away, "attaching to a container"),
        at("gone after it was made", Call::Attach, Fault::Vanish).lost(None, "is gone"),
        at("it takes half of the plan", Call::Attach, Fault::BreakAfter(100))
            .acts(cut.clone())
            .lost(None, "plan and source"),
        at("it takes the plan and gives it to nobody", Call::Attach, Fault::StallAfter(0))
            .acts(vec![Act::Kill, Act::Exit(137)])
            .lost(None, "never said"),
        at("it cannot be looked at", Call::Inspect, Fault::Hang).lost(Late, "inspecting a container"),
        at("half of what it looks like", Call::Inspect, Fault::HalfJson).lost(Away, "inspecting a container"),
        at("it looks like a list", Call::Inspect, Fault::Body("[]")).lost(Nonsense, "makes no sense"),
        Script::new(
            "it is privileged",
            vec![once(
                Call::Inspect,
                Fault::Change(|seen| {
                    seen["HostConfig"]["Privileged"] = json!(true);
                }),
            )],
        )
        .lost(Nonsense, "privileged is true instead of false"),
        Script::new(
            "the engine's socket is mounted",
            vec![once(
                Call::Inspect,
                Fault::Change(|seen| {
                    let mounts = seen["Mounts"].as_array_mut().expect("a list");
                    mounts.push(json!({ "Type": "bind", "Destination": "/var/run/docker.sock", "RW": true }));
                }),
            )],
        )
        .lost(Nonsense, "what is mounted is"),
        Script::new(
            "it was started before",
            vec![once(
                Call::Inspect,
                Fault::Change(|seen| {
                    seen["State"]["Status"] = json!("running");
                }),
            )],
        )
        .lost(Faulty, "was started before"),
        at("starting hangs", Call::Start, Fault::Hang).lost(Late, "starting a container"),
        at("starting is a fault", Call::Start, Fault::Say(500, "driver failed programming external connectivity"))
            .lost(Faulty, "driver failed"),
        at("its network is gone", Call::Start, Fault::Say(404, "network net1 not found"))
            .lost(Faulty, "net1 not found"),
        at("gone as it is started", Call::Start, Fault::Vanish).lost(None, "is gone"),
        at("its image cannot be started", Call::Start, Fault::Say(400, "OCI runtime: not a directory"))
            .ends(Broken, "not a directory"),
        at("the runner is not there", Call::Start, Fault::Say(400, "OCI runtime: exec: \"/windlass/windlassd\": stat"))
            .lost(Faulty, "OCI runtime"),
        Script::new("started, and hung up", vec![though_done(Call::Start, Fault::ResetAtOnce)])
            .acts(cut)
            .lost(Away, "starting a container"),
    ])
    .await;
}

/// A job that has written `up` and stays.
fn up(then: Vec<Act>) -> Vec<Act> {
    [vec![Act::Feed, ready(), started(), output("up\n")], then].concat()
}

/// … and ends well once it may go on.
fn up_and_on() -> Vec<Act> {
    up(vec![Act::Gate, output("after\n"), ended(0), report(0, "up\nafter\n"), Act::Exit(0)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_while_it_runs() {
    let at = |name, call, fault| Script::new(name, vec![always(call, fault)]);
    let seen = |name, fault, times| {
        // The first look is at what was made.
        Script::new(name, vec![faults::Rule { from: 2, times, ..always(Call::Inspect, fault) }])
    };
    let running = Fault::Change(|seen| seen["State"]["Status"] = json!("running"));
    let no_report = || up(vec![Act::Exit(0)]);
    play(vec![
        at("waiting hangs", Call::Wait, Fault::Hang).logs("hello\n"),
        at("waiting is a fault", Call::Wait, Fault::Say(500, "no")).logs("hello\n"),
        at("waiting breaks off", Call::Wait, Fault::ResetAtOnce).logs("hello\n"),
        at("waiting ends at once", Call::Wait, Fault::EndAfter(0)).logs("hello\n"),
        at("half of how it ended", Call::Wait, Fault::EndAfter(5)).logs("hello\n"),
        at("another exit code than it has", Call::Wait, Fault::Change(|said| said["StatusCode"] = json!(99))),
        seen("it has ended and runs", running, usize::MAX).logs("hello\n"),
        seen("looking fails for a while", Fault::Say(500, "busy"), 4).logs("hello\n"),
        seen("looking breaks off for a while", Fault::ResetInBody, 4).logs("hello\n"),
        seen("nobody can look, but the runner said it all", Fault::Hang, usize::MAX).logs("hello\n"),
        seen("nobody can look", Fault::Hang, usize::MAX).acts(no_report()).lost(Late, "nobody could see it end"),
        seen("looking is a fault", Fault::Say(500, "busy"), usize::MAX).acts(no_report()).lost(Faulty, "busy"),
        seen("it is gone while it runs", Fault::Vanish, usize::MAX).acts(up(vec![Act::Gate])).lost(None, "went away"),
        Script::new("the engine restarts", vec![]).acts(up_and_on()).meanwhile(Meanwhile::Restart).logs("after\n"),
        Script::new("the engine restarts, frames over standard output", vec![])
            .acts(up_and_on())
            .over_stdout()
            .meanwhile(Meanwhile::Restart)
            .logs("after\n"),
        Script::new("it runs for ever", vec![])
            .acts(up(vec![Act::Undying]))
            .timeout_ms(300)
            .lost(None, "after its KILL"),
        Script::new("it runs for ever after its last word", vec![])
            .acts(up(vec![ended(0), report(0, "up\n"), Act::Undying]))
            .logs("up\n"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_that_go_wrong() {
    let cancelled =
        |name, rules, acts| Script::new(name, rules).acts(up(acts)).meanwhile(Meanwhile::Cancel { force: true });
    let dies = || vec![Act::Kill, Act::Exit(137)];
    play(vec![
        cancelled("it obeys the KILL only", vec![], dies()).ends(Cancelled, "by ann"),
        cancelled(
            "telling it fails at first",
            vec![faults::Rule { times: 3, ..always(Call::Kill, Fault::Say(500, "did not receive an exit event")) }],
            dies(),
        )
        .ends(Cancelled, "by ann"),
        cancelled("nothing kills it", vec![], vec![Act::Undying])
            .lost_for_good("cancelled by ann, but nobody could see"),
        cancelled(
            "killing it is a fault",
            vec![always(Call::Kill, Fault::Say(500, "did not receive an exit event"))],
            dies(),
        )
        .lost_for_good("cancelled by ann, but nobody could see"),
        cancelled(
            "killing it and waiting hang",
            vec![always(Call::Kill, Fault::Hang), always(Call::Wait, Fault::Hang)],
            dies(),
        )
        .lost_for_good("after its KILL"),
        Script::new("nothing kills it gently", vec![])
            .acts(up(vec![Act::Undying]))
            .meanwhile(Meanwhile::Cancel { force: false })
            .lost_for_good("after its KILL"),
        // The log goes on while the engine does not answer to a stop: it ends long before that is given up.
        Script::new("a stop that hangs holds nothing up", vec![always(Call::Kill, Fault::Hang)])
            .deadlines(|deadlines| deadlines.quick = std::time::Duration::from_secs(40))
            .acts(up_and_on())
            .meanwhile(Meanwhile::CancelAndGoOn)
            .within(20)
            .logs("after\n"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_go_wrong() {
    let plain = |name, acts| Script::new(name, vec![]).acts(acts);
    let logs = |name, fault| Script::new(name, vec![fault]).over_stdout().logs("hello\n");
    let garbled = |name, acts: Vec<Act>| plain(name, up([acts, vec![Act::Kill, Act::Exit(137)]].concat()));
    let first = |fault| once(Call::Logs, fault);
    let gap = || vec![Act::Gap, output("after\n"), Act::Kill, Act::Exit(137)];
    play(vec![
        plain("killed for memory", up(vec![Act::OutOfMemory, Act::Exit(137)])).ends(OutOfMemory, "for memory"),
        plain("no last word", up(vec![Act::Exit(0)])).lost(None, "without a last word").logs("up\n"),
        plain("half a last word", up(vec![Act::HalfFrame, Act::Exit(137)]))
            .lost(None, "without a last word")
            .logs("up\n"),
        plain("passed, but its end was not clean", up(vec![ended(0), report(0, "up\n"), Act::Exit(1)]))
            .lost(None, "the end was not clean"),
        plain("failed, whatever its exit code", up(vec![ended(3), report(3, "up\n"), Act::Exit(0)]))
            .ends(Failed, "code 3"),
        plain("it says that it wrote more than came", up(vec![ended(0), report(0, "up\nand more\n"), Act::Exit(0)]))
            .passes_inexactly(),
        garbled("garbage", vec![Act::Bytes(b"garbage")]).ends(Broken, "cannot be read").logs("up\n"),
        garbled("garbage on standard output", vec![Act::Bytes(b"%%%\n")])
            .over_stdout()
            .ends(Broken, "cannot be read")
            .logs("up\n"),
        plain("a frame is missing", up(gap())).ends(Broken, "cannot be read"),
        plain("a frame is missing on standard output", up(vec![Act::Gap, output("after\n"), Act::Exit(0)]))
            .over_stdout()
            .ends(Broken, "cannot be read"),
        plain("everything comes twice", up(vec![Act::Repeat, ended(0), Act::Repeat, report(0, "up\n"), Act::Exit(0)]))
            .over_stdout()
            .logs("up\n"),
        logs("in odd pieces", always(Call::Logs, Fault::Pieces(7))),
        logs("byte by byte", always(Call::Logs, Fault::Pieces(1))),
        logs("the stream ends early", first(Fault::EndAfter(150))),
        logs("the stream ends at once", first(Fault::EndAfter(0))),
        logs("the stream breaks off", first(Fault::BreakAfter(150))),
        logs("the stream stands still", first(Fault::StallAfter(150))),
        logs("the stream hangs", first(Fault::Hang)),
        logs("no stream at first", first(Fault::Say(500, "busy"))),
        logs("never any stream", always(Call::Logs, Fault::Say(500, "busy")))
            .logs("")
            .lost(Faulty, "could not be read"),
        logs("streams hang", always(Call::Logs, Fault::Hang)).logs("").lost(Late, "could not be read"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_removed_changes_no_outcome() {
    let at = |name, fault| Script::new(name, vec![always(Call::Remove, fault)]).logs("hello\n");
    play(vec![
        at("removing hangs", Fault::Hang),
        at("removing is a fault", Fault::Say(500, "device or resource busy")),
        at("it is being removed", Fault::Say(409, "removal is already in progress")),
        at("removing breaks off", Fault::ResetAtOnce),
        at("it was removed already", Fault::Vanish),
        at("removed, and still there", Fault::Say(204, "")),
    ])
    .await;
}
