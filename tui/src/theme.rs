//! What a tone looks like. The only place that chooses colours of our own; log text brings its own. Must not know what is
//! shown in them.

use ratatui::style::{Color, Modifier, Style};
use windlass_protocol::view::Outcome;

use crate::safe_text::{Colour, Sgr};
use crate::words::Standing;

/// What a stretch of text means to the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// Less important than what stands around it.
    Dim,
    /// A heading, the name of what is looked at.
    Strong,
    /// A key, a link, where we are.
    Accent,
    Good,
    Bad,
    Warn,
    Running,
}

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    colours: bool,
}

impl Theme {
    #[must_use]
    pub fn new(colours: bool) -> Self {
        Self { colours }
    }

    #[must_use]
    pub fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let colour = |colour| if self.colours { plain.fg(colour) } else { plain };
        match tone {
            Tone::Plain => plain,
            Tone::Dim if self.colours => plain.fg(Color::DarkGray),
            Tone::Dim => plain.add_modifier(Modifier::DIM),
            Tone::Strong => plain.add_modifier(Modifier::BOLD),
            Tone::Accent => colour(Color::Cyan).add_modifier(Modifier::BOLD),
            Tone::Good => colour(Color::Green),
            Tone::Bad => colour(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Warn => colour(Color::Yellow),
            Tone::Running => colour(Color::Blue),
        }
    }

    /// Put over the row that the keyboard speaks to: one even bar, whatever colours its cells had.
    #[must_use]
    pub fn selected(self) -> Style {
        let bar = Style::new().fg(Color::Reset).bg(Color::Reset).remove_modifier(Modifier::DIM);
        bar.add_modifier(Modifier::REVERSED)
    }

    /// Put over everything that may be out of date.
    #[must_use]
    pub fn stale(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// A strip of our own: header, banner.
    #[must_use]
    pub fn strip(self, tone: Tone) -> Style {
        let style = self.style(tone);
        if tone == Tone::Plain { style } else { style.add_modifier(Modifier::REVERSED) }
    }

    /// A search hit inside of a line.
    #[must_use]
    pub fn hit(self) -> Style {
        if self.colours {
            Style::new().fg(Color::Black).bg(Color::Yellow)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// The style that log text asked for.
    #[must_use]
    pub fn log(self, sgr: Sgr) -> Style {
        let mut style = Style::new();
        if self.colours {
            style.fg = sgr.foreground.map(colour_of);
            style.bg = sgr.background.map(colour_of);
        }
        let flags = [
            (sgr.bold, Modifier::BOLD),
            (sgr.dim, Modifier::DIM),
            (sgr.italic, Modifier::ITALIC),
            (sgr.underline, Modifier::UNDERLINED),
            (sgr.inverse, Modifier::REVERSED),
            (sgr.strike, Modifier::CROSSED_OUT),
        ];
        flags.into_iter().filter(|(on, _)| *on).fold(style, |style, (_, modifier)| style.add_modifier(modifier))
    }
}

fn colour_of(colour: Colour) -> Color {
    match colour {
        Colour::Indexed(index) => Color::Indexed(index),
        Colour::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

/// The tone of a state. Its glyph and word say the same without colour.
pub(crate) fn tone_of(standing: Standing) -> Tone {
    match standing {
        Standing::Waiting | Standing::Unknown | Standing::Ended(Outcome::Skipped | Outcome::Cancelled) => Tone::Dim,
        Standing::Running => Tone::Running,
        Standing::Stopping => Tone::Warn,
        Standing::Ended(Outcome::Passed) => Tone::Good,
        Standing::Ended(Outcome::Lost | Outcome::Broken) => Tone::Warn,
        Standing::Ended(_) => Tone::Bad,
    }
}
