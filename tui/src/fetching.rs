//! Files that somebody at the client wants to have, each fetched over a connection of its own into the folder that we were
//! started in. Must not know where that is shown.

use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use windlass_protocol::artifact::ArtifactView;
use windlass_protocol::id::BuildNumber;

use crate::fetch::choose::parts;
use crate::fetch::draft::{Folder, Taken};
use crate::fetch::{self, Fault, Line, Saved};
use crate::link::Link;
use crate::link::target::Target;
use crate::state::Event;
use crate::state::artifacts::id_of;
use crate::words;

/// Who looks at the screen hears of so many things at once; what is fetched waits for that.
const WAITING: usize = 16;

/// Dropping it ends what is under way, and leaves no half file.
pub(crate) struct Fetches {
    sender: mpsc::Sender<Event>,
    happened: mpsc::Receiver<Event>,
    tasks: JoinSet<()>,
}

impl Fetches {
    pub(crate) fn new() -> Self {
        let (sender, happened) = mpsc::channel(WAITING);
        Self { sender, happened, tasks: JoinSet::new() }
    }

    pub(crate) fn begin(&mut self, target: Target, build: BuildNumber, file: ArtifactView) {
        while self.tasks.try_join_next().is_some() {}
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            let id = id_of(build, &file);
            let (text, bad) = match save(target, build, &file, &sender).await {
                Ok(words) => (words, false),
                Err(fault) => (format!("{}: {fault}", file.path), true),
            };
            let _ = sender.send(Event::Came { file: id, text, bad }).await; // nobody is left to tell if that fails
        });
    }

    pub(crate) async fn next(&mut self) -> Event {
        match self.happened.recv().await {
            Some(event) => event,
            None => std::future::pending().await, // never: we hold a sender ourselves
        }
    }
}

async fn save(
    target: Target,
    build: BuildNumber,
    file: &ArtifactView,
    sender: &mpsc::Sender<Event>,
) -> Result<String, Fault> {
    // Only its name counts here, but one whose path leads elsewhere is nobody's to have.
    let name = parts(&file.path).map_err(|why| Fault::Left(why.to_owned()))?.pop().unwrap_or_default();
    let here = std::env::current_dir().map_err(|error| Fault::Here(format!("there is no folder here: {error}")))?;
    let folder = Folder::open(Path::new(&here)).map_err(Fault::Here)?;
    let (mut link, mut next_id) = (Link::open(target), 1);
    let mut line = Line { link: &mut link, next_id: &mut next_id };
    let id = id_of(build, file);
    // A screen that is busy does not need to hear of every piece.
    let mut progress = |bytes| {
        let _ = sender.try_send(Event::Coming { file: id.clone(), bytes });
    };
    let saved = fetch::save(build, file, (&folder, &[name]), Taken::Number, &mut line, &mut progress).await?;
    let size = words::bytes(file.bytes);
    Ok(match saved {
        Saved::Now(path) => format!("saved as {}, {size}", path.display()),
        Saved::Before(path) => format!("it was there already: {}, {size}", path.display()),
    })
}
