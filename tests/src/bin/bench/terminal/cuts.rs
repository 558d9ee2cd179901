//! A thousand forced reconnections.

use windlass_tests::cuts;

use super::{COLUMNS, ROWS};
use crate::{Goal, Row, progress};

const CUTS: u64 = 1_000;

pub(crate) fn reconnections() -> Vec<Row> {
    let own = std::env::current_exe().expect("an executable knows where it is");
    let wrong = cuts::cut(&own, CUTS, (ROWS, COLUMNS), |cut| {
        if cut.is_multiple_of(100) {
            progress(&format!("{cut} of {CUTS} reconnections"));
        }
    });
    wrong.screens.iter().take(3).for_each(|words| progress(words));
    vec![
        Row::of("1,000 reconnections, lost or twice, logs -f", wrong.lines as f64, "lines", Goal::AtMost(0.0)),
        Row::of("1,000 reconnections, too many or few", wrong.bytes as f64, "bytes", Goal::AtMost(0.0)),
        Row::of("1,000 reconnections, wrong on the screen", wrong.screens.len() as f64, "screens", Goal::AtMost(0.0)),
    ]
}
