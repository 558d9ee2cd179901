//! The files that the jobs of a build left, on the screen: all of them, narrowed as one types, and what became of those that
//! were to be saved. Must not know how they are painted, nor how they are fetched.

use serde::{Deserialize, Serialize};
use windlass_protocol::artifact::{ArtifactView, ArtifactsPage};
use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::Request;
use windlass_protocol::refusal::Refusal;

use super::build::BuildPage;
use super::cursor::{Cursor, Move};
use super::layout::Layout;
use super::{Connection, Effect, Page, Pending, Prompt, PromptKind, State};
use crate::keymap::Action;
use crate::left;
use crate::words;

/// Asked for at once, and the most that are looked at.
const WINDOW: u32 = 500;
const MOST: usize = 20_000;

/// A file of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    pub attempt: AttemptId,
    pub number: u32,
}

/// What became of a file that was to be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetching {
    /// So many bytes are here.
    Coming(u64),
    Saved,
    Failed,
}

#[derive(Debug, Default)]
pub struct Artifacts {
    /// All there are, once they are here.
    files: Option<Vec<ArtifactView>>,
    /// What could not be kept, and why.
    pub troubles: Vec<String>,
    /// There are more than are looked at.
    pub beyond: u64,
    /// Why the daemon does not show them.
    pub refused: Option<Refusal>,
    pub cursor: Cursor,
    /// What was typed to find some.
    pub text: String,
    /// Those that fit it, by their index.
    shown: Vec<usize>,
    /// Those that came so far, while more are asked for.
    came: Vec<ArtifactView>,
    asking: bool,
    /// What the build said of them when they were asked for.
    asked: Option<Told>,
}

/// Files, bytes, and how many attempts have lost theirs.
type Told = (u64, u64, usize);

impl Artifacts {
    pub fn known(&self) -> bool {
        self.files.is_some()
    }

    pub fn len(&self) -> usize {
        self.shown.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    pub fn filtered(&self) -> bool {
        !self.text.trim().is_empty()
    }

    pub fn row(&self, index: usize) -> Option<&ArtifactView> {
        self.files.as_ref()?.get(*self.shown.get(index)?)
    }

    pub fn selected(&self) -> Option<&ArtifactView> {
        self.row(self.cursor.at)
    }

    /// How many are shown, and what they have together.
    pub fn sum(&self) -> (u64, u64) {
        let bytes = (0..self.len()).filter_map(|index| self.row(index)).map(|file| file.bytes).sum();
        (self.len() as u64, bytes)
    }

    fn narrow(&mut self) {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_lowercase).collect();
        let fits = |file: &ArtifactView| {
            let text = format!("{} {}", left::whose(file), file.path).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let files = self.files.iter().flatten().enumerate();
        self.shown = files.filter(|(_, file)| fits(file)).map(|(index, _)| index).collect();
    }

    /// Takes a window in; the first one that is still missing.
    fn take(&mut self, page: ArtifactsPage) -> Option<u64> {
        if page.offset != self.came.len() as u64 {
            return None; // of a list that was left meanwhile
        }
        let more = !page.artifacts.is_empty();
        self.came.extend(page.artifacts);
        if more && (self.came.len() as u64) < page.total && self.came.len() < MOST {
            return Some(self.came.len() as u64);
        }
        self.beyond = page.total.saturating_sub(self.came.len() as u64);
        (self.files, self.troubles) = (Some(std::mem::take(&mut self.came)), page.troubles);
        (self.asking, self.refused) = (false, None);
        self.narrow();
        None
    }
}

/// Rows of the list below its titles, and of what is said below it with the rule above that.
#[must_use]
pub fn rows(layout: Layout, troubles: usize) -> (u16, u16) {
    let all = layout.build().saturating_sub(1);
    let below = match all {
        10.. => 3 + u16::try_from(troubles).unwrap_or(u16::MAX).min(all / 3),
        4.. => 1,
        _ => 0,
    };
    (all - below, below)
}

/// What tells one file from another.
#[must_use]
pub fn id_of(build: BuildNumber, file: &ArtifactView) -> FileId {
    FileId { attempt: AttemptId { build, job: file.job.clone(), attempt: file.attempt }, number: file.number }
}

impl BuildPage {
    fn told_of_files(&self) -> Option<Told> {
        let view = self.view.as_deref()?;
        let known = || view.jobs.iter().filter_map(|job| job.attempts.last()?.artifacts.as_ref());
        let (files, bytes) = left::of_build(view).unwrap_or_default();
        Some((files, bytes, known().filter(|known| known.removed_at.is_some()).count()))
    }

    /// The rest of the page speaks of the job whose file is selected.
    fn follow_file(&mut self, height: usize) {
        let job = self.artifacts.as_ref().and_then(|files| files.selected()).map(|file| file.job.clone());
        let index = job.and_then(|job| self.view.as_ref()?.jobs.iter().position(|other| other.name == job));
        if let Some(index) = index {
            self.select_job(index, height);
        }
    }
}

impl State {
    /// Shows the files of the build, or its jobs again.
    pub(super) fn toggle_artifacts(&mut self) {
        if let Some(words) = self.no_artifacts() {
            return self.toast(words, true);
        }
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        match page.artifacts.take() {
            Some(_) => {}
            None => (page.artifacts, page.picture) = (Some(Box::default()), None),
        }
    }

    /// Why no files can be shown.
    pub(super) fn no_artifacts(&self) -> Option<String> {
        match &self.connection {
            Connection::Up(hello) => left::unknown_to(hello),
            Connection::Connecting | Connection::Lost { .. } => None,
        }
    }

    /// Why the selected file cannot be had.
    pub(super) fn no_file(&self) -> Option<String> {
        let Some(file) = self.files().and_then(Artifacts::selected) else {
            return Some("nothing is selected".to_owned());
        };
        let removed = file.removed_at.map(|at| words::age(at, self.daemon_now()));
        removed.map(|ago| format!("it was removed {ago} to make room"))
    }

    /// The files that are looked at.
    pub(super) fn files(&self) -> Option<&Artifacts> {
        match self.pages.last() {
            Some(Page::Build(page)) => page.artifacts.as_deref(),
            _ => None,
        }
    }

    pub(super) fn act_in_artifacts(&mut self, action: Action, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let jobs = usize::from(layout.jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some(files) = &mut page.artifacts else { return };
        let height = usize::from(rows(layout, files.troubles.len()).0);
        if let Some(step) = super::act::step(action, height) {
            files.cursor.go(step, files.len(), height);
            return page.follow_file(jobs);
        }
        match action {
            Action::Into | Action::Save => self.fetch_file(effects),
            Action::Filter => {
                let text = files.text.clone();
                self.prompt = Some(Prompt { kind: PromptKind::Artifacts, text, older: None });
            }
            Action::Back if files.filtered() => self.filter_artifacts(String::new()),
            Action::Back | Action::Artifacts => self.toggle_artifacts(),
            _ => {}
        }
    }

    /// A second click on the same file saves it.
    pub(super) fn click_file(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some(files) = &mut page.artifacts else { return };
        if files.cursor.at == index {
            return self.fetch_file(effects);
        }
        let by = index as isize - files.cursor.at as isize;
        files.cursor.go(Move::By(by), files.len(), usize::from(rows(layout, files.troubles.len()).0));
        page.follow_file(usize::from(layout.jobs()));
    }

    /// What was typed in the prompt.
    pub(super) fn filter_artifacts(&mut self, text: String) {
        let jobs = usize::from(self.layout().jobs());
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some(files) = &mut page.artifacts else { return };
        if files.text != text {
            (files.text, files.cursor) = (text, Cursor::default());
            files.narrow();
            page.follow_file(jobs);
        }
    }

    fn fetch_file(&mut self, effects: &mut Vec<Effect>) {
        if let Some(words) = self.no_file() {
            return self.toast(words, true);
        }
        let Some(Page::Build(page)) = self.pages.last() else { return };
        let Some(file) = page.artifacts.as_ref().and_then(|files| files.selected()) else { return };
        let (build, file) = (page.number, Box::new(file.clone()));
        let id = id_of(build, &file);
        if let Some(Fetching::Coming(_)) = self.fetches.get(&id) {
            return self.toast("it is coming already".to_owned(), false);
        }
        self.fetches.insert(id, Fetching::Coming(0));
        effects.push(Effect::Fetch { build, file });
    }

    /// More of a file is here.
    pub(super) fn file_is_coming(&mut self, file: FileId, bytes: u64) {
        // One that was begun while another daemon was looked at is none of this one's.
        if let Some(fetching) = self.fetches.get_mut(&file) {
            *fetching = Fetching::Coming(bytes);
        }
    }

    /// A file is here, or will not be.
    pub(super) fn file_came(&mut self, file: FileId, text: String, bad: bool) {
        if let Some(fetching) = self.fetches.get_mut(&file) {
            *fetching = if bad { Fetching::Failed } else { Fetching::Saved };
        }
        self.toast(text, bad);
    }

    pub(super) fn take_artifacts(&mut self, number: BuildNumber, page: ArtifactsPage, effects: &mut Vec<Effect>) {
        let Some(files) = self.files_of(number) else { return };
        if let Some(offset) = files.take(page) {
            self.ask_for_files(number, offset, effects);
        }
    }

    pub(super) fn refuse_artifacts(&mut self, number: BuildNumber, refusal: &Refusal) {
        if let Some(files) = self.files_of(number) {
            (files.refused, files.asking) = (Some(refusal.clone()), false);
        }
    }

    fn files_of(&mut self, number: BuildNumber) -> Option<&mut Artifacts> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.number == number => page.artifacts.as_deref_mut(),
            _ => None,
        })
    }

    fn ask_for_files(&mut self, number: BuildNumber, offset: u64, effects: &mut Vec<Effect>) {
        let request = Request::Artifacts { number, job: None, attempt: None, offset, limit: WINDOW };
        self.look_up(request, Pending::Artifacts { build: number }, effects);
    }

    /// Asks for the files when they are looked at first, and again when the build has others.
    pub(super) fn settle_artifacts(&mut self, effects: &mut Vec<Effect>) {
        let layout = self.layout();
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let (number, told) = (page.number, page.told_of_files());
        let Some(files) = &mut page.artifacts else { return };
        files.cursor.settle(files.len(), usize::from(rows(layout, files.troubles.len()).0));
        if files.asking || told.is_none() || files.asked == told {
            return;
        }
        (files.asking, files.asked) = (true, told);
        files.came.clear();
        self.ask_for_files(number, 0, effects);
    }

    /// Asks anew for what is looked at.
    pub(super) fn resync_artifacts(&mut self) {
        for page in &mut self.pages {
            if let Page::Build(page) = page
                && let Some(files) = &mut page.artifacts
            {
                files.asked = None;
            }
        }
    }
}
