//! Files that jobs left, listed and got by the real executable from a daemon over a real socket: whole, exactly, and nowhere
//! but where they belong.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the stage")]
mod stage;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use fake::NOW;
use stage::{Stage, text};
use windlass_protocol::live::Request;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;

/// Three megabytes and a few bytes, no two pieces alike.
fn large() -> Vec<u8> {
    (0..3_000_017u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A finished build: `test` left a large file, a small one and an empty one, `docs` another at the same place.
fn left(stage: &Stage) -> u64 {
    stage.fake.change(|world| {
        let jobs: [(&str, &[&str], &[&str]); 2] = [("test", &[], &["go"]), ("docs (html)", &[], &["go"])];
        let number = world.push("acme/app", "main", "Keep it", &jobs);
        for (job, ..) in jobs {
            world.start_step(number, job, 0);
            world.end_step(number, job, 0, 0);
            world.end_job(number, job, Outcome::Passed, "");
        }
        let files: [(&str, &[u8]); 3] =
            [("dist/app.tar.gz", &large()), ("dist/notes \u{202e}.txt", b"notes"), ("empty", b"")];
        world.left(number, "test", &files, &["cache/**: left out, more than 256 MiB"]);
        number
    })
}

async fn artifacts(stage: &Stage, args: &[&str]) -> Output {
    stage.run(&[&["artifacts"], args].concat()).await
}

/// What lies in a folder, with what is in it.
fn listed(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("below it").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn they_are_listed_with_what_could_not_be_kept() {
    let stage = Stage::new();
    let number = left(&stage);
    let address = number.to_string();
    let all = artifacts(&stage, &[&address]).await;
    let told = text(&all.stdout);
    assert_eq!(all.status.code(), Some(0), "{all:?}");
    for part in
        ["build 1  3 files, 3000 kB", "3000 kB  ", "  test  dist/app.tar.gz\n", "  test  dist/notes <U+202E>.txt\n"]
    {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert!(told.ends_with("  test: cache/**: left out, more than 256 MiB\n"), "{told}");
    let some = artifacts(&stage, &[&format!("{number}/test"), "dist/*.gz"]).await;
    assert_eq!(text(&some.stdout).lines().count(), 3, "{some:?}");
    let json = artifacts(&stage, &[&address, "--json", "empty"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(
        (json["artifacts"][0]["path"].as_str(), json["artifacts"][1].is_null()),
        (Some("empty"), true),
        "{json}"
    );
    let shown = text(&stage.run(&["show", &address]).await.stdout);
    assert!(shown.contains("\n  artifacts: 3 files, 3000 kB: windlass artifacts 1\n"), "{shown}");
    assert!(shown.contains("left 3 files, 3000 kB") && shown.contains("not kept: cache/**: left out"), "{shown}");
    let watched = text(&stage.run(&["watch", &address]).await.stdout);
    assert!(watched.ends_with("artifacts: 3 files, 3000 kB: windlass artifacts 1\n"), "{watched}");
    stage.fake.change(|world| world.remove_files(number, Timestamp(NOW.0 - 7_200_000)));
    let removed = artifacts(&stage, &[&address]).await;
    assert!(text(&removed.stdout).contains("dist/app.tar.gz  (removed 2h ago)"), "{removed:?}");
    let out = artifacts(&stage, &[&address, "empty", "-o", "out"]).await;
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("empty of test is left out: it was removed 2h ago to make room"), "{out:?}");
}

#[tokio::test]
async fn bytes_are_exact_and_stand_where_they_stood() {
    let stage = Stage::new();
    let number = left(&stage);
    let out = stage.folder.path().join("out");
    let place = out.to_string_lossy().into_owned();
    let got = artifacts(&stage, &[&number.to_string(), "-o", &place]).await;
    assert_eq!(got.status.code(), Some(0), "{got:?}");
    assert_eq!(listed(&out), ["dist/app.tar.gz", "dist/notes \u{202e}.txt", "empty"]);
    assert!(std::fs::read(out.join("dist/app.tar.gz")).expect("there") == large(), "exactly");
    assert!(!text(&got.stdout).contains('\u{202e}'), "{got:?}");
    let mode = out.join("empty").metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o111, 0, "nothing is made executable");
    let pieces = stage.fake.change(|world| {
        let pieces = world.asked.iter().filter(|asked| matches!(asked, Request::ReadArtifact { .. }));
        pieces.count()
    });
    assert_eq!(pieces, 4, "three of the large file, one of the small one, none of the empty one");
    // What is there already with the same bytes is fine, and is not asked for again.
    let again = artifacts(&stage, &[&number.to_string(), "-o", &place, "--json"]).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(json["saved"].as_array().map(Vec::len), Some(3), "{json}");
    assert_eq!(json["saved"][0]["file"].as_str(), Some(format!("{place}/dist/app.tar.gz").as_str()));
    // One to standard output.
    let printed = artifacts(&stage, &[&format!("{number}/test"), "**/*.gz", "-o", "-"]).await;
    assert!(printed.stdout == large() && printed.status.code() == Some(0));
    let many = artifacts(&stage, &[&number.to_string(), "-o", "-"]).await;
    assert_eq!(many.status.code(), Some(2));
    assert!(text(&many.stderr).contains("3 files match, and standard output takes one"), "{many:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_gone_on_with() {
    let stage = Stage::new();
    let number = left(&stage);
    let out = stage.folder.path().join("out");
    for nth in 1..=3 {
        stage.fake.change(|world| world.cut_after = Some(nth));
        let place = out.join(nth.to_string());
        let got = artifacts(&stage, &[&number.to_string(), "dist/app.tar.gz", "-o", &place.to_string_lossy()]).await;
        assert_eq!(got.status.code(), Some(0), "{got:?}");
        assert!(std::fs::read(place.join("dist/app.tar.gz")).expect("there") == large(), "exactly");
        assert_eq!(listed(&place), ["dist/app.tar.gz"]);
        stage.fake.change(|world| assert_eq!(world.cut_after, None, "it did break"));
    }
}

#[tokio::test]
async fn what_is_not_what_was_told_is_refused_and_nothing_stays() {
    let stage = Stage::new();
    let number = left(&stage);
    let out = stage.folder.path().join("out");
    let place = out.to_string_lossy().into_owned();
    stage.fake.change(|world| {
        let files = world.artifacts.get_mut(&number).expect("files");
        files[0].bytes[1_500_000] ^= 1;
        files[1].bytes.pop();
    });
    let got = artifacts(&stage, &[&number.to_string(), "-o", &place]).await;
    assert_eq!(got.status.code(), Some(4), "{got:?}");
    let told = text(&got.stderr);
    assert!(told.contains("dist/app.tar.gz of test is left out: its bytes have the SHA-256 "), "{told}");
    assert!(told.contains("is left out: byte 4 is where it ends, and the daemon said 5"), "{told}");
    assert!(text(&got.stdout).ends_with(&format!("1 file, 0 B in {place}, 2 left out\n")), "{got:?}");
    assert_eq!(listed(&out), ["empty"]);
    let printed = artifacts(&stage, &[&number.to_string(), "dist/app.tar.gz", "-o", "-"]).await;
    assert_eq!(printed.status.code(), Some(4), "whoever reads it is told at least");
}

#[tokio::test]
async fn a_file_that_is_there_stays_unless_somebody_insists() {
    let stage = Stage::new();
    let number = left(&stage);
    let out = stage.folder.path().join("out");
    let place = out.to_string_lossy().into_owned();
    std::fs::create_dir_all(out.join("dist")).expect("made");
    std::fs::write(out.join("dist/app.tar.gz"), b"mine").expect("written");
    let get = [&number.to_string(), "dist/app.tar.gz", "empty", "-o", &place];
    let got = artifacts(&stage, &get).await;
    assert_eq!(got.status.code(), Some(1), "{got:?}");
    let words = "dist/app.tar.gz of test is left out: something else has its place already: --force writes over it";
    assert!(text(&got.stderr).contains(words), "{got:?}");
    assert_eq!(std::fs::read(out.join("dist/app.tar.gz")).expect("there"), b"mine");
    assert_eq!(listed(&out), ["dist/app.tar.gz", "empty"]);
    let got = artifacts(&stage, &[&get[..], &["--force"]].concat()).await;
    assert_eq!(got.status.code(), Some(0), "{got:?}");
    assert!(std::fs::read(out.join("dist/app.tar.gz")).expect("there") == large());
}

#[tokio::test]
async fn no_link_and_no_path_of_a_stranger_leads_out_of_the_folder() {
    let stage = Stage::new();
    let number = left(&stage);
    let (out, elsewhere) = (stage.folder.path().join("a/out"), stage.folder.path().join("elsewhere"));
    std::fs::create_dir_all(&out).expect("made");
    std::fs::create_dir(&elsewhere).expect("made");
    std::fs::write(elsewhere.join("file"), b"precious").expect("written");
    symlink(&elsewhere, out.join("dist")).expect("a link");
    symlink(elsewhere.join("file"), out.join("link")).expect("a link");
    let hostile = [
        "../up",
        "/tmp/windlass-absolute",
        "a/../../up",
        "a//b",
        "x\u{1b}]0;evil\u{7}",
        ".git/hooks/post-checkout",
        "link",
    ];
    stage.fake.change(|world| {
        let files: Vec<(&str, &[u8])> = hostile.iter().map(|path| (*path, &b"evil"[..])).collect();
        world.left(number, "docs (html)", &files, &[]);
    });
    let got = artifacts(&stage, &[&number.to_string(), "-o", &out.to_string_lossy()]).await;
    assert_eq!(got.status.code(), Some(1), "{got:?}");
    let told = text(&got.stderr);
    assert_eq!(told.lines().count(), 9, "{told}");
    assert!(told.contains("dist is a link or a file, not a folder") && !told.contains('\u{1b}'), "{told}");
    assert!(told.contains("../up of docs (html) is left out: its path leads out of the folder by .."), "{told}");
    assert_eq!(listed(&out), ["dist", "empty", "link"]);
    assert_eq!(listed(&elsewhere), ["file"]);
    assert_eq!(std::fs::read(elsewhere.join("file")).expect("there"), b"precious");
    assert!(!stage.folder.path().join("a/up").exists() && !stage.folder.path().join("up").exists());
    assert!(!Path::new("/tmp/windlass-absolute").exists());
}

#[tokio::test]
async fn the_same_file_of_two_jobs_stands_in_a_folder_of_each() {
    let stage = Stage::new();
    let number = left(&stage);
    stage.fake.change(|world| world.left(number, "docs (html)", &[("empty", b"not"), ("index.html", b"hello")], &[]));
    let out = stage.folder.path().join("out");
    let got = artifacts(&stage, &[&number.to_string(), "empty", "*.html", "-o", &out.to_string_lossy()]).await;
    assert_eq!(got.status.code(), Some(0), "{got:?}");
    assert_eq!(listed(&out), ["docs__html_/empty", "docs__html_/index.html", "test/empty"]);
    assert_eq!(std::fs::read(out.join("docs__html_/empty")).expect("there"), b"not");
}

#[tokio::test]
async fn who_is_ended_in_the_middle_leaves_no_half_file() {
    let stage = Stage::new();
    let number = left(&stage);
    // The second piece never comes: the daemon says that it cannot just now, again and again.
    stage.fake.change(|world| world.stuck_from = Some(1 << 20));
    for (signal, code) in [(nix::sys::signal::Signal::SIGINT, 130), (nix::sys::signal::Signal::SIGTERM, 130)] {
        let out = stage.folder.path().join(signal.as_str());
        let mut child = stage
            .command(&["artifacts", &number.to_string(), "dist/app.tar.gz", "-o", &out.to_string_lossy()])
            .spawn()
            .expect("it starts");
        let before = stage.fake.change(|world| world.asked.len());
        stage.fake.until("asked again", |world| world.asked.len() > before + 4).await;
        let half = listed(&out);
        assert!(half.len() == 1 && half[0].ends_with(".part"), "{half:?}");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("it is there");
        let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await.expect("it ends");
        assert_eq!(ended.expect("waited for").code(), Some(code));
        assert_eq!(listed(&out), [""; 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_is_said() {
    let stage = Stage::new();
    let number = left(&stage);
    let address = number.to_string();
    let table: [(&[&str], i32, &str); 6] = [
        (
            &[&address, "*.zip", "-o", "out"],
            6,
            "no file of build 1 matches *.zip\nwhich there are: windlass artifacts 1",
        ),
        (&[&address, "dist"], 6, "all that is in a folder: 'dist/**'"),
        (
            &["1/docs (html)", "-o", "out"],
            6,
            "1/docs (html) left no files: `artifacts: [dist/**]` of a job in .windlass.yml",
        ),
        (&["99"], 6, "there is no build 99"),
        (&[&address, "../x"], 2, "\"../x\" is no path of a file"),
        (&["zz"], 2, "names no build: write 42, 42/test or 42/test#2"),
    ];
    for (args, code, words) in table {
        let said = artifacts(&stage, args).await;
        assert_eq!(said.status.code(), Some(code), "{said:?}");
        assert!(text(&said.stderr).contains(words), "{said:?}");
    }
    let half = artifacts(&stage, &[&address, "empty", "*.zip"]).await;
    assert_eq!(half.status.code(), Some(1));
    assert!(text(&half.stderr).contains("windlass: no file matches *.zip"), "{half:?}");
    let none = artifacts(&stage, &["1/docs (html)"]).await;
    assert_eq!(none.status.code(), Some(0));
    assert!(text(&none.stdout).contains("1/docs (html) left no files: `artifacts: [dist/**]`"), "{none:?}");
    stage.fake.change(|world| world.abilities.retain(|name| name != "artifacts"));
    let old = artifacts(&stage, &[&address]).await;
    assert_eq!(old.status.code(), Some(6));
    assert!(text(&old.stderr).contains("this daemon is older than the client and keeps no files of jobs"), "{old:?}");
}

#[tokio::test]
async fn completion_offers_the_files_that_are_there() {
    let stage = Stage::new();
    left(&stage);
    let offered = stage.run(&["complete", "--", "artifacts", "1/test", "-o", "out", "d"]).await;
    assert_eq!(
        text(&offered.stdout),
        "dist/app.tar.gz\t3000 kB\n",
        "a shell would take the other one for more than a word"
    );
    let addresses = stage.run(&["complete", "--", "artifacts", ""]).await;
    assert!(text(&addresses.stdout).starts_with("1\tacme/app main Keep it"), "{addresses:?}");
    let page = text(&stage.run(&["man", "artifacts"]).await.stdout);
    assert!(page.contains("[OPTIONS] ADDRESS [PATTERN]...") && page.contains("\\-\\-output"), "{page}");
}
