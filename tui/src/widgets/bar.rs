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

#[cfg(test)]
mod tests {
    use super::*;

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
