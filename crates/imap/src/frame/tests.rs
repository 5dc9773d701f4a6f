use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { line: 100, kept: 40, literals: 3, skipped: 300 };

/// What a session of a simple mind hears: literals of more than 20 octets it spools, of more than 60 it refuses.
fn hear(pieces: &[&[u8]]) -> Vec<String> {
    let (mut frames, mut heard, mut spooled) = (Frames::new(SMALL), Vec::new(), Vec::new());
    for mut input in pieces.iter().copied() {
        while let Some(taken) = frames.take(&mut input) {
            match taken {
                Taken::Command(frame) if frame.line == b"IDLE" => {
                    frames.expect_line();
                    heard.push("idle".to_owned());
                }
                Taken::Command(frame) => heard.push(format!("{}", Shown(&frame))),
                Taken::Line(line) => heard.push(format!("line {}", line.escape_ascii())),
                Taken::Literal(announced) => {
                    let done = match announced.octets {
                        0..=20 => frames.accept(),
                        21..=60 => frames.accept_spooled(),
                        _ => false,
                    };
                    let sync = if announced.synchronizing { "" } else { "+" };
                    heard.push(format!("asked {}{sync}", announced.octets));
                    if !done {
                        heard.push(format!("refused {:?}", frames.refuse()));
                    }
                }
                Taken::Octets(octets) => spooled.extend_from_slice(octets),
                Taken::LiteralEnd => {
                    heard.push(format!("spooled {}", mem::take(&mut spooled).escape_ascii()))
                }
                Taken::TooLong(head) => heard.push(format!("too long {}", head.escape_ascii())),
                Taken::Endless => {
                    heard.push("endless".to_owned());
                    return heard;
                }
            }
        }
        assert!(input.is_empty());
        assert!(frames.head().line.len() <= SMALL.line);
    }
    heard
}

struct Shown<'a>(&'a Frame);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.line.escape_ascii())?;
        for literal in &self.0.literals {
            let text = literal.text.as_deref().map(|text| text.escape_ascii().to_string());
            write!(f, " [{}-{} {}]", literal.at, literal.end, text.as_deref().unwrap_or("spooled"))?;
        }
        Ok(())
    }
}

#[test]
fn lines_and_literals_are_joined_to_commands() {
    let said = b"a NOOP\r\nb LOGIN {3}\r\njoe ~{2+}\r\n\0\n x\nc APPEND {22+}\r\n1234567890123456789012 {0}\r\n\r\n\r\n";
    assert_eq!(
        hear(&[said]),
        [
            "a NOOP",
            "asked 3",
            "asked 2+",
            "b LOGIN {3} ~{2+} x [8-11 joe] [12-17 \\x00\\n]",
            "asked 22+",
            "spooled 1234567890123456789012",
            "asked 0",
            "c APPEND {22+} {0} [9-14 spooled] [15-18 ]",
            "",
        ]
    );
}

#[test]
fn what_only_looks_like_an_announcement_ends_the_command() {
    for line in ["a {", "a {}", "a {+}", "a {-1}", "a {abc}", "a {1", "a {1}x", "a 1}", "a {1-}", "a { 1}"] {
        assert_eq!(hear(&[line.as_bytes(), b"\r\n"]), [line]);
    }
}

#[test]
fn an_announced_number_costs_nothing() {
    for number in ["4294967295", "9223372036854775808", "99999999999999999999"] {
        let said = format!("a LOGIN {{{number}}}\r\nb NOOP\r\n");
        let heard = hear(&[said.as_bytes()]);
        assert_eq!(heard[1..], ["refused Over", "b NOOP"]);
        let said = format!("a LOGIN {{{number}+}}\r\nb NOOP\r\n");
        assert_eq!(hear(&[said.as_bytes()])[1..], ["refused HangUp", "endless"]);
    }
    assert!(!Frames::new(SMALL).accept());
}

#[test]
fn a_refused_literal_that_comes_all_the_same_is_no_command() {
    let filler = "b NOOP\r\n".repeat(10);
    let said = format!("a LOGIN {{80+}}\r\n{filler} {{8+}}\r\nb NOOP\r\n tail\r\nc NOOP\r\n");
    assert_eq!(hear(&[said.as_bytes()]), ["asked 80+", "refused Over", "c NOOP"]);
}

#[test]
fn the_literals_of_one_command_have_a_bound_together() {
    assert_eq!(
        hear(&[b"a {20}\r\n12345678901234567890 {20}\r\n12345678901234567890 {1}\r\nb NOOP\r\n"]),
        ["asked 20", "asked 20", "asked 1", "refused Over", "b NOOP"]
    );
    assert_eq!(
        hear(&[b"a {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\nx\r\nb\r\n"])[3..],
        ["asked 0+", "refused Over", "b"]
    );
}

#[test]
fn a_line_that_is_too_long_is_passed_over_with_all_it_announces() {
    let long = format!("tag {}", "x".repeat(96));
    assert_eq!(hear(&[long.as_bytes(), b"\n"]), [long.as_str()]);
    let said = format!("{long}yy {{3+}}\r\nb\r\nc {{9}}\r\nd NOOP\r\n");
    assert_eq!(hear(&[said.as_bytes()]), [format!("too long {long}"), "d NOOP".to_owned()]);
    let said = "z".repeat(1000);
    assert_eq!(hear(&[said.as_bytes()])[1..], ["endless"]);
}

#[test]
fn a_raw_line_announces_nothing() {
    assert_eq!(hear(&[b"IDLE\r\nDONE {3}\r\nb\r\n"]), ["idle", "line DONE {3}", "b"]);
    let said = format!("IDLE\r\n{}{{3+}}\r\nb\r\n", "x".repeat(101));
    assert_eq!(hear(&[said.as_bytes()])[2..], ["b"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn cutting_the_input_anywhere_changes_nothing(
        words in proptest::collection::vec(
            prop_oneof![
                Just("a NOOP".to_owned()), Just("\r\n".to_owned()), Just("\n".to_owned()), Just("\r".to_owned()),
                Just("IDLE\r\n".to_owned()), "[{][0-9]{1,2}[+]?[}]\r\n", "~[{]1?[0-9][+]?[}]\r\n", "[a-z{} ]{0,50}",
            ],
            0..24,
        ),
        cuts in proptest::collection::vec(1..12_usize, 1..40),
    ) {
        let said = words.concat();
        let whole = hear(&[said.as_bytes()]);
        let octets: Vec<&[u8]> = said.as_bytes().chunks(1).collect();
        prop_assert_eq!(&hear(&octets), &whole);
        let (mut pieces, mut rest) = (Vec::new(), said.as_bytes());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&hear(&pieces), &whole);
    }
}
