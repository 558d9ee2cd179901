//! Which files are meant, and where each of them may stand. Their paths and the names of their jobs are strangers' text: what
//! could lead anywhere else than below the folder that was named is refused, never repaired. Pure; must not know files.

use std::collections::{BTreeMap, BTreeSet};

use windlass_daemon::plan::pattern::{Part, Pattern};
use windlass_protocol::artifact::ArtifactView;

/// What most file systems take.
const LONGEST_PART: usize = 255;
const LONGEST_PATH: usize = 4_096;
/// So many letters of a job's name are in the name of its folder: four bytes each at most, and a number behind them.
const LONGEST_JOB: usize = 60;

/// Exact paths and patterns, as in a spec; without any, everything is meant.
#[derive(Debug)]
pub(crate) struct Wanted(Vec<(String, Pattern)>);

impl Wanted {
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        let one = |text: &String| match Pattern::parse(text) {
            Ok(pattern) => Ok((text.clone(), pattern)),
            Err(error) => Err(format!("{text:?} is no path of a file: {error}")),
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn takes(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|one| takes(one, path))
    }

    /// Those that no path fits.
    pub(crate) fn idle<'a>(&'a self, paths: &[&str]) -> Vec<&'a str> {
        let idle = self.0.iter().filter(|one| !paths.iter().any(|path| takes(one, path)));
        idle.map(|(text, _)| text.as_str()).collect()
    }
}

fn takes((text, pattern): &(String, Pattern), path: &str) -> bool {
    text == path || fits(pattern.parts(), path)
}

/// Part by part, with every place of the pattern that can be reached: its time is bounded whatever stands in it.
fn fits(parts: &[Part], path: &str) -> bool {
    // `**` may stand for no folder at all.
    fn reach(parts: &[Part], at: usize, places: &mut BTreeSet<usize>) {
        if places.insert(at) && matches!(parts.get(at), Some(Part::Folders)) {
            reach(parts, at + 1, places);
        }
    }
    let mut places = BTreeSet::new();
    reach(parts, 0, &mut places);
    for name in path.split('/') {
        let mut next = BTreeSet::new();
        for at in places {
            match &parts.get(at) {
                Some(Part::Name(exactly)) if exactly == name => reach(parts, at + 1, &mut next),
                Some(Part::Like(like)) if like.is_match(name.as_bytes()) => reach(parts, at + 1, &mut next),
                Some(Part::Folders) => reach(parts, at, &mut next),
                _ => {}
            }
        }
        places = next;
    }
    places.contains(&parts.len())
}

/// The folders and the name of a file below the folder that was named, or why it has no place there.
pub(crate) fn parts(path: &str) -> Result<Vec<String>, &'static str> {
    if path.is_empty() {
        return Err("its path is empty");
    }
    if path.starts_with('/') {
        return Err("its path begins at the root of the file system");
    }
    if path.len() > LONGEST_PATH {
        return Err("its path is longer than 4,096 bytes");
    }
    if path.chars().any(char::is_control) {
        return Err("its path holds a control character");
    }
    let part = |part: &str| match part {
        "" => Err("a part of its path is empty"),
        "." => Err("its path names a folder by ."),
        ".." => Err("its path leads out of the folder by .."),
        _ if part.eq_ignore_ascii_case(".git") => Err("its path leads into a .git, which git would believe"),
        _ if part.len() > LONGEST_PART => Err("a part of its path is longer than 255 bytes"),
        _ => Ok(part.to_owned()),
    };
    path.split('/').map(part).collect()
}

/// Where each of these files stands: below its path, or below a folder of its job's name too when two jobs left files that
/// would be in each other's place.
pub(crate) fn places(files: &[&ArtifactView]) -> Vec<Result<Vec<String>, &'static str>> {
    let mut places: Vec<_> = files.iter().map(|file| parts(&file.path)).collect();
    if collide(files, &places) {
        let folders = folders(files);
        for (file, place) in files.iter().zip(&mut places) {
            if let (Ok(parts), Some(folder)) = (place, folders.get(file.job.as_str())) {
                parts.insert(0, folder.clone());
            }
        }
    }
    places
}

/// Two jobs have a file at the same place, or one a file where the other has a folder.
fn collide(files: &[&ArtifactView], places: &[Result<Vec<String>, &'static str>]) -> bool {
    let mut owners: BTreeMap<&[String], &str> = BTreeMap::new();
    let known = || files.iter().zip(places).filter_map(|(file, place)| Some((file, place.as_ref().ok()?)));
    for (file, parts) in known() {
        if *owners.entry(parts).or_insert(&file.job) != file.job {
            return true;
        }
    }
    let mut folders = known().flat_map(|(file, parts)| (1..parts.len()).map(move |end| (file, &parts[..end])));
    folders.any(|(file, folder)| owners.get(folder).is_some_and(|owner| *owner != file.job))
}

/// A folder's name for each job: its own, tamed, and no two the same.
fn folders<'a>(files: &[&'a ArtifactView]) -> BTreeMap<&'a str, String> {
    let (mut named, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for file in files {
        if named.contains_key(file.job.as_str()) {
            continue;
        }
        let tame = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let tamed: String = file.job.chars().map(tame).take(LONGEST_JOB).collect();
        let tamed = if parts(&tamed).is_ok() { tamed } else { "job".to_owned() };
        // On some file systems names differ only by more than case.
        let all = std::iter::once(tamed.clone()).chain((2..).map(|number| format!("{tamed}-{number}")));
        let free = all.into_iter().find(|name| taken.insert(name.to_lowercase())).unwrap_or(tamed);
        named.insert(file.job.as_str(), free);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn file(job: &str, path: &str) -> ArtifactView {
        ArtifactView {
            job: job.to_owned(),
            attempt: 1,
            number: 1,
            path: path.to_owned(),
            bytes: 0,
            sha256: String::new(),
            removed_at: None,
        }
    }

    #[test]
    fn no_path_leads_anywhere_else() {
        let long = "x".repeat(256);
        let endless = "x/".repeat(3_000) + "x";
        let table = [
            ("", "its path is empty"),
            ("/etc/passwd", "begins at the root"),
            ("//server/share", "begins at the root"),
            ("..", "leads out"),
            ("../x", "leads out"),
            ("a/../../x", "leads out"),
            ("a/..", "leads out"),
            ("a//b", "is empty"),
            ("a/", "is empty"),
            (".", "names a folder"),
            ("./x", "names a folder"),
            ("a/./b", "names a folder"),
            ("a\0b", "control character"),
            ("a\nb", "control character"),
            ("\u{1b}[2J", "control character"),
            ("a\u{9b}2J", "control character"),
            ("a\u{7f}", "control character"),
            ("a\rb", "control character"),
            (".git/hooks/post-checkout", "into a .git"),
            ("sub/.GIT/config", "into a .git"),
            (long.as_str(), "longer than 255"),
            (endless.as_str(), "longer than 4,096"),
        ];
        for (path, why) in table {
            let refused = parts(path).expect_err(path);
            assert!(refused.contains(why), "{path:?}: {refused}");
        }
        for path in
            ["x", "dist/app.whl", "...", "..x", "a/.b", "-rf", "C:\\x", "~/x", ".gitignore", "\u{202e}exe.txt", "ä b"]
        {
            assert_eq!(parts(path).expect(path).join("/"), path);
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_spec() {
        let table = [
            ("dist/**", "dist/a/b.whl", true),
            ("dist/**", "dist/b.whl", true),
            ("dist/**", "dist", false),
            ("**/*.whl", "b.whl", true),
            ("**/*.whl", "a/b/c.whl", true),
            ("*.whl", "a/b.whl", false),
            ("a/**/b/**/c", "a/b/x/b/c", true),
            ("a/**/b/**/c", "a/x/c", false),
            ("a?.txt", "ab.txt", true),
            ("a?.txt", "a.txt", false),
            ("a[1].txt", "a[1].txt", true),
            ("dist", "dist/x", false),
        ];
        for (pattern, path, wanted) in table {
            let parsed = Wanted::parse(&[pattern.to_owned()]).expect(pattern);
            assert_eq!(parsed.takes(path), wanted, "{pattern} {path}");
        }
        let none = Wanted::parse(&[]).expect("nothing is everything");
        assert!(none.takes("anything"));
        let two = Wanted::parse(&["*.a".to_owned(), "*.b".to_owned()]).expect("patterns");
        assert_eq!(two.idle(&["x.a"]), ["*.b"]);
        assert!(
            Wanted::parse(&["/etc/*".to_owned()]).expect_err("outside").contains("\"/etc/*\" is no path of a file")
        );
        // A pattern that could be matched in very many ways is matched at once.
        let hard = Wanted::parse(&["**/*/".repeat(80) + "x"]).expect("a pattern");
        assert!(!hard.takes(&("a/".repeat(400) + "y")));
    }

    #[test]
    fn files_of_two_jobs_do_not_take_each_others_place() {
        let place = |files: &[ArtifactView]| -> Vec<String> {
            let places = places(&files.iter().collect::<Vec<_>>()).into_iter();
            places.map(|place| place.map_or_else(|why| format!("! {why}"), |parts| parts.join("/"))).collect()
        };
        let apart = [file("a", "dist/x"), file("b", "dist/y")];
        assert_eq!(place(&apart), ["dist/x", "dist/y"]);
        let same = [file("test (3.13)", "dist/x"), file("../b", "dist/x"), file("../b", "dist/y"), file("b", "../x")];
        let places = place(&same);
        assert_eq!(&places[..3], ["test__3.13_/dist/x", ".._b/dist/x", ".._b/dist/y"]);
        assert!(places[3].starts_with("! "), "{places:?}");
        let below = [file("a", "dist"), file("b", "dist/x")];
        assert_eq!(place(&below), ["a/dist", "b/dist/x"]);
        let alike = [file("a b", "x"), file("a_b", "x"), file("A_B", "x"), file("..", "x"), file(".git", "x")];
        assert_eq!(place(&alike), ["a_b/x", "a_b-2/x", "A_B-3/x", "job/x", "job-2/x"]);
    }
}
