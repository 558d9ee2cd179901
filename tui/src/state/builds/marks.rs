//! Which builds are marked, one by one, in a stretch, or all that are shown. Must not know what is done with them.

use std::collections::BTreeSet;

use windlass_protocol::id::BuildNumber;

use super::Builds;

/// A stretch of rows that is being marked: from here to where the cursor is.
#[derive(Debug)]
pub(super) struct Range {
    from: BuildNumber,
    /// What was marked before.
    before: BTreeSet<BuildNumber>,
}

impl Builds {
    #[must_use]
    pub fn marking(&self) -> bool {
        self.range.is_some()
    }

    pub(in super::super) fn toggle_mark(&mut self) {
        self.range = None;
        if let Some(number) = self.number_at(self.cursor.at)
            && !self.marks.remove(&number)
        {
            self.marks.insert(number);
        }
    }

    /// Begins a stretch at the cursor, or ends the one that is being marked: then, what was marked before it.
    pub(in super::super) fn toggle_range(&mut self) -> Option<BTreeSet<BuildNumber>> {
        if let Some(range) = self.range.take() {
            return Some(range.before);
        }
        if let Some(from) = self.number_at(self.cursor.at) {
            self.range = Some(Range { from, before: self.marks.clone() });
            self.stretch();
        }
        None
    }

    /// As it was before the stretch began. False: none is being marked.
    pub(in super::super) fn give_up_range(&mut self) -> bool {
        self.range.take().map(|range| self.marks = range.before).is_some()
    }

    /// Everything that is in the list, as far as it is here.
    pub(in super::super) fn mark_all(&mut self) {
        self.range = None;
        let all: Vec<BuildNumber> = if self.filtered() { self.visible.clone() } else { self.order.clone() };
        self.marks.extend(all);
    }

    pub(in super::super) fn set_marks(&mut self, marks: BTreeSet<BuildNumber>) {
        (self.range, self.marks) = (None, marks);
    }

    /// The stretch goes to the cursor now. Where its beginning is no longer here, it ends, and what it had stays marked.
    pub(super) fn stretch(&mut self) {
        let Some(range) = &self.range else { return };
        let Some(from) = self.place_of(range.from) else {
            self.range = None;
            return self.lost_range = true;
        };
        let rows = from.min(self.cursor.at)..=from.max(self.cursor.at);
        self.marks = range.before.iter().copied().chain(rows.filter_map(|row| self.number_at(row))).collect();
    }
}
