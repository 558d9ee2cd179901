//! Inputs: entries of a corpus, changed a little or joined. The same seed makes the same inputs. Must not know what they are
//! for.

/// No input is longer.
const LONGEST: usize = 2 << 10;
/// So many mutations are kept beside the corpus, to be changed further.
const KEPT: usize = 500;

/// Pieces of what terminals obey, and of what is cut off from it.
const FRAGMENTS: &[&[u8]] = &[
    b"\x1b",
    b"\x1b[",
    b"\x1b]",
    b"\x1bP",
    b"\x1b_",
    b"\x1b^",
    b"\x1bX",
    b"\x1b\\",
    b"\x07",
    b"\x9b",
    b"\x9c",
    b"\x9d",
    b"\xc2\x9b",
    b"\xc2\x9d",
    b"\x18",
    b"\x1a",
    b"\x1b[31m",
    b"\x1b[0m",
    b"\x1b[30;40m",
    b"\x1b[38;5;",
    b"\x1b[48;2;",
    b"\x1b[38:2::",
    b";;;;;;;;",
    b"::::",
    b"\x1b[?1049l",
    b"\x1b[6n",
    b"\x1b[2J",
    b"\x1b]52;c;",
    b"\x1b]8;;",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b"\x08",
    b"\0",
    b"\x7f",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8b",
    b"\xef\xbb\xbf",
    b"\xf3\xa0\x81\x81",
    b"\xcc\x81",
    b"\xcc\x81\xcc\x81\xcc\x81",
    b"\xef\xb8\x8f",
    b"\xe2\x80\x8d",
    b"\xe5\xa5\xbd",
    b"\xf0\x9f\x91\xa9",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f",
    b"\xed\xa0\x80",
    b"99999999999999999999",
    b"m",
    b"h",
    b"l",
    b"q",
    b" ",
];

pub(crate) struct Mutator {
    random: Random,
    corpus: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        assert!(!corpus.is_empty(), "there is something to begin with");
        Self { random: Random(seed), corpus, kept: Vec::new() }
    }

    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut bytes = self.entry();
        for _ in 0..=self.random.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        if self.kept.len() < KEPT {
            self.kept.push(bytes.clone());
        } else if self.random.below(4) == 0 {
            let at = self.random.below(KEPT);
            self.kept[at].clone_from(&bytes);
        }
        bytes
    }

    fn entry(&mut self) -> Vec<u8> {
        let all = self.corpus.len() + self.kept.len();
        let at = self.random.below(all);
        let entry = self.corpus.get(at).unwrap_or_else(|| &self.kept[at - self.corpus.len()]);
        // Of a long one, some of it: what is hostile is short.
        let room = entry.len().saturating_sub(LONGEST);
        let from = if room > 0 { self.random.below(room) } else { 0 };
        entry[from..].iter().take(LONGEST).copied().collect()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.below(bytes.len() + 1);
        let end = at + random.below((bytes.len() - at).min(64) + 1);
        match random.below(10) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = random.byte(),
            3 => bytes.insert(at, random.byte()),
            4 => drop(bytes.drain(at..end)),
            5 => bytes.truncate(at),
            6 => {
                let copy = bytes[at..end].to_vec();
                let times = 1 + random.below(20);
                bytes.splice(at..at, copy.repeat(times));
            }
            7 => {
                let other = self.entry();
                let from = self.random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let fragment = FRAGMENTS[random.below(FRAGMENTS.len())];
                bytes.splice(at..at, fragment.iter().copied());
            }
        }
    }
}

/// The same input with as much left out as still does it.
pub(crate) fn shrunk(bytes: &[u8], does: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut small = bytes.to_vec();
    let mut step = small.len().div_ceil(2);
    while step > 0 {
        let mut at = 0;
        while at < small.len() {
            let mut less = small.clone();
            less.drain(at..(at + step).min(small.len()));
            if does(&less) {
                small = less;
            } else {
                at += step;
            }
        }
        step = if step == 1 { 0 } else { step.div_ceil(2) };
    }
    small
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
