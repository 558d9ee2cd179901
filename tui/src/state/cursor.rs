//! Where the keyboard is in a list of any length, and which rows are in view. Must not know what the rows are.

/// `at` is in view: `top <= at < top + height`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    pub at: usize,
    pub top: usize,
}

/// Where a move goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    By(isize),
    First,
    Last,
}

impl Cursor {
    pub(super) fn go(&mut self, step: Move, length: usize, height: usize) {
        self.at = match step {
            Move::By(by) => self.at.saturating_add_signed(by),
            Move::First => 0,
            Move::Last => usize::MAX,
        };
        self.settle(length, height);
    }

    /// Keeps cursor and view inside of the list.
    pub(super) fn settle(&mut self, length: usize, height: usize) {
        let height = height.max(1);
        self.at = self.at.min(length.saturating_sub(1));
        self.top = self.top.min(self.at).min(length.saturating_sub(height));
        if self.at >= self.top + height {
            self.top = self.at + 1 - height;
        }
    }

    /// Moves the view, and the cursor only as far as it must.
    pub(super) fn scroll(&mut self, by: isize, length: usize, height: usize) {
        let height = height.max(1);
        self.top = self.top.saturating_add_signed(by).min(length.saturating_sub(height));
        self.at = self.at.clamp(self.top, (self.top + height - 1).max(self.top));
        self.settle(length, height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_stay_inside_and_in_view() {
        type Case = (&'static [Move], usize, usize, (usize, usize));
        // moves, length, height, expected (at, top)
        let table: [Case; 7] = [
            (&[Move::By(1)], 0, 10, (0, 0)),
            (&[Move::By(1)], 3, 10, (1, 0)),
            (&[Move::By(99)], 3, 10, (2, 0)),
            (&[Move::Last], 100, 10, (99, 90)),
            (&[Move::Last, Move::By(-9)], 100, 10, (90, 90)),
            (&[Move::Last, Move::By(-10)], 100, 10, (89, 89)),
            (&[Move::Last, Move::First], 100, 0, (0, 0)),
        ];
        for (moves, length, height, expected) in table {
            let mut cursor = Cursor::default();
            moves.iter().for_each(|step| cursor.go(*step, length, height));
            assert_eq!((cursor.at, cursor.top), expected, "{moves:?}");
        }
    }

    #[test]
    fn the_wheel_moves_the_view_first() {
        let mut cursor = Cursor { at: 5, top: 0 };
        cursor.scroll(3, 100, 10);
        assert_eq!(cursor, Cursor { at: 5, top: 3 });
        cursor.scroll(3, 100, 10);
        assert_eq!(cursor, Cursor { at: 6, top: 6 });
        cursor.scroll(-99, 100, 10);
        assert_eq!(cursor, Cursor { at: 6, top: 0 });
    }
}
