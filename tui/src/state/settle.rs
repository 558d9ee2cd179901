//! What is put right after every event. Must not know which event it was.

use windlass_protocol::live::ClientMessage;

use super::layout::Layout;
use super::log::LogPage;
use super::{BUILDS, Effect, Page, Pending, State, subscribe};

impl State {
    /// After every event: everything fits its area again, and what is in view but not here is asked for.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.settle_patience();
        let layout = self.layout();
        let list = usize::from(layout.list());
        let length = self.builds.len();
        self.builds.cursor.settle(length, list);
        let queued = self.queue_len();
        self.queue_cursor.settle(queued, list);
        self.deliveries_cursor.settle(self.deliveries.as_ref().map_or(0, Vec::len), list);
        if std::mem::take(&mut self.builds.lost_range) {
            self.toast("too far for one stretch: it ended, what it had is marked".to_owned(), true);
        }
        if let Some(topic) = self.builds.moved_window() {
            effects.push(subscribe(BUILDS, topic));
        }
        self.settle_preview(layout, effects);
        self.settle_digest(effects);
        self.settle_tests(effects);
        self.settle_artifacts(effects);
        self.overview.settle(list);
        self.settle_overview(effects);
        let now = self.now;
        let mut maps = Vec::new();
        for page in &mut self.pages {
            let log = match page {
                Page::Build(page) => {
                    page.cursor.settle(page.rows.len(), usize::from(layout.jobs()));
                    page.settle_picture(layout.graph());
                    let size = layout.preview().unwrap_or_default();
                    if let Some(log) = &mut page.preview {
                        log.resize(size);
                    }
                    page.preview.as_mut()
                }
                Page::Log(log) => {
                    let mut size = layout.log();
                    if let Some(pair) = &mut log.pair {
                        let sizes = layout.logs().map(|(_, _, width, height)| (width, height));
                        let side = usize::from(pair.right);
                        size = sizes[side];
                        pair.other.resize(sizes[1 - side]);
                    }
                    log.resize(size);
                    log.sync_pair();
                    if let Some(other) = log.pair.as_mut().map(|pair| &mut pair.other) {
                        effects.extend(other.missing_window().map(|topic| subscribe(other.sub, topic)));
                        let wishes = other.missing_maps(now).into_iter();
                        maps.extend(wishes.map(|(pattern, request)| (other.id.clone(), pattern, request)));
                    }
                    let wishes = log.missing_maps(now).into_iter();
                    maps.extend(wishes.map(|(pattern, request)| (log.id.clone(), pattern, request)));
                    Some(&mut **log)
                }
            };
            if let Some(log) = log
                && let Some(topic) = log.missing_window()
            {
                effects.push(subscribe(log.sub, topic));
            }
        }
        if self.can_view_logs() {
            for (log, pattern, request) in maps {
                self.ask(request, Pending::Map { log, pattern }, effects);
            }
        }
    }

    /// The preview shows the log of the selected row.
    fn settle_preview(&mut self, layout: Layout, effects: &mut Vec<Effect>) {
        let sub = self.next_sub;
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let wanted = layout.preview().and_then(|size| Some((page.log()?, size)));
        let fits = match (&page.preview, &wanted) {
            (Some(log), Some(((id, start), _))) => log.id == *id && log.opened_at() == *start,
            (None, None) => true,
            _ => false,
        };
        if fits {
            return;
        }
        if let Some(old) = page.preview.take() {
            effects.push(Effect::Send(ClientMessage::Unsubscribe { sub: old.sub }));
        }
        if let Some(((id, start), size)) = wanted {
            let mut log = LogPage::new(id, sub, start, size);
            log.preview = true;
            page.preview = Some(log);
            self.next_sub += 1;
        }
    }
}
