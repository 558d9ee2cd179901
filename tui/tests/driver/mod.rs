//! The client without a terminal: a real link to the fake daemon, the real state, painted into memory. Time stands still
//! unless a test moves it.

mod look;
pub(crate) mod scene;

use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use windlass_protocol::time::Timestamp;
use windlass_tui::keymap::Key;
use windlass_tui::link::target::{Place, Target};
use windlass_tui::link::{Link, LinkEvent};
use windlass_tui::screens::{self, Hits};
use windlass_tui::state::{Effect, Event, State};
use windlass_tui::theme::{Palette, Theme};

use crate::fake::{Fake, NOW};
use scene::SIZES;

pub(crate) struct Driver {
    pub(crate) fake: Fake,
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
    pub(crate) size: (u16, u16),
    pub(crate) hits: Hits,
    link: Link,
    _folder: tempfile::TempDir,
}

impl Driver {
    pub(crate) fn start(size: (u16, u16)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s");
        let fake = Fake::start(&path, NOW);
        let link = Link::open(Target { place: Place::Unix(path), token: None, ca: None });
        let mut state = State::new("unix:s".to_owned(), size, NOW, TimeZone::UTC, true, true);
        let effects = state.begin();
        let mut driver =
            Self { fake, state, now: NOW, effects: Vec::new(), size, hits: Hits::default(), link, _folder: folder };
        driver.carry_out(effects);
        driver
    }

    pub(crate) fn happen(&mut self, event: Event) {
        let effects = self.state.update(self.now, event);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(message) => self.link.send(message),
                other => self.effects.push(other),
            }
        }
    }

    pub(crate) fn press(&mut self, keys: &[Key]) {
        keys.iter().for_each(|key| self.happen(Event::Key(*key)));
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        text.chars().for_each(|c| self.happen(Event::Key(Key::Char(c))));
    }

    /// Takes events in until the state is as wished; panics with `what` when it never is.
    pub(crate) async fn until(&mut self, what: &str, wished: impl Fn(&State) -> bool) {
        let wait = async {
            while !wished(&self.state) {
                let event = match self.link.next().await.expect("the link lives as long as its handle") {
                    LinkEvent::Connected(hello) => Event::Connected(hello),
                    LinkEvent::Lost { error, pause } => {
                        Event::Lost { error: error.to_string(), pause: pause.as_millis() as u64 }
                    }
                    LinkEvent::Message(message) => Event::Message(message),
                    LinkEvent::Log(frame) => Event::Log(frame),
                };
                self.happen(event);
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), wait).await.is_err() {
            panic!("never: {what}\n{}", self.screen());
        }
    }

    /// Opens the only build there is.
    pub(crate) async fn open_build(&mut self) {
        self.until("the build in the list", |state| state.builds.total() == 1).await;
        self.press(&[Key::Enter]);
        self.until("the build", |state| state.build_page(1).is_some_and(|page| page.view.is_some())).await;
    }

    /// The same, and then the log of the job that is selected in it.
    pub(crate) async fn open_log(&mut self) {
        self.open_build().await;
        self.press(&[Key::Enter]);
    }

    /// The screen as text.
    pub(crate) fn screen(&mut self) -> String {
        look::text(&self.painted(Theme::new(Palette::Dark)))
    }

    /// The screen as text with its styles in dark, light and without colour.
    pub(crate) fn look(&mut self) -> String {
        let themes =
            [("dark", Theme::new(Palette::Dark)), ("light", Theme::new(Palette::Light)), ("none", Theme::plain())];
        let painted: Vec<_> = themes.into_iter().map(|(name, theme)| (name, self.painted(theme))).collect();
        look::look(&painted)
    }

    /// The same in every size, each with how it is written, for a screen that waits for nothing; then it is 80x24 again.
    pub(crate) fn looks(&mut self) -> Vec<(String, String)> {
        let look = |size: (u16, u16)| {
            self.resize(size);
            (format!("{}x{}", size.0, size.1), self.look())
        };
        let looks = SIZES.map(look).into();
        self.resize(SIZES[1]);
        looks
    }

    /// The same in high contrast and for eyes that do not tell red from green.
    pub(crate) fn look_for_other_eyes(&mut self) -> String {
        let themes =
            [("high contrast", Theme::new(Palette::HighContrast)), ("colour-blind", Theme::new(Palette::ColourBlind))];
        let painted: Vec<_> = themes.into_iter().map(|(name, theme)| (name, self.painted(theme))).collect();
        look::look(&painted)
    }

    /// The screen as text, on a terminal without UTF-8.
    pub(crate) fn ascii_screen(&mut self) -> String {
        let text = look::text(&self.painted(Theme::plain().in_ascii(true)));
        assert!(text.is_ascii(), "{text}");
        text
    }

    fn painted(&mut self, theme: Theme) -> Buffer {
        let (width, height) = self.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory is a terminal");
        let (state, hits) = (&self.state, &mut self.hits);
        terminal.draw(|frame| *hits = screens::draw(state, theme, frame)).expect("memory takes every frame");
        terminal.backend().buffer().clone()
    }

    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
        self.happen(Event::Resize(size.0, size.1));
    }
}
