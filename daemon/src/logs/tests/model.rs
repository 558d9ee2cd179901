//! Random logs, compared with the simplest thing that could be right.

use proptest::prelude::*;

use super::*;

/// What a runner may send, each with the position after it.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    Output { step: u16, at: i64, bytes: Vec<u8> },
    Step { step: u16, at: i64 },
    Notice { at: i64, text: String },
}

pub(super) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let few = prop_oneof![3 => Just(b'\n'), 1 => Just(b'\r'), 5 => any::<u8>()];
    prop_oneof![
        6 => proptest::collection::vec(few, 0..40),
        2 => (0usize..600).prop_map(|lines| b"\n".repeat(lines)),
        2 => (0usize..1500).prop_map(|lines| b"error: 17 things\r\n".repeat(lines)),
        1 => (0usize..200_000).prop_map(|length| vec![b'x'; length]),
    ]
}

pub(super) fn any_frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = prop_oneof![
        8 => (0u16..3, 0i64..4, any_bytes()).prop_map(|(step, at, bytes)| Frame::Output { step, at, bytes }),
        1 => (0u16..3, 0i64..4).prop_map(|(step, at)| Frame::Step { step, at }),
        1 => (0i64..4, "[a-z\n]{0,20}").prop_map(|(at, text)| Frame::Notice { at, text }),
    ];
    proptest::collection::vec(frame, 0..30)
}

/// Writes the frames after `from`.
pub(super) fn write(writer: &mut LogWriter, frames: &[Frame], from: u64) {
    for (position, frame) in (1..).zip(frames) {
        if position <= from {
            continue;
        }
        match frame {
            Frame::Output { step, at, bytes } => writer.append(*step, *at, bytes, position),
            Frame::Step { step, at } => writer.step_started(*step, *at, position),
            Frame::Notice { at, text } => writer.runner_notice(*at, text, position),
        }
        .expect("written");
    }
}

/// Every byte with its step and time.
fn naive(frames: &[Frame]) -> Vec<(u8, u16, i64)> {
    let mut log: Vec<(u8, u16, i64)> = Vec::new();
    for frame in frames {
        match frame {
            Frame::Output { step, at, bytes } => log.extend(bytes.iter().map(|byte| (*byte, *step, *at))),
            Frame::Notice { at, text } => {
                let fresh = if log.last().is_some_and(|last| last.0 != b'\n') { "\n" } else { "" };
                let none = windlass_protocol::log::NO_STEP;
                log.extend(format!("{fresh}{text}\n").bytes().map(|byte| (byte, none, *at)));
            }
            Frame::Step { .. } => {}
        }
    }
    log
}

fn naive_lines(log: &[(u8, u16, i64)]) -> Vec<LogLine> {
    log.split_inclusive(|byte| byte.0 == b'\n')
        .map(|line| {
            let (_, step, at) = line[0];
            let text: Vec<u8> = line.iter().map(|byte| byte.0).collect();
            let (open, text) = text.strip_suffix(b"\n").map_or((true, &text[..]), |text| (false, text));
            LogLine { at, step, open, raw_length: text.len() as u64, bytes: text[..text.len().min(LINE_CAP)].to_vec() }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_window_of_any_log(frames in any_frames(), places in proptest::collection::vec(0.0f64..1.0, 8)) {
        let (_dir, store) = store();
        let mut writer = store.writer(&id()).expect("a writer");
        write(&mut writer, &frames, 0);
        let log = naive(&frames);
        let bytes: Vec<u8> = log.iter().map(|byte| byte.0).collect();
        let lines = naive_lines(&log);
        let reader = store.reader(&id()).expect("a reader");
        prop_assert_eq!(reader.head(), Head { lines: lines.len() as u64, bytes: bytes.len() as u64, finished: false });
        prop_assert!(reader.lines(0, usize::MAX, usize::MAX).expect("read") == lines);
        for place in places {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
            let at = |length: usize| (place * length as f64) as usize;
            let line = at(lines.len() + 1);
            let some = &lines[line..lines.len().min(line + 100)];
            prop_assert!(reader.lines(line as u64, 100, usize::MAX).expect("read") == some, "line {}", line);
            let last = &lines[lines.len().saturating_sub(line)..];
            prop_assert!(reader.tail(line, usize::MAX).expect("read").1 == last);
            let byte = at(bytes.len() + 1);
            let some = &bytes[byte..bytes.len().min(byte + 1000)];
            prop_assert_eq!(reader.bytes(byte as u64, 1000).expect("read"), some);
        }
        let mut before = 0;
        let mut starts = Vec::new();
        for frame in 0..frames.len() {
            if let Frame::Step { step, at } = frames[frame] {
                before = naive(&frames[..frame]).len();
                let line = bytes[..before].iter().filter(|byte| **byte == b'\n').count() as u64;
                starts.push(StepStart { step, at, line, offset: before as u64 });
            }
        }
        prop_assert!(before <= bytes.len());
        prop_assert_eq!(reader.steps().expect("read"), starts);

        // Finished, and looked at by a daemon that knows nothing of it: the same, but that nothing is open.
        let summary = writer.finish(9).expect("finished");
        drop((writer, reader));
        let again = LogStore::open(&store.dir).expect("a store");
        let reader = again.reader(&id()).expect("a reader");
        let closed: Vec<_> = lines.into_iter().map(|line| LogLine { open: false, ..line }).collect();
        prop_assert!(reader.lines(0, usize::MAX, usize::MAX).expect("read") == closed);
        let head = Head { lines: closed.len() as u64, bytes: bytes.len() as u64, finished: true };
        prop_assert_eq!(reader.head(), head);
        prop_assert_eq!((summary.lines, summary.bytes), (head.lines, head.bytes));
        prop_assert_eq!(again.writer(&id()).expect("a writer").summary(), summary);
    }
}
