//! How builds ended, in a row of signs that differ without colour too, the newest at the right. Must not know whose builds.

use windlass_protocol::glance::BuildResult;

use crate::theme::tone_of;
use crate::widgets::text::Words;
use crate::words::Standing;

/// The newest of them, as many as there are columns. They come the newest first.
pub(super) fn spark(results: &[BuildResult], columns: usize) -> Words {
    let shown = results.iter().take(columns).rev();
    shown.fold(Words::new(), |words, result| {
        let standing = Standing::of(result.status, result.outcome);
        words.and(tone_of(standing), standing.glyph())
    })
}

/// How long the newest of them took, those that ended and ran, the newest last.
pub(super) fn durations(results: &[BuildResult], columns: usize) -> Vec<u64> {
    let mut took: Vec<u64> = results.iter().filter_map(|result| result.took_ms).take(columns).collect();
    took.reverse();
    took
}
