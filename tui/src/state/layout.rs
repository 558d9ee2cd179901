//! How many rows and columns the parts of a screen have. State needs it to page and to ask for log lines, screens to
//! paint; both take it from here. Must not know what is painted.

use serde::{Deserialize, Serialize};

/// Below this only a status is shown.
const SMALLEST: (u16, u16) = (40, 10);

/// A border that can be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Border {
    /// Between the jobs of a build and what is beside them.
    Jobs,
    /// Between the jobs and the details below them.
    Details,
    /// Between two logs.
    Logs,
}

/// Where borders were moved to, in thousandths of what they part; so they keep their place in a terminal of another size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Split {
    jobs: Option<u16>,
    details: Option<u16>,
    logs: Option<u16>,
}

impl Split {
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// So many thousandths of a length, with at least so much left on either side.
fn part(whole: u16, thousandths: u16, least: u16) -> u16 {
    let at = u32::from(whole) * u32::from(thousandths.min(1_000)) / 1_000;
    let most = whole.saturating_sub(least).max(least.min(whole));
    u16::try_from(at).unwrap_or(u16::MAX).clamp(least.min(whole), most)
}

/// The other way, so that [`part`] gives the same place again.
fn thousandths(at: u16, whole: u16) -> u16 {
    let exact = (u32::from(at) * 1_000).div_ceil(u32::from(whole.max(1)));
    u16::try_from(exact).unwrap_or(u16::MAX).min(1_000)
}

/// Columns that a pane has at least, and rows.
const LEAST_WIDTH: u16 = 24;
const LEAST_HEIGHT: u16 = 3;

/// A terminal of a size, with or without a banner, and a notice below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    pub width: u16,
    pub height: u16,
    pub banner: bool,
    pub notice: bool,
    /// The details of a job are shown; how many rows the jobs of the build would take.
    pub details: Option<u16>,
    /// Where borders were moved to.
    pub split: Split,
}

impl Layout {
    #[must_use]
    pub fn status_only(self) -> bool {
        self.width < SMALLEST.0 || self.height < SMALLEST.1
    }

    /// The first row below header, banner and notice.
    #[must_use]
    pub fn body_top(self) -> u16 {
        1 + u16::from(self.banner) + u16::from(self.notice)
    }

    /// Rows between header and footer.
    #[must_use]
    pub fn body(self) -> u16 {
        self.height.saturating_sub(self.body_top() + 1)
    }

    /// Rows of the strip below a list that describes the selected row; 0 when there is no room.
    #[must_use]
    pub fn detail(self) -> u16 {
        if self.body() >= 14 { 3 } else { 0 }
    }

    /// Rows of a list on a page of its own, below its column titles.
    #[must_use]
    pub fn list(self) -> u16 {
        self.body().saturating_sub(1 + self.detail())
    }

    /// Rows above the jobs of a build.
    #[must_use]
    pub fn build_head(self) -> u16 {
        match self.body() {
            20.. => 4,
            12.. => 3,
            _ => 2,
        }
    }

    /// Rows of the palette, inside of its edges.
    #[must_use]
    pub fn menu(self) -> u16 {
        self.body().saturating_sub(2)
    }

    /// Rows of a build below its head.
    #[must_use]
    pub fn build(self) -> u16 {
        self.body().saturating_sub(self.build_head())
    }

    /// Rows of the jobs of a build. Details below them take what the jobs leave, but at least half, or eight.
    #[must_use]
    pub fn jobs(self) -> u16 {
        let all = self.build();
        match (self.details, self.split.details) {
            (Some(_), Some(moved)) if !self.beside() => part(all, moved, LEAST_HEIGHT).max(1),
            (Some(rows), None) if !self.beside() => {
                rows.min((all.saturating_sub(1) / 2).max(all.saturating_sub(8))).max(1)
            }
            _ => all,
        }
    }

    /// Whether there is room for a job beside the jobs.
    fn beside(self) -> bool {
        self.jobs_width() < self.width
    }

    /// The details of a job: columns and rows, a rule above them not counted.
    #[must_use]
    pub fn details(self) -> Option<(u16, u16)> {
        let _ = self.details?;
        match self.beside() {
            true => Some(((self.width - self.jobs_width()).saturating_sub(3), self.build())),
            false => Some((self.width, self.build().saturating_sub(self.jobs() + 1))),
        }
    }

    /// Whether details find room below the jobs without taking any from them.
    #[must_use]
    pub fn fits_details(self, rows: u16) -> bool {
        const LEAST: u16 = 7;
        !self.beside() && rows + LEAST <= self.build()
    }

    /// The job graph: columns and rows.
    #[must_use]
    pub fn graph(self) -> (u16, u16) {
        (self.width.saturating_sub(2), self.build())
    }

    /// Columns of the jobs of a build; the rest shows the selected job.
    #[must_use]
    pub fn jobs_width(self) -> u16 {
        match self.split.jobs {
            _ if self.width < 120 => self.width,
            Some(moved) => part(self.width, moved, LEAST_WIDTH),
            None => self.width * 2 / 5,
        }
    }

    /// A border was moved to a column and row of the terminal.
    pub(super) fn moved(self, border: Border, column: u16, row: u16) -> Split {
        let row = row.saturating_sub(self.body_top());
        let split = self.split;
        match border {
            Border::Jobs => Split { jobs: Some(thousandths(column, self.width)), ..split },
            Border::Details => {
                let row = row.saturating_sub(self.build_head());
                Split { details: Some(thousandths(row, self.build())), ..split }
            }
            Border::Logs => {
                let (at, whole) = if self.width >= 80 { (column, self.width - 1) } else { (row, self.body()) };
                Split { logs: Some(thousandths(at, whole)), ..split }
            }
        }
    }

    /// The preview beside the jobs: columns and rows, when there is room.
    #[must_use]
    pub fn preview(self) -> Option<(u16, u16)> {
        let width = self.width - self.jobs_width();
        (width > 0 && self.jobs() > 6 && self.details.is_none())
            .then(|| (width.saturating_sub(3), self.jobs().saturating_sub(2)))
    }

    /// Two logs on a page: for each its first column and row below the page's own, its columns, and its rows below a title.
    #[must_use]
    pub fn logs(self) -> [(u16, u16, u16, u16); 2] {
        let (width, height) = (self.width, self.body());
        if width >= 80 {
            let left = self.split.logs.map_or((width - 1) / 2, |moved| part(width - 1, moved, LEAST_WIDTH));
            let rows = height.saturating_sub(1);
            return [(0, 0, left, rows), (left + 1, 0, width - left - 1, rows)];
        }
        let top = self.split.logs.map_or(height / 2, |moved| part(height, moved, LEAST_HEIGHT));
        [(0, 0, width, top.saturating_sub(1)), (0, top, width, (height - top).saturating_sub(1))]
    }

    /// The log on a page of its own: columns and rows.
    #[must_use]
    pub fn log(self) -> (u16, u16) {
        (self.width, self.body().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(width: u16, height: u16) -> Layout {
        Layout { width, height, ..Layout::default() }
    }

    #[test]
    fn a_border_is_where_it_was_dropped() {
        for column in 30..170 {
            let layout = at(200, 50);
            let moved = Layout { split: layout.moved(Border::Jobs, column, 9), ..layout };
            assert_eq!(moved.jobs_width(), column);
            let moved = Layout { split: layout.moved(Border::Logs, column, 9), ..layout };
            assert_eq!((moved.logs()[0].2, moved.logs()[1].0), (column, column + 1));
        }
        for row in 10..30 {
            let layout = Layout { details: Some(4), ..at(80, 40) };
            let moved = Layout { split: layout.moved(Border::Details, 3, row), ..layout };
            assert_eq!(moved.body_top() + moved.build_head() + moved.jobs(), row);
            let narrow = at(60, 40);
            let moved = Layout { split: narrow.moved(Border::Logs, 3, row), ..narrow };
            assert_eq!(moved.body_top() + moved.logs()[1].1, row);
        }
    }

    #[test]
    fn no_pane_is_moved_away_whatever_the_terminal() {
        for (width, height) in [(1, 1), (40, 10), (79, 11), (80, 24), (120, 12), (200, 50)] {
            for (column, row) in [(0, 0), (1, 1), (width / 2, height / 2), (width, height), (u16::MAX, u16::MAX)] {
                for border in [Border::Jobs, Border::Details, Border::Logs] {
                    let layout = Layout { details: Some(9), ..at(width, height) };
                    let moved = Layout { split: layout.moved(border, column, row), ..layout };
                    assert!((1..=width).contains(&moved.jobs_width()), "{border:?} {moved:?}");
                    assert!(moved.jobs() <= moved.build().max(1), "{border:?} {moved:?}");
                    let [left, right] = moved.logs();
                    assert!(left.2 + right.2 <= width.max(1) || width < 80, "{border:?} {moved:?}");
                    if width >= 120 {
                        assert!(moved.jobs_width() >= LEAST_WIDTH && moved.jobs_width() + LEAST_WIDTH <= width);
                        assert!(left.2 >= LEAST_WIDTH && right.2 + 1 >= LEAST_WIDTH, "{border:?} {moved:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_moved_border_keeps_its_place_in_another_terminal() {
        let wide = at(200, 50);
        let split = wide.moved(Border::Jobs, 100, 5);
        assert_eq!(Layout { split, ..at(160, 40) }.jobs_width(), 80);
        assert_eq!(Layout { split, ..at(100, 40) }.jobs_width(), 100, "there is no border");
    }
}
