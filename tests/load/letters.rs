//! A Maildir of many letters such as people keep: always the same ones, of all sizes and kinds.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Stands in one letter of five thousand.
pub(crate) const RARE: &str = "zanzibarite";
/// Stands in one subject of two hundred.
pub(crate) const TOPIC: &str = "Quarterly";
/// The first letter's date: 2021-01-01.
const EPOCH: usize = 1_609_459_200;
const WORDS: usize = 20_000;

/// xorshift64*: the same numbers everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }

    /// Some words are frequent, most are not.
    fn word(&mut self) -> String {
        let place = self.below(WORDS) * self.below(WORDS) / WORDS;
        word(place)
    }
}

fn word(place: usize) -> String {
    const SYLLABLES: [&str; 27] = [
        "ba", "do", "ki", "lu", "mer", "na", "pol", "ri", "sa", "ten", "vo", "wi", "zu", "an", "ber", "cha",
        "del", "ek", "fin", "gor", "hal", "is", "jo", "kal", "lem", "mi", "or",
    ];
    let (mut place, mut word) = (place + 30, String::new());
    while place > 0 {
        word += SYLLABLES[place % 27];
        place /= 27;
    }
    word
}

/// Writes `count` letters below `folder`/cur.
pub(crate) fn write(folder: &Path, count: usize) -> std::io::Result<String> {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let (octets, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> std::io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let text = letter(number);
            octets.fetch_add(text.len(), Ordering::Relaxed);
            fs::write(folder.join("cur").join(name(number, text.len())), text)?;
        }
    };
    thread::scope(|scope| -> std::io::Result<()> {
        let all: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        all.into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(std::io::Error::other("a panic"))))
    })?;
    Ok(format!("{count} letters, {} MiB", octets.into_inner() >> 20))
}

fn name(number: usize, size: usize) -> String {
    let flags = match number % 20 {
        0 => "",
        1 | 2 => "FS",
        3..6 => "RS",
        _ => "S",
    };
    format!("{}.M{}P7.host,S={size}:2,{flags}", EPOCH + number * 1500, number % 1_000_000)
}

/// Letter `number`, LF line ends.
pub(crate) fn letter(number: usize) -> String {
    let mut dice = Dice::new(number as u64 + 1);
    let mut text = head(&mut dice, number);
    match dice.below(100) {
        0..50 => plain(&mut dice, &mut text, number),
        50..72 => alternative(&mut dice, &mut text, number),
        72..90 => attached(&mut dice, &mut text, number),
        90..97 => encoded(&mut dice, &mut text, number),
        _ => forwarded(&mut dice, &mut text, number),
    }
    text
}

fn head(dice: &mut Dice, number: usize) -> String {
    let mut head = String::with_capacity(16_384);
    let date = date(EPOCH + number * 1500);
    for hop in 0..3 {
        let _ = write!(
            head,
            "Received: from mx{hop}.{}.example (mx{hop}.example [192.0.2.{}])\n\tby mail.example.test with ESMTPS id {:016x};\n\t{date}\n",
            dice.word(),
            dice.below(250),
            dice.next()
        );
    }
    let (from, name) = (dice.below(900), dice.word());
    let _ = writeln!(head, "From: \"{name} {}\" <user{from}@{}.example>", word(from), word(from % 40));
    let _ = writeln!(head, "To: alice@example.test, {} <{}@example.org>", dice.word(), dice.word());
    if dice.below(4) == 0 {
        let _ = writeln!(head, "Cc: {} <{}@example.org>", dice.word(), dice.word());
    }
    let _ = writeln!(head, "Subject: {}", subject(number));
    let _ = writeln!(head, "Date: {date}\nMessage-ID: <{number}.letter@example.net>");
    if let Some(parent) = parent(number) {
        let _ =
            writeln!(head, "In-Reply-To: <{parent}.letter@example.net>\nReferences: {}", ancestors(parent));
    }
    head += "X-Mailer: Example Mail 3.1\nMIME-Version: 1.0\n";
    head
}

/// Two letters in five answer an earlier one.
fn parent(number: usize) -> Option<usize> {
    let mut dice = Dice::new(number as u64 + 77_777_777);
    (number > 50 && dice.below(5) < 2).then(|| number - 1 - dice.below(50))
}

fn ancestors(parent: usize) -> String {
    let mut line = vec![parent];
    while line.len() < 8
        && let Some(older) = line.last().and_then(|last| self::parent(*last))
    {
        line.push(older);
    }
    let names: Vec<String> =
        line.iter().rev().map(|number| format!("<{number}.letter@example.net>")).collect();
    names.join("\n ")
}

/// An answer has the subject of what it all began with.
fn subject(number: usize) -> String {
    if let Some(mut root) = parent(number) {
        while let Some(older) = parent(root) {
            root = older;
        }
        return format!("Re: {}", subject(root));
    }
    let mut dice = Dice::new(number as u64 + 1_000_000_007);
    let words: Vec<String> = (0..2 + dice.below(6)).map(|_| dice.word()).collect();
    match dice.below(200) {
        0 => format!("{TOPIC} report: {}", words.join(" ")),
        1..20 => format!("=?utf-8?Q?Gr=C3=BC=C3=9Fe_{}?= {}", words[0], words[1]),
        _ => words.join(" "),
    }
}

fn prose(dice: &mut Dice, text: &mut String, size: usize, number: usize) {
    let end = text.len() + size;
    let mut column = 0;
    if number % 5000 == 4321 {
        let _ = write!(text, "It is about the {RARE} of old. ");
    }
    while text.len() < end {
        let word = dice.word();
        column += word.len() + 1;
        text.push_str(&word);
        text.push(if column > 68 { '\n' } else { ' ' });
        if column > 68 {
            column = 0;
        }
    }
    text.push('\n');
}

fn plain(dice: &mut Dice, text: &mut String, number: usize) {
    text.push_str("Content-Type: text/plain; charset=utf-8\n\nGrüße,\n\n");
    let size = 500 + dice.below(3000) + if dice.below(20) == 0 { dice.below(30_000) } else { 0 };
    prose(dice, text, size, number);
}

fn alternative(dice: &mut Dice, text: &mut String, number: usize) {
    let _ = write!(
        text,
        "Content-Type: multipart/alternative; boundary=\"=_{number}\"\n\nmulti-part\n--=_{number}\nContent-Type: text/plain\n\n"
    );
    let size = 1000 + dice.below(4000);
    prose(dice, text, size, number);
    let _ = write!(
        text,
        "--=_{number}\nContent-Type: text/html; charset=utf-8\n\n<html><head><style>p {{ color: red }}</style></head><body>\n"
    );
    for _ in 0..3 + dice.below(12) {
        text.push_str("<p class=\"x\">");
        prose(dice, text, 700, 0);
        text.push_str("</p>\n");
    }
    let _ = writeln!(text, "</body></html>\n--=_{number}--");
}

fn attached(dice: &mut Dice, text: &mut String, number: usize) {
    let _ = write!(
        text,
        "Content-Type: multipart/mixed; boundary=\"=_{number}\"\n\n--=_{number}\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe=20\n"
    );
    let size = 300 + dice.below(2000);
    prose(dice, text, size, number);
    for part in 0..1 + dice.below(2) {
        let _ = write!(
            text,
            "--=_{number}\nContent-Type: application/pdf; name=\"{}-{part}.pdf\"\nContent-Disposition: attachment; filename=\"{}-{part}.pdf\"\nContent-Transfer-Encoding: base64\n\n",
            dice.word(),
            dice.word()
        );
        let lines = 80 + dice.below(1000);
        base64(dice, text, lines);
    }
    let _ = writeln!(text, "--=_{number}--");
}

fn base64(dice: &mut Dice, text: &mut String, lines: usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for _ in 0..lines {
        for _ in 0..8 {
            let mut bits = dice.next();
            for _ in 0..9 {
                text.push(char::from(ALPHABET[(bits >> 58) as usize]));
                bits <<= 6;
            }
        }
        text.push('\n');
    }
}

fn encoded(dice: &mut Dice, text: &mut String, number: usize) {
    text.push_str("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<div style=3D\"x\">=\n");
    let size = 3000 + dice.below(20_000);
    prose(dice, text, size, number);
    text.push_str("=C3=A4=C3=B6=C3=BC</div>\n");
}

fn forwarded(dice: &mut Dice, text: &mut String, number: usize) {
    let _ = write!(
        text,
        "Content-Type: multipart/mixed; boundary=\"=_{number}\"\n\n--=_{number}\n\nsee below\n--=_{number}\nContent-Type: message/rfc822\n\n"
    );
    text.push_str(&head(dice, number / 2));
    plain(dice, text, number);
    let _ = writeln!(text, "--=_{number}--");
}

/// RFC 5322's form, of seconds since 1970; Howard Hinnant's days.
fn date(seconds: usize) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let shifted = seconds / 86_400 + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, march) = (day - (153 * month + 2) / 5 + 1, month);
    let month = (march + 2) % 12;
    let year = year + era * 400 + usize::from(month < 2);
    let clock = seconds % 86_400;
    format!(
        "{day} {} {year} {:02}:{:02}:{:02} +0000",
        MONTHS[month],
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
}
