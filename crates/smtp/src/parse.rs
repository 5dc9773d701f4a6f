//! The arguments of commands: paths, parameters, chunk sizes, names. RFC 5321 §4.1.2.
//!
//! Every function takes what is left of a line and says what it holds or which reply it earns.

use message::address::{ADDRESS_MAX, Address, Fault, Letters, is_domain};

use crate::Reply;

/// What MAIL may say beside the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE: the octets the client expects to send. A number too large to hold is the largest.
    pub size: Option<u64>,
    /// BODY=8BITMIME.
    pub eight_bit: bool,
    /// SMTPUTF8.
    pub utf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub requiretls: bool,
}

/// One parameter: its name and how its value is taken in. `Err`: the value is bad.
type Parameter = (&'static str, fn(&mut MailParameters, Option<&[u8]>) -> Result<(), ()>);

const MAIL_PARAMETERS: &[Parameter] = &[
    ("SIZE", |mail, value| size(value).map(|size| mail.size = Some(size))),
    ("BODY", |mail, value| body(value).map(|eight_bit| mail.eight_bit = eight_bit)),
    ("REQUIRETLS", |mail, value| {
        mail.requiretls = true;
        value.map_or(Ok(()), |_| Err(()))
    }),
    ("SMTPUTF8", |mail, value| {
        mail.utf8 = true;
        value.map_or(Ok(()), |_| Err(()))
    }),
    // RFC 4954 §5: what an untrusted client says about its users counts for nothing.
    ("AUTH", |_, value| value.map(|_| ()).ok_or(())),
];

/// The verb of a line and its arguments, blanks around both removed.
pub(crate) fn verb(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_end();
    let end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    (verb, rest.trim_ascii())
}

/// The arguments of MAIL. `domain` completes a sender that has none.
pub(crate) fn mail(rest: &[u8], domain: &str) -> Result<(Option<Address>, MailParameters), Reply> {
    let (path, words) = path(rest, b"FROM:").ok_or(Reply::BAD_SENDER)?;
    let parameters = mail_parameters(words)?;
    let letters = if parameters.utf8 { Letters::Utf8 } else { Letters::Ascii };
    let sender = match path {
        b"" => None,
        // The sender of qmail's double bounces.
        b"#@[]" => Address::from_envelope("#@[]").ok(),
        path => Some(address(path, letters, domain).map_err(|fault| match fault {
            Fault::TooLong => Reply::LONG_SENDER,
            Fault::NeedsUtf8 => Reply::WANT_UTF8,
            Fault::Syntax | Fault::NoDomain => Reply::BAD_SENDER,
        })?),
    };
    Ok((sender, parameters))
}

/// The arguments of RCPT. `domain` completes a recipient that has none.
pub(crate) fn rcpt(rest: &[u8], letters: Letters, domain: &str) -> Result<Address, Reply> {
    let (path, words) = path(rest, b"TO:").ok_or(Reply::BAD_RECIPIENT)?;
    if let Some(word) = words_of(words).next() {
        return Err(if keyword(word).is_some() { Reply::UNKNOWN_PARAMETER } else { Reply::SYNTAX });
    }
    address(path, letters, domain).map_err(|fault| match fault {
        Fault::TooLong => Reply::LONG_RECIPIENT,
        Fault::NeedsUtf8 => Reply::WANT_UTF8,
        Fault::Syntax | Fault::NoDomain => Reply::BAD_RECIPIENT,
    })
}

/// The arguments of BDAT: octets, and whether it is the last chunk. RFC 3030 §2.
pub(crate) fn chunk(rest: &[u8]) -> Option<(u64, bool)> {
    let mut words = words_of(rest);
    let octets = number(words.next()?)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some((octets, last))
}

/// The name in HELO and EHLO. Names in use are often none by the grammar, so any word will do.
pub(crate) fn helo(rest: &[u8]) -> Option<&str> {
    let good = !rest.is_empty() && rest.len() <= 255 && rest.iter().all(u8::is_ascii_graphic);
    if good { core::str::from_utf8(rest).ok() } else { None }
}

/// The inside of `<...>` (or, as many old clients write it, a bare word) and what follows.
fn path<'a>(rest: &'a [u8], keyword: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let given = rest.get(..keyword.len())?;
    if !given.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest[keyword.len()..].trim_ascii_start();
    let Some(inside) = rest.strip_prefix(b"<") else {
        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        let good = !word.is_empty() && !word.contains(&b'<') && !word.contains(&b'>');
        return good.then_some((word, rest));
    };
    let end = closing(inside)?;
    let after = &inside[end + 1..];
    let good = after.is_empty() || after[0] == b' ';
    good.then_some((&inside[..end], after))
}

/// Where the `>` is that no quotes hide.
fn closing(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|byte| {
        let found = *byte == b'>' && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && quoted && !escaped;
        found
    })
}

/// An address, its source route (RFC 5321 §4.1.1.3, appendix C) dropped.
fn address(path: &[u8], letters: Letters, domain: &str) -> Result<Address, Fault> {
    if path.len() > ADDRESS_MAX {
        return Err(Fault::TooLong);
    }
    let mailbox = match path.first() {
        Some(b'@') => without_route(path).ok_or(Fault::Syntax)?,
        _ => path,
    };
    Address::parse_or_complete(mailbox, letters, domain)
}

fn without_route(path: &[u8]) -> Option<&[u8]> {
    let colon = path.iter().position(|b| *b == b':')?;
    let route = core::str::from_utf8(&path[..colon]).ok()?;
    let good = route.split(',').all(|hop| hop.strip_prefix('@').is_some_and(is_domain));
    // A route leads to an address with a domain; completing it would turn it into another one.
    let mailbox = &path[colon + 1..];
    (good && mailbox.contains(&b'@')).then_some(mailbox)
}

fn mail_parameters(words: &[u8]) -> Result<MailParameters, Reply> {
    let mut parameters = MailParameters::default();
    let mut seen = [false; MAIL_PARAMETERS.len()];
    for word in words_of(words) {
        let (name, value) = keyword(word).ok_or(Reply::SYNTAX)?;
        let place = MAIL_PARAMETERS.iter().position(|row| name.eq_ignore_ascii_case(row.0.as_bytes()));
        let place = place.ok_or(Reply::UNKNOWN_PARAMETER)?;
        if core::mem::replace(&mut seen[place], true) {
            return Err(Reply::BAD_PARAMETER);
        }
        (MAIL_PARAMETERS[place].1)(&mut parameters, value).map_err(|()| Reply::BAD_PARAMETER)?;
    }
    Ok(parameters)
}

fn words_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b' ').filter(|word| !word.is_empty())
}

/// `keyword[=value]`, RFC 5321 §4.1.2 (esmtp-param).
fn keyword(word: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let end = word.iter().position(|b| *b == b'=').unwrap_or(word.len());
    let (name, value) = (&word[..end], word.get(end + 1..));
    let good_name = name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let good_value =
        value.is_none_or(|v| !v.is_empty() && v.iter().all(|b| b.is_ascii_graphic() && *b != b'='));
    (good_name && good_value).then_some((name, value))
}

// RFC 1870 §4: up to 20 digits.
fn size(value: Option<&[u8]>) -> Result<u64, ()> {
    let digits = value.filter(|v| v.iter().all(u8::is_ascii_digit)).ok_or(())?;
    Ok(number(digits).unwrap_or(u64::MAX))
}

fn body(value: Option<&[u8]>) -> Result<bool, ()> {
    match value {
        Some(value) if value.eq_ignore_ascii_case(b"7BIT") => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"8BITMIME") => Ok(true),
        _ => Err(()),
    }
}

/// Digits only; `None` also when the number is too large to hold.
fn number(digits: &[u8]) -> Option<u64> {
    let good = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = if good { core::str::from_utf8(digits).ok()? } else { return None };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<String, Reply> {
        mail(text.as_bytes(), "me.test").map(|(sender, _)| sender.map_or(String::new(), |a| a.envelope()))
    }

    fn to(text: &str) -> Result<String, Reply> {
        rcpt(text.as_bytes(), Letters::Ascii, "me.test").map(|a| a.envelope())
    }

    #[test]
    fn paths_in_use_are_understood() {
        for (text, expect) in [
            ("TO:<a@b>", "a@b"),
            ("to: <a@b>", "a@b"),
            ("TO:a@b", "a@b"),
            ("TO:<@x,@y.z:a@b>", "a@b"),
            ("TO:<\"a> b\"@c>", "a> b@c"),
            ("TO:<\"a\\\">\"@c>", "a\">@c"),
            ("TO:<postmaster>", "postmaster@me.test"),
            ("TO:<a@[127.0.0.1]>", "a@[127.0.0.1]"),
        ] {
            assert_eq!(to(text).as_deref(), Ok(expect), "{text}");
        }
        assert_eq!(from("FROM:<>").unwrap(), "");
        assert_eq!(from("FROM:<> SIZE=1").unwrap(), "");
        assert_eq!(from("FROM:<#@[]>").unwrap(), "#@[]");
    }

    #[test]
    fn a_broken_path_is_never_taken_for_another_address() {
        // S16, S17, S26
        for text in [
            "",
            "TO",
            "TO:",
            "TO: ",
            "TO:<>",
            "TO:<\"\">",
            "TO:<\"\"@dom>",
            "TO:<@>",
            "TO:<a@>",
            "TO:<user@dom",
            "TO:user@dom>",
            "TO:<<a@b>",
            "TO:<a@b>>",
            "TO:<a@b>x",
            "TO:<a@b",
            "TO:<a@b,c@d>",
            "TO:<\"a@b>",
            "TO:<u@r@d>",
            "TO:<@x:>",
            "TO:<@x:a>",
            "TO:<@x a@b>",
            "TO:<@:a@b>",
            "TO:<@x,y:a@b>",
            "TO:<a@b\0>",
            "FROM:<a@b>",
        ] {
            assert_eq!(to(text), Err(Reply::BAD_RECIPIENT), "{text}");
        }
        assert_eq!(from("FROM:"), Err(Reply::BAD_SENDER));
        assert_eq!(from("FROM:<a@b> x y"), Err(Reply::UNKNOWN_PARAMETER));
    }

    #[test]
    fn a_long_path_is_refused_even_when_most_of_it_is_route() {
        // S15
        let route = vec!["@x.example"; 25].join(",");
        assert_eq!(to(&format!("TO:<{route}:a@b>")), Err(Reply::LONG_RECIPIENT));
        assert_eq!(from(&format!("FROM:<{}@b>", "a".repeat(255))), Err(Reply::LONG_SENDER));
    }

    #[test]
    fn sizes_never_overflow_to_small_numbers() {
        // S30
        let size = |text: &str| mail(text.as_bytes(), "x").map(|(_, p)| p.size);
        assert_eq!(size("FROM:<a@b> SIZE=1000"), Ok(Some(1000)));
        assert_eq!(size("FROM:<a@b> size=999999999999999999999"), Ok(Some(u64::MAX)));
        assert_eq!(size("FROM:<a@b> SIZE=18446744073709551616"), Ok(Some(u64::MAX)));
        for bad in ["SIZE=-1", "SIZE=abc", "SIZE", "SIZE=1 SIZE=1", "SIZE=+1", "SIZE=1 SIZE=2"] {
            assert_eq!(size(&format!("FROM:<a@b> {bad}")), Err(Reply::BAD_PARAMETER), "{bad}");
        }
        assert_eq!(size("FROM:<a@b> SIZE="), Err(Reply::SYNTAX));
    }

    #[test]
    fn unknown_doubled_and_malformed_parameters_are_refused() {
        // S31, S42
        for (words, expect) in [
            ("FOO=bar", Reply::UNKNOWN_PARAMETER),
            ("RET=foo", Reply::UNKNOWN_PARAMETER),
            ("BODY=XYZ", Reply::BAD_PARAMETER),
            ("BODY=8BITMIME BODY=7BIT", Reply::BAD_PARAMETER),
            ("SMTPUTF8=1", Reply::BAD_PARAMETER),
            ("=x", Reply::SYNTAX),
            ("A==", Reply::SYNTAX),
            ("-A=1", Reply::SYNTAX),
            ("X=\x01", Reply::SYNTAX),
        ] {
            assert_eq!(from(&format!("FROM:<a@b> {words}")), Err(expect), "{words}");
        }
        assert_eq!(from("FROM:<a@b> AUTH=<> body=8bitmime SMTPUTF8").as_deref(), Ok("a@b"));
        assert_eq!(to("TO:<a@b> ORCPT=rfc822;a+0D+0Ab"), Err(Reply::UNKNOWN_PARAMETER));
        assert_eq!(to("TO:<a@b> \x01"), Err(Reply::SYNTAX));
    }

    #[test]
    fn a_chunk_size_is_a_plain_number_that_fits() {
        // S33
        assert_eq!(chunk(b"0 LAST"), Some((0, true)));
        assert_eq!(chunk(b"12  last"), Some((12, true)));
        assert_eq!(chunk(b"12"), Some((12, false)));
        for bad in ["", "-1", "+1", "99999999999999999999", "1 LAST x", "1 FIRST", "LAST", "0x10", "1e3"] {
            assert_eq!(chunk(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_name_is_one_printable_word() {
        // S12
        assert_eq!(helo(b"[192.0.2.1]"), Some("[192.0.2.1]"));
        for bad in [&b""[..], b"a b", b"a\x07", b"\xff", &[b'a'; 12_000]] {
            assert_eq!(helo(bad), None);
        }
    }
}
