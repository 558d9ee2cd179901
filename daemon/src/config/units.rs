//! Quantities as people write them: `64MiB`, `10s`, `1h30m`. Pure.

use std::time::Duration;

/// Bytes: a number with B, KiB, MiB, GiB, TiB or none.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(format!("{text:?} is no size: write 512MiB or 4GiB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no size: write 512MiB or 4GiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

/// A duration: `90s`, `5m`, `1h30m`, `500ms`, `7d`; `0` is none.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write 90s, 5m or 1h30m");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" if number == 0 => 0,
            _ => return Err(wrong()),
        };
        total =
            total.checked_add(Duration::from_millis(number.checked_mul(ms).ok_or_else(wrong)?)).ok_or_else(wrong)?;
        rest = after;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            ("64MiB", Some(64 << 20)),
            ("0", Some(0)),
            ("12 KiB", Some(12 << 10)),
            ("4GB", None),
            ("", None),
            ("-1", None),
        ];
        for (text, expected) in table {
            assert_eq!(bytes(text).ok(), expected, "{text:?}");
        }
        assert!(bytes("99999999999TiB").is_err());
    }

    #[test]
    fn durations() {
        let table = [
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("90d", Some(7_776_000_000)),
            ("0", Some(0)),
            ("10", None),
            ("", None),
            ("s", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text:?}");
        }
    }
}
