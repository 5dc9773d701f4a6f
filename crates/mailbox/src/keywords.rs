//! Flags and keywords as letters in file names, and the file that names the keywords.
//!
//! `fulmar-keywords` has the format of `dovecot-keywords`: a line for each, its number and its name. The first
//! 26 are the letters a to z in file names, so that they outlive the index; the others live in the index only.

use imap::{Flags, Message};

use crate::state::MOST_KEYWORDS;

/// Keywords with a letter.
pub(crate) const LETTERS: usize = 26;
/// Their bits.
pub(crate) const WITH_LETTER: u64 = (1 << LETTERS) - 1;
/// Longest name of a keyword that is taken, octets.
pub(crate) const LONGEST: usize = 100;

const SYSTEM: [(u8, Flags); 5] = [
    (b'D', Flags::DRAFT),
    (b'F', Flags::FLAGGED),
    (b'R', Flags::ANSWERED),
    (b'S', Flags::SEEN),
    (b'T', Flags::DELETED),
];

/// The letters in a name's tail; none unless it is `:2,letters`.
pub(crate) fn letters(tail: &[u8]) -> &[u8] {
    tail.strip_prefix(b":2,").unwrap_or_default()
}

/// The system flags in a name's tail.
pub(crate) fn flags(tail: &[u8]) -> Flags {
    let letters = letters(tail);
    SYSTEM
        .iter()
        .filter(|(letter, _)| letters.contains(letter))
        .fold(Flags::NONE, |flags, (_, flag)| flags | *flag)
}

/// `keywords` with those that have letters as the tail has them; of letters, the first `known` have a name.
pub(crate) fn with_letters(keywords: u64, tail: &[u8], known: usize) -> u64 {
    let bits = letters(tail).iter().filter(|letter| letter.is_ascii_lowercase());
    let bits = bits.map(|letter| 1 << (letter - b'a')).fold(0, |bits, bit: u64| bits | bit);
    let named = if known >= LETTERS { WITH_LETTER } else { (1 << known) - 1 };
    keywords & !WITH_LETTER | bits & named
}

/// The tail of a file's name that says what `message` has; letters that are not ours to set stay.
pub(crate) fn tail(message: &Message, old: &[u8], known: usize) -> Vec<u8> {
    let named = if known >= LETTERS { WITH_LETTER } else { (1 << known) - 1 };
    let ours = |letter: u8| {
        SYSTEM.iter().any(|(system, _)| *system == letter)
            || letter.is_ascii_lowercase() && named >> (letter - b'a') & 1 == 1
    };
    let mut set: Vec<u8> = letters(old).iter().copied().filter(|letter| !ours(*letter)).collect();
    set.extend(SYSTEM.iter().filter(|(_, flag)| message.flags.has(*flag)).map(|(letter, _)| *letter));
    set.extend(
        (0..LETTERS as u8).filter(|bit| (message.keywords & named) >> bit & 1 == 1).map(|bit| b'a' + bit),
    );
    set.sort_unstable();
    set.dedup();
    [b":2,", &set[..]].concat()
}

/// Is this a keyword that can be kept: an atom of moderate length?
pub(crate) fn is_name(name: &str) -> bool {
    let special = |octet: u8| octet <= b' ' || octet >= 127 || b"(){%*\"\\]".contains(&octet);
    !name.is_empty() && name.len() <= LONGEST && !name.bytes().any(special)
}

/// Reads the file. Lines that can't be right are passed over, a number that is missing gets a name of its own.
pub(crate) fn read(text: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let Some((number, name)) = line.split_once(' ') else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        if number >= MOST_KEYWORDS
            || !is_name(name)
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
        {
            continue;
        }
        while names.len() <= number {
            names.push(format!("$Unknown{}", names.len()));
        }
        name.clone_into(&mut names[number]);
    }
    names
}

/// Reads Courier's list: the names, an empty line, and for each message that has any, `base:0 2`. Gives bases and names.
pub(crate) fn read_courier(text: &[u8]) -> Vec<(Vec<u8>, Vec<String>)> {
    let mut lines = text.split(|octet| *octet == b'\n');
    let names: Vec<String> = lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(line).into())
        .collect();
    let message = |line: &[u8]| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let numbers = std::str::from_utf8(&line[colon + 1..]).ok()?.split_ascii_whitespace();
        let words = numbers.filter_map(|number| names.get(number.parse::<usize>().ok()?).cloned());
        let words: Vec<String> = words.filter(|name| is_name(name)).take(MOST_KEYWORDS).collect();
        (!words.is_empty()).then(|| (line[..colon].to_vec(), words))
    };
    lines.filter_map(message).collect()
}

/// Writes the file.
pub(crate) fn write(names: &[String]) -> String {
    names.iter().enumerate().map(|(number, name)| format!("{number} {name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_are_not_ours_stay_and_the_rest_says_what_the_message_has() {
        let message = Message { flags: Flags::SEEN | Flags::ANSWERED, keywords: 0b101, ..Message::default() };
        assert_eq!(tail(&message, b":2,PTzb", 3), b":2,PRSacz");
        assert_eq!(tail(&message, b"", 1), b":2,RSa");
        assert_eq!(flags(b":2,DFRSTP"), Flags(31));
        assert_eq!(flags(b":1,S"), Flags::NONE);
        assert_eq!(with_letters(1 << 40 | 1, b":2,bz", 2), 1 << 40 | 2);
    }

    #[test]
    fn a_damaged_list_of_keywords_keeps_the_numbers_of_the_sound_lines() {
        assert_eq!(
            read(b"0 $Forwarded\n2 a b\nx y\n2 Two\n99 far\n\xff\n"),
            ["$Forwarded", "$Unknown1", "Two"]
        );
        assert_eq!(read(write(&read(b"0 A\n1 B\n")).as_bytes()), ["A", "B"]);
    }
}
