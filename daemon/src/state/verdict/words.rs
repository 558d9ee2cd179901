//! Exit codes, signals and durations in words for the person who reads the build. Pure; must not know what they decide.

/// Of a step, or of the runner: the code, what it stands for, and where to look.
pub(super) fn exit_code(code: i64, look: Look) -> String {
    let hint = |meaning: &str, hint: &str| format!("exit code {code} ({meaning}): {hint}");
    match code {
        126 => hint("a command may not be executed", "is it a program, with the execute bit set?"),
        127 => hint("a command was not found", "is it in the image, and in PATH?"),
        // How shells tell of a signal; the highest there is has the number 64.
        129..=192 => {
            let (number, hint) = (code - 128, advice(code - 128, look));
            format!("exit code {code} (128 + {number}: something in it was ended by {}){hint}", name(number))
        }
        _ => format!("exit code {code}{}", look.words()),
    }
}

/// Of the runner, which nobody asks for its reasons.
pub(super) fn bare_code(code: i64) -> String {
    match code {
        129..=192 => format!("code {code} (128 + {})", name(code - 128)),
        _ => format!("code {code}"),
    }
}

/// Of a step.
pub(super) fn signal(number: i32, look: Look) -> String {
    let number = i64::from(number);
    format!("{}{}", name(number), advice(number, look))
}

fn name(number: i64) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        24 => "XCPU",
        25 => "XFSZ",
        31 => "SYS",
        _ => return format!("signal {number}"),
    };
    format!("signal {number}, {name}")
}

fn advice(number: i64, look: Look) -> &'static str {
    match number {
        4 => ": a program used an instruction that this machine does not have",
        6 if look == Look::Above => ": a program gave up by itself; its output above says why",
        6 => ": a program gave up by itself, and wrote nothing",
        7 | 11 => ": a program crashed on memory that is not its own",
        9 => ": out of memory, mostly, or a `kill -9` of its own",
        13 => ": it wrote to a pipe that nobody reads any more",
        31 => ": a program asked the kernel for something that containers may not do",
        _ => look.words(),
    }
}

/// Where there may be more to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// In what was written.
    Above,
    /// Nothing was written at all.
    Nowhere,
}

impl Look {
    fn words(self) -> &'static str {
        match self {
            Self::Above => ": its output above says why",
            Self::Nowhere => ", and nothing was written: `set -x` in the first line shows each command",
        }
    }
}

/// `90s`, `5m`, `1h30m`: as the spec writes durations.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    if !ms.is_multiple_of(1000) {
        return format!("{ms}ms");
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    let mut text = String::new();
    for (value, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s")] {
        if value > 0 {
            text.push_str(&format!("{value}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_spec_writes_them() {
        let table = [(0, "0s"), (90_000, "1m30s"), (5_400_000, "1h30m"), (3_600_000, "1h"), (1500, "1500ms")];
        for (ms, text) in table {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn every_code_and_signal_has_words() {
        for number in -1..=300 {
            assert!(exit_code(number, Look::Above).contains(&number.to_string()));
        }
        for number in 0..=64 {
            assert!(signal(number, Look::Nowhere).starts_with(&format!("signal {number}")));
        }
    }
}
