//! What comes from the daemon by itself: states, windows of lists, lines of logs. Must not know what was asked for: see
//! `answer`.

use windlass_protocol::live::{Hello, ServerMessage, Sub};
use windlass_protocol::log::LogFrame;
use windlass_protocol::view::BuildView;

use super::builds::Window;
use super::log::LogPage;
use super::{BUILDS, Connection, Effect, FOUND, Page, State, others, subscribe};

impl State {
    pub(super) fn connected(&mut self, hello: Hello) {
        if let Connection::Lost { since, .. } = self.connection {
            let away = crate::words::running_duration(self.now.since(since));
            self.toast(format!("connected again after {away}; nothing was lost"), false);
        }
        self.ahead = hello.now.0 - self.now.0;
        self.connection = Connection::Up(hello);
        self.overview.reconnected();
        self.resync_artifacts();
    }

    pub(super) fn message(&mut self, message: ServerMessage, effects: &mut Vec<Effect>) {
        let height = usize::from(self.layout().list());
        match message {
            ServerMessage::Queue { queue, .. } => {
                let news = self.queue.as_ref().map(|before| others::in_queue(&before.pauses, &queue.pauses));
                let filtered = self.queue_filter.is_on();
                let selected = self.queued_job().filter(|_| filtered).map(|job| job.id.clone());
                self.queue = Some(queue);
                self.show_queue(selected.as_ref());
                self.others_paused(news.unwrap_or_default());
                self.overview.something_changed();
                self.queue_cursor.settle(self.queue_len(), height);
            }
            ServerMessage::Builds { sub, total, offset, order, changed, .. } => {
                self.overview.changed(changed.iter());
                let window = Window { total, offset, order, changed };
                let missing = match sub {
                    BUILDS => self.builds.all(window, height).then(|| self.builds.topic()),
                    FOUND => {
                        let missing = self.builds.found(window, height);
                        let filter = self.builds.filter.clone();
                        missing.then(|| self.builds.set_filter(filter, height)).flatten()
                    }
                    _ => None,
                };
                effects.extend(missing.map(|topic| subscribe(sub, topic)));
            }
            ServerMessage::Build { sub, build, .. } => {
                self.watched_news(sub, &build, effects);
                self.build(sub, build);
            }
            ServerMessage::LogHead { sub, head } => {
                self.long_line_ended(sub, effects);
                if let Some(compare) = self.compare_of(sub) {
                    compare.take_head(sub, &head);
                }
                if let Some(log) = self.log_of(sub) {
                    log.take_head(head);
                }
            }
            ServerMessage::LogRows { sub, from, to, runs } => {
                if let Some(log) = self.log_of(sub) {
                    log.take_rows(from, to, &runs);
                }
            }
            ServerMessage::Response { id, response } => self.answered(id, response, effects),
            ServerMessage::Refused { id, refusal } => self.refused(id, &refusal),
            ServerMessage::Ended { sub, refusal } => self.ended(sub, refusal),
            ServerMessage::Tests { sub, tests } => self.take_tests(sub, tests),
            ServerMessage::Hello(_) | ServerMessage::Unknown => {}
        }
    }

    fn build(&mut self, sub: Sub, build: Box<BuildView>) {
        let height = usize::from(self.layout().jobs());
        let number = build.build.number;
        let page = self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.sub == sub => Some(page),
            _ => None,
        });
        if let Some(page) = page {
            let news = page.view.as_deref().map(|before| others::in_build(before, &build)).unwrap_or_default();
            page.show(build, height);
            self.others_did(number, news);
        }
        // A log that did not exist yet may exist now.
        for page in &mut self.pages {
            let log = match page {
                Page::Build(page) => page.preview.as_mut(),
                Page::Log(log) => Some(&mut **log),
            };
            if let Some(log) = log.filter(|log| log.id.build == number && log.refused.is_some()) {
                log.forget_window();
            }
        }
    }

    pub(super) fn log_frame(&mut self, frame: LogFrame) {
        match frame {
            LogFrame::Lines { sub, first, lines } => {
                if let Some(compare) = self.compare_of(sub) {
                    compare.take_lines(sub, first, &lines);
                }
                if let Some(log) = self.log_of(sub) {
                    log.take_lines(first, lines);
                }
            }
            LogFrame::Bytes { sub, offset, bytes } => {
                if let Some(long) = self.long_line(sub).and_then(|log| log.long.as_mut()) {
                    long.take(offset, &bytes);
                }
            }
        }
    }

    /// The log that a subscription is for: a page, or a preview.
    pub(super) fn log_of(&mut self, sub: Sub) -> Option<&mut LogPage> {
        self.pages.iter_mut().find_map(|page| match page {
            Page::Log(log) => log.either(|log| log.sub == sub),
            Page::Build(build) => build.preview.as_mut().filter(|log| log.sub == sub),
        })
    }
}
