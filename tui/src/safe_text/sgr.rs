//! Colours and attributes that log text may switch on ("select graphic rendition"). Must not know how escapes are found.

/// A colour as the text asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// 0 to 15 are the terminal's own, the rest is the usual cube and the greys.
    Indexed(u8),
    Rgb(u8, u8, u8),
}

/// What is switched on. Conceal and blink do not exist here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sgr {
    pub foreground: Option<Colour>,
    pub background: Option<Colour>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub inverse: bool,
    pub strike: bool,
}

/// No sequence with more parameters than this is looked at further.
const PARAMETERS: usize = 64;

impl Sgr {
    /// Applies one sequence. Each parameter comes with its sub-parameters (`38:2::1:2:3`), or alone (`38;2;1;2;3`).
    pub(super) fn apply<'a>(&mut self, parameters: impl Iterator<Item = &'a [u16]>) {
        let mut rest = parameters.take(PARAMETERS);
        while let Some(parameter) = rest.next() {
            match parameter {
                [] | [0] => *self = Self::default(),
                [1] => self.bold = true,
                [2] => self.dim = true,
                [3] => self.italic = true,
                [4] | [21] => self.underline = true,
                [4, kind] => self.underline = *kind != 0,
                [7] => self.inverse = true,
                [9] => self.strike = true,
                [22] => (self.bold, self.dim) = (false, false),
                [23] => self.italic = false,
                [24] => self.underline = false,
                [27] => self.inverse = false,
                [29] => self.strike = false,
                [colour @ 30..=37] => self.foreground = indexed(colour - 30),
                [38] => self.foreground = following(&mut rest).or(self.foreground),
                [38, inside @ ..] => self.foreground = within(inside).or(self.foreground),
                [39] => self.foreground = None,
                [colour @ 40..=47] => self.background = indexed(colour - 40),
                [48] => self.background = following(&mut rest).or(self.background),
                [48, inside @ ..] => self.background = within(inside).or(self.background),
                [49] => self.background = None,
                [colour @ 90..=97] => self.foreground = indexed(colour - 90 + 8),
                [colour @ 100..=107] => self.background = indexed(colour - 100 + 8),
                _ => {} // blink, conceal, fonts, frames: not for us
            }
        }
    }

    /// The same style, except that text which would be invisible on its own background gets the terminal's colours.
    #[must_use]
    pub(super) fn readable(mut self) -> Self {
        if let (Some(front), Some(back)) = (self.foreground, self.background)
            && front.close_to(back)
        {
            (self.foreground, self.background) = (None, None);
        }
        self
    }

    pub(super) fn write_ansi(self, out: &mut String) {
        use std::fmt::Write as _;
        let mut put = |text: std::fmt::Arguments<'_>| {
            let _ = out.write_fmt(text); // a String takes everything
        };
        put(format_args!("\x1b[0"));
        let flags =
            [(self.bold, 1), (self.dim, 2), (self.italic, 3), (self.underline, 4), (self.inverse, 7), (self.strike, 9)];
        for (_, code) in flags.into_iter().filter(|(on, _)| *on) {
            put(format_args!(";{code}"));
        }
        for (colour, base) in [(self.foreground, 38), (self.background, 48)] {
            match colour {
                Some(Colour::Indexed(index)) => put(format_args!(";{base};5;{index}")),
                Some(Colour::Rgb(r, g, b)) => put(format_args!(";{base};2;{r};{g};{b}")),
                None => {}
            }
        }
        put(format_args!("m"));
    }
}

impl Colour {
    /// Too alike to be told apart.
    fn close_to(self, other: Self) -> bool {
        let ((r1, g1, b1), (r2, g2, b2)) = (self.rgb(), other.rgb());
        let distance = u16::from(r1.abs_diff(r2)) + u16::from(g1.abs_diff(g2)) + u16::from(b1.abs_diff(b2));
        self == other || distance < 40
    }

    /// What most terminals show.
    fn rgb(self) -> (u8, u8, u8) {
        const BASE: [(u8, u8, u8); 16] = [
            (0, 0, 0),
            (205, 0, 0),
            (0, 205, 0),
            (205, 205, 0),
            (0, 0, 238),
            (205, 0, 205),
            (0, 205, 205),
            (229, 229, 229),
            (127, 127, 127),
            (255, 0, 0),
            (0, 255, 0),
            (255, 255, 0),
            (92, 92, 255),
            (255, 0, 255),
            (0, 255, 255),
            (255, 255, 255),
        ];
        match self {
            Self::Rgb(r, g, b) => (r, g, b),
            Self::Indexed(index @ 0..=15) => BASE[usize::from(index)],
            Self::Indexed(index @ 16..=231) => {
                let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
                let cube = index - 16;
                (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
            }
            Self::Indexed(index) => {
                let grey = 8 + 10 * (index - 232);
                (grey, grey, grey)
            }
        }
    }
}

fn indexed(index: u16) -> Option<Colour> {
    u8::try_from(index).ok().map(Colour::Indexed)
}

fn byte(value: u16) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// A colour written as parameters of its own: `5;n` or `2;r;g;b`.
fn following<'a>(rest: &mut impl Iterator<Item = &'a [u16]>) -> Option<Colour> {
    let mut next = || rest.next().and_then(|parameter| parameter.first().copied());
    match next()? {
        5 => next().and_then(indexed),
        2 => Some(Colour::Rgb(byte(next()?), byte(next()?), byte(next()?))),
        _ => None,
    }
}

/// A colour written as sub-parameters: `5:n`, `2:r:g:b` or `2:space:r:g:b`.
fn within(inside: &[u16]) -> Option<Colour> {
    match inside {
        [5, index, ..] => indexed(*index),
        [2, r, g, b] | [2, _, r, g, b, ..] => Some(Colour::Rgb(byte(*r), byte(*g), byte(*b))),
        _ => None,
    }
}
