//! Binary frames, as golden files in hexadecimal: sixteen bytes a row.

use std::fmt::Write as _;

use windlass_protocol::log::{BadFrame, LogFrame, LogLine, NO_STEP};

use crate::samples::{Sample, file};

pub(crate) fn samples() -> Vec<Sample> {
    [
        ("", LogFrame::Lines { sub: 4, first: 1_040, lines: lines() }),
        ("empty", LogFrame::Lines { sub: 4, first: 0, lines: Vec::new() }),
        ("", LogFrame::Bytes { sub: u32::MAX, offset: 65_536, bytes: b"collected 12 items\r\n\xff\x00".to_vec() }),
        ("empty", LogFrame::Bytes { sub: 5, offset: u64::MAX, bytes: Vec::new() }),
    ]
    .into_iter()
    .map(|(ending, frame)| sample(ending, frame))
    .collect()
}

fn lines() -> Vec<LogLine> {
    vec![
        LogLine { at: 1_700_000_000_123, step: NO_STEP, open: false, raw_length: 0, bytes: Vec::new() },
        // Cut: longer than what is sent of it.
        LogLine { at: 1_700_000_000_124, step: 0, open: false, raw_length: 1 << 33, bytes: b"\x1b[31mred".to_vec() },
        LogLine { at: -1, step: 1, open: true, raw_length: 4, bytes: b"50 %".to_vec() },
    ]
}

fn sample(ending: &str, frame: LogFrame) -> Sample {
    let variant = match frame {
        LogFrame::Lines { .. } => "lines",
        LogFrame::Bytes { .. } => "bytes",
    };
    let mut text = String::new();
    for row in frame.encode().chunks(16) {
        for (index, byte) in row.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(text, "{space}{byte:02x}").expect("strings take all that is written");
        }
        text.push('\n');
    }
    let comes_back = move |text: &str| {
        let bytes: Result<Vec<u8>, _> = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect();
        let parsed = LogFrame::decode(&bytes.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
        if parsed == frame { Ok(()) } else { Err(format!("parsed to {parsed:?} instead of {frame:?}")) }
    };
    let file = file("LogFrame", variant, ending, "hex");
    Sample { of: "LogFrame", variant, file, text, comes_back: Box::new(comes_back) }
}

#[test]
fn a_frame_of_a_kind_to_come_is_told_apart_from_a_damaged_one() {
    assert_eq!(LogFrame::decode(&[3, 0, 0, 0, 1]), Err(BadFrame::Kind(3)));
    assert_eq!(LogFrame::decode(&[]), Err(BadFrame::Short));
    let mut long = LogFrame::Lines { sub: 1, first: 0, lines: Vec::new() }.encode();
    long.extend_from_slice(b"xx");
    assert_eq!(LogFrame::decode(&long), Err(BadFrame::Trailing(2)));
}

#[test]
fn flags_to_come_are_ignored() {
    let line = LogLine { at: 1, step: 0, open: true, raw_length: 1, bytes: b"x".to_vec() };
    let frame = LogFrame::Lines { sub: 1, first: 0, lines: vec![line] };
    let mut bytes = frame.encode();
    const FLAGS: usize = 17 + 10;
    assert_eq!(bytes[FLAGS], 1);
    bytes[FLAGS] |= 0b1111_1110;
    assert_eq!(LogFrame::decode(&bytes), Ok(frame));
}
