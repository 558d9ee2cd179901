//! How many rows and columns the parts of a screen have. State needs it to page and to ask for log lines, screens to
//! paint; both take it from here. Must not know what is painted.

/// Below this only a status is shown.
const SMALLEST: (u16, u16) = (40, 10);

/// A terminal of a size, with or without a banner, and a notice below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    pub width: u16,
    pub height: u16,
    pub banner: bool,
    pub notice: bool,
    /// The details of a job are shown; how many rows the jobs of the build would take.
    pub details: Option<u16>,
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
        match self.details {
            Some(rows) if !self.beside() => rows.min((all.saturating_sub(1) / 2).max(all.saturating_sub(8))).max(1),
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
        if self.width >= 120 { self.width * 2 / 5 } else { self.width }
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
            let left = (width - 1) / 2;
            let rows = height.saturating_sub(1);
            return [(0, 0, left, rows), (left + 1, 0, width - left - 1, rows)];
        }
        let top = height / 2;
        [(0, 0, width, top.saturating_sub(1)), (0, top, width, (height - top).saturating_sub(1))]
    }

    /// The log on a page of its own: columns and rows.
    #[must_use]
    pub fn log(self) -> (u16, u16) {
        (self.width, self.body().saturating_sub(1))
    }
}
