//! What the exit code of a queue program means: qmail-queue's, of which 11 to 40 are for ever and
//! all others for now. Code 82 is spoken in the program's own words.

use wire::{Code, Fate};

/// The program says in words why, on descriptor 6.
pub(crate) const WORDS: i32 = 82;
/// It could not be given the whole message, or did not read it.
pub(crate) const UNWRITTEN: i32 = 53;
/// It took too long.
pub(crate) const TOO_SLOW: i32 = 52;
/// It died of a signal.
pub(crate) const CRASH: i32 = 81;

/// Exit code, the enhanced status code's last two numbers, what to say.
const CODES: &[(i32, u16, u16, &str)] = &[
    (11, 1, 3, "An envelope address is too long for the queue"),
    (31, 3, 0, "The mail server refuses this message for good"),
    (51, 3, 0, "The queue program is out of memory"),
    (TOO_SLOW, 3, 0, "The queue program ran out of time"),
    (UNWRITTEN, 3, 0, "The queue could not be written, or the disk is full"),
    (54, 3, 0, "The queue program could not read the message"),
    (55, 3, 0, "The queue program could not read its configuration"),
    (56, 3, 0, "The queue program has trouble with a network connection"),
    (61, 3, 0, "The queue program can't enter its home directory"),
    (62, 3, 0, "The queue program can't enter the queue directory"),
    (63, 3, 0, "The queue program can't make files in the queue"),
    (64, 3, 0, "The queue program can't make files in the queue"),
    (65, 3, 0, "The queue program can't make files in the queue"),
    (66, 3, 0, "The queue program can't make files in the queue"),
    (71, 3, 0, "The mail server refuses this message for now"),
    (72, 4, 1, "The connection to the mail server timed out"),
    (73, 4, 1, "The connection to the mail server was refused"),
    (74, 4, 2, "The talk with the mail server broke off"),
    (CRASH, 3, 0, "The queue program has a bug"),
    (91, 3, 0, "The queue program could not understand the envelope"),
    (115, 3, 0, "The queue program was built without what this message needs"),
    (120, 3, 0, "The queue program could not be executed"),
];

/// What an exit code other than 0 says.
pub(crate) fn fate(number: i32) -> Fate {
    let forever = (11..=40).contains(&number);
    let (subject, detail, sentence) = match CODES.iter().find(|row| row.0 == number) {
        Some((_, subject, detail, sentence)) => (*subject, *detail, *sentence),
        None if forever => (3, 0, "The queue program refuses this message for good"),
        None => (3, 0, "The queue program has temporary trouble"),
    };
    match forever {
        true => Fate::never(subject, detail, sentence),
        false => Fate::later(subject, detail, sentence),
    }
}

/// What a program that ended with [`WORDS`] wrote: `D` or `Z` and one line. A status code of
/// another class than the letter's is not believed.
pub(crate) fn said(text: &[u8]) -> Fate {
    let line = text.split(|b| matches!(b, b'\n' | 0)).next().unwrap_or_default();
    match Fate::parse(line.strip_suffix(b"\r").unwrap_or(line)) {
        Some(Fate::Never(mut text)) => {
            text.code = if text.code.0 == 5 { text.code } else { Code(5, 3, 0) };
            Fate::Never(text)
        }
        Some(Fate::Later(mut text)) => {
            text.code = if text.code.0 == 4 { text.code } else { Code(4, 3, 0) };
            Fate::Later(text)
        }
        _ => fate(WORDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_to_forty_are_for_ever_and_all_others_for_now() {
        // S58
        for number in 1..=255 {
            let expected = if (11..=40).contains(&number) { b'D' } else { b'Z' };
            assert_eq!(fate(number).letter(), expected, "{number}");
        }
        assert_eq!(fate(11), Fate::never(1, 3, "An envelope address is too long for the queue"));
    }

    #[test]
    fn own_words_stay_one_line_of_their_letters_class() {
        // S58
        assert_eq!(said(b"D5.7.1 a virus"), Fate::never(7, 1, "a virus"));
        assert_eq!(said(b"Zcome back\nmore"), Fate::later(3, 0, "come back"));
        assert_eq!(said(b"Dno\r\n250 ok\n"), Fate::never(3, 0, "no"));
        assert_eq!(said(b"Z5.7.1 odd"), Fate::later(3, 0, "odd"));
        for nonsense in [&b""[..], b"Kfine", b"\n", b"\xff"] {
            assert_eq!(said(nonsense), fate(WORDS));
        }
    }
}
