//! Small pictures of numbers in one row of text: bars, and charts of many. Must not know what the numbers are.

/// A part of a whole as a bar of so many columns, to an eighth of a column. What is more than nothing is seen.
#[must_use]
pub fn share(part: u64, whole: u64, columns: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let all = columns as u64 * 8;
    let eighths = match (u128::from(part) * u128::from(all)).checked_div(u128::from(whole)) {
        Some(eighths) => u64::try_from(eighths).unwrap_or(all).min(all).max(u64::from(part > 0)),
        None => 0,
    };
    let mut bar: String = std::iter::repeat_n('█', usize::try_from(eighths / 8).unwrap_or(0)).collect();
    bar.extend(EIGHTHS.get(usize::try_from(eighths % 8).unwrap_or(0)).filter(|eighth| **eighth != ' '));
    bar
}

/// Figures as columns beside each other, the highest as high as a row is. What is more than nothing is seen.
#[must_use]
pub fn chart(figures: &[u64]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = figures.iter().copied().max().unwrap_or(0).max(1);
    let height = |figure: u64| (u128::from(figure) * 8).div_ceil(u128::from(highest)).max(1) - 1;
    figures.iter().map(|figure| HEIGHTS[usize::try_from(height(*figure)).unwrap_or(7).min(7)]).collect()
}

/// What is taken of something, and what is free: one mark each, or in proportion when there are many.
#[must_use]
pub fn slots(taken: u64, slots: u64) -> String {
    const WIDEST: u64 = 20;
    let width = slots.min(WIDEST);
    // A slot that is taken is seen, and so is one that is free.
    let full = match (taken * width).checked_div(slots) {
        Some(full) => full.max(u64::from(taken > 0)).min(width - u64::from(taken < slots)),
        None => 0,
    };
    (0..width).map(|slot| if slot < full { '■' } else { '□' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_show_figures_against_the_highest() {
        assert_eq!(chart(&[]), "");
        assert_eq!(chart(&[0, 0]), "▁▁");
        assert_eq!(chart(&[1, 50, 100]), "▁▄█");
        assert_eq!(chart(&[u64::MAX, 7]), "█▁");
    }

    #[test]
    fn slots_show_what_is_taken_and_what_is_free() {
        let table = [
            (0, 0, ""),
            (0, 3, "□□□"),
            (2, 3, "■■□"),
            (3, 3, "■■■"),
            (5, 3, "■■■"),
            (1, 1_000, "■□□□□□□□□□□□□□□□□□□□"),
            (999, 1_000, "■■■■■■■■■■■■■■■■■■■□"),
        ];
        for (taken, all, expected) in table {
            assert_eq!(slots(taken, all), expected, "{taken} of {all}");
        }
    }

    #[test]
    fn bars_show_shares() {
        let table = [
            (0, 100, ""),
            (1, 100_000, "▏"),
            (50, 100, "████"),
            (55, 100, "████▍"),
            (100, 100, "████████"),
            (300, 100, "████████"),
            (5, 0, ""),
            (u64::MAX, u64::MAX, "████████"),
        ];
        for (part, whole, bar) in table {
            assert_eq!(share(part, whole, 8), bar, "{part} of {whole}");
        }
    }
}
