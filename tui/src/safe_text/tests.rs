//! What may come out of the door, whatever goes in.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use super::parse::is_treacherous;
use super::*;

fn shown(text: &str) -> String {
    log_line(text.as_bytes(), &mut Sgr::default()).as_str().to_owned()
}

#[test]
fn what_is_removed_and_what_stays() {
    let table = [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hhome", "home"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;aGVsbG8=\x1b\\after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\dcs", "dcs"),
        ("\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\rest", "rest"),
        ("\x1b[6n\x1b[c\x1bZquery", "query"),
        ("\u{9b}31mc1", "31mc1"),
        ("bell\x07 back\x08 nul\0", "bell back nul"),
        ("10%\r20%\r30%", "30%"),
        ("done\r", "done"),
        ("a\tb", "a       b"),
        ("rtl \u{202e}txt", "rtl <U+202E>txt"),
        ("zero\u{200b}width\u{feff}", "zero<U+200B>width<U+FEFF>"),
        ("tag\u{e0041}", "tag<U+E0041>"),
        ("soft\u{ad}hyphen", "soft<U+00AD>hyphen"),
        ("\u{301}alone", "◌\u{301}alone"),
        ("unterminated \x1b]0;swallow", "unterminated "),
        ("heart\u{2764}\u{fe0f}", "heart\u{2764}"),
        ("\u{4f60}\u{597d}", "\u{4f60}\u{597d}"),
    ];
    for (from, to) in table {
        assert_eq!(shown(from), to, "{from:?}");
    }
}

#[test]
fn invalid_utf_8_is_replaced_and_never_cuts() {
    let line = log_line(b"a\xffb\xc3", &mut Sgr::default());
    assert_eq!(line.as_str(), "a\u{fffd}b\u{fffd}");
    assert_eq!(label(b"x\xf0\x9f").as_str(), "x\u{fffd}");
}

#[test]
fn marks_are_capped() {
    let zalgo = format!("a{}b", "\u{301}".repeat(100));
    assert_eq!(shown(&zalgo).chars().filter(|c| *c == '\u{301}').count(), 8);
}

#[test]
fn styles_are_kept() {
    let line = log_line(b"\x1b[1;31merror\x1b[0m: \x1b[38;5;208mx\x1b[48:2::1:2:3my", &mut Sgr::default());
    let pieces: Vec<_> = line.pieces().collect();
    let red = Sgr { bold: true, foreground: Some(Colour::Indexed(1)), ..Sgr::default() };
    let orange = Sgr { foreground: Some(Colour::Indexed(208)), ..Sgr::default() };
    let both = Sgr { background: Some(Colour::Rgb(1, 2, 3)), ..orange };
    assert_eq!(pieces, [("error", red), (": ", Sgr::default()), ("x", orange), ("y", both)]);
}

#[test]
fn a_style_goes_on_in_the_next_line() {
    let mut style = Sgr::default();
    let _ = log_line(b"\x1b[32mgreen", &mut style);
    let next = log_line(b"still", &mut style);
    let green = Sgr { foreground: Some(Colour::Indexed(2)), ..Sgr::default() };
    assert_eq!(next.pieces().collect::<Vec<_>>(), [("still", green)]);
}

#[test]
fn text_on_its_own_colour_becomes_readable_and_conceal_is_ignored() {
    for hidden in ["\x1b[30;40msecret", "\x1b[38;2;9;9;9;48;2;8;8;8msecret", "\x1b[8msecret", "\x1b[5msecret"] {
        let line = log_line(hidden.as_bytes(), &mut Sgr::default());
        assert_eq!(line.pieces().collect::<Vec<_>>(), [("secret", Sgr::default())], "{hidden:?}");
    }
}

#[test]
fn a_label_is_one_plain_line() {
    assert_eq!(label("two\nlines\r\n \x1b[31mred").pieces().collect::<Vec<_>>(), [("two lines   red", Sgr::default())]);
}

#[test]
fn columns_cut_wide_characters_into_spaces() {
    let line = label("a\u{4f60}b\u{597d}c");
    assert_eq!(line.columns(0, 2).as_str(), "a ");
    assert_eq!(line.columns(2, 2).as_str(), " b");
    assert_eq!(line.columns(1, 3).as_str(), "\u{4f60}b");
    assert_eq!(line.fitted(4).as_str(), "a\u{4f60}…");
    assert_eq!(line.fitted(0).as_str(), "");
}

#[test]
fn colours_survive_the_way_to_a_terminal() {
    let line = log_line(b"\x1b[1;38;5;9mbad\x1b[0m fine", &mut Sgr::default());
    assert_eq!(line.to_ansi(), "\x1b[0;1;38;5;9mbad\x1b[0m fine");
    let again = log_line(line.to_ansi().as_bytes(), &mut Sgr::default());
    assert_eq!(again, line);
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let scrap = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        "\\x1b[\\[\\]PX^_][0-9;:?]{0,8}[a-zA-Z\\x07]".prop_map(String::into_bytes),
        (0u16..200, 0u16..300).prop_map(|(a, b)| format!("\x1b[{a};{b}m").into_bytes()),
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        (0xe0000u32..0xe0fff).prop_map(|c| char::from_u32(c).into_iter().collect::<String>().into_bytes()),
        (0x2000u32..0x2070).prop_map(|c| char::from_u32(c).into_iter().collect::<String>().into_bytes()),
    ];
    proptest::collection::vec(scrap, 0..12).prop_map(|scraps| scraps.concat())
}

fn check(line: &SafeLine) -> Result<(), TestCaseError> {
    for c in line.as_str().chars() {
        prop_assert!(!c.is_control(), "control {c:?}");
        prop_assert!(!is_treacherous(c), "treacherous {c:?}");
    }
    let whole: String = line.pieces().map(|(text, _)| text).collect();
    prop_assert_eq!(whole.as_str(), line.as_str());
    Ok(())
}

proptest! {
    #[test]
    fn nothing_hostile_comes_out(bytes in hostile()) {
        check(&label(&bytes))?;
        let mut style = Sgr::default();
        let line = log_line(&bytes, &mut style);
        check(&line)?;
        for c in line.to_ansi().replace("\x1b[0", "").chars() {
            prop_assert!(!c.is_control());
        }
    }

    #[test]
    fn safe_text_stays_as_it_is(bytes in hostile()) {
        let once = label(&bytes);
        prop_assert_eq!(label(once.as_str()), once);
    }

    #[test]
    fn columns_have_the_width_asked_for(bytes in hostile(), from in 0usize..40, width in 0usize..40) {
        let line = log_line(&bytes, &mut Sgr::default());
        let cut = line.columns(from, width);
        check(&cut)?;
        prop_assert!(cut.width() <= width, "{} columns of {width}", cut.width());
        prop_assert!(line.fitted(width).width() <= width);
    }

    #[test]
    fn rows_are_the_line_cut_to_width_and_nothing_is_lost(bytes in hostile(), width in 0usize..40) {
        let line = log_line(&bytes, &mut Sgr::default());
        let rows = line.rows(width);
        let pieces = |line: &SafeLine| line.pieces().flat_map(|(text, sgr)| text.chars().map(move |c| (c, sgr)).collect::<Vec<_>>()).collect::<Vec<_>>();
        prop_assert_eq!(rows.iter().flat_map(pieces).collect::<Vec<_>>(), pieces(&line));
        for row in &rows {
            check(row)?;
            // What is one sign for the reader is never torn, however wide.
            let several = row.as_str().graphemes(true).count() > 1;
            prop_assert!(row.width() <= width.max(1) || !several, "{} columns of {width}", row.width());
        }
    }
}
