//! Rows that only moved up or down are moved by the terminal: a list or a log that scrolls by a row costs what is new in it,
//! not the whole screen. Must not know what is painted.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect, Size};
use unicode_width::UnicodeWidthStr;

/// Fewer changed cells than this are simply written.
const FEW: usize = 60;
/// A move has to save so many bytes: what it takes to say it, and something.
const WORTH: i64 = 60;

/// Writes through another one, and knows what stands on the screen.
pub(super) struct Shifting<W: Write> {
    inner: CrosstermBackend<W>,
    screen: Buffer,
}

/// Rows `from .. to` move by so many: upwards when it is positive. What they leave is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    from: u16,
    to: u16,
    up: i32,
}

impl<W: Write> Shifting<W> {
    /// The screen has this size, and is empty.
    pub(super) fn new(inner: CrosstermBackend<W>, (width, height): (u16, u16)) -> Self {
        Self { inner, screen: Buffer::empty(Rect::new(0, 0, width, height)) }
    }

    /// The screen is empty now.
    fn emptied(&mut self) -> io::Result<()> {
        let size = self.inner.size()?;
        self.screen = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        Ok(())
    }

    fn shift(&mut self, shift: Shift) -> io::Result<()> {
        let Shift { from, to, up } = shift;
        let (letter, by) = if up > 0 { ('M', up) } else { ('L', -up) };
        // Margins, lines deleted or inserted at the upper one, no margins: what terminals of all ages do. Rows that come in
        // take the background that is set.
        write!(self.inner, "\x1b[0m\x1b[{};{to}r\x1b[{};1H\x1b[{by}{letter}\x1b[r", from + 1, from + 1)?;
        let before = self.screen.clone();
        let width = self.screen.area.width;
        for y in from..to {
            let source = i32::from(y) + up;
            let inside = source >= i32::from(from) && source < i32::from(to);
            for x in 0..width {
                self.screen[(x, y)] = match u16::try_from(source) {
                    Ok(source) if inside => before[(x, source)].clone(),
                    _ => Cell::EMPTY,
                };
            }
        }
        Ok(())
    }
}

impl<W: Write> Backend for Shifting<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let updates: Vec<(u16, u16, &Cell)> = content.collect();
        let mut target = self.screen.clone();
        for (x, y, cell) in &updates {
            put(&mut target, *x, *y, cell);
        }
        let shift = if updates.len() < FEW { None } else { best(&self.screen, &target) };
        match shift {
            None => self.inner.draw(updates.into_iter())?,
            Some(shift) => {
                self.shift(shift)?;
                self.inner.draw(self.screen.diff(&target).into_iter())?;
            }
        }
        self.screen = target;
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()?;
        self.emptied()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)?;
        self.emptied() // only all of it is ever cleared
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

/// A wide character owns the cell after it too.
fn put(buffer: &mut Buffer, x: u16, y: u16, cell: &Cell) {
    for (at, cell) in (x..)
        .zip(std::iter::once(cell).chain(std::iter::repeat_n(&Cell::EMPTY, cell.symbol().width().saturating_sub(1))))
    {
        if let Some(place) = buffer.cell_mut((at, y)) {
            place.clone_from(cell);
        }
    }
}

fn row(buffer: &Buffer, y: u16) -> &[Cell] {
    let width = usize::from(buffer.area.width);
    let start = usize::from(y) * width;
    buffer.content.get(start..start + width).unwrap_or_default()
}

fn sum(cells: &[Cell]) -> u64 {
    let mut hasher = DefaultHasher::new();
    cells.hash(&mut hasher);
    hasher.finish()
}

/// About how many bytes it takes to make one row another: each stretch that differs needs its place, too.
fn cost(from: &[Cell], to: &[Cell]) -> i64 {
    const PLACE: i64 = 8;
    let (mut bytes, mut before) = (0, false);
    for (from, to) in from.iter().zip(to) {
        let differs = from != to;
        bytes += i64::from(differs) + if differs && !before { PLACE } else { 0 };
        before = differs;
    }
    bytes
}

/// The move that saves most, if one is worth it.
fn best(screen: &Buffer, target: &Buffer) -> Option<Shift> {
    let height = screen.area.height;
    if screen.area != target.area || height < 4 {
        return None;
    }
    let (before, after): (Vec<u64>, Vec<u64>) = (0..height).map(|y| (sum(row(screen, y)), sum(row(target, y)))).unzip();
    let blank = sum(&vec![Cell::EMPTY; usize::from(screen.area.width)]);
    // How often a row that is another one now stood so many rows further down.
    let mut votes: HashMap<i32, u32> = HashMap::new();
    for (y, new) in (0i32..).zip(&after) {
        let changed = usize::try_from(y).is_ok_and(|at| before[at] != *new);
        if changed && *new != blank {
            for (old, _) in (0i32..).zip(&before).filter(|(_, old)| *old == new) {
                *votes.entry(old - y).or_default() += 1;
            }
        }
    }
    let (&up, _) =
        votes.iter().filter(|(up, count)| **up != 0 && **count >= 2).max_by_key(|(up, count)| (**count, -**up))?;
    let saved = |y: u16| {
        let source = u16::try_from(i32::from(y) + up).ok().filter(|source| *source < height)?;
        let (old, moved, new) = (row(screen, y), row(screen, source), row(target, y));
        Some(cost(old, new) - cost(moved, new))
    };
    // The stretch of rows that gains most.
    let (mut found, mut begin, mut gain) = (None, 0, 0i64);
    for y in 0..height {
        match saved(y) {
            Some(saved) if gain + saved > 0 => {
                gain += saved;
                if found.is_none_or(|(_, _, most)| gain > most) {
                    found = Some((begin, y + 1, gain));
                }
            }
            _ => (begin, gain) = (y + 1, 0),
        }
    }
    let (begin, end, gain) = found?;
    let by = u16::try_from(up.unsigned_abs()).ok()?;
    let (from, to) = if up > 0 { (begin, end + by) } else { (begin.checked_sub(by)?, end) };
    // The rows that come in are empty, whatever stood there.
    let fresh = if up > 0 { end..to } else { from..begin };
    let empty = vec![Cell::EMPTY; usize::from(screen.area.width)];
    let lost: i64 = fresh.map(|y| cost(&empty, row(target, y)) - cost(row(screen, y), row(target, y))).sum();
    (gain - lost > WORTH).then_some(Shift { from, to, up })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A screen of rows, each made of a word that fills it.
    fn screen(rows: &[&str], width: u16) -> Buffer {
        let height = u16::try_from(rows.len()).expect("a screen");
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        for (y, text) in (0..).zip(rows) {
            let fill: String =
                text.chars().cycle().take(if text.is_empty() { 0 } else { usize::from(width) }).collect();
            buffer.set_stringn(0, y, fill, usize::from(width), ratatui::style::Style::new());
        }
        buffer
    }

    #[test]
    fn the_move_is_found() {
        let table: [(&[&str], &[&str], Option<Shift>); 7] = [
            (&["h", "a", "b", "c", "d", "f"], &["h", "b", "c", "d", "e", "f"], Some(Shift { from: 1, to: 5, up: 1 })),
            (&["h", "b", "c", "d", "e", "f"], &["h", "a", "b", "c", "d", "f"], Some(Shift { from: 1, to: 5, up: -1 })),
            (&["h", "a", "b", "c", "d", "f"], &["h", "c", "d", "x", "y", "f"], Some(Shift { from: 1, to: 5, up: 2 })),
            (&["h", "a", "b", "c", "d", "f"], &["h", "a", "b", "c", "d", "g"], None),
            (&["h", "a", "b", "c", "d", "f"], &["u", "v", "w", "x", "y", "z"], None),
            (&["", "", "a", "", "", ""], &["", "a", "", "", "", ""], None),
            (&["a", "b", "c"], &["b", "c", "d"], None),
        ];
        for (before, after, shift) in table {
            assert_eq!(best(&screen(before, 80), &screen(after, 80)), shift, "{before:?} {after:?}");
        }
    }

    /// What a terminal shows after both screens were written to it.
    fn shown(frames: &[Buffer]) -> String {
        let area = frames[0].area;
        let mut terminal = vt100::Parser::new(area.height, area.width, 0);
        let mut bytes = Vec::new();
        let mut backend = Shifting::new(CrosstermBackend::new(&mut bytes), (area.width, area.height));
        for frame in frames {
            let updates = backend.screen.clone();
            backend.draw(updates.diff(frame).into_iter()).expect("memory takes it");
            assert_eq!(backend.screen, *frame);
        }
        terminal.process(&bytes);
        let rows = terminal.screen().rows(0, area.width).map(|row| row.trim_end().to_owned());
        rows.collect::<Vec<_>>().join("\n")
    }

    fn any_screen() -> impl Strategy<Value = Vec<&'static str>> {
        proptest::collection::vec(proptest::sample::select(vec!["a", "b", "c", "d", "e", "你好", "", "xy"]), 12)
    }

    proptest! {
        /// However rows move, the terminal shows what it would show if everything were written.
        #[test]
        fn the_screen_is_the_same(mut rows in any_screen(), by in 0usize..12, other in any_screen()) {
            let first = screen(&rows, 60);
            rows.rotate_left(by);
            let moved = screen(&rows, 60);
            let last = screen(&other, 60);
            let frames = [first, moved, last];
            for count in 1..=frames.len() {
                prop_assert_eq!(shown(&frames[..count]), shown(&frames[count - 1..count]));
            }
        }
    }
}
