//! What a tone looks like. The only place that chooses colours of our own; log text brings its own. Must not know what is
//! shown in them.

use std::collections::BTreeMap;
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use serde::de::Error;
use windlass_protocol::view::Outcome;

use crate::safe_text::{Colour, Sgr};
use crate::words::Standing;

/// Tones as a file wishes them; `hit`, a match of a search, is no tone and comes as `None`.
#[derive(Debug, Clone, Default)]
pub struct Paints(Vec<(Option<Tone>, Paint)>);

/// A style in words: `red`, `bold #ff8800`, `black on yellow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Paint(Style);

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

/// Every tone, in the order of [`Theme`]'s styles, with the name that a file calls it by.
const TONES: [(Tone, &str); 8] = [
    (Tone::Plain, "plain"),
    (Tone::Dim, "dim"),
    (Tone::Strong, "strong"),
    (Tone::Accent, "accent"),
    (Tone::Good, "good"),
    (Tone::Bad, "bad"),
    (Tone::Warn, "warn"),
    (Tone::Running, "running"),
];

/// How every tone looks.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    tones: [Style; TONES.len()],
    hit: Style,
    /// The colours that log text asks for are shown.
    colours: bool,
    /// The terminal shows letters of ASCII only.
    ascii: bool,
}

/// A set of colours to choose from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Palette {
    /// For dark backgrounds.
    #[default]
    Dark,
    /// For light backgrounds: nothing yellow.
    Light,
    /// For dark backgrounds: bright colours, nothing dim.
    HighContrast,
    /// Blue for good, orange for bad; needs 256 colours.
    ColourBlind,
}

impl Theme {
    #[must_use]
    pub fn new(palette: Palette) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let (tones, hit) = match palette {
            Palette::Dark => (
                [
                    plain,
                    plain.fg(Color::DarkGray),
                    bold,
                    bold.fg(Color::Cyan),
                    plain.fg(Color::Green),
                    bold.fg(Color::Red),
                    plain.fg(Color::Yellow),
                    plain.fg(Color::Blue),
                ],
                plain.fg(Color::Black).bg(Color::Yellow),
            ),
            Palette::Light => (
                [
                    plain,
                    plain.fg(Color::DarkGray),
                    bold,
                    bold.fg(Color::Blue),
                    plain.fg(Color::Green),
                    bold.fg(Color::Red),
                    plain.fg(Color::Magenta),
                    plain.fg(Color::Blue),
                ],
                plain.fg(Color::White).bg(Color::Blue),
            ),
            Palette::HighContrast => (
                [
                    plain,
                    plain,
                    bold,
                    bold.fg(Color::LightCyan),
                    bold.fg(Color::LightGreen),
                    bold.fg(Color::LightRed),
                    bold.fg(Color::LightYellow),
                    bold.fg(Color::White),
                ],
                bold.fg(Color::Black).bg(Color::LightYellow),
            ),
            Palette::ColourBlind => (
                [
                    plain,
                    plain.fg(Color::DarkGray),
                    bold,
                    bold.fg(Color::Cyan),
                    plain.fg(Color::Indexed(74)),
                    bold.fg(Color::Indexed(208)),
                    plain.fg(Color::Indexed(227)),
                    plain.fg(Color::Indexed(175)),
                ],
                plain.fg(Color::Black).bg(Color::Indexed(227)),
            ),
        };
        Self { tones, hit, colours: true, ascii: false }
    }

    /// No colour at all, as NO_COLOR asks: what is told by a colour is told by a word too.
    #[must_use]
    pub fn plain() -> Self {
        let plain = Style::new();
        let (dim, bold) = (plain.add_modifier(Modifier::DIM), plain.add_modifier(Modifier::BOLD));
        let tones = [plain, dim, bold, bold, plain, bold, plain, plain];
        Self { tones, hit: plain.add_modifier(Modifier::REVERSED), colours: false, ascii: false }
    }

    /// For a terminal that shows nothing but ASCII.
    #[must_use]
    pub fn in_ascii(mut self, ascii: bool) -> Self {
        self.ascii = ascii;
        self
    }

    #[must_use]
    pub fn is_ascii(self) -> bool {
        self.ascii
    }

    /// With some tones as a file wishes them.
    #[must_use]
    pub fn with(mut self, paints: &Paints) -> Self {
        for (tone, paint) in &paints.0 {
            match tone {
                Some(tone) => self.tones[*tone as usize] = paint.0,
                None => self.hit = paint.0,
            }
        }
        self
    }

    #[must_use]
    pub fn style(self, tone: Tone) -> Style {
        self.tones[tone as usize]
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
        self.hit
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

impl<'de> Deserialize<'de> for Paints {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<ToneName, Paint>::deserialize(from)?;
        Ok(Self(all.into_iter().map(|(ToneName(at), paint)| (TONES.get(at).map(|(tone, _)| *tone), paint)).collect()))
    }
}

/// A tone's place in [`TONES`]; one past its end is a search hit.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ToneName(usize);

impl<'de> Deserialize<'de> for ToneName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let names = || TONES.iter().map(|(_, name)| *name).chain(["hit"]);
        names().position(|known| known == name).map(Self).ok_or_else(|| {
            let all = names().collect::<Vec<_>>().join(", ");
            D::Error::custom(format!("{name} is no tone: write one of {all}"))
        })
    }
}

impl<'de> Deserialize<'de> for Paint {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Paint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut style, mut behind) = (Style::new(), false);
        for word in text.split_whitespace() {
            let modifier = match word {
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underline" => Modifier::UNDERLINED,
                "reverse" => Modifier::REVERSED,
                "on" => {
                    behind = true;
                    continue;
                }
                colour => {
                    let colour: Color = colour.parse().map_err(|_| {
                        format!(
                            "{colour} is no colour: write red, light-red, #ff8800 or a number to 255, and bold, dim, \
                             italic, underline, reverse; a background after the word on"
                        )
                    })?;
                    style = if behind { style.bg(colour) } else { style.fg(colour) };
                    behind = false;
                    continue;
                }
            };
            style = style.add_modifier(modifier);
        }
        if behind { Err("a colour has to follow the word on".to_owned()) } else { Ok(Self(style)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_in_words() {
        let table = [
            ("red", Some(Style::new().fg(Color::Red))),
            ("bold light-red", Some(Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD))),
            ("black on #ff8800", Some(Style::new().fg(Color::Black).bg(Color::Rgb(255, 136, 0)))),
            ("208 underline", Some(Style::new().fg(Color::Indexed(208)).add_modifier(Modifier::UNDERLINED))),
            ("", Some(Style::new())),
            ("purpel", None),
            ("red on", None),
            ("300", None),
        ];
        for (text, style) in table {
            assert_eq!(text.parse::<Paint>().ok().map(|paint| paint.0), style, "{text:?}");
        }
    }

    #[test]
    fn tones_stand_in_their_order() {
        for (at, (tone, name)) in TONES.iter().enumerate() {
            assert_eq!(*tone as usize, at, "{name}");
        }
    }

    #[test]
    fn what_matters_differs_in_every_palette() {
        for palette in [Palette::Dark, Palette::Light, Palette::HighContrast, Palette::ColourBlind] {
            let theme = Theme::new(palette);
            let of = |tone| theme.style(tone);
            let telling = [of(Tone::Good), of(Tone::Bad), of(Tone::Warn), of(Tone::Running), of(Tone::Plain)];
            for (at, one) in telling.iter().enumerate() {
                assert!(!telling[at + 1..].contains(one), "{palette:?}: {one:?} means two things");
            }
        }
    }
}
