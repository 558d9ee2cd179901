//! Frames there and back, in any pieces; and bytes that are no frames.

use proptest::prelude::*;

use super::text::{MAX_FRAMES, MAX_LINE, MAX_OUTPUT, TextDecoder, encode_line};
use super::*;

fn any_end() -> impl Strategy<Value = StepEnd> {
    let how = prop_oneof![
        any::<i32>().prop_map(How::Exited),
        any::<i32>().prop_map(How::Signalled),
        (any::<u64>(), any::<bool>()).prop_map(|(limit_ms, whole_job)| How::TimedOut { limit_ms, whole_job }),
        Just(How::Cancelled),
        ".{0,40}".prop_map(How::NotStarted),
    ];
    (how, any::<u64>(), any::<bool>()).prop_map(|(how, duration_ms, out_of_memory)| StepEnd {
        how,
        duration_ms,
        out_of_memory,
    })
}

fn any_purpose() -> impl Strategy<Value = file::Purpose> {
    prop::sample::select(vec![file::Purpose::Junit, file::Purpose::Sarif, file::Purpose::Artifact])
}

fn any_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body::Ready),
        any::<u16>().prop_map(|step| Body::StepStarted { step }),
        (any::<u16>(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(step, bytes)| Body::Output { step, bytes }),
        (any::<u16>(), any_end()).prop_map(|(step, end)| Body::StepEnded { step, end }),
        "[^\n]{0,60}".prop_map(|text| Body::Notice { text }),
        (any_purpose(), ".{0,40}").prop_map(|(of, path)| Body::File(FilePart::Begins { of, path })),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Body::File(FilePart::Bytes(bytes))),
        Just(Body::File(FilePart::Ends)),
        (any_purpose(), ".{0,40}", ".{0,40}").prop_map(|(of, path, why)| Body::File(FilePart::Refused {
            of,
            path,
            why
        })),
        (prop::option::of((any::<u16>(), any_end())), any::<bool>(), any::<u64>(), prop::option::of(any::<u64>()))
            .prop_map(|(decided_by, cancelled, output_bytes, peak_memory_bytes)| Body::Finished {
                report: Report {
                    decided_by,
                    cancelled,
                    output_sha256: "00".repeat(32),
                    output_bytes,
                    peak_memory_bytes
                }
            }),
    ]
}

fn any_frames() -> impl Strategy<Value = Vec<Frame>> {
    prop::collection::vec((any_body(), any::<i64>()), 1..12)
        .prop_map(|bodies| bodies.into_iter().zip(1..).map(|((body, at), seq)| Frame { seq, at, body }).collect())
}

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        frame.encode_into(&mut bytes);
    }
    bytes
}

fn output(seq: u64, bytes: &[u8]) -> Frame {
    Frame { seq, at: 7, body: Body::Output { step: 0, bytes: bytes.to_vec() } }
}

fn decode_all(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode(&mut bytes)? {
        frames.push(frame);
    }
    assert!(bytes.is_empty(), "`None` means that all is taken");
    Ok(frames)
}

proptest! {
    #[test]
    fn frames_survive_any_cutting(frames in any_frames(), cuts in prop::collection::vec(0..4000usize, 0..8)) {
        let bytes = encoded(&frames);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let mut decoder = Decoder::at(0);
        let mut seen = Vec::new();
        for pair in cuts.windows(2) {
            let mut piece = &bytes[pair[0]..pair[1]];
            while let Some(frame) = decoder.decode(&mut piece).expect("good frames") {
                seen.push(frame);
                prop_assert_eq!(decoder.position(), encoded(&seen).len() as u64);
            }
        }
        prop_assert_eq!(seen, frames);
        prop_assert!(!decoder.is_mid_frame());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode_all(&mut Decoder::at(0), &bytes);
        let mut text = TextDecoder::after(0);
        let mut rest = &bytes[..];
        while let Ok(Some(_)) = text.decode(&mut rest) {}
    }

    #[test]
    fn damaged_frames_never_panic(frames in any_frames(), at in any::<usize>(), with in any::<u8>()) {
        let mut bytes = encoded(&frames);
        let at = at % bytes.len();
        bytes[at] = with;
        let _ = decode_all(&mut Decoder::at(0), &bytes);
    }

    #[test]
    fn lines_survive_cutting_and_repetition(frames in any_frames(), back in 0..5usize, piece in 1..50usize) {
        let mut lines = Vec::new();
        for frame in &frames {
            encode_line(&encoded(std::slice::from_ref(frame)), &mut lines);
        }
        let mut repeated = Vec::new();
        for frame in frames.iter().rev().take(back).rev() {
            encode_line(&encoded(std::slice::from_ref(frame)), &mut repeated);
        }
        lines.extend_from_slice(&repeated);
        let mut decoder = TextDecoder::after(0);
        let mut seen = Vec::new();
        for mut bytes in lines.chunks(piece) {
            while let Some(frame) = decoder.decode(&mut bytes).expect("good lines") {
                seen.push(frame);
            }
        }
        prop_assert_eq!(seen, frames);
    }
}

#[test]
fn a_file_may_be_followed_from_any_frame_on() {
    let frames = [output(1, b"one"), output(2, b"two"), output(3, b"three")];
    let bytes = encoded(&frames);
    let second = encoded(&frames[..1]).len();
    let mut decoder = Decoder::at(second as u64);
    assert_eq!(decode_all(&mut decoder, &bytes[second..]).expect("good frames"), frames[1..]);
    assert_eq!(decoder.position(), bytes.len() as u64);
}

#[test]
fn half_a_frame_is_no_error_and_no_frame() {
    let bytes = encoded(&[output(1, b"all of it")]);
    let mut decoder = Decoder::at(0);
    assert_eq!(decode_all(&mut decoder, &bytes[..bytes.len() - 1]), Ok(vec![]));
    assert_eq!((decoder.position(), decoder.is_mid_frame()), (0, true));
    assert_eq!(decode_all(&mut decoder, &bytes[bytes.len() - 1..]).map(|frames| frames.len()), Ok(1));
}

#[test]
fn refusals() {
    let good = encoded(&[output(1, b"x")]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode_all(&mut Decoder::at(0), &bytes)
    };
    assert_eq!(with(0, b'{'), Err(FrameError::NoMagic));
    assert_eq!(with(3, 99), Err(FrameError::UnknownKind(99)));
    assert_eq!(with(3, 1), Err(FrameError::BadPayload("a payload where none goes")));
    assert!(matches!(with(3, 6), Err(FrameError::BadPayload(_))));
    assert!(matches!(with(6, 0xff), Err(FrameError::TooLong(_))));
    assert_eq!(with(17, 2), Err(FrameError::OutOfOrder { expected: 1, found: 2 }));
    // The first wrong byte is enough.
    assert_eq!(decode_all(&mut Decoder::at(0), b"\xf7X"), Err(FrameError::NoMagic));
}

#[test]
fn a_file_with_a_gap_or_a_repetition_is_refused() {
    for second in [1, 3] {
        let bytes = encoded(&[output(1, b"x"), output(second, b"y")]);
        let refused = decode_all(&mut Decoder::at(0), &bytes);
        assert_eq!(refused, Err(FrameError::OutOfOrder { expected: 2, found: second }));
    }
}

#[test]
fn sequences_tell_repetitions_from_gaps() {
    let mut sequence = Sequence::after(4);
    assert_eq!(sequence.place(4), Place::Seen);
    assert_eq!(sequence.place(6), Place::Gap { expected: 5 });
    assert_eq!(sequence.place(5), Place::Next);
    assert_eq!(sequence.place(5), Place::Seen);
}

#[test]
fn text_is_refused_when_it_is_something_else() {
    let decode = |mut bytes: &[u8]| TextDecoder::after(0).decode(&mut bytes);
    assert_eq!(decode(b"panic!\n"), Err(FrameError::BadLine("not base64")));
    assert_eq!(decode(&[b'A'; MAX_LINE]), Err(FrameError::BadLine("too long")));
    let mut line = Vec::new();
    encode_line(&encoded(&[output(1, b"cut")])[..20], &mut line);
    assert_eq!(decode(&line), Err(FrameError::BadLine("half a frame")));
    line.clear();
    encode_line(&encoded(&[output(3, b"too early")]), &mut line);
    assert_eq!(decode(&line), Err(FrameError::OutOfOrder { expected: 1, found: 3 }));
}

#[test]
fn the_longest_line_is_as_long_as_allowed_and_no_longer() {
    let frame = encoded(&[output(1, &[0xff; MAX_OUTPUT])]);
    assert_eq!(frame.len(), MAX_FRAMES);
    let mut line = Vec::new();
    encode_line(&frame, &mut line);
    assert!(line.len() <= MAX_LINE && line.len() > MAX_LINE - 8, "{} bytes", line.len());
    let mut rest = &line[..];
    assert!(TextDecoder::after(0).decode(&mut rest).expect("a good line").is_some());
}

#[test]
fn words_are_bounded_and_stay_one_line() {
    let long = "ä".repeat(5000);
    let end = StepEnd { how: How::NotStarted(long.clone()), duration_ms: 0, out_of_memory: false };
    let frames = [
        Frame { seq: 1, at: 0, body: Body::StepEnded { step: 0, end } },
        Frame { seq: 2, at: 0, body: Body::Notice { text: format!("two\nlines {long}") } },
    ];
    for frame in &frames {
        assert!(encoded(std::slice::from_ref(frame)).len() < 5000);
    }
    assert_eq!(decode_all(&mut Decoder::at(0), &encoded(&frames)).expect("good frames").len(), 2);
}
