//! A mail address: the strict grammar of RFC 5321 §4.1.2 with RFC 6531 §3.3, and its two written forms.
//!
//! Inside the suite an address is written as qmail writes it in an envelope: `local@domain`, quotes
//! and backslashes removed, and the *last* `@` parts the two. On the wire and in a header it is
//! written with the quotes its local part needs ([`Address`]'s `Display`).
//! Knows nothing of domains being ours or users existing.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of a domain (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_MAX: usize = 255;
/// Octets of a label of a domain (RFC 1035 §2.3.4).
pub const LABEL_MAX: usize = 63;
/// Octets of an address: a path (RFC 5321 §4.5.3.1.3) without its brackets. A local part alone has
/// no limit below it: the 64 octets of §4.5.3.1.1 are what everybody must take, and reply addresses
/// of large senders are longer.
pub const ADDRESS_MAX: usize = 254;

/// Which letters an address may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// ASCII only.
    Ascii,
    /// UTF-8 too, as SMTPUTF8 allows (RFC 6531).
    Utf8,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Against the grammar.
    Syntax,
    /// Local part, label, domain or the whole is too long.
    TooLong,
    /// It holds letters beyond ASCII, which were not allowed.
    NeedsUtf8,
    /// It has no domain.
    NoDomain,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Syntax => "is not a mail address",
            Fault::TooLong => "is too long for a mail address",
            Fault::NeedsUtf8 => "has letters beyond ASCII",
            Fault::NoDomain => "has no domain",
        })
    }
}

impl core::error::Error for Fault {}

/// An address. The local part is kept without its quotes and in its own case; the domain is in
/// lower case (as far as ASCII goes). Neither holds control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads an address as written on the wire, `alice@example.test` or `"al ice"@[192.0.2.1]`.
    pub fn parse(text: &[u8], letters: Letters) -> Result<Address, Fault> {
        Address::read(text, letters, None)
    }

    /// Like [`Address::parse`], but one without a domain (`root`, `postmaster`) gets `domain`.
    pub fn parse_or_complete(text: &[u8], letters: Letters, domain: &str) -> Result<Address, Fault> {
        Address::read(text, letters, Some(domain))
    }

    /// Reads the envelope form: the last `@` parts local part and domain. Takes what other programs
    /// put into envelopes, so only emptiness and control characters are faults.
    pub fn from_envelope(text: &str) -> Result<Address, Fault> {
        let (local, domain) = text.rsplit_once('@').ok_or(Fault::NoDomain)?;
        match (domain.is_empty(), local.is_empty() || text.chars().any(char::is_control)) {
            (true, _) => Err(Fault::NoDomain),
            (_, true) => Err(Fault::Syntax),
            _ => Ok(Address { local: local.to_owned(), domain: domain.to_ascii_lowercase() }),
        }
    }

    /// The part before the `@`, without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part after the `@`, in lower case; an address literal with its brackets.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The host of an address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`).
    pub fn literal(&self) -> Option<IpAddr> {
        literal(self.domain.strip_prefix('[')?.strip_suffix(']')?)
    }

    /// The same local part at another domain.
    pub fn at(&self, domain: &str) -> Address {
        Address { local: self.local.clone(), domain: domain.to_ascii_lowercase() }
    }

    /// The envelope form: `local@domain`, unquoted.
    pub fn envelope(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// Can it be written in ASCII?
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }

    fn read(text: &[u8], letters: Letters, complete: Option<&str>) -> Result<Address, Fault> {
        let text = core::str::from_utf8(text).map_err(|_| bad_bytes(letters))?;
        if letters == Letters::Ascii && !text.is_ascii() {
            return Err(Fault::NeedsUtf8);
        }
        let (local, rest) = local_part(text)?;
        let domain = match (rest.strip_prefix('@'), complete) {
            (Some(domain), _) => domain_part(domain)?,
            (None, _) if !rest.is_empty() => return Err(Fault::Syntax),
            (None, Some(domain)) => domain.to_ascii_lowercase(),
            (None, None) => return Err(Fault::NoDomain),
        };
        if text.len() > ADDRESS_MAX {
            return Err(Fault::TooLong);
        }
        Ok(Address { local, domain })
    }
}

impl fmt::Display for Address {
    /// The wire form, quoted where the grammar asks for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

fn bad_bytes(letters: Letters) -> Fault {
    match letters {
        Letters::Ascii => Fault::NeedsUtf8,
        Letters::Utf8 => Fault::Syntax,
    }
}

/// The local part without quotes, and what follows it.
fn local_part(text: &str) -> Result<(String, &str), Fault> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_string(quoted);
    }
    let end = text.find('@').unwrap_or(text.len());
    let (local, rest) = text.split_at(end);
    if !is_dot_atom(local) {
        return Err(Fault::Syntax);
    }
    Ok((local.to_owned(), rest))
}

/// The inside of a quoted string and what follows its closing quote. An empty one names nobody.
fn quoted_string(text: &str) -> Result<(String, &str), Fault> {
    let mut inside = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        let c = match c {
            '"' if inside.is_empty() => return Err(Fault::Syntax),
            '"' => return Ok((inside, &text[place + 1..])),
            '\\' => chars.next().map(|(_, c)| c).filter(char::is_ascii).ok_or(Fault::Syntax)?,
            c => c,
        };
        if c.is_control() {
            return Err(Fault::Syntax);
        }
        inside.push(c);
    }
    Err(Fault::Syntax)
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        c if c.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(c),
        c => !c.is_control() && !c.is_whitespace(),
    }
}

/// A domain or an address literal, in lower case.
fn domain_part(text: &str) -> Result<String, Fault> {
    if let Some(inside) = text.strip_prefix('[') {
        let host = inside.strip_suffix(']').filter(|t| t.len() <= DOMAIN_MAX).and_then(literal);
        return match host.ok_or(Fault::Syntax)? {
            IpAddr::V4(ip) => Ok(format!("[{ip}]")),
            IpAddr::V6(ip) => Ok(format!("[IPv6:{ip}]")),
        };
    }
    if !is_domain(text) {
        return Err(Fault::Syntax);
    }
    if text.len() > DOMAIN_MAX || text.split('.').any(|label| label.len() > LABEL_MAX) {
        return Err(Fault::TooLong);
    }
    Ok(text.to_ascii_lowercase())
}

/// Is `text` a domain by its letters? Underscores, which host names in use have, are let pass.
pub fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(is_label_letter)
    })
}

fn is_label_letter(c: char) -> bool {
    match c {
        '-' | '_' => true,
        // RFC 3490 §3.1: what some software takes for a dot must not hide inside a label.
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => false,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => is_atext(c),
    }
}

// RFC 5321 §4.1.3; general literals (`[tag:...]`) have no registered tag but IPv6.
fn literal(inside: &str) -> Option<IpAddr> {
    match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => {
            inside[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        _ => inside.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Fault> {
        Address::parse(text.as_bytes(), Letters::Ascii).map(|a| a.envelope())
    }

    #[test]
    fn ordinary_addresses_keep_their_local_part_and_lower_their_domain() {
        assert_eq!(read("Alice+Tag@Example.TEST").unwrap(), "Alice+Tag@example.test");
        assert_eq!(read("a/b!c%d@x").unwrap(), "a/b!c%d@x");
        assert_eq!(read("u@a_b.example").unwrap(), "u@a_b.example");
    }

    #[test]
    fn quotes_are_removed_inside_and_come_back_where_needed() {
        for (wire, inside, again) in [
            (r#""alice"@x.y"#, "alice@x.y", "alice@x.y"),
            (r#""al ice"@x.y"#, "al ice@x.y", r#""al ice"@x.y"#),
            (r#""a\"\\b"@x.y"#, r#"a"\b@x.y"#, r#""a\"\\b"@x.y"#),
            (r#""u@remote"@x.y"#, "u@remote@x.y", r#""u@remote"@x.y"#),
            (r#""a..b"@x.y"#, "a..b@x.y", r#""a..b"@x.y"#),
        ] {
            let address = Address::parse(wire.as_bytes(), Letters::Ascii).unwrap();
            assert_eq!(address.envelope(), inside);
            assert_eq!(address.to_string(), again);
            assert_eq!(Address::from_envelope(inside).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_never_taken_for_one() {
        // S16, S17, S21, S22, S23, S26
        for text in [
            "",
            "@",
            "@x",
            "a@",
            "\"\"",
            "\"\"@x",
            "\"a",
            "\"a\"b@x",
            "a b@x",
            "a@b c",
            "a@b@c",
            "a@@b",
            ".@x",
            "..@x",
            ".a@x",
            "a.@x",
            "a..b@x",
            "a@.x",
            "a@x.",
            "a@x..y",
            "a@-x",
            "a@x-",
            "<a@x",
            "a@x>",
            "a,b@x",
            "a:b@x",
            "(a)@x",
            "a\0@x",
            "a@x\0",
            "\"a\rb\"@x",
            "\"a\\\rb\"@x",
            "\"a\nb\"@x",
            "\"a\tb\"@x",
            "\"a\0\"@x",
            "a\\b@x",
            "a@x/y",
            ";sleep 5;",
            "() { :;}; touch /tmp/pwn",
        ] {
            assert_eq!(read(text), Err(Fault::Syntax), "{text:?}");
        }
        assert_eq!(read("alice"), Err(Fault::NoDomain));
        assert_eq!(read("\"u@remote\""), Err(Fault::NoDomain));
    }

    #[test]
    fn a_missing_domain_is_completed_and_nothing_inside_quotes_becomes_one() {
        let complete = |text: &str| Address::parse_or_complete(text.as_bytes(), Letters::Ascii, "me.test");
        assert_eq!(complete("root").unwrap().envelope(), "root@me.test");
        let sly = complete("\"u@remote\"").unwrap();
        assert_eq!((sly.local(), sly.domain()), ("u@remote", "me.test"));
        assert_eq!(complete("u@"), Err(Fault::Syntax));
    }

    #[test]
    fn every_length_has_its_limit() {
        // S14, S15
        let x = |n| "x".repeat(n);
        assert!(read(&format!("{}@d", x(252))).is_ok());
        for n in [253, 255, 1000] {
            assert_eq!(read(&format!("{}@d", x(n))), Err(Fault::TooLong));
        }
        assert!(read(&format!("a@{}.b", x(63))).is_ok());
        assert_eq!(read(&format!("a@{}.b", x(64))), Err(Fault::TooLong));
        let labels = |n: usize| vec![x(9); n].join(".");
        assert!(read(&format!("ab@{}", labels(25))).is_ok(), "251 octets of domain");
        assert_eq!(read(&format!("a@{}", labels(26))), Err(Fault::TooLong));
        assert_eq!(read(&format!("{}@{}", x(40), labels(25))), Err(Fault::TooLong), "the whole");
    }

    #[test]
    fn address_literals_are_real_addresses_or_nothing() {
        // S25
        assert_eq!(read("u@[127.0.0.1]").unwrap(), "u@[127.0.0.1]");
        assert_eq!(read("u@[ipv6:0:0::1]").unwrap(), "u@[IPv6:::1]");
        let address = Address::parse(b"u@[IPv6:::1]", Letters::Ascii).unwrap();
        assert_eq!(address.literal(), Some("::1".parse().unwrap()));
        let long = format!("u@[IPv6:{}]", "1".repeat(300));
        for text in ["u@[", "u@[]", "u@[999.1.1.1]", "u@[1.2.3]", "u@[01.2.3.4]", "u@[::1]", "u@[x:y]", &long]
        {
            assert_eq!(read(text), Err(Fault::Syntax), "{text}");
        }
    }

    #[test]
    fn letters_beyond_ascii_need_leave_and_must_be_utf_8() {
        // S24
        let (ascii, utf8) = (Letters::Ascii, Letters::Utf8);
        assert_eq!(Address::parse("jörg@x.y".as_bytes(), ascii), Err(Fault::NeedsUtf8));
        assert_eq!(Address::parse("j@bücher.de".as_bytes(), ascii), Err(Fault::NeedsUtf8));
        assert!(Address::parse("jörg@bücher.de".as_bytes(), utf8).is_ok());
        assert_eq!(Address::parse(b"j\xf6rg@x.y", ascii), Err(Fault::NeedsUtf8));
        assert_eq!(Address::parse(b"j\xf6rg@x.y", utf8), Err(Fault::Syntax));
        for text in ["a\u{85}b@x", "a\u{2028}b@x", "a@x\u{3002}y", "a@x\u{a0}y", "\"a\u{9f}\"@x"] {
            assert_eq!(Address::parse(text.as_bytes(), utf8), Err(Fault::Syntax), "{text:?}");
        }
    }

    #[test]
    fn written_and_read_again_it_is_the_same() {
        for local in ["a", "a b", "\"", "\\", "a@b", ".", "a..b", "\\\"", "jörg", "j rg ö"] {
            let address = Address::from_envelope(&format!("{local}@x.y")).unwrap();
            let again = Address::parse(address.to_string().as_bytes(), Letters::Utf8);
            assert_eq!(again, Ok(address));
        }
    }
}
